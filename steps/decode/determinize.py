"""A lattice as an acceptor of words that has each word sequence once, with its best path's costs.

In a lattice of the decoder a word sequence has as many paths as its words have boundaries, so that
sums over paths count a sequence of many words more often than one of few. Sums over sequences, for
confidences and for minimum Bayes risk, begin here (cf. Povey et al. 2012, "Generating exact
lattices in the WFST framework").
"""

from heapq import heappop, heappush
from typing import NamedTuple

import numba
import numpy as np

from steps.decode.lattice import Lattice, from_fst, trim

BEAM = 10.0          # nats: paths that cost so much more than the best one are left out
MAX_ARCS = 100_000   # where there are more, the beam is halved
ALL = 2**62
EXACT = 1 / 1024     # nats: costs that differ by less are the same, as in Kaldi


class Scored(NamedTuple):
    """A lattice at an LM weight: the first arcs of states; arcs; and costs of ending, float64.

    ahead    the least cost from each state to an end
    """

    first: np.ndarray
    dst: np.ndarray
    olabel: np.ndarray
    cost: np.ndarray
    acoustic: np.ndarray
    final: np.ndarray
    final_acoustic: np.ndarray
    ahead: np.ndarray


def scored(lattice, lmwt, wip):
    """The Scored of a lattice that has states."""
    cost, final = lattice.costs(lmwt, wip)
    return Scored(np.searchsorted(lattice.src, np.arange(lattice.num_states + 1)), lattice.dst,
                  lattice.olabel, cost, lattice.acoustic_cost.astype(np.float64), final,
                  lattice.final_acoustic_cost.astype(np.float64),
                  _costs_ahead(lattice.src, lattice.dst, cost, final))


def determinize(lattice, lmwt=1.0, wip=0.0, beam=BEAM, max_arcs=MAX_ARCS):
    """The word sequences of a lattice, each with the costs of its best path at an LM weight.

    lmwt, wip   paths are compared by graph + acoustic / lmwt + wip a word
    beam        arcs of paths within it of the best one are all kept
    returns     Lattice without transition-ids and without the penalties; each arc has a word
    """
    while True:
        lattice = pruned(lattice, lmwt, wip, beam)
        if not lattice.num_states:
            return lattice
        one = scored(lattice, lmwt, wip)
        complete, src, dst, word, cost, acoustic, final, final_acoustic = _subsets(
            one, one.ahead[0] + beam, max_arcs if beam > EXACT else ALL)
        if complete:
            break
        beam /= 2
    ends = np.isfinite(final)
    final[ends] -= final_acoustic[ends] / lmwt
    return trim(from_fst(0, src, dst, np.zeros(len(src), np.int32), word,
                         cost - acoustic / lmwt - wip, acoustic, final, final_acoustic))


def pruned(lattice, lmwt, wip, beam):
    """The lattice of the arcs and ends whose best path is within a beam of the best path of all.
    """
    if not lattice.num_states:
        return lattice
    cost, final = lattice.costs(lmwt, wip)
    ahead = _costs_ahead(lattice.src, lattice.dst, cost, final)
    if not np.isfinite(ahead[0]):
        return Lattice(*([[]] * 8))
    behind = _costs_behind(lattice.src, lattice.dst, cost, lattice.num_states)
    limit = ahead[0] + beam
    ends = np.where(behind + final <= limit, lattice.final_graph_cost, np.inf)
    return trim(Lattice(*lattice.arrays()[:6], ends, lattice.final_acoustic_cost),
                behind[lattice.src] + cost + ahead[lattice.dst] <= limit)


@numba.njit(cache=True)
def _costs_ahead(src, dst, arc_costs, final_costs):
    ahead = final_costs.copy()
    for a in range(len(src) - 1, -1, -1):
        ahead[src[a]] = min(ahead[src[a]], arc_costs[a] + ahead[dst[a]])
    return ahead


@numba.njit(cache=True)
def _costs_behind(src, dst, arc_costs, num_states):
    behind = np.full(num_states, np.inf)
    behind[0] = 0.0
    for a in range(len(src)):
        behind[dst[a]] = min(behind[dst[a]], behind[src[a]] + arc_costs[a])
    return behind


