"""The alignment of two sequences of numbers by dynamic programming, compiled."""

import numba
import numpy as np

from steps.score.wer import CORRECT, DEL, INS, SUB


@numba.njit(cache=True, nogil=True)
def align_ids(ref, hyp, sub_cost, ins_cost, del_cost, insertions_first):
    """The cheapest alignment, as the kinds of its steps.

    ref, hyp           int32 (num_ref,), (num_hyp,)
    insertions_first   of equally cheap ways into a cell take insertion before deletion before
                       substitution or match (Kaldi's LevenshteinEditDistance); otherwise
                       substitution or match before insertion before deletion (sclite)
    returns            uint8 (num_steps,) of CORRECT, SUB, DEL, INS
    """
    num_ref, num_hyp = len(ref), len(hyp)
    above, cost = np.arange(num_hyp + 1) * ins_cost, np.zeros(num_hyp + 1, np.int64)
    kind = np.zeros((num_ref + 1, num_hyp + 1), np.uint8)
    for r in range(1, num_ref + 1):
        kind[r, 0] = DEL
    for h in range(1, num_hyp + 1):
        kind[0, h] = INS
    for r in range(1, num_ref + 1):
        cost[0] = r * del_cost
        for h in range(1, num_hyp + 1):
            same = ref[r - 1] == hyp[h - 1]
            by_sub = above[h - 1] + (0 if same else sub_cost)
            by_ins = cost[h - 1] + ins_cost
            by_del = above[h] + del_cost
            if insertions_first:
                diagonal = by_sub < by_ins and by_sub < by_del
                inserted = not diagonal and by_ins <= by_del
            else:
                diagonal = by_sub <= by_ins and by_sub <= by_del
                inserted = not diagonal and by_ins <= by_del
            if diagonal:
                cost[h] = by_sub
                kind[r, h] = CORRECT if same else SUB
            elif inserted:
                cost[h] = by_ins
                kind[r, h] = INS
            else:
                cost[h] = by_del
                kind[r, h] = DEL
        above, cost = cost, above
    steps = np.empty(num_ref + num_hyp, np.uint8)
    start = num_ref + num_hyp
    r, h = num_ref, num_hyp
    while r or h:
        start -= 1
        steps[start] = kind[r, h]
        if steps[start] != INS:
            r -= 1
        if steps[start] != DEL:
            h -= 1
    return steps[start:]
