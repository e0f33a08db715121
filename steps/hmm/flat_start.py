"""The first alignment of all: an utterance's frames shared out equally over its HMM states."""

import numpy as np

from steps.hmm.train_graph import phone_arcs


def phone_path(lexicon, words, silence_phones):
    """One sequence of phones for a transcript: silence at both ends if the lexicon has it there,
    and the cheapest pronunciations without silence between. None where there is no path.
    """
    starts, follow, finals, phones = phone_arcs(lexicon, words)
    silent = set(silence_phones)
    path, choices = [], starts
    while choices:
        ending = not any(phones[arc] not in silent for arc, _ in choices)
        here = [(cost, arc) for arc, cost in choices
                if (phones[arc] in silent) == (ending or not path)]
        arc = min(here or [(cost, arc) for arc, cost in choices])[1]
        path.append(arc)
        choices = follow[arc]
        if not choices or len(path) > len(phones):
            break
    if not path or not np.isfinite(finals[path[-1]]):
        return None
    return [phones[arc] for arc in path]


def equal_alignment(phones, num_frames, transitions, tree):
    """Transition-ids that pass through every HMM state in turn for equally many frames.

    returns int32 (num_frames,); None if there are fewer frames than states
    """
    stay, leave = [], []
    for phone in phones:
        for hmm_state, (pdf_class, arcs) in enumerate(transitions.topo.states(phone)):
            if not arcs:
                continue
            pdf = tree.pdf((phone,), pdf_class)
            state = transitions.state_index(phone, hmm_state, pdf, pdf)
            tids = range(*transitions.first_tid[state:state + 2])
            onward = [tid for tid in tids if transitions.tid2next[tid] == hmm_state + 1]
            if onward:
                leave.append(onward[0])
                stay.append(transitions.self_loop_tid(state) or onward[0])
    if num_frames < len(leave) or not leave:
        return None
    ends = np.arange(1, len(leave) + 1) * num_frames // len(leave)
    tids = np.repeat(stay, np.diff(ends, prepend=0)).astype(np.int32)
    tids[ends - 1] = leave
    return tids
