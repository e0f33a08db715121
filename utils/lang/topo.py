"""Kaldi's text of an HMM topology: left to right for phones, looser for silence."""


def topology(nonsilence, silence, num_nonsil_states=3, num_sil_states=5):
    """The text of <lang>/topo, as Kaldi's gen_topo writes it.

    nonsilence, silence   lists of phone ids
    Phones go left to right without skips, self-loop 0.75. Silence may take the states between
    its first and its last in any order, each transition equally likely, so that it lasts as
    long as it likes but never less than three frames.
    """
    last = num_nonsil_states
    lines = ["<Topology>", "<TopologyEntry>", "<ForPhones>", " ".join(map(str, nonsilence)),
             "</ForPhones>"]
    lines += [_state(s, [(s, "0.75"), (s + 1, "0.25")]) for s in range(last)]
    lines += [f"<State> {last} </State>", "</TopologyEntry>",
              "<TopologyEntry>", "<ForPhones>", " ".join(map(str, silence)), "</ForPhones>"]
    last = num_sil_states
    equal = f"{1 / (last - 1):.15g}"
    lines += [_state(0, [(s, equal) for s in range(last - 1)])]
    lines += [_state(s, [(to, equal) for to in range(1, last)]) for s in range(1, last - 1)]
    lines += [_state(last - 1, [(last - 1, "0.75"), (last, "0.25")]), f"<State> {last} </State>",
              "</TopologyEntry>", "</Topology>"]
    return "\n".join(lines) + "\n"


def _state(state, transitions):
    arcs = " ".join(f"<Transition> {to} {prob}" for to, prob in transitions)
    return f"<State> {state} <PdfClass> {state} {arcs} </State>"
