"""N-best lists against the enumeration of all paths."""

import numpy as np
import pytest

from steps.decode.lattice import Lattice
from steps.decode.nbest import best_arcs_of_words, nbest
from tests.steps.decode.test_determinize import sentences_of
from tests.steps.decode.test_posteriors import random_lattice


@pytest.mark.parametrize("seed", range(6))
def test_nbest_is_the_sorted_list_of_all_sentences(seed):
    lattice = random_lattice(np.random.default_rng(seed))
    lmwt, wip = 5.0, 0.3
    best = sentences_of(lattice, lmwt, wip)
    expected = sorted(best.items(), key=lambda item: item[1])
    found = nbest(lattice, 10**6, lmwt, wip)
    assert len(found) == len(expected)
    assert len({tuple(h.words) for h in found}) == len(found)
    costs = [h.graph_cost + h.acoustic_cost / lmwt + wip * len(h.words) for h in found]
    assert np.allclose(costs, [cost for _, cost in expected], atol=1e-4)
    for hypothesis, cost in zip(found, costs, strict=True):
        assert best[tuple(hypothesis.words)] == pytest.approx(cost, abs=1e-4)
        assert len(hypothesis.tids) == lattice.num_frames
    assert [h.words for h in nbest(lattice, 4, lmwt, wip)] == [h.words for h in found[:4]]
    assert found[0].words == lattice.best_path(lmwt, wip)[0]


def test_words_that_the_lattice_lacks_have_no_path():
    lattice = random_lattice(np.random.default_rng(9))
    arcs, last = best_arcs_of_words(lattice, [77])
    assert len(arcs) == 0
    assert last == -1


def test_empty_lattice():
    assert nbest(Lattice(*([[]] * 8)), 3) == []
