"""Words of least risk and confidences, of lattices whose sentences can be aligned by eye."""

import numpy as np
import pytest

from steps.decode.lattice import Lattice, from_fst
from steps.decode.mbr import least_risk, word_confidences
from steps.score.wer import count
from tests.steps.decode.test_determinize import sentences_of
from tests.steps.decode.test_posteriors import random_lattice


def lattice_of(sentences):
    """A lattice of {words: probability}, each sentence a path of its own."""
    arcs, final, state = [], {}, 1
    for words, prob in sentences.items():
        src, cost = 0, -np.log(prob)
        for word in words:
            arcs.append((src, state, 1, word, cost))
            src, cost, state = state, 0.0, state + 1
        final[src] = 0.0
    arcs.sort()
    src, dst, ilabel, olabel, cost = zip(*arcs, strict=True)
    finals = np.array([final.get(s, np.inf) for s in range(state)])
    return Lattice(src, dst, ilabel, olabel, cost, np.zeros(len(src)), finals, finals)


@pytest.mark.parametrize(("sentences", "words", "expected"), [
    ({(1, 2): 0.7, (1, 3): 0.3}, [1, 2], [1.0, 0.7]),
    ({(1, 2): 0.6, (2,): 0.3, (1,): 0.1}, [1, 2], [0.7, 0.9]),
    ({(1, 2): 0.6, (1, 4, 2): 0.4}, [1, 2], [1.0, 1.0]),          # 4 is inserted between
    ({(1, 4, 2): 0.6, (1, 2): 0.4}, [1, 4, 2], [1.0, 0.6, 1.0]),
    ({(5, 5): 0.5, (5,): 0.3, (6, 7): 0.2}, [6, 7], [0.2, 0.2]),
    ({(1,): 1.0}, [2], [0.0]),
])
def test_by_eye(sentences, words, expected):
    assert np.allclose(word_confidences(lattice_of(sentences), words), expected, atol=1e-3)


def test_confidences_are_of_the_costs_that_chose_the_words():
    lattice = lattice_of({(1, 2): np.exp(-2), (3,): np.exp(-1)})   # costs, not probabilities
    arcs, _ = lattice.best_arcs(1, -5)
    assert lattice.olabel[arcs].tolist() == [1, 2]
    sure = 1 / (1 + np.exp(-4))                # costs of 2 - 10 against 1 - 5
    assert np.allclose(word_confidences(lattice, [1, 2], wip=-5), sure, atol=1e-3)


def test_epsilons_and_shared_states_change_nothing():
    # 1 is certain and twice in the lattice with its word at different times; 2 against 3
    lattice = Lattice([0, 0, 1, 2, 3, 3, 4, 5], [1, 2, 3, 3, 4, 5, 6, 6], [1] * 8,
                      [1, 0, 0, 1, 2, 0, 0, 3], [0, 0, 0, 0, 0, np.log(3), 0, 0], np.zeros(8),
                      [np.inf] * 6 + [0], [np.inf] * 6 + [0])
    assert np.allclose(word_confidences(lattice, [1, 2]), [1.0, 0.75], atol=1e-3)


def probabilities(lattice, lmwt):
    """{words: probability} of all sentences of a lattice."""
    costs = sentences_of(lattice, lmwt)
    least = min(costs.values())
    weights = {words: np.exp(least - cost) for words, cost in costs.items()}
    total = sum(weights.values())
    return {words: weight / total for words, weight in weights.items()}


def risk(words, sentences):
    return sum(prob * count(said, words).errors for said, prob in sentences.items())


def test_no_word_is_surer_than_the_sentences_that_have_it():
    for seed in range(5):
        lattice = random_lattice(np.random.default_rng(seed))
        words = lattice.best_path(10)[0]
        found = word_confidences(lattice, words, 10)
        sentences = probabilities(lattice, 10)
        for word, confidence in zip(words, found, strict=True):
            most = sum(prob for said, prob in sentences.items() if word in said)
            assert 0 <= confidence <= min(1.0, most) + 1e-4


