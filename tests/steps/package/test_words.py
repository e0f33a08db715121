"""Confidences and times of words, against a slow computation by the definition."""

import numpy as np
import pytest

from steps.decode.word_times import phone_segments
from steps.hmm.model import read_transitions
from steps.package.words import SHARPNESS, Word, WordTimes, _label_segments, joined
from utils.lang.langdir import LangDir


@pytest.fixture(scope="module")
def model(packed):
    return read_transitions(packed.network / "final.mdl"), LangDir(packed.graph)


def path_of(transitions, lang, word, frames=4):
    """Transition-ids of a word's phones, each HMM state that many frames."""
    tids = []
    for phone in lang.align_lexicon[lang.words[word]][0]:
        for state in range(3):
            loop, leave = (next(
                t for t in range(1, transitions.num_tids + 1)
                if transitions.tid2phone[t] == phone and transitions.tid2hmm_state[t] == state
                and transitions.tid_is_self_loop[t] == looping) for looping in (True, False))
            tids += [loop] * (frames - 1) + [leave]
    return tids


def test_confidence_is_that_of_the_best_rivals(model):
    transitions, lang = model
    tids = path_of(transitions, lang, "fono")
    scores = np.random.default_rng(0).normal(0, 1, (len(tids), transitions.num_pdfs)).astype("f")
    phones, _ = phone_segments(tids, transitions)
    total = 0.0
    for _, start, end in phones:
        rivals = {}
        for phone in {lang.phone(p): p for p in set(transitions.tid2phone[1:].tolist())}.values():
            base = lang.phone(phone)
            rivals[base] = sum(max((scores[f, transitions.tid2pdf[t]]
                                    for t in range(1, transitions.num_tids + 1)
                                    if lang.phone(int(transitions.tid2phone[t])) == base
                                    and transitions.tid2hmm_state[t]
                                    == transitions.tid2hmm_state[tids[f]]), default=-np.inf)
                               for f in range(start, end))
        own = sum(scores[f, transitions.tid2pdf[tids[f]]] for f in range(start, end))
        total += min(0.0, own - max(rivals.values()))
    word, = WordTimes(transitions, lang).words([lang.words["fono"]], tids, None, scores, 2.0, 0.01)
    assert word.word == "fono" and word.start == 2.0
    assert word.end == pytest.approx(2.0 + len(tids) * 0.01)
    assert word.confidence == pytest.approx(np.exp(SHARPNESS * total), rel=1e-4)


def test_a_path_that_stops_within_a_word(model):
    transitions, lang = model
    tids = path_of(transitions, lang, "mano") + path_of(transitions, lang, "misa")[:17]
    words = [lang.words["mano"], lang.words["misa"]]
    scores = np.zeros((len(tids), transitions.num_pdfs), np.float32)
    marks = {0: words[0], 48: words[1]}
    path = [(tid, marks.get(frame, 0)) for frame, tid in enumerate(tids)]
    found = WordTimes(transitions, lang).words(words, tids, lambda: path, scores, 0.0, 0.01)
    assert [(w.word, round(w.start, 2), round(w.end, 2)) for w in found] == [
        ("mano", 0.0, 0.48), ("misa", 0.48, 0.65)]
    assert all(w.confidence == 1 for w in found)


def test_a_path_that_stops_before_its_first_word(model):
    transitions, lang = model
    tids = path_of(transitions, lang, "mano")[:1]
    scores = np.zeros((1, transitions.num_pdfs), np.float32)
    assert WordTimes(transitions, lang).words([], tids, lambda: [(tids[0], 0)], scores, 0.0,
                                              0.01) == []
    assert _label_segments([(1, 0), (2, 0)], 2) == []


def test_labels_at_the_very_end_have_a_length():
    assert _label_segments([(1, 5), (2, 0), (0, 6)], 2) == [(5, 0, 1), (6, 1, 2)]


def test_subwords_are_joined():
    units = [Word("▁fo", 0.0, 0.2, 0.5), Word("no", 0.2, 0.3, 0.5), Word("▁a", 0.4, 0.5, 1.0)]
    assert joined(units) == [Word("fono", 0.0, 0.3, 0.25), Word("a", 0.4, 0.5, 1.0)]
