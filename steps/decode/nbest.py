"""The best distinct word sequences of a lattice, and the best path of a given one."""

import heapq
from typing import NamedTuple

import numba
import numpy as np

from steps.decode.determinize import EXACT, after_next_word, pruned, scored


class Hypothesis(NamedTuple):
    """words, tids: lists of ids; graph and acoustic costs of its best path, unscaled."""

    words: list
    tids: list
    graph_cost: float
    acoustic_cost: float


def nbest(lattice, count, lmwt=1.0, wip=0.0):
    """Up to count Hypotheses with different words, best first; each with its best path.

    A* over word prefixes: a prefix knows the best cost of being in each state just after its last
    word, so that each word sequence is met once however many paths it has, and the exact cost of
    the rest of the way makes it the next best when it is met.
    """
    if not lattice.num_states:
        return []
    one = scored(lattice, lmwt, wip)
    if not np.isfinite(one.ahead[0]):
        return []
    # (estimated total, tie-break, words, states, costs); states is None for a whole sentence
    queue = [(one.ahead[0], 0, (), np.zeros(1, np.int64), np.zeros((1, 2)))]
    found, pushed, reached = [], 1, np.full((lattice.num_states, 2), np.inf)
    while queue and len(found) < count:
        total, _, words, states, costs = heapq.heappop(queue)
        if states is None:
            found.append((total, words))
            continue
        end, _, word, to, costs = after_next_word(one, states, costs, reached)
        if np.isfinite(end):
            heapq.heappush(queue, (end, pushed, words, None, None))
            pushed += 1
        starts = np.flatnonzero(np.diff(word, prepend=-1))
        for begin, stop in zip(starts, np.append(starts, len(word))[1:], strict=True):
            part = slice(begin, stop)
            total = (costs[part, 0] + one.ahead[to[part]]).min()
            if np.isfinite(total):
                heapq.heappush(queue, (total, pushed, (*words, int(word[begin])), to[part],
                                       costs[part]))
                pushed += 1
    if not found:
        return []
    # What costs more than the last one is on none of their best paths.
    lattice = pruned(lattice, lmwt, wip, found[-1][0] - one.ahead[0] + EXACT)
    costs = lattice.costs(lmwt, wip)
    return [_hypothesis(lattice, words, *costs) for _, words in found]


def best_arcs_of_words(lattice, words, lmwt=1.0, wip=0.0):
    """The arcs of the best path with these words, int64 (length,), and its last state.

    returns  empty and -1 if the lattice has no such path
    """
    return _best_arcs_of_words(lattice.src, lattice.dst, lattice.olabel,
                               np.asarray(words, np.int32), *lattice.costs(lmwt, wip))


def _hypothesis(lattice, words, arc_costs, final_costs):
    arcs, last = _best_arcs_of_words(lattice.src, lattice.dst, lattice.olabel,
                                     np.asarray(words, np.int32), arc_costs, final_costs)
    tids = lattice.ilabel[arcs]
    graph = lattice.graph_cost[arcs].sum(dtype=np.float64) + lattice.final_graph_cost[last]
    acoustic = lattice.acoustic_cost[arcs].sum(dtype=np.float64) + lattice.final_acoustic_cost[last]
    return Hypothesis(list(words), tids[tids > 0].tolist(), float(graph), float(acoustic))


@numba.njit(cache=True)
def _best_arcs_of_words(src, dst, olabel, words, arc_costs, final_costs):
    num_states, length = len(final_costs), len(words)
    cost = np.full((num_states, length + 1), np.inf)
    back = np.full((num_states, length + 1), -1, np.int64)
    if num_states:
        cost[0, 0] = 0.0
    for a in range(len(src)):
        step = 1 if olabel[a] else 0
        for i in range(length + 1 - step):
            if step and olabel[a] != words[i]:
                continue
            c = cost[src[a], i] + arc_costs[a]
            if c < cost[dst[a], i + step]:
                cost[dst[a], i + step] = c
                back[dst[a], i + step] = a
    best, last = np.inf, -1
    for s in range(num_states):
        if cost[s, length] + final_costs[s] < best:
            best, last = cost[s, length] + final_costs[s], s
    reverse = np.empty(num_states, np.int64)
    count, s, i = 0, last, length
    while s > 0:
        a = back[s, i]
        reverse[count] = a
        count += 1
        s, i = src[a], i - (1 if olabel[a] else 0)
    return reverse[:count][::-1].copy(), last