def test_boundaries_do_not_vote():
    # "1 2" is less probable than "3", but has five ways to say where 1 ends.
    arcs = [(0, 6, 1, 3, -np.log(0.6))]
    arcs += [(0, way, 1, 1, -np.log(0.4)) for way in range(1, 6)]
    arcs += [(way, 6, 1, 2, 0.0) for way in range(1, 6)]
    src, dst, ilabel, olabel, cost = zip(*sorted(arcs), strict=True)
    final = [np.inf] * 6 + [0]
    lattice = Lattice(src, dst, ilabel, olabel, cost, np.zeros(len(src)), final, final)
    assert np.allclose(word_confidences(lattice, [3]), 0.6)
    assert np.allclose(word_confidences(lattice, [1, 2]), 0.4, atol=1e-6)
    assert least_risk(lattice, [(1, 0)]) == [[3]]


@pytest.mark.parametrize(("sentences", "expected"), [
    ({(1, 2): 0.4, (3, 2): 0.3, (3, 4): 0.3}, [3, 2]),       # each word on its own
    ({(1, 2, 3): 0.4, (1, 3): 0.35, (1, 4, 3): 0.25}, [1, 2, 3]),
    ({(1, 2, 3): 0.4, (1, 3): 0.6}, [1, 3]),
    ({(7,): 0.4, (1, 2, 3): 0.3, (1, 2, 4): 0.3}, [1, 2]),    # of no sentence
    ({(): 0.6, (5,): 0.4}, []),
])
def test_least_risk_by_eye(sentences, expected):
    lattice = lattice_of(sentences)
    assert least_risk(lattice, [(1, 0)]) == [expected]
    assert risk(expected, sentences) <= risk(max(sentences, key=sentences.get), sentences)


def test_fewer_errors_are_expected_than_of_the_best_path():
    better = 0
    for seed in range(40):
        lattice = random_lattice(np.random.default_rng(seed))
        sentences = probabilities(lattice, 10)
        [words], best = least_risk(lattice, [(10, 0)]), lattice.best_path(10)[0]
        assert risk(words, sentences) <= risk(best, sentences) + 0.02   # paths that meet are one
        better += risk(words, sentences) < risk(best, sentences) - 0.02
    assert better >= 5


def test_ties_of_three_thirds():
    # Rounded sums of thirds are no different distances: 9 is in the place of one word in each path.
    third = 1 / 3
    found = word_confidences(lattice_of({(1, 2): third, (9, 2): third, (1, 9): third}), [1, 2])
    assert np.allclose(found, 2 / 3, atol=1e-9)


def test_no_words():
    assert len(word_confidences(lattice_of({(1,): 1.0}), [])) == 0


def twice(lattice):
    """A lattice of what another one says, said again."""
    n = lattice.num_states
    ends = np.flatnonzero(np.isfinite(lattice.final_graph_cost))
    none = np.zeros(len(ends))
    src, dst, ilabel, olabel, graph, acoustic = lattice.arrays()[:6]
    return from_fst(0, *(np.concatenate(parts) for parts in (
        (src, ends, src + n), (dst, np.full(len(ends), n), dst + n), (ilabel, none, ilabel),
        (olabel, none, olabel), (graph, lattice.final_graph_cost[ends], graph),
        (acoustic, none, acoustic), (np.full(n, np.inf), lattice.final_graph_cost),
        (np.full(n, np.inf), lattice.final_acoustic_cost))))


def test_what_is_said_again_is_as_sure():
    for seed in range(5):
        lattice = random_lattice(np.random.default_rng(seed), num_frames=4)
        words = lattice.best_path(10)[0]
        once = word_confidences(lattice, words, 10)
        again = word_confidences(twice(lattice), [*words, *words], 10)
        # What is said at the end of the first may be taken for a beginning of the second.
        assert again.sum() == pytest.approx(2 * once.sum(), rel=0.1)


def test_several_settings_are_as_each_alone():
    settings = [(float(lmwt), wip) for lmwt in (1, 2, 5, 7, 10, 20) for wip in (-2.0, 0.0, 0.5)]
    for seed in range(20):
        lattice = random_lattice(np.random.default_rng(seed))
        together = least_risk(lattice, settings)
        assert sum(words != least_risk(lattice, [setting])[0]
                   for words, setting in zip(together, settings, strict=True)) <= 1
    far = Lattice([0, 0], [1, 1], [1, 1], [1, 2], [0, 16], [60, 0], [np.inf, 0], [np.inf, 0])
    assert least_risk(far, [(1.0, 0.0), (20.0, 0.0), (2.0, 0.0)]) == [[2], [1], [2]]


def test_a_lattice_without_a_path():
    assert least_risk(Lattice(*([[]] * 8)), [(7, 0), (9, 0)]) == [[], []]
