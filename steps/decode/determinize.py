"""A lattice as an acceptor of words that has each word sequence once, with its best path's cost.

In a lattice of the decoder a word sequence has as many paths as its words have boundaries, so that
sums over paths count a sequence of many words more often than one of few. Sums over sequences, for
confidences and for minimum Bayes risk, begin here (cf. Povey et al. 2012, "Generating exact
lattices in the WFST framework").
"""

from heapq import heappop, heappush

import numba
import numpy as np

from steps.decode.lattice import Lattice, from_fst, trim

BEAM = 10.0          # sequences that cost so much more than the best one are left out, in nats
MAX_ARCS = 100_000   # the best ones, where there are more
EXACT = 1 / 1024     # nats; differences of this size keep no two states apart, as in Kaldi


def determinize(lattice, lmwt=1.0, wip=0.0, beam=BEAM, max_arcs=MAX_ARCS):
    """The word sequences of a lattice at an LM weight, each on one path.

    lmwt, wip   costs are graph + acoustic / lmwt + wip a word, of a sequence's best path
    beam        sequences within it of the best one are all kept
    returns     Lattice without transition-ids, a word on every arc; costs are all in graph_cost,
                which has the scale of lmwt
    """
    if not lattice.num_states:
        return lattice
    arc_costs, final_costs = lattice.costs(lmwt, wip)
    ahead = costs_ahead(lattice.src, lattice.dst, arc_costs, final_costs)
    if not np.isfinite(ahead[0]):
        return Lattice(*([[]] * 8))
    first = np.searchsorted(lattice.src, np.arange(lattice.num_states + 1))
    src, dst, word, cost, final = _subsets(first, lattice.dst, lattice.olabel, arc_costs,
                                           final_costs, ahead, beam, max_arcs)
    zeros, none = np.zeros(len(src)), np.where(np.isfinite(final), 0.0, np.inf)
    return trim(from_fst(0, src, dst, np.zeros(len(src), np.int32), word, cost, zeros, final, none))


@numba.njit(cache=True)
def costs_ahead(src, dst, arc_costs, final_costs):
    """The least cost from each state to an end, float64 (num_states,)."""
    ahead = final_costs.copy()
    for a in range(len(src) - 1, -1, -1):
        ahead[src[a]] = min(ahead[src[a]], arc_costs[a] + ahead[dst[a]])
    return ahead


@numba.njit(cache=True)
def after_next_word(states, costs, limit, reached, first, dst, olabel, arc_costs, final_costs,
                    ahead):
    """Over arcs without words, and then one with a word.

    states, costs  int64 (n,) and float64 (n,), where to begin
    limit          what a whole sentence may cost at most
    reached        float64 (num_states,), inf everywhere, as it is left
    first          int64 (num_states + 1,), the first arc of each state
    ahead          of costs_ahead()
    returns        the cost of ending before the next word, inf if that is too much; words, states
                   and costs behind it, sorted by word and state, of several costs the least
    """
    begin, last, end = states.min(), states.max(), np.inf
    for i in range(len(states)):
        reached[states[i]] = min(reached[states[i]], costs[i])
    word, to, cost = [0], [0], [0.0]       # the first tells numba their types
    s = begin
    while s <= last:
        here = reached[s]
        if here < np.inf:
            reached[s] = np.inf
            if here + final_costs[s] <= limit:
                end = min(end, here + final_costs[s])
            for a in range(first[s], first[s + 1]):
                there = here + arc_costs[a]
                if there + ahead[dst[a]] > limit:
                    continue
                if olabel[a]:
                    word.append(olabel[a])
                    to.append(dst[a])
                    cost.append(there)
                elif there < reached[dst[a]]:
                    reached[dst[a]] = there
                    last = max(last, dst[a])
        s += 1
    count = len(word) - 1
    key = np.empty(count, np.int64)
    for i in range(count):
        key[i] = word[i + 1] * len(first) + to[i + 1]
    words, tos, totals = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    kept = 0
    for i in np.argsort(key) + 1:
        if kept and words[kept - 1] == word[i] and tos[kept - 1] == to[i]:
            totals[kept - 1] = min(totals[kept - 1], cost[i])
        else:
            words[kept], tos[kept], totals[kept] = word[i], to[i], cost[i]
            kept += 1
    return end, words[:kept], tos[:kept], totals[:kept]


@numba.njit(cache=True)
def _find(table, sets, states, residuals):
    """The number of a set of (state, residual), and whether it is new; it is entered then."""
    key = np.int64(1469598103934665603)
    for i in range(len(states)):
        key = (key ^ states[i]) * np.int64(1099511628211)
        key = (key ^ np.int64(np.rint(residuals[i] / EXACT))) * np.int64(1099511628211)
    while key in table:
        number = table[key]
        known, costs = sets[number]
        if len(known) == len(states):
            same = True
            for i in range(len(states)):
                if known[i] != states[i] or abs(costs[i] - residuals[i]) > EXACT:
                    same = False
                    break
            if same:
                return number, False
        key += 1
    table[key] = len(sets)
    sets.append((states, residuals))
    return len(sets) - 1, True


@numba.njit(cache=True)
def _subsets(first, dst, olabel, arc_costs, final_costs, ahead, beam, max_arcs):
    """Determinization by sets of (state, cost beyond the cheapest one's), the best sets first.

    returns  src, dst, word, cost of the new arcs, float final cost of the new states; 0 the start
    """
    reached = np.full(len(first) - 1, np.inf)
    limit = ahead[0] + beam
    sets = [(np.zeros(1, np.int64), np.zeros(1))]
    table = {np.int64(0): 0}
    best = [0.0]                       # least cost of each set's cheapest state
    final, done = [np.inf], [False]
    new_src, new_dst, new_word, new_cost = [0], [0], [0], [0.0]
    heap = [(ahead[0], 0)]
    while heap and len(new_src) <= max_arcs:
        _, number = heappop(heap)
        if done[number]:
            continue
        done[number] = True
        states, residuals = sets[number]
        start = best[number]
        end, word, to, total = after_next_word(states, start + residuals, limit, reached, first,
                                                dst, olabel, arc_costs, final_costs, ahead)
        final[number] = end - start
        begin = 0
        while begin < len(word):
            stop = begin
            while stop < len(word) and word[stop] == word[begin]:
                stop += 1
            cheapest = total[begin:stop].min()
            found, new = _find(table, sets, to[begin:stop].copy(), total[begin:stop] - cheapest)
            if new:
                best.append(np.inf)
                final.append(np.inf)
                done.append(False)
            new_src.append(number)
            new_dst.append(found)
            new_word.append(word[begin])
            new_cost.append(cheapest - start)
            if cheapest < best[found] and not done[found]:
                best[found] = cheapest
                heappush(heap, ((total[begin:stop] + ahead[to[begin:stop]]).min(), found))
            begin = stop
    return (np.array(new_src[1:], np.int32), np.array(new_dst[1:], np.int32),
            np.array(new_word[1:], np.int32), np.array(new_cost[1:]), np.array(final))
