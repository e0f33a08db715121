"""The decoder's view of HCLG: arcs by state, those with a transition-id before the others."""

import numba
import numpy as np

from steps.decode.fst_arrays import read_fst
from utils.step import UserError

STATE = np.dtype([("first", np.int32), ("epsilon", np.int32)])
ARC = np.dtype([("nextstate", np.int32), ("weight", np.float32), ("pdf", np.int32)])


class DecodingGraph:
    """HCLG as arrays.

    states  STATE (num_states + 1,): state s has emitting arcs first .. epsilon - 1 and others from
            epsilon to the first of s + 1
    arcs    ARC (num_arcs,): nextstate; weight; pdf, the column of the scores, -1 where ilabel is 0
    ilabel, olabel   int32 (num_arcs,); ilabel is a transition-id or 0
    final   float32 (num_states,), inf where not final
    rank    int32 (num_states,): arcs without a transition-id lead to higher ranks
    """

    def __init__(self, fst, tid2pdf, path="graph"):
        if fst.start < 0:
            raise UserError(path, "the graph is empty", "does the LM share its words with L?")
        lowest, highest = fst.ilabel.min(initial=0), fst.ilabel.max(initial=0)
        if lowest < 0 or highest >= len(tid2pdf):
            raise UserError(path, f"transition-id {min(lowest, 0) or highest}, but the model has "
                            f"{len(tid2pdf) - 1}", "build the graph from this model")
        order = np.lexsort((fst.ilabel == 0, fst.source))
        emitting = np.bincount(fst.source[fst.ilabel != 0], minlength=fst.num_states)
        self.start = fst.start
        self.states = np.empty(fst.num_states + 1, STATE)
        self.states["first"] = fst.first_arc
        self.states["epsilon"][:-1] = fst.first_arc[:-1] + emitting
        self.states["epsilon"][-1] = fst.num_arcs
        self.ilabel, self.olabel = fst.ilabel[order], fst.olabel[order]
        self.arcs = np.empty(fst.num_arcs, ARC)
        self.arcs["nextstate"], self.arcs["weight"] = fst.nextstate[order], fst.weight[order]
        self.arcs["pdf"] = np.where(self.ilabel > 0, np.asarray(tid2pdf)[self.ilabel], -1)
        self.final = fst.final
        self.num_pdfs = int(np.max(tid2pdf[1:])) + 1
        self.rank = _epsilon_rank(self.states, self.arcs)
        if len(self.rank) and self.rank.min() < 0:
            raise UserError(path, "the graph has a loop of arcs without transition-ids",
                            "does the LM have a loop without words?")

    @classmethod
    def read(cls, path, tid2pdf):
        return cls(read_fst(path), tid2pdf, path)

    @property
    def num_states(self):
        return len(self.final)


@numba.njit(cache=True)
def _epsilon_rank(states, arcs):
    """Place of each state in a topological order of the epsilon arcs, -1 on a loop."""
    num_states = len(states) - 1
    in_degree = np.zeros(num_states, np.int32)
    for s in range(num_states):
        for a in range(states[s].epsilon, states[s + 1].first):
            in_degree[arcs[a].nextstate] += 1
    rank = np.full(num_states, -1, np.int32)
    queue = np.empty(num_states, np.int32)
    tail = 0
    for s in range(num_states):
        if in_degree[s] == 0:
            queue[tail] = s
            tail += 1
    head = 0
    while head < tail:
        s = queue[head]
        rank[s] = head
        head += 1
        for a in range(states[s].epsilon, states[s + 1].first):
            d = arcs[a].nextstate
            in_degree[d] -= 1
            if in_degree[d] == 0:
                queue[tail] = d
                tail += 1
    return rank
