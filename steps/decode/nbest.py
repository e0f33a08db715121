"""The best distinct word sequences of a lattice, and the best path of a given one."""

import heapq
from typing import NamedTuple

import numba
import numpy as np


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
    arc_costs, final_costs = lattice.costs(lmwt, wip)
    first = np.searchsorted(lattice.src, np.arange(lattice.num_states + 1))
    ahead = _costs_ahead(lattice.src, lattice.dst, arc_costs, final_costs)
    if not np.isfinite(ahead[0]):
        return []
    # (estimated total, tie-break, words, states, costs); states is None for a whole sentence
    queue = [(ahead[0], 0, (), np.zeros(1, np.int64), np.zeros(1))]
    found, pushed = [], 1
    while queue and len(found) < count:
        _, _, words, states, costs = heapq.heappop(queue)
        if states is None:
            found.append(_hypothesis(lattice, words, arc_costs, final_costs))
            continue
        end, word, dst, cost = _after_next_word(states, costs, first, lattice.dst, lattice.olabel,
                                                arc_costs, final_costs)
        if np.isfinite(end):
            heapq.heappush(queue, (end, pushed, words, None, None))
            pushed += 1
        order = np.lexsort((cost, dst, word))
        word, dst, cost = word[order], dst[order], cost[order]
        new = np.ones(len(word), bool)
        new[1:] = (word[1:] != word[:-1]) | (dst[1:] != dst[:-1])
        word, dst, cost = word[new], dst[new], cost[new]
        starts = np.flatnonzero(np.diff(word, prepend=-1))
        for begin, stop in zip(starts, np.append(starts, len(word))[1:], strict=True):
            part = slice(begin, stop)
            total = (cost[part] + ahead[dst[part]]).min()
            if np.isfinite(total):
                heapq.heappush(queue, (total, pushed, (*words, int(word[begin])), dst[part],
                                       cost[part]))
                pushed += 1
    return found


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
def _costs_ahead(src, dst, arc_costs, final_costs):
    """The least cost from each state to an end."""
    ahead = final_costs.copy()
    for a in range(len(src) - 1, -1, -1):
        ahead[src[a]] = min(ahead[src[a]], arc_costs[a] + ahead[dst[a]])
    return ahead


@numba.njit(cache=True)
def _after_next_word(states, costs, first, dst, olabel, arc_costs, final_costs):
    """From states at costs, over arcs without words: the cost of ending here, and for each arc
    with a word its word, where it leads and at what cost.
    """
    num_states = len(final_costs)
    begin = states.min()
    cost = np.full(num_states - begin, np.inf)
    for i in range(len(states)):
        cost[states[i] - begin] = min(cost[states[i] - begin], costs[i])
    end = np.inf
    arcs = np.empty(len(dst) - first[begin], np.int64)
    count = 0
    for s in range(begin, num_states):
        here = cost[s - begin]
        if here == np.inf:
            continue
        end = min(end, here + final_costs[s])
        for a in range(first[s], first[s + 1]):
            if olabel[a]:
                arcs[count] = a
                count += 1
            elif here + arc_costs[a] < cost[dst[a] - begin]:
                cost[dst[a] - begin] = here + arc_costs[a]
    word, to, total = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    s = begin
    for i in range(count):
        a = arcs[i]
        while a >= first[s + 1]:
            s += 1
        word[i], to[i], total[i] = olabel[a], dst[a], cost[s - begin] + arc_costs[a]
    return end, word, to, total


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
