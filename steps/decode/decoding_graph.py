"""The decoder's view of HCLG: arcs by state, those with a transition-id before the others."""

import numba
import numpy as np

from steps.decode.fst_arrays import read_fst
from utils.step import UserError


class DecodingGraph:
    """HCLG as arrays.

    first, epsilon   int64 (num_states + 1,), (num_states,): state s has emitting arcs
                     first[s] .. epsilon[s] - 1 and others epsilon[s] .. first[s + 1] - 1
    ilabel, olabel, nextstate   int32 (num_arcs,); ilabel is a transition-id or 0
    pdf              int32 (num_arcs,): the column of the scores, -1 where ilabel is 0
    weight           float32 (num_arcs,)
    final            float32 (num_states,), inf where not final
    rank             int32 (num_states,): arcs without a transition-id lead to higher ranks
    """

    def __init__(self, fst, tid2pdf, path="graph"):
        if fst.start < 0:
            raise UserError(path, "the graph is empty", "does the LM share its words with L?")
        if fst.num_arcs and fst.ilabel.max() >= len(tid2pdf):
            raise UserError(path, f"transition-id {fst.ilabel.max()}, but the model has "
                            f"{len(tid2pdf) - 1}", "build the graph from this model")
        order = np.lexsort((fst.ilabel == 0, fst.source))
        emitting = np.bincount(fst.source[fst.ilabel != 0], minlength=fst.num_states)
        self.start = fst.start
        self.first = fst.first_arc
        self.epsilon = fst.first_arc[:-1] + emitting
        self.ilabel, self.olabel = fst.ilabel[order], fst.olabel[order]
        self.weight, self.nextstate = fst.weight[order], fst.nextstate[order]
        self.final = fst.final
        self.pdf = np.where(self.ilabel > 0, np.asarray(tid2pdf)[self.ilabel], -1).astype(np.int32)
        self.num_pdfs = int(np.max(tid2pdf[1:])) + 1
        self.rank = _epsilon_rank(self.first, self.epsilon, self.nextstate)
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
def _epsilon_rank(first, epsilon, nextstate):
    """Place of each state in a topological order of the epsilon arcs, -1 on a loop."""
    num_states = len(epsilon)
    in_degree = np.zeros(num_states, np.int32)
    for s in range(num_states):
        for a in range(epsilon[s], first[s + 1]):
            in_degree[nextstate[a]] += 1
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
        for a in range(epsilon[s], first[s + 1]):
            d = nextstate[a]
            in_degree[d] -= 1
            if in_degree[d] == 0:
                queue[tail] = d
                tail += 1
    return rank
