"""The H of HCLG: HMMs as a transducer from transition-ids to phones in context, and self-loops.

Self-loops come before the transition that leaves a state, as in the alignments of steps/hmm
(Kaldi's --reorder=false): a state that takes three frames is self-loop, self-loop, forward.
"""

import numpy as np

from steps.decode.fst_arrays import from_arcs


def h_transducer(windows, tree, transitions, transition_scale=1.0):
    """Kaldi's make-h-transducer: H without self-loops.

    windows      what CLG's input labels stand for, as kaldifst.compose_context gives them: a list
                 of context_width phones for each label; label 0 is epsilon, a list of one number
                 that is not positive a disambiguation symbol
    returns      FstArrays, start and only final state 0; and the list of the input labels that
                 stand for disambiguation symbols, num_tids + 1 and on
    """
    arcs = []   # (src, dst, transition-id, label, cost)
    by_phone, disambig = {}, []
    for label, window in enumerate(windows):
        if label == 0:
            continue
        if len(window) == 1 and window[0] <= 0:
            disambig.append(transitions.num_tids + 1 + len(disambig))
            arcs.append((0, 0, disambig[-1], label, 0.0))
        else:
            by_phone.setdefault(window[tree.central_position], []).append(label)
    costs = -transition_scale * _log_probs_without_loops(transitions)
    num_states = 1
    for phone, labels in sorted(by_phone.items()):
        states = transitions.topo.states(phone)
        table = np.array([windows[label] for label in labels])
        pdfs = np.column_stack([tree.pdfs(table, np.full(len(table), pdf_class))
                                for pdf_class, following in states if following])
        hmms, which = np.unique(pdfs, axis=0, return_inverse=True)
        for row, hmm in enumerate(hmms.tolist()):
            # One copy of the HMM for all windows that share it; only the way in has their labels.
            place = [0] + [num_states + i for i in range(len(states) - 2)] + [0]
            num_states += len(states) - 2
            labels_here = [labels[i] for i in np.flatnonzero(which.ravel() == row)]
            for hmm_state, pdf in enumerate(hmm):
                state = transitions.state_index(phone, hmm_state, pdf, pdf)
                for tid in range(*transitions.first_tid[state:state + 2]):
                    if transitions.tid_is_self_loop[tid]:
                        continue
                    following = int(transitions.tid2next[tid])
                    if following == 0:
                        raise ValueError(f"phone {phone}: its HMM comes back to its first state")
                    arcs += [(place[hmm_state], place[following], tid, label, costs[tid])
                             for label in (labels_here if hmm_state == 0 else [0])]
    final = np.full(num_states, np.inf)
    final[0] = 0.0
    src, dst, ilabel, olabel, weight = zip(*arcs, strict=True)
    return from_arcs(0, num_states, src, dst, ilabel, olabel, weight, final), disambig


def add_self_loops(fst, transitions, scale=0.1):
    """Kaldi's add-self-loops --reorder=false on FstArrays whose labels are transition-ids.

    A state's arcs must all leave the same HMM state for it to have the self-loop; where they do
    not, each HMM state gets a state of its own, reached without a transition-id.
    """
    loop_of_state = np.array([transitions.self_loop_tid(s)
                              for s in range(len(transitions.tuples))], np.int32)
    loop_of_tid = loop_of_state[transitions.tid2state]
    loop_of_tid[0] = 0
    # HMM states are known by their self-loop here; without one there is nothing to add.
    loop = loop_of_tid[fst.ilabel]
    source = fst.source.astype(np.int64)
    weight = fst.weight + scale * -_log_leave_probs(transitions)[fst.ilabel]
    pairs = np.unique(np.column_stack([source, loop]), axis=0)
    kinds = np.bincount(pairs[:, 0], minlength=fst.num_states) + (
        np.isfinite(fst.final) & ~_has_pair(pairs, fst.num_states))
    pairs = pairs[pairs[:, 1] > 0]
    split = kinds[pairs[:, 0]] > 1
    holder = pairs[:, 0].copy()
    holder[split] = fst.num_states + np.arange(np.count_nonzero(split))
    key = pairs[:, 0] * (transitions.num_tids + 1) + pairs[:, 1]
    looped = np.flatnonzero(loop)
    new_source = source.copy()
    new_source[looped] = holder[np.searchsorted(
        key, source[looped] * (transitions.num_tids + 1) + loop[looped])]
    loop_costs = -scale * transitions.log_probs[pairs[:, 1]]
    none = np.zeros(np.count_nonzero(split), np.int32)
    empty = np.zeros(len(pairs), np.int32)
    return from_arcs(
        fst.start, fst.num_states + len(none),
        np.concatenate([pairs[split, 0], new_source, holder]),
        np.concatenate([holder[split], fst.nextstate, holder]),
        np.concatenate([none, fst.ilabel, pairs[:, 1]]),
        np.concatenate([none, fst.olabel, empty]),
        np.concatenate([none, weight, loop_costs]),
        np.concatenate([fst.final, np.full(len(none), np.inf, np.float32)]))


