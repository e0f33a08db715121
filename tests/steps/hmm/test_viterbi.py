import itertools

import numpy as np
import pytest
from hmmlearn.hmm import CategoricalHMM

from steps.hmm.train_graph import TrainGraph
from steps.hmm.viterbi import ACOUSTIC_SCALE, align, align_utt
from tests.steps.hmm.small import builder_of, make_lang


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    lang = make_lang(tmp_path_factory.mktemp("viterbi"))
    builder, transitions, _ = builder_of(lang, 3)
    graph = builder.build(lang.word_ids(["ab", "b"]))
    return graph, transitions


def random_scores(seed, num_frames, graph, scale=3.0):
    scores = np.random.default_rng(seed).normal(size=(num_frames, len(graph.state))) * scale
    return scores.astype(np.float32), np.arange(len(graph.state), dtype=np.int32)


def path_score(graph, states, arcs, log_likes, columns, log_probs):
    last = states[-1]
    return (sum(log_likes[t, columns[s]] for t, s in enumerate(states))
            + sum(log_probs[graph.in_tid[a]] - graph.in_cost[a] for a in arcs)
            - graph.start_cost[states[0]] + log_probs[graph.final_tid[last]]
            - graph.final_cost[last])


def exhaustive(graph, log_likes, columns, log_probs):
    """Best of all paths, by trying them all: (score, tids)."""
    outgoing = [[] for _ in graph.state]
    for j in range(len(graph.state)):
        for a in range(graph.in_start[j], graph.in_start[j + 1]):
            outgoing[graph.in_src[a]].append((j, a))
    best = (-np.inf, None)

    def go(states, arcs):
        nonlocal best
        if len(states) == len(log_likes):
            if np.isfinite(graph.final_cost[states[-1]]):
                score = path_score(graph, states, arcs, log_likes, columns, log_probs)
                if score > best[0]:
                    best = score, [*graph.in_tid[arcs].tolist(), int(graph.final_tid[states[-1]])]
            return
        for to, arc in outgoing[states[-1]]:
            go([*states, to], [*arcs, arc])

    for state in np.flatnonzero(np.isfinite(graph.start_cost)):
        go([int(state)], [])
    return best


@pytest.mark.parametrize("seed,num_frames", [(0, 4), (1, 5), (2, 8), (3, 9), (4, 10)])
def test_best_of_all_paths(small, seed, num_frames):
    graph, transitions = small
    scores, columns = random_scores(seed, num_frames, graph)
    log_probs = transitions.scaled_log_probs()
    tids, score = align(graph, scores, columns, log_probs)
    expected, best_tids = exhaustive(graph, scores, columns, log_probs)
    assert score == pytest.approx(expected, rel=1e-5)
    assert tids.tolist() == best_tids


def left_to_right(num_states, stay=0.6):
    """A chain as a TrainGraph, its transition probabilities, and as a matrix."""
    sources, tids, starts = [], [], [0]
    for j in range(num_states):
        sources += [j - 1, j] if j else [j]
        tids += [2 * (j - 1) + 2, 2 * j + 1] if j else [1]
        starts.append(len(sources))
    inf = np.full(num_states, np.inf, np.float32)
    start, final = inf.copy(), inf.copy()
    start[0] = final[-1] = 0
    final_tid = np.zeros(num_states, np.int32)
    final_tid[-1] = 2 * num_states
    graph = TrainGraph(np.arange(num_states, dtype=np.int32), np.array(starts, np.int32),
                       np.array(sources, np.int32), np.array(tids, np.int32),
                       np.zeros(len(tids), np.float32), start, final, final_tid, num_states)
    log_probs = np.log(np.array([1, *[stay, 1 - stay] * num_states])).astype(np.float32)
    matrix = np.diag([stay] * num_states) + np.diag([1 - stay] * (num_states - 1), 1)
    return graph, log_probs, matrix


