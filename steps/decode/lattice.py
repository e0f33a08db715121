"""Word lattices with transition-ids, as arrays and as Kaldi's archives.

    for utt, lattice in read_lattices("exp/tri1/decode/lat.1.gz"):
        words, tids, (graph_cost, acoustic_cost) = lattice.best_path(lmwt=12, wip=0.5)

A lattice is an acyclic transducer from transition-ids to words. Costs are negated natural logs:
graph costs of language model, pronunciations and transitions; acoustic costs unscaled.
"""

import numba
import numpy as np

from steps.decode.lattice_io import read_fsts, write_fsts
from utils.step import UserError


class Lattice:
    """One utterance's lattice; states topologically sorted, state 0 the start.

    src, dst, ilabel, olabel     int32 (num_arcs,): src < dst, sorted by src; ilabel is a
                                 transition-id, olabel a word, 0 for none
    graph_cost, acoustic_cost    float32 (num_arcs,)
    final_graph_cost, final_acoustic_cost   float32 (num_states,), inf where not final
    """

    __slots__ = ("acoustic_cost", "dst", "final_acoustic_cost", "final_graph_cost",
                 "graph_cost", "ilabel", "olabel", "src")

    def __init__(self, src, dst, ilabel, olabel, graph_cost, acoustic_cost,
                 final_graph_cost, final_acoustic_cost):
        self.src, self.dst, self.ilabel, self.olabel = (
            np.ascontiguousarray(a, np.int32) for a in (src, dst, ilabel, olabel))
        self.graph_cost, self.acoustic_cost, self.final_graph_cost, self.final_acoustic_cost = (
            np.ascontiguousarray(a, np.float32)
            for a in (graph_cost, acoustic_cost, final_graph_cost, final_acoustic_cost))

    @property
    def num_states(self):
        return len(self.final_graph_cost)

    @property
    def num_arcs(self):
        return len(self.src)

    def arrays(self):
        """The constructor's arguments, in its order."""
        return (self.src, self.dst, self.ilabel, self.olabel, self.graph_cost,
                self.acoustic_cost, self.final_graph_cost, self.final_acoustic_cost)

    def costs(self, lmwt=1.0, wip=0.0):
        """Arcs' and states' costs at an LM weight: graph + acoustic / lmwt + wip per word.

        returns  float64 (num_arcs,), float64 (num_states,) with inf where not final
        """
        arcs = self.graph_cost.astype(np.float64) + self.acoustic_cost / np.float64(lmwt)
        arcs += wip * (self.olabel != 0)
        final = self.final_graph_cost.astype(np.float64)
        return arcs, final + self.final_acoustic_cost / np.float64(lmwt)

    def best_path(self, lmwt=1.0, wip=0.0):
        """The path of least graph + acoustic / lmwt + wip * words.

        The same as Kaldi's lattice-scale --inv-acoustic-scale=LMWT, lattice-add-penalty
        --word-ins-penalty=WIP and lattice-best-path.
        returns  words, transition-ids (lists of int; one transition-id a frame), and the path's
                 (graph cost, acoustic cost), unscaled and without the penalty;
                 ([], [], (inf, inf)) of a lattice without a path
        """
        arcs, (graph, acoustic) = self.best_arcs(lmwt, wip)
        words, tids = self.olabel[arcs], self.ilabel[arcs]
        return words[words > 0].tolist(), tids[tids > 0].tolist(), (graph, acoustic)

    def best_arcs(self, lmwt=1.0, wip=0.0):
        """Indices of the best path's arcs, int64 (length,), and its costs as of best_path."""
        if not self.num_states:
            return np.zeros(0, np.int64), (np.inf, np.inf)
        arc_costs, final_costs = self.costs(lmwt, wip)
        arcs, last = _best_arcs(self.src, self.dst, arc_costs, final_costs)
        if last < 0:
            return arcs, (np.inf, np.inf)
        graph = self.graph_cost[arcs].sum(dtype=np.float64) + self.final_graph_cost[last]
        acoustic = self.acoustic_cost[arcs].sum(dtype=np.float64) + self.final_acoustic_cost[last]
        return arcs, (float(graph), float(acoustic))

    def times(self):
        """The frame that each state stands before, int32 (num_states,); -1 if unreachable."""
        return _times(self.src, self.dst, self.ilabel, self.num_states)

    @property
    def num_frames(self):
        final = self.times()[np.isfinite(self.final_graph_cost)]
        return int(final.max()) if len(final) else 0


