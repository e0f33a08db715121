"""A lexicon, a topology and trees small enough to enumerate everything by hand."""

import itertools

import numpy as np
from kaldifst import StdVectorFst, arcsort

from steps.hmm.topology import Topology
from steps.hmm.train_graph import GraphBuilder
from steps.hmm.transitions import TransitionModel
from utils.lang import prepare_lang
from utils.lang.langdir import LangDir

LEXICON = ["!SIL 1.0 SIL", "<unk> 1.0 SPN", "ab 0.8 a b", "ab 0.4 a", "b 1.0 b", "ba 1.0 b a"]


def make_lang(directory, *options):
    """A lang directory without positions: SIL SPN a b; `ab` has two pronunciations."""
    dict_dir = directory / "dict"
    dict_dir.mkdir(parents=True)
    for name, lines in {"lexiconp.txt": LEXICON, "silence_phones.txt": ["SIL", "SPN"],
                        "nonsilence_phones.txt": ["a", "b"], "optional_silence.txt": ["SIL"],
                        "extra_questions.txt": []}.items():
        (dict_dir / name).write_text("".join(f"{line}\n" for line in lines))
    prepare_lang.main(["--position-dependent-phones", "false", "--sil-prob", "0.3", *options,
                       dict_dir, "<unk>", directory / "lang"])
    return LangDir(directory / "lang")


class EveryWindow:
    """A tree that has a pdf of its own for each window of phones and pdf class."""

    def __init__(self, context_width, phones, num_classes):
        self.context_width = context_width
        self.central_position = context_width // 2
        windows = itertools.product([0, *phones], repeat=context_width)
        self.index = {key: i for i, key in enumerate(itertools.product(
            windows, range(num_classes)))}
        self.num_pdfs = len(self.index)

    def pdf(self, window, pdf_class):
        return self.index[tuple(window), pdf_class]

    def possible_pdfs(self, phone, pdf_class):
        return sorted(pdf for (window, cls), pdf in self.index.items()
                      if window[self.central_position] == phone and cls == pdf_class)

    def pdfs(self, windows, classes):
        return np.array([self.pdf(w, c) for w, c in zip(map(tuple, windows.tolist()),
                                                        classes.tolist(), strict=True)], np.int32)


def linear_topo(phones, num_states=2):
    """num_states states from left to right, each with a loop."""
    states = [(s, [(s, 0.6), (s + 1, 0.4)]) for s in range(num_states)] + [(-1, [])]
    return Topology(dict.fromkeys(phones, states))


def builder_of(lang, context_width, num_states=2, topo=None):
    """GraphBuilder, TransitionModel and tree with a pdf for every window."""
    phones = lang.silence_phones + lang.nonsilence_phones
    topo = topo or linear_topo(phones, num_states)
    tree = EveryWindow(context_width, phones, max(map(topo.num_pdf_classes, phones)))
    transitions = TransitionModel.from_tree(topo, tree)
    lexicon = StdVectorFst.read(str(lang.path / "L.fst"))
    arcsort(lexicon, sort_type="olabel")
    return GraphBuilder(lexicon, transitions, tree), transitions, tree


def phone_sequences(lang, words, sil_prob=0.3):
    """{phones: cost} of a transcript: every pronunciation, silence or not at every boundary."""
    prons = {"ab": [("a b", 0.8), ("a", 0.4)], "b": [("b", 1.0)], "ba": [("b a", 1.0)],
             "<unk>": [("SPN", 1.0)], "!SIL": [("SIL", 1.0)]}
    silences = [([], -np.log(1 - sil_prob)), (["SIL"], -np.log(sil_prob))]
    result = {}
    for chosen in itertools.product(*(prons[word] for word in words)):
        for boundary in itertools.product(silences, repeat=len(words) + 1):
            phones, cost = list(boundary[0][0]), boundary[0][1]
            for (pron, prob), (silence, more) in zip(chosen, boundary[1:], strict=True):
                phones += pron.split() + silence
                cost += more - np.log(prob)
            key = tuple(lang.phones[p] for p in phones)
            result[key] = min(cost, result.get(key, np.inf))
    return result
