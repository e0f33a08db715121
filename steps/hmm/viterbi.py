"""Best path of one utterance through its TrainGraph (Viterbi 1967; Rabiner 1989, section III.B)."""

from typing import NamedTuple

import numba
import numpy as np

ACOUSTIC_SCALE = 0.1     # of alignments, as in Kaldi


class Alignment(NamedTuple):
    """tids int32 (num_frames,) and log_like, acoustic scores unscaled; attempt: index of the beam.

    Where there is no path, tids is None and why says the reason.
    """

    tids: np.ndarray | None
    log_like: float = 0.0
    attempt: int = 0
    why: str = ""


def align_utt(graph, transitions, num_frames, log_likes, log_probs, beams):
    """The best path at the first of the beams within which there is one.

    graph      TrainGraph; None where the words have no pronunciation
    log_likes  function: pdfs int (n,) -> float32 (num_frames, n), unscaled; it is written into
    log_probs  float32 (num_tids + 1,) of the transitions, scaled as graphs count them
    beams      increasing, in nats of the scaled scores
    returns    Alignment
    """
    why = why_hopeless(graph, num_frames)
    if why:
        return Alignment(None, why=why)
    pdfs, columns = np.unique(transitions.tuples[graph.state, 2], return_inverse=True)
    scores = log_likes(pdfs)
    scores *= np.float32(ACOUSTIC_SCALE)
    columns = columns.astype(np.int32)
    for attempt, beam in enumerate(beams):
        tids, score = align(graph, scores, columns, log_probs, beam)
        if tids is not None:
            return Alignment(tids, score / ACOUSTIC_SCALE, attempt)
    return Alignment(None, why=f"no path within beam {beams[-1]:g}: do its words match the sound?")


def why_hopeless(graph, num_frames):
    """Why no model can align that many frames with a TrainGraph or None; "" where one may."""
    if graph is None:
        return "its words have no pronunciation"
    if num_frames < graph.min_frames:
        return f"{num_frames} frames are too few, its words need {graph.min_frames}"
    return ""


def align(graph, log_likes, columns, log_probs, beam=np.inf):
    """Transition-ids of the best path that ends in a final state.

    graph      TrainGraph
    log_likes  float32 (num_frames, num_columns), already scaled
    columns    int32 (graph states,): the column that each graph state reads
    log_probs  float32 (num_tids + 1,) of the transitions, as the path is to count them
    returns    int32 (num_frames,) transition-ids and the path's log-probability;
               (None, -inf) where no path ends within the beam
    """
    num_frames = len(log_likes)
    if num_frames < graph.min_frames or len(graph.state) == 0:
        return None, -np.inf
    arc_score = log_probs[graph.in_tid] - graph.in_cost
    end_score = np.where(np.isfinite(graph.final_cost),
                         log_probs[graph.final_tid] - graph.final_cost, -np.inf)
    low, high = _reach(len(graph.state), graph.in_start, graph.in_src)
    states, arcs, score = _viterbi(
        np.ascontiguousarray(log_likes, np.float32), columns, graph.in_start, graph.in_src,
        arc_score.astype(np.float32), -graph.start_cost, end_score.astype(np.float32),
        low, high, np.float32(beam))
    if states[0] < 0:
        return None, -np.inf
    tids = np.empty(num_frames, np.int32)
    tids[:-1] = graph.in_tid[arcs[1:]]
    tids[-1] = graph.final_tid[states[-1]]
    return tids, float(score)


@numba.njit(cache=True, nogil=True)
def _reach(num_states, in_start, in_src):
    """First and last state that each state has an arc to."""
    low = np.full(num_states, num_states, np.int32)
    high = np.full(num_states, -1, np.int32)
    for j in range(num_states):
        for a in range(in_start[j], in_start[j + 1]):
            low[in_src[a]] = min(low[in_src[a]], j)
            high[in_src[a]] = max(high[in_src[a]], j)
    return low, high


@numba.njit(cache=True, nogil=True)
def _viterbi(log_likes, columns, in_start, in_src, arc_score, start_score, end_score,
             low, high, beam):
    """Only a window [lo, hi) of the topologically ordered states is alive at any frame."""
    num_frames, num_states = len(log_likes), len(columns)
    alpha = np.full(num_states, -np.inf, np.float32)
    following = np.full(num_states, -np.inf, np.float32)
    window = np.zeros((num_frames, 2), np.int32)
    offset = np.zeros(num_frames + 1, np.int64)
    back = np.empty(num_frames * min(num_states, 64) + num_states, np.int32)
    states = np.full(num_frames, -1, np.int32)
    arcs = np.full(num_frames, -1, np.int32)
    lo, hi = 0, 0
    for j in range(num_states):
        if start_score[j] > -np.inf:
            alpha[j] = start_score[j] + log_likes[0, columns[j]]
            hi = j + 1
    lo, hi = _prune(alpha, 0, hi, beam)
    window[0, 0], window[0, 1] = lo, hi
    for t in range(1, num_frames):
        new_lo, new_hi = num_states, 0
        for j in range(lo, hi):
            if alpha[j] > -np.inf:
                new_lo = min(new_lo, low[j])
                new_hi = max(new_hi, high[j] + 1)
        if new_hi <= new_lo:
            return states, arcs, -np.inf
        offset[t + 1] = offset[t] + new_hi - new_lo
        if offset[t + 1] > len(back):
            larger = np.empty(2 * offset[t + 1], np.int32)
            larger[:offset[t]] = back[:offset[t]]
            back = larger
        for j in range(new_lo, new_hi):
            best, best_arc = np.float32(-np.inf), -1
            for a in range(in_start[j], in_start[j + 1]):
                src = in_src[a]
                if lo <= src < hi:
                    score = alpha[src] + arc_score[a]
                    if score > best:
                        best, best_arc = score, a
            following[j] = best + log_likes[t, columns[j]]
            back[offset[t] + j - new_lo] = best_arc
        for j in range(lo, hi):
            alpha[j] = -np.inf
        for j in range(new_lo, new_hi):
            alpha[j] = following[j]
        window[t, 0], window[t, 1] = new_lo, new_hi
        lo, hi = _prune(alpha, new_lo, new_hi, beam)
    best, state = np.float32(-np.inf), -1
    for j in range(lo, hi):
        if alpha[j] + end_score[j] > best:
            best, state = alpha[j] + end_score[j], j
    if state < 0:
        return states, arcs, -np.inf
    for t in range(num_frames - 1, -1, -1):
        states[t] = state
        if t > 0:
            arcs[t] = back[offset[t] + state - window[t, 0]]
            state = in_src[arcs[t]]
    return states, arcs, best


@numba.njit(cache=True, nogil=True)
def _prune(alpha, lo, hi, beam):
    """Drop what is worse than the best by more than the beam; the window that is left."""
    best = np.float32(-np.inf)
    for j in range(lo, hi):
        best = max(best, alpha[j])
    first, last = hi, lo
    for j in range(lo, hi):
        if alpha[j] < best - beam:
            alpha[j] = -np.inf
        elif alpha[j] > -np.inf:
            first = min(first, j)
            last = j + 1
    return first, last