@numba.njit(cache=True)
def after_next_word(one, states, costs, reached):
    """Over arcs without words, and then one with a word.

    one      Scored
    states   int64 (n,), where to begin
    costs    float64 (n, 2), of being there, and of them the acoustic ones
    reached  float64 (num_states, 2), inf everywhere, as it is left
    returns  the two costs of ending before the next word, inf if that cannot be; words, states and
             (n, 2) costs behind it, sorted by word and state, the cheapest of several
    """
    last, end, end_acoustic = states.max(), np.inf, np.inf
    for i in range(len(states)):
        if costs[i, 0] < reached[states[i], 0]:
            reached[states[i]] = costs[i]
    words, tos, totals, acoustics = [0], [0], [0.0], [0.0]     # the first tells their types
    for s in range(states.min(), len(one.first)):
        if s > last:
            break
        cost, acoustic = reached[s]
        if cost == np.inf:
            continue
        reached[s, 0] = np.inf
        if cost + one.final[s] < end:
            end, end_acoustic = cost + one.final[s], acoustic + one.final_acoustic[s]
        for a in range(one.first[s], one.first[s + 1]):
            to, total = one.dst[a], cost + one.cost[a]
            if one.olabel[a]:
                words.append(one.olabel[a])
                tos.append(to)
                totals.append(total)
                acoustics.append(acoustic + one.acoustic[a])
            elif total < reached[to, 0]:
                reached[to, 0], reached[to, 1] = total, acoustic + one.acoustic[a]
                last = max(last, to)
    key = np.empty(len(words) - 1, np.int64)
    for i in range(len(key)):
        key[i] = words[i + 1] * len(one.first) + tos[i + 1]
    word, state, both = np.empty_like(key), np.empty_like(key), np.empty((len(key), 2))
    count = 0
    for i in np.argsort(key) + 1:
        if not count or word[count - 1] != words[i] or state[count - 1] != tos[i]:
            word[count], state[count], both[count, 0] = words[i], tos[i], np.inf
            count += 1
        if totals[i] < both[count - 1, 0]:
            both[count - 1, 0], both[count - 1, 1] = totals[i], acoustics[i]
    return end, end_acoustic, word[:count], state[:count], both[:count]


@numba.njit(cache=True)
def _find(table, sets, states, rest):
    """The number of a set of states with costs, and whether it is new; it is entered then."""
    key = np.int64(1469598103934665603)
    for i in range(len(states)):
        for value in (states[i], np.int64(np.rint(rest[i, 0] / EXACT))):
            key = (key ^ value) * np.int64(1099511628211)
    while key in table:
        number = table[key]
        known, costs = sets[number]
        if len(known) == len(states) and np.all(known == states) \
                and np.all(np.abs(costs - rest) <= EXACT):
            return number, False
        key += 1
    table[key] = len(sets)
    sets.append((states, rest))
    return len(sets) - 1, True


@numba.njit(cache=True)
def _subsets(one, limit, max_arcs):
    """Determinization by sets of (state, costs beyond the cheapest one's), the best sets first.

    A set is left out as a whole, if none of its states leads to an end within the limit: without
    some of its states it would not be the same as that behind a cheaper beginning.

    returns  whether that was all; src, dst, word, cost, acoustic cost of the new arcs; cost and
             acoustic cost of ending in each of the new states; 0 is the start
    """
    reached = np.full((len(one.first) - 1, 2), np.inf)
    sets = [(np.zeros(1, np.int64), np.zeros((1, 2)))]
    table = {np.int64(0): 0}
    best, done = [0.0], [False]        # the least cost of each set's cheapest state
    final, final_acoustic = [np.inf], [np.inf]
    src, dst, label, cost, acoustic = [0], [0], [0], [0.0], [0.0]
    heap = [(one.ahead[0], 0)]
    while heap and len(src) <= max_arcs:
        _, number = heappop(heap)
        if done[number]:
            continue
        done[number] = True
        states, rest = sets[number]
        end, end_acoustic, word, to, both = after_next_word(one, states, rest, reached)
        if best[number] + end <= limit:
            final[number], final_acoustic[number] = end, end_acoustic
        begin = 0
        while begin < len(word):
            stop = begin
            while stop < len(word) and word[stop] == word[begin]:
                stop += 1
            total = best[number] + (both[begin:stop, 0] + one.ahead[to[begin:stop]]).min()
            if total <= limit:
                cheapest = both[begin + np.argmin(both[begin:stop, 0])].copy()
                found, new = _find(table, sets, to[begin:stop].copy(), both[begin:stop] - cheapest)
                if new:
                    best.append(np.inf)
                    done.append(False)
                    final.append(np.inf)
                    final_acoustic.append(np.inf)
                src.append(number)
                dst.append(found)
                label.append(word[begin])
                cost.append(cheapest[0])
                acoustic.append(cheapest[1])
                if best[number] + cheapest[0] < best[found] and not done[found]:
                    best[found] = best[number] + cheapest[0]
                    heappush(heap, (total, found))
            begin = stop
    return (len(heap) == 0, np.array(src[1:], np.int32), np.array(dst[1:], np.int32),
            np.array(label[1:], np.int32), np.array(cost[1:]), np.array(acoustic[1:]),
            np.array(final), np.array(final_acoustic))
