"""HCLG against what lexicon, grammar, tree and transition model say of one path after another."""

import itertools

import kaldifst
import numpy as np
import pytest

from steps.decode.compile_graph import compile_graph, estimate_arcs
from steps.decode.fst_arrays import from_kaldifst, read_fst, to_kaldifst
from steps.decode.h_transducer import remove_epsilons_local
from steps.hmm.topology import read_topo
from steps.hmm.transitions import TransitionModel
from steps.hmm.tree import PDF_CLASS, Leaf, Question, Table, Tree, monophone_tree
from utils.lang import prepare_lang
from utils.lang.langdir import LangDir
from utils.step import UserError

LEXICON = {"ab": [("a", "b")], "a": [("a",)], "ba": [("b", "a"), ("b",)], "aba": [("a", "b", "a")]}
# bigram: P(word | history), "" the back-off weight
GRAMMAR = {"<s>": {"ab": 0.4, "ba": 0.3, "": 0.3}, "ab": {"a": 0.5, "</s>": 0.3, "": 0.2},
           "a": {"a": 0.1, "": 0.9}, "ba": {"</s>": 0.6, "": 0.4}, "aba": {"": 1.0},
           "": {"ab": 0.2, "a": 0.3, "ba": 0.2, "aba": 0.1, "</s>": 0.2}}


@pytest.fixture(scope="module")
def lang(tmp_path_factory):
    root = tmp_path_factory.mktemp("lang")
    (root / "dict").mkdir()
    lines = [f"{word} {' '.join(pron)}\n" for word, prons in LEXICON.items() for pron in prons]
    (root / "dict/lexicon.txt").write_text("<UNK> SPN\n" + "".join(lines))
    (root / "dict/silence_phones.txt").write_text("SIL\nSPN\n")
    (root / "dict/optional_silence.txt").write_text("SIL\n")
    (root / "dict/nonsilence_phones.txt").write_text("a\nb\n")
    (root / "dict/extra_questions.txt").write_text("")
    prepare_lang.main(["--position-dependent-phones", "false", root / "dict", "<UNK>",
                       root / "lang"])
    write_grammar(root / "lang")
    return root / "lang"


def write_grammar(lang):
    words = LangDir(lang).words
    states = {history: i for i, history in enumerate(GRAMMAR)}
    lines = []
    for history, following in GRAMMAR.items():
        for word, prob in following.items():
            cost = -np.log(prob)
            if word == "</s>":
                lines.append(f"{states[history]} {cost}")
            elif word == "":
                lines.append(f"{states[history]} {states['']} {words['#0']} 0 {cost}")
            else:
                lines.append(f"{states[history]} {states[word]} {words[word]} {words[word]} {cost}")
    kaldifst.compile("\n".join(lines) + "\n").write(str(lang / "G.fst"))


def triphone_tree(lang):
    """A pdf of its own for each phone, pdf class and answer to questions about both neighbours."""
    a = lang.phones["a"]
    nodes, pdf, roots = [None], 0, {}
    for phone in lang.silence_phones:
        base = len(nodes)
        roots[phone] = base
        nodes.append(Table(PDF_CLASS, {c: base + 1 + c for c in range(5)}))
        nodes += [Leaf(pdf + c) for c in range(5)]
        pdf += 5
    for phone in lang.nonsilence_phones:
        root = len(nodes)
        roots[phone] = root
        nodes.append(None)
        children = {}
        for pdf_class in range(3):
            node = len(nodes)
            children[pdf_class] = node
            nodes += [Question(0, frozenset([a, 0]), node + 1, node + 2),
                      Question(2, frozenset([a]), node + 3, node + 4),
                      Leaf(pdf), Leaf(pdf + 1), Leaf(pdf + 2)]
            pdf += 3
        nodes[root] = Table(PDF_CLASS, children)
    nodes[0] = Table(1, roots)
    return Tree(3, 1, nodes)


@pytest.fixture(params=[1, 3])
def parts(lang, request):
    directory = LangDir(lang)
    topo = read_topo(lang / "topo")
    if request.param == 1:
        sets = [[p] for p in directory.silence_phones + directory.nonsilence_phones]
        tree = monophone_tree(sets, {p: topo.num_pdf_classes(p) for p in topo.phones})
    else:
        tree = triphone_tree(directory)
    transitions = TransitionModel.from_tree(topo, tree)
    rng = np.random.default_rng(3)
    transitions.update(rng.uniform(5, 50, transitions.num_tids + 1))
    return directory, tree, transitions


