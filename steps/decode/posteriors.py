"""Posterior probabilities of a lattice's arcs, transition-ids and pdfs (forward-backward).

Costs are scaled as in decoding: lm_scale * graph + acwt * acoustic.
"""

import numba
import numpy as np


def arc_posteriors(lattice, acwt, lm_scale=1.0):
    """Posterior of each arc, and of each state as the last.

    acwt, lm_scale  scales of acoustic and graph costs
    returns         float64 (num_arcs,), float64 (num_states,), total log-probability
    """
    costs = lm_scale * lattice.graph_cost.astype(np.float64) + acwt * lattice.acoustic_cost
    final = (lm_scale * lattice.final_graph_cost.astype(np.float64)
             + acwt * lattice.final_acoustic_cost)
    return posteriors_of(lattice, costs, final)


def posteriors_of(lattice, costs, final):
    """As arc_posteriors(), of float64 costs of arcs and of ending in each state."""
    if not lattice.num_states:
        return costs, final, -np.inf
    forward, backward = _forward_backward(lattice.src, lattice.dst, costs, final)
    total = backward[0]
    if not np.isfinite(total):
        return np.zeros_like(costs), np.zeros_like(final), -np.inf
    arcs = np.exp(forward[lattice.src] - costs + backward[lattice.dst] - total)
    return arcs, np.exp(forward - final - total), total


def tid_posteriors(lattice, acwt, lm_scale=1.0):
    """Posteriors of transition-ids frame by frame.

    returns  frames int32 (n,), transition-ids int32 (n,), weights float32 (n,); sorted, and each
             frame's weights sum to 1
    """
    weights, _, _ = arc_posteriors(lattice, acwt, lm_scale)
    emitting = lattice.ilabel > 0
    frames = lattice.times()[lattice.src[emitting]]
    return summed(frames, lattice.ilabel[emitting], weights[emitting])


def pdf_posteriors(lattice, tid2pdf, acwt, lm_scale=1.0):
    """Posteriors of pdfs frame by frame.

    tid2pdf  int32 (num_tids + 1,)
    returns  frames int32 (n,), pdfs int32 (n,), weights float32 (n,); sorted, and each frame's
             weights sum to 1
    """
    frames, tids, weights = tid_posteriors(lattice, acwt, lm_scale)
    return summed(frames, np.asarray(tid2pdf)[tids], weights)


def summed(frames, labels, weights):
    """Weights of the same frame and label added up."""
    width = int(labels.max()) + 1 if len(labels) else 1
    keys, which = np.unique(frames.astype(np.int64) * width + labels, return_inverse=True)
    total = np.bincount(which, weights=weights, minlength=len(keys)).astype(np.float32)
    return (keys // width).astype(np.int32), (keys % width).astype(np.int32), total


@numba.njit(cache=True)
def _log_add(a, b):
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + np.log1p(np.exp(b - a))


@numba.njit(cache=True)
def _forward_backward(src, dst, costs, final):
    """Log-probabilities of all ways from the start to each state, and from it to an end."""
    forward = np.full(len(final), -np.inf)
    backward = -final
    forward[0] = 0.0
    for a in range(len(src)):
        forward[dst[a]] = _log_add(forward[dst[a]], forward[src[a]] - costs[a])
    for a in range(len(src) - 1, -1, -1):
        backward[src[a]] = _log_add(backward[src[a]], backward[dst[a]] - costs[a])
    return forward, backward