def test_hmmlearn_finds_the_same_path():
    num_states, num_frames = 12, 60
    graph, log_probs, matrix = left_to_right(num_states)
    rng = np.random.default_rng(0)
    emission = rng.dirichlet(np.ones(20), num_states)
    symbols = rng.integers(0, 20, num_frames)
    hmm = CategoricalHMM(num_states + 1)
    hmm.startprob_ = np.eye(num_states + 1)[0]
    # A last state that only the end emits: the path must be in state num_states - 1 before it.
    hmm.transmat_ = np.zeros((num_states + 1, num_states + 1))
    hmm.transmat_[:num_states, :num_states] = matrix
    hmm.transmat_[num_states - 1, num_states] = 0.4
    hmm.transmat_[num_states, num_states] = 1
    hmm.n_features = 21
    hmm.emissionprob_ = np.zeros((num_states + 1, 21))
    hmm.emissionprob_[:num_states, :20] = emission
    hmm.emissionprob_[num_states, 20] = 1
    expected, states = hmm.decode(np.append(symbols, 20)[:, None])
    tids, score = align(graph, np.log(emission[:, symbols].T).astype(np.float32),
                        np.arange(num_states, dtype=np.int32), log_probs)
    assert ((tids - 1) // 2).tolist() == states[:-1].tolist()
    assert score == pytest.approx(expected, rel=1e-5)


def test_a_wide_beam_is_no_beam_and_a_narrow_one_finds_less(small):
    graph, transitions = small
    log_probs = transitions.scaled_log_probs()
    found, worse, none = 0, 0, 0
    for seed in range(40):
        scores, columns = random_scores(seed, 30, graph)
        best_tids, best = align(graph, scores, columns, log_probs)
        wide_tids, wide = align(graph, scores, columns, log_probs, 1000.0)
        assert wide == best
        assert np.array_equal(wide_tids, best_tids)
        tids, score = align(graph, scores, columns, log_probs, 3.0)
        none += tids is None
        if tids is not None:
            assert score <= best + 1e-4
            assert len(tids) == 30
            found += score > best - 1e-4
            worse += score < best - 1e-4
    assert worse + none > 0, "the narrow beam never cut anything"
    assert found > 0


def test_the_window_that_moves_gives_what_all_states_give():
    """Long chains: back-pointers outgrow their first guess and the window leaves states behind."""
    graph, log_probs, _ = left_to_right(300)
    rng = np.random.default_rng(1)
    true = np.sort(rng.integers(0, 300, 2000))
    true[0], true[-1] = 0, 299
    scores = rng.normal(size=(2000, 300)).astype(np.float32)
    scores[np.arange(2000), true] += 8
    columns = np.arange(300, dtype=np.int32)
    tids, score = align(graph, scores, columns, log_probs)
    assert score == pytest.approx(chain_viterbi(scores, log_probs), rel=1e-5)
    pruned, same = align(graph, scores, columns, log_probs, 60.0)
    assert same == pytest.approx(score, rel=1e-6)
    assert np.array_equal(pruned, tids)
    assert np.array_equal(np.diff((tids - 1) // 2) > 0, tids[:-1] % 2 == 0)


def chain_viterbi(scores, log_probs):
    alpha = np.full(scores.shape[1], -np.inf)
    alpha[0] = scores[0, 0]
    for frame in scores[1:].astype(float):
        moved = np.concatenate([[-np.inf], alpha[:-1] + log_probs[2]])
        alpha = np.maximum(alpha + log_probs[1], moved) + frame
    return alpha[-1] + log_probs[2]


def test_columns_are_looked_up(small):
    graph, transitions = small
    scores, columns = random_scores(0, 12, graph)
    log_probs = transitions.scaled_log_probs()
    order = np.random.default_rng(0).permutation(len(graph.state)).astype(np.int32)
    shuffled = np.empty_like(scores)
    shuffled[:, order] = scores
    first, again = (align(graph, s, c, log_probs) for s, c in
                    [(scores, columns), (shuffled, order)])
    assert np.array_equal(first[0], again[0])


def test_too_short_for_the_words(small):
    graph, transitions = small
    assert graph.min_frames == 4
    for num_frames in range(5):
        scores, columns = random_scores(0, num_frames, graph)
        tids, score = align(graph, scores, columns, transitions.scaled_log_probs())
        assert (tids is None) == (num_frames < 4)
        assert np.isfinite(score) == (num_frames == 4)


def test_every_path_is_legal(small):
    graph, transitions = small
    for seed in range(10):
        scores, columns = random_scores(seed, 25, graph)
        tids, _ = align(graph, scores, columns, transitions.scaled_log_probs())
        for before, after in itertools.pairwise(tids.tolist()):
            if transitions.tid_is_final[before]:
                assert transitions.tid2hmm_state[after] == 0
            else:
                assert transitions.tid2hmm_state[after] == transitions.tid2next[before]
                assert transitions.tid2phone[after] == transitions.tid2phone[before]
        assert transitions.tid_is_final[tids[-1]]


def test_scores_of_pdfs_align_an_utterance(small):
    """Columns come by pdf, scores are scaled within and given back unscaled."""
    graph, transitions = small
    by_pdf = np.random.default_rng(5).normal(size=(30, transitions.num_pdfs)).astype(np.float32)
    log_probs = transitions.scaled_log_probs()
    expected, score = align(graph, by_pdf * np.float32(ACOUSTIC_SCALE),
                            transitions.tuples[graph.state, 2], log_probs)
    asked = []

    def log_likes(pdfs):
        asked.append(len(set(pdfs.tolist())))
        return by_pdf[:, pdfs]

    found = align_utt(graph, transitions, 30, log_likes, log_probs, (1e-4, 500))
    assert np.array_equal(found.tids, expected)
    assert found.log_like == pytest.approx(score / ACOUSTIC_SCALE)
    assert found.attempt == 1
    assert asked == [len(np.unique(transitions.tuples[graph.state, 2]))]


def test_why_an_utterance_does_not_align(small):
    graph, transitions = small
    log_probs = transitions.scaled_log_probs()

    def flat(pdfs):
        return np.zeros((30, len(pdfs)), np.float32)

    for given, frames, beams, why in [
            (None, 30, (10,), "its words have no pronunciation"),
            (graph, 3, (10,), rf"3 frames are too few, its words need {graph.min_frames}"),
            (graph, 30, (1e-5, 1e-4), "no path within beam 0.0001")]:
        found = align_utt(given, transitions, frames, flat, log_probs, beams)
        assert found.tids is None
        assert found.why.startswith(why)
