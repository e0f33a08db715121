"""Training graphs against an enumeration of all pronunciations and silences."""

import numpy as np
import pytest

from steps.hmm.train_graph import GraphBuilder, read_lexicon
from tests.steps.hmm.small import builder_of, make_lang, phone_sequences
from utils.step import UserError

TRANSCRIPTS = [["b"], ["ab"], ["ab", "b"], ["ba", "ab", "ab"], ["<unk>", "b"], ["b", "!SIL", "b"],
               []]


@pytest.fixture(scope="module")
def lang(tmp_path_factory):
    return make_lang(tmp_path_factory.mktemp("graph"))


def paths(graph):
    """{transition-states without loops: cost} of all paths, each with the tids it takes."""
    incoming = [[] for _ in graph.state]
    for j in range(len(graph.state)):
        for a in range(graph.in_start[j], graph.in_start[j + 1]):
            if graph.in_src[a] != j:
                incoming[j].append((int(graph.in_src[a]), float(graph.in_cost[a])))
    result = {}

    def back(state, suffix, cost):
        suffix = (int(graph.state[state]), *suffix)
        if np.isfinite(graph.start_cost[state]):
            result.setdefault(suffix, []).append(cost + float(graph.start_cost[state]))
        for src, more in incoming[state]:
            assert src < state, "states are in topological order"
            back(src, suffix, cost + more)

    for state in np.flatnonzero(np.isfinite(graph.final_cost)):
        back(int(state), (), float(graph.final_cost[state]))
    return result


def expected_states(phones, transitions, tree, num_states=2):
    side = tree.context_width // 2
    padded = [0] * side + list(phones) + [0] * side
    return tuple(
        transitions.state_index(phone, s, *[tree.pdf(padded[i:i + tree.context_width], s)] * 2)
        for i, phone in enumerate(phones) for s in range(num_states))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("words", TRANSCRIPTS, ids=" ".join)
def test_paths_are_all_pronunciations_and_silences(lang, width, words):
    builder, transitions, tree = builder_of(lang, width)
    sequences = {p: c for p, c in phone_sequences(lang, words).items() if p}
    graph = builder.build(lang.word_ids(words))
    found = paths(graph)
    wanted = {expected_states(p, transitions, tree): c for p, c in sequences.items()}
    assert set(found) == set(wanted)
    for key, costs in found.items():
        assert min(costs) == pytest.approx(wanted[key], abs=1e-4)
    assert graph.min_frames == min(2 * len(p) for p in sequences)


@pytest.mark.parametrize("width", [1, 3])
def test_arcs_take_the_transition_ids_of_their_sources(lang, width):
    builder, transitions, _ = builder_of(lang, width)
    graph = builder.build(lang.word_ids(["ab", "b"]))
    for j in range(len(graph.state)):
        for a in range(graph.in_start[j], graph.in_start[j + 1]):
            tid, src = graph.in_tid[a], graph.in_src[a]
            assert transitions.tid2state[tid] == graph.state[src]
            assert transitions.tid_is_self_loop[tid] == (src == j)
            if src != j and transitions.tid2hmm_state[tid] == 0:
                assert transitions.tuples[graph.state[j], 1] == 1
    for state in np.flatnonzero(np.isfinite(graph.final_cost)):
        assert transitions.tid2state[graph.final_tid[state]] == graph.state[state]
        assert transitions.tid_is_final[graph.final_tid[state]]


def test_with_a_silence_of_kaldis_five_states(lang):
    from steps.hmm.topology import read_topo
    topo = read_topo(lang.path / "topo")
    builder, _, _ = builder_of(lang, 3, topo=topo)
    graph = builder.build(lang.word_ids(["ab"]))
    assert graph.min_frames == 3                       # `a` alone, three states
    assert builder.build([]).min_frames == topo.min_frames(lang.optional_silence)


def test_without_a_pronunciation_there_is_no_graph(lang):
    builder, _, _ = builder_of(lang, 1)
    assert builder.build([lang.words["#0"]]) is None
    assert builder.build([lang.words["ab"], 999]) is None


def test_position_dependent_phones(speech):
    from kaldifst import StdVectorFst, arcsort

    from steps.hmm.transitions import monophones
    from utils.lang.langdir import LangDir
    lang = LangDir(speech.lang)
    tree, transitions = monophones(lang)
    lexicon = StdVectorFst.read(str(lang.path / "L.fst"))
    arcsort(lexicon, sort_type="olabel")
    graph = GraphBuilder(lexicon, transitions, tree).build(lang.word_ids(["mano"]))
    phones = {lang.phone_symbols[p] for p in transitions.tuples[graph.state, 0]}
    assert phones == {"SIL", "m_B", "a_I", "n_I", "o_E", "a_E"}
    assert graph.min_frames == 12


def test_a_damaged_lexicon_is_named(tmp_path):
    lang = make_lang(tmp_path)
    assert read_lexicon(lang).num_states
    path = lang.path / "L.fst"
    whole = path.read_bytes()
    for data in (b"", b"text\n", whole[:30], whole[:len(whole) // 2], whole[:-1]):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"L.fst: is no FST, or is cut short \(run utils/lang"):
            read_lexicon(lang)
