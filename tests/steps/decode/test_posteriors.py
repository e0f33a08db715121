"""Posteriors against the enumeration of all paths."""

import numpy as np
import pytest

from steps.decode.lattice import Lattice, trim
from steps.decode.posteriors import arc_posteriors, pdf_posteriors, tid_posteriors


def random_lattice(rng, num_frames=5, width=3):
    """States in layers, one frame each, with arcs without transition-ids within a layer."""
    arcs = []
    for frame in range(num_frames):
        here = range(frame * width, (frame + 1) * width)
        arcs += [(here[0], here[1], 0, rng.integers(0, 3)), (here[1], here[2], 0, 0)]
        for src in here:
            for dst in rng.choice(width, 2, replace=False) + (frame + 1) * width:
                arcs.append((src, dst, rng.integers(1, 9), rng.integers(0, 4)))
    arcs = sorted(arcs)
    src, dst, ilabel, olabel = (np.array(a) for a in zip(*arcs, strict=True))
    num_states = (num_frames + 1) * width
    final = np.full(num_states, np.inf)
    final[-width:] = rng.uniform(0, 1, width)
    return trim(Lattice(src, dst, ilabel, olabel, rng.uniform(0, 2, len(src)),
                        rng.uniform(0, 20, len(src)) * (ilabel > 0), final,
                        np.where(np.isfinite(final), 0, np.inf)))


def all_paths(lattice):
    """Lists of arcs of each path, and its last state."""
    stack = [(0, [])]
    while stack:
        state, arcs = stack.pop()
        if np.isfinite(lattice.final_graph_cost[state]):
            yield arcs, state
        stack += [(lattice.dst[a], [*arcs, a]) for a in np.flatnonzero(lattice.src == state)]


@pytest.mark.parametrize("lm_scale", [1.0, 0.5])
def test_every_path_counts_by_its_probability(lm_scale):
    lattice = random_lattice(np.random.default_rng(1))
    acwt = 0.1
    arcs, finals, total = np.zeros(lattice.num_arcs), np.zeros(lattice.num_states), 0.0
    for path, last in all_paths(lattice):
        cost = (lm_scale * (lattice.graph_cost[path].sum() + lattice.final_graph_cost[last])
                + acwt * lattice.acoustic_cost[path].sum())
        arcs[path] += np.exp(-cost)
        finals[last] += np.exp(-cost)
        total += np.exp(-cost)
    found, found_finals, log_prob = arc_posteriors(lattice, acwt, lm_scale)
    assert np.allclose(found, arcs / total, atol=1e-6)
    assert np.allclose(found_finals, finals / total, atol=1e-6)
    assert log_prob == pytest.approx(np.log(total), abs=1e-5)


def test_frames_sum_to_one_and_pdfs_to_their_transition_ids():
    lattice = random_lattice(np.random.default_rng(2))
    arcs, _, _ = arc_posteriors(lattice, 0.1)
    frames, tids, weights = tid_posteriors(lattice, 0.1)
    assert np.allclose(np.bincount(frames, weights=weights), 1.0)
    assert len(np.bincount(frames)) == lattice.num_frames == 5
    times = lattice.times()[lattice.src]
    for frame, tid, weight in zip(frames, tids, weights, strict=True):
        assert weight == pytest.approx(arcs[(times == frame) & (lattice.ilabel == tid)].sum(),
                                       abs=1e-6)
    tid2pdf = np.array([-1, 0, 0, 1, 1, 2, 2, 3, 3])
    frames, pdfs, weights = pdf_posteriors(lattice, tid2pdf, 0.1)
    assert np.allclose(np.bincount(frames, weights=weights), 1.0)
    first = arcs[(times == 0) & np.isin(lattice.ilabel, [3, 4])].sum()
    assert weights[(frames == 0) & (pdfs == 1)].sum() == pytest.approx(first, abs=1e-6)


def test_empty_lattice():
    frames, pdfs, weights = pdf_posteriors(Lattice(*([[]] * 8)), np.array([-1]), 0.1)
    assert len(frames) == len(pdfs) == len(weights) == 0