def compiled(parts):
    directory, tree, transitions = parts
    lines = []
    fst, sizes = compile_graph(directory.path, directory.disambig, tree, transitions, 1.0, 0.1,
                               lines.append)
    return fst, sizes, lines


def random_path(directory, tree, transitions, rng):
    """A random sentence and path: words, transition-ids, and the cost of all but the grammar."""
    words, history, cost = [], "<s>", 0.0
    while history != "</s>":
        following = GRAMMAR[history]
        probs = np.array(list(following.values()))
        history = str(rng.choice(list(following), p=probs / probs.sum()))
        if history not in ("", "</s>"):
            words.append(history)
    phones = []

    def silence(cost):
        if rng.random() < 0.5:
            phones.append("SIL")
        return cost - np.log(0.5)

    cost = silence(cost)
    for word in words:
        phones += LEXICON[word][rng.integers(len(LEXICON[word]))]
        cost = silence(cost)
    ids = [directory.phones[p] for p in phones]
    padded = [0, *ids, 0] if tree.context_width == 3 else ids
    tids = []
    for i, phone in enumerate(ids):
        window = tuple(padded[i:i + tree.context_width])
        states, state = transitions.topo.states(phone), 0
        while state != len(states) - 1:
            pdf = tree.pdf(window, states[state][0])
            tstate = transitions.state_index(phone, state, pdf, pdf)
            loop = transitions.self_loop_tid(tstate)
            stay = float(np.exp(transitions.log_probs[loop]))
            for _ in range(rng.integers(3)):
                tids.append(loop)
                cost -= 0.1 * np.log(stay)
            tid = rng.choice([t for t in range(*transitions.first_tid[tstate:tstate + 2])
                              if t != loop])
            tids.append(int(tid))
            cost -= 0.1 * np.log(1 - stay) + transitions.log_probs[tid] - np.log(1 - stay)
            state = transitions.tid2next[tid]
    return [directory.words[w] for w in words], tids, cost


def paths_of(graph, tids):
    """{words: cost} of all paths of a graph (kaldifst) for a sequence of transition-ids."""
    both = kaldifst.compose(kaldifst.make_linear_acceptor(tids), graph)
    if both.num_states == 0:
        return {}
    found, stack = {}, [(both.start, (), 0.0)]
    while stack:
        state, words, cost = stack.pop()
        final = both.final(state).value
        if np.isfinite(final):
            found[words] = np.logaddexp(found.get(words, -np.inf), -cost - final)
        stack += [(arc.nextstate, words + (arc.olabel,) * (arc.olabel > 0), cost + arc.weight.value)
                  for arc in kaldifst.ArcIterator(both, state)]
    return {words: -log_prob for words, log_prob in found.items()}


def grammar_cost(words, directory):
    """Of a sentence, all ways through the back-off grammar together."""
    sentence = [directory.word_symbols[w] for w in words] + ["</s>"]
    total = 0.0
    for direct in itertools.product([True, False], repeat=len(sentence)):
        prob, history = 1.0, "<s>"
        for word, straight in zip(sentence, direct, strict=True):
            prob *= (GRAMMAR[history].get(word, 0.0) if straight else
                     GRAMMAR[history].get("", 0.0) * GRAMMAR[""].get(word, 0.0))
            history = word
        total += prob
    return -np.log(total)


def test_paths_have_the_costs_of_their_parts(parts):
    directory, tree, transitions = parts
    fst, _, _ = compiled(parts)
    graph = to_kaldifst(fst)
    kaldifst.arcsort(graph, "ilabel")
    rng = np.random.default_rng(4)
    seen = 0
    for _ in range(200):
        words, tids, cost = random_path(directory, tree, transitions, rng)
        if not tids or len(tids) > 120 or len(words) > 7:
            continue
        found = paths_of(graph, tids)
        assert found[tuple(words)] == pytest.approx(cost + grammar_cost(words, directory), abs=0.02)
        seen += 1
    assert seen > 100


