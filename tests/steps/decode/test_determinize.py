"""Sentences of a lattice, each once, against the enumeration of all paths."""

import numpy as np
import pytest

from steps.decode.determinize import determinize
from steps.decode.lattice import Lattice
from tests.steps.decode.test_posteriors import all_paths, random_lattice


def sentences_of(lattice, lmwt, wip=0.0):
    """{words: cost of their best path}, by way of all paths."""
    arc_costs, final_costs = lattice.costs(lmwt, wip)
    best = {}
    for arcs, last in all_paths(lattice):
        words = tuple(w for w in lattice.olabel[arcs].tolist() if w)
        best[words] = min(best.get(words, np.inf), arc_costs[arcs].sum() + final_costs[last])
    return best


def only_once(lattice, lmwt=5.0, wip=0.0):
    """{words: cost}; fails if two paths have the same words."""
    found = {}
    arc_costs, final_costs = lattice.costs(lmwt, wip)
    for arcs, last in all_paths(lattice):
        words = tuple(lattice.olabel[arcs].tolist())
        assert words not in found
        found[words] = arc_costs[arcs].sum() + final_costs[last]
    return found


@pytest.mark.parametrize("seed", range(8))
def test_each_sentence_once_with_its_best_cost(seed):
    lattice = random_lattice(np.random.default_rng(seed))
    expected = sentences_of(lattice, 5.0, 0.3)
    result = determinize(lattice, 5.0, 0.3, beam=1000)
    found = only_once(result, 5.0, 0.3)
    assert found.keys() == expected.keys()
    for words, cost in expected.items():
        assert found[words] == pytest.approx(cost, abs=0.01)
    assert np.all(result.olabel > 0)
    for state in range(result.num_states):
        words = result.olabel[result.src == state]
        assert len(np.unique(words)) == len(words)


def test_costs_are_those_of_the_best_path():
    lattice = random_lattice(np.random.default_rng(5))
    arc_costs, final_costs = lattice.costs(5.0)
    best = {}
    for arcs, last in all_paths(lattice):
        words = tuple(w for w in lattice.olabel[arcs].tolist() if w)
        total = arc_costs[arcs].sum() + final_costs[last]
        if total < best.get(words, (np.inf,))[0]:
            best[words] = total, lattice.acoustic_cost[arcs].sum()
    result = determinize(lattice, 5.0, beam=1000)
    for arcs, last in all_paths(result):
        words = tuple(result.olabel[arcs].tolist())
        acoustic = result.acoustic_cost[arcs].sum() + result.final_acoustic_cost[last]
        assert acoustic == pytest.approx(best[words][1], abs=0.05)


def test_beam():
    lattice = random_lattice(np.random.default_rng(3))
    expected = sentences_of(lattice, 5.0)
    least = min(expected.values())
    found = only_once(determinize(lattice, 5.0, beam=1.0))
    assert {words for words, cost in expected.items() if cost < least + 0.99} <= found.keys()
    assert len(found) < len(expected)
    for words, cost in found.items():
        assert cost == pytest.approx(expected[words], abs=0.01)


def test_the_beam_gives_way_where_there_are_too_many():
    lattice = random_lattice(np.random.default_rng(4), num_frames=7)
    expected = sentences_of(lattice, 5.0)
    result = determinize(lattice, 5.0, beam=1000, max_arcs=40)
    found = only_once(result)
    assert 0 < len(found) < len(expected) and result.num_arcs <= 40
    assert min(found.values()) == pytest.approx(min(expected.values()), abs=0.01)
    # The best path alone is longer than that.
    best = only_once(determinize(lattice, 5.0, max_arcs=1))
    assert list(best.values()) == [pytest.approx(min(expected.values()), abs=0.01)]


def test_sets_that_are_alike_meet():
    # Twenty frames of one word or another: two sentences more a frame, not two times as many.
    num_frames = 20
    arcs = [(t, t + 1, 1, word, word / 3) for t in range(num_frames) for word in (1, 2)]
    src, dst, ilabel, olabel, cost = zip(*arcs, strict=True)
    final = [np.inf] * num_frames + [0]
    lattice = Lattice(src, dst, ilabel, olabel, cost, np.zeros(len(src)), final, final)
    result = determinize(lattice, beam=100)
    assert result.num_states == num_frames + 1
    assert result.num_arcs == 2 * num_frames


def test_no_path():
    assert determinize(Lattice(*([[]] * 8))).num_states == 0
    dead = Lattice([0], [1], [1], [1], [0], [0], [np.inf] * 2, [np.inf] * 2)
    assert determinize(dead).num_states == 0