def from_fst(start, src, dst, ilabel, olabel, graph_cost, acoustic_cost,
             final_graph_cost, final_acoustic_cost):
    """A Lattice of any acyclic arcs; what the start does not reach is left out.

    raises  ValueError if there is a cycle
    """
    num_states = len(final_graph_cost)
    if start < 0 or not num_states:
        return Lattice(*([[]] * 8))
    order = np.argsort(src, kind="stable")
    src, dst, ilabel, olabel, graph_cost, acoustic_cost = (
        np.asarray(a)[order] for a in (src, dst, ilabel, olabel, graph_cost, acoustic_cost))
    if start != 0 or np.any(dst <= src):
        new = _topological_order(start, src.astype(np.int32), dst.astype(np.int32), num_states)
        if new[start] != 0:
            raise ValueError("the lattice has a cycle")
        keep = new[src] >= 0
        src, dst, ilabel, olabel, graph_cost, acoustic_cost = (
            a[keep] for a in (new[src], new[dst], ilabel, olabel, graph_cost, acoustic_cost))
        order = np.argsort(src, kind="stable")
        src, dst, ilabel, olabel, graph_cost, acoustic_cost = (
            a[order] for a in (src, dst, ilabel, olabel, graph_cost, acoustic_cost))
        old = np.argsort(new)[np.count_nonzero(new < 0):]
        final_graph_cost = np.asarray(final_graph_cost)[old]
        final_acoustic_cost = np.asarray(final_acoustic_cost)[old]
    return Lattice(src, dst, ilabel, olabel, graph_cost, acoustic_cost,
                   final_graph_cost, final_acoustic_cost)


def trim(lattice, keep_arc=None):
    """The lattice of the arcs that lie on a path from the start to a final state.

    keep_arc   bool (num_arcs,): arcs to be considered, default all of them
    """
    if keep_arc is None:
        keep_arc = np.ones(lattice.num_arcs, bool)
    useful = _on_a_path(lattice.src, lattice.dst, keep_arc,
                        np.isfinite(lattice.final_graph_cost))
    if not len(useful) or not useful[0]:
        return Lattice(*([[]] * 8))
    keep = keep_arc & useful[lattice.src] & useful[lattice.dst]
    new = np.cumsum(useful) - 1
    arcs = [a[keep] for a in lattice.arrays()[:6]]
    return Lattice(new[arcs[0]], new[arcs[1]], *arcs[2:], lattice.final_graph_cost[useful],
                   lattice.final_acoustic_cost[useful])


def read_lattices(path):
    """Iterator of (utt, Lattice) over Kaldi's archive: Lattice or CompactLattice, binary or text.

    path   file, gzipped or not
    """
    for utt, arrays in read_fsts(path):
        try:
            lattice = from_fst(*arrays)
        except ValueError as error:
            raise UserError(path, f"{utt}: {error}", "make it again") from None
        yield utt, lattice


def write_lattices(path, lattices, text=False):
    """Write (utt, Lattice) pairs as Kaldi's archive of Lattices, gzipped if path ends in .gz.

    returns  their number
    """
    return write_fsts(path, ((utt, lattice.arrays()) for utt, lattice in lattices), text)


@numba.njit(cache=True)
def _best_arcs(src, dst, arc_costs, final_costs):
    num_states = len(final_costs)
    cost = np.full(num_states, np.inf)
    back = np.full(num_states, -1, np.int64)
    cost[0] = 0.0
    for a in range(len(src)):
        c = cost[src[a]] + arc_costs[a]
        if c < cost[dst[a]]:
            cost[dst[a]] = c
            back[dst[a]] = a
    last = -1
    best = np.inf
    for s in range(num_states):
        if cost[s] + final_costs[s] < best:
            best = cost[s] + final_costs[s]
            last = s
    length = 0
    s = last
    while s > 0:
        s = src[back[s]]
        length += 1
    path = np.empty(length, np.int64)
    s = last
    while s > 0:
        length -= 1
        path[length] = back[s]
        s = src[back[s]]
    return path, last


@numba.njit(cache=True)
def _times(src, dst, ilabel, num_states):
    time = np.full(num_states, -1, np.int32)
    if num_states:
        time[0] = 0
    for a in range(len(src)):
        if time[src[a]] >= 0:
            time[dst[a]] = time[src[a]] + (ilabel[a] != 0)
    return time


@numba.njit(cache=True)
def _on_a_path(src, dst, keep_arc, is_final):
    forward = np.zeros(len(is_final), np.bool_)
    backward = is_final.copy()
    if len(is_final):
        forward[0] = True
    for a in range(len(src)):
        if keep_arc[a] and forward[src[a]]:
            forward[dst[a]] = True
    for a in range(len(src) - 1, -1, -1):
        if keep_arc[a] and backward[dst[a]]:
            backward[src[a]] = True
    return forward & backward


@numba.njit(cache=True)
def _topological_order(start, src, dst, num_states):
    """New number of each state, -1 if the start does not reach it; src is sorted.

    With a cycle, the start's new number is not 0.
    """
    first = np.searchsorted(src, np.arange(num_states + 1))
    in_degree = np.zeros(num_states, np.int64)
    reached = np.zeros(num_states, np.bool_)
    stack = np.empty(num_states, np.int64)
    stack[0] = start
    reached[start] = True
    top = 1
    count = 0
    while top:
        top -= 1
        s = stack[top]
        count += 1
        for a in range(first[s], first[s + 1]):
            in_degree[dst[a]] += 1
            if not reached[dst[a]]:
                reached[dst[a]] = True
                stack[top] = dst[a]
                top += 1
    new = np.full(num_states, -1, np.int64)
    if in_degree[start]:
        return new
    stack[0] = start
    head, tail = 0, 1
    while head < tail:
        s = stack[head]
        new[s] = head
        head += 1
        for a in range(first[s], first[s + 1]):
            in_degree[dst[a]] -= 1
            if in_degree[dst[a]] == 0:
                stack[tail] = dst[a]
                tail += 1
    if head < count:
        new[start] = -1
    return new