def test_a_wrong_neighbour_is_no_path(parts):
    directory, tree, transitions = parts
    if tree.context_width == 1:
        pytest.skip("no neighbours in a monophone tree")
    graph = to_kaldifst(compiled(parts)[0])
    kaldifst.arcsort(graph, "ilabel")
    b = directory.phones["b"]

    def hmm(window):
        tids = []
        for state in range(3):
            pdf = tree.pdf(window, state)
            tstate = transitions.state_index(b, state, pdf, pdf)
            tids.append(next(t for t in range(*transitions.first_tid[tstate:tstate + 2])
                             if not transitions.tid_is_self_loop[t]))
        return tids

    assert paths_of(graph, hmm((0, b, 0)))
    assert not paths_of(graph, hmm((0, b, directory.phones["a"])))
    assert not paths_of(graph, hmm((b, b, 0)))


def test_self_loops_stand_before_the_way_out(parts):
    _, _, transitions = parts
    fst, _, _ = compiled(parts)
    source = fst.source
    loops = fst.nextstate == source
    assert transitions.tid_is_self_loop[fst.ilabel[loops]].all()
    assert not transitions.tid_is_self_loop[fst.ilabel[~loops]].any()
    held = np.full(fst.num_states, -1)
    held[source[loops]] = transitions.tid2state[fst.ilabel[loops]]
    assert np.bincount(source[loops]).max() == 1
    out = ~loops & (fst.ilabel > 0)
    assert np.array_equal(held[source[out]], transitions.tid2state[fst.ilabel[out]])
    assert not np.isfinite(fst.final[source[loops]]).any()
    assert not np.any(~loops & (fst.ilabel == 0) & (held[source] >= 0))


def test_size_is_told_before_and_about_right(parts):
    directory, tree, transitions = parts
    fst, sizes, lines = compiled(parts)
    assert lines[0].startswith("expect about ")
    assert [line.split(":")[0] for line in lines[1:]] == ["LG", "CLG", "H", "HCLGa", "HCLG"]
    assert sizes["HCLG"] == [fst.num_states, fst.num_arcs]
    expected = estimate_arcs(read_fst(directory.path / "L_disambig.fst"),
                             read_fst(directory.path / "G.fst"), directory.disambig, transitions,
                             tree.context_width)
    assert fst.num_arcs / 4 < expected < fst.num_arcs * 4


def test_grammar_of_other_words_is_an_error(lang, parts, tmp_path):
    directory, tree, transitions = parts
    (tmp_path / "L_disambig.fst").write_bytes((lang / "L_disambig.fst").read_bytes())
    kaldifst.compile("0 1 900 900\n1\n").write(str(tmp_path / "G.fst"))
    with pytest.raises(UserError, match=r"LG is empty .*words\.txt"):
        compile_graph(tmp_path, directory.disambig, tree, transitions, 1.0, 0.1, lambda _: None)


def test_local_epsilon_removal_keeps_the_language():
    rng = np.random.default_rng(5)
    for _ in range(50):
        lines = []
        for src, dst in sorted({tuple(sorted(p)) for p in rng.integers(0, 8, (14, 2)).tolist()}):
            if src == dst:
                continue
            silent = rng.random() < 0.5
            labels = (0, 0) if silent else tuple(rng.integers(1, 3, 2))
            lines.append(f"{src} {dst} {labels[0]} {labels[1]} {rng.uniform(0, 3):.3f}")
        lines.sort(key=lambda line: int(line.split()[0]))
        fst = kaldifst.compile("\n".join([*lines, "7 0.5"]) + "\n")
        kaldifst.connect(fst)
        if fst.num_states < 2:
            continue
        arrays = from_kaldifst(fst)
        fewer = remove_epsilons_local(arrays)
        assert fewer.num_arcs <= arrays.num_arcs
        assert all_paths(arrays) == all_paths(fewer)


def all_paths(fst):
    """Sorted (labels, cost) of every path."""
    found, stack = [], [(fst.start, (), 0.0)]
    while stack:
        state, labels, cost = stack.pop()
        if np.isfinite(fst.final[state]):
            found.append((labels, round(float(cost + fst.final[state]), 3)))
        for a in range(*fst.first_arc[state:state + 2]):
            label = ((int(fst.ilabel[a]), int(fst.olabel[a])),) if fst.ilabel[a] else ()
            stack.append((fst.nextstate[a], labels + label, cost + float(fst.weight[a])))
    return sorted(found)
