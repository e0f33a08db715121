"""The first alignment of all: an utterance's frames shared out equally over its HMM states."""

import numpy as np

from steps.hmm.train_graph import phone_arcs, topological

UNLIKELY = 1e4     # nats, more than any transcript's pronunciations cost


def phone_path(lexicon, words, silence):
    """The phones of a transcript: silence at both ends if the lexicon has it there, the cheapest
    pronunciations without silence between. None where there is no path.

    silence  id of the phone that may stand between words
    """
    starts, follow, finals, phones = phone_arcs(lexicon, words)
    best, onward = {}, {}
    for arc in reversed(topological(len(phones), starts, follow)):
        quiet = phones[arc] == silence
        ways = [(best[to] + cost + UNLIKELY * quiet, to) for to, cost in follow[arc]]
        ways.append((finals[arc] + UNLIKELY * (not quiet), None))
        best[arc], onward[arc] = min(ways, key=lambda way: way[0])
    # Twice, as a silence that something follows has been held unlikely above.
    total, arc = min(((best[arc] + cost - 2 * UNLIKELY * (phones[arc] == silence), arc)
                      for arc, cost in starts), default=(np.inf, None))
    if not np.isfinite(total):
        return None
    path = []
    while arc is not None:
        path.append(phones[arc])
        arc = onward[arc]
    return path


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