def remove_symbols(fst, symbols):
    """Kaldi's fstrmsymbols: these input labels become epsilon."""
    return fst._replace(ilabel=np.where(np.isin(fst.ilabel, symbols), 0, fst.ilabel)
                        .astype(np.int32))


def remove_epsilons_local(fst):
    """Fewer arcs without labels, in the two cases of Kaldi's fstrmepslocal that cannot add arcs.

    An arc s -> t without labels is left out and its cost moved where t is reached by no other arc
    (s takes over t's arcs), or where nothing else leaves s (what led to s leads to t).
    """
    for ahead in (True, False):
        source, states = fst.source, np.arange(fst.num_states)
        silent = (fst.ilabel == 0) & (fst.olabel == 0) & (fst.nextstate != source)
        if ahead:
            ways_in = np.bincount(fst.nextstate, minlength=fst.num_states)
            ways_in[fst.start] += 1
            gone = silent & (ways_in[fst.nextstate] == 1) & ~np.isfinite(fst.final[fst.nextstate])
            old, new = fst.nextstate[gone], source[gone]
        else:
            gone = (silent & (np.diff(fst.first_arc)[source] == 1) & (source != fst.start)
                    & ~np.isfinite(fst.final[source]))
            old, new = source[gone], fst.nextstate[gone]
        stands_for, cost = states.copy(), np.zeros(fst.num_states)
        stands_for[old], cost[old] = new, fst.weight[gone]
        for _ in range(64):   # chains of such arcs, doubled in length each time
            further = stands_for[stands_for] != stands_for
            if not further.any():
                break
            cost = cost + np.where(further, cost[stands_for], 0.0)
            stands_for = stands_for[stands_for]
        end = source if ahead else fst.nextstate
        weight = fst.weight + cost[end]
        fst = from_arcs(fst.start, fst.num_states,
                        (stands_for[source] if ahead else source)[~gone],
                        (fst.nextstate if ahead else stands_for[fst.nextstate])[~gone],
                        fst.ilabel[~gone], fst.olabel[~gone], weight[~gone], fst.final)
    return fst


def _has_pair(pairs, num_states):
    """Whether each state has an arc without a self-loop to be added."""
    result = np.zeros(num_states, bool)
    result[pairs[pairs[:, 1] == 0, 0]] = True
    return result


def _log_leave_probs(transitions):
    """log(1 - self-loop probability) of each tid's HMM state, float64 (num_tids + 1,)."""
    result = np.zeros(transitions.num_tids + 1)
    for tid in range(1, transitions.num_tids + 1):
        loop = transitions.self_loop_tid(transitions.tid2state[tid])
        if loop:
            result[tid] = np.log1p(-np.exp(np.float64(transitions.log_probs[loop])))
    return result


def _log_probs_without_loops(transitions):
    """Log-probability of each tid given that the HMM state is left, float64 (num_tids + 1,)."""
    return transitions.log_probs.astype(np.float64) - _log_leave_probs(transitions)
