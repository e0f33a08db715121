"""HMM topologies, in the text form of Kaldi's <lang>/topo.

    topo = read_topo("data/lang/topo")
    topo.states(phone)      # [(pdf_class, [(next_state, prob), ...]), ...], the last one final
"""

from pathlib import Path

from utils.data.tables import read_lines
from utils.step import UserError


class Topology:
    """The states and transitions of each phone's HMM.

    entries: {phone id: [(pdf_class, [(next_state, prob), ...]), ...]}; a state without
             transitions is the final one, has pdf_class -1 and emits nothing
    """

    def __init__(self, entries):
        self.entries = entries

    @property
    def phones(self):
        return sorted(self.entries)

    def states(self, phone):
        return self.entries[phone]

    def num_pdf_classes(self, phone):
        return 1 + max(pdf_class for pdf_class, _ in self.entries[phone])

    def min_frames(self, phone):
        """Fewest frames that a pass through the phone's HMM takes."""
        return _frames_to_end(self.entries[phone])[0]

    def to_json(self):
        return [[phone, self.entries[phone]] for phone in self.phones]

    @classmethod
    def from_json(cls, data):
        return cls({phone: [(pdf_class, [tuple(a) for a in arcs]) for pdf_class, arcs in states]
                    for phone, states in data})


def _frames_to_end(states):
    """{state: fewest frames from there to the final state} of those that lead there."""
    distance = {len(states) - 1: 0}
    for _ in states:
        for state, (_, arcs) in enumerate(states):
            reach = [distance[n] + 1 for n, _ in arcs if n in distance and n != state]
            if reach:
                distance[state] = min(reach)
    return distance


def read_topo(path):
    """Read a topo file as Kaldi's gen_topo.pl writes it; errors name file and line.

    No HMM may come back to its first state, as a graph has the phone's label on the way out of it.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "no such file", "run prepare_lang.py")
    tokens = [(token, number) for number, line in enumerate(read_lines(path), 1)
              for token in line.split()]
    reader = _Tokens(path, tokens)
    entries = {}
    reader.expect("<Topology>")
    while reader.peek() == "<TopologyEntry>":
        reader.expect("<TopologyEntry>")
        reader.expect("<ForPhones>")
        phones = []
        while reader.peek() != "</ForPhones>":
            phones.append(reader.number(int))
        reader.expect("</ForPhones>")
        states = []
        while reader.peek() == "<State>":
            states.append(_read_state(reader, len(states)))
        reader.expect("</TopologyEntry>")
        if len(states) < 2 or states[-1][1] or any(not arcs for _, arcs in states[:-1]):
            reader.fail("a topology needs emitting states and then one final state")
        for target in (to for _, arcs in states for to, _ in arcs):
            if not 0 <= target < len(states):
                reader.fail(f"a transition to state {target}, of {len(states)} states")
        for state, (_, arcs) in enumerate(states):
            if state and any(to == 0 for to, _ in arcs):
                reader.fail(f"a transition from state {state} back to state 0, which graphs lack")
        if 0 not in _frames_to_end(states):
            reader.fail("no transitions lead from state 0 to the final state")
        for phone in phones:
            if phone in entries:
                reader.fail(f"phone {phone} has a topology already")
            entries[phone] = states
    reader.expect("</Topology>")
    return Topology(entries)


def _read_state(reader, expected):
    reader.expect("<State>")
    if reader.number(int) != expected:
        reader.fail(f"states are numbered in order, expected {expected}")
    pdf_class, arcs = -1, []
    while reader.peek() != "</State>":
        token = reader.next()
        if token == "<PdfClass>":
            pdf_class = reader.number(int)
        elif token == "<Transition>":
            arcs.append((reader.number(int), reader.number(float)))
            if not 0 < arcs[-1][1] <= 1:
                reader.fail(f"a transition of probability {arcs[-1][1]:g}, expected above 0, to 1")
        else:
            reader.fail(f"{token} is not known here; expected <PdfClass> or <Transition>")
    reader.expect("</State>")
    if arcs and pdf_class < 0:
        reader.fail(f"state {expected} has transitions and no <PdfClass> of 0 or more")
    if len({to for to, _ in arcs}) < len(arcs):
        reader.fail(f"state {expected} has two transitions to the same state")
    return pdf_class, arcs


class _Tokens:
    def __init__(self, path, tokens):
        self.path, self.tokens, self.position = path, tokens, 0

    def peek(self):
        if self.position == len(self.tokens):
            self.fail("ends too early")
        return self.tokens[self.position][0]

    def next(self):
        token = self.peek()
        self.position += 1
        return token

    def expect(self, wanted):
        if self.next() != wanted:
            self.fail(f"expected {wanted}, found {self.tokens[self.position - 1][0]}")

    def number(self, kind):
        token = self.next()
        try:
            return kind(token)
        except ValueError:
            return self.fail(f"expected a number, found {token}")

    def fail(self, what):
        index = min(max(self.position - 1, 0), len(self.tokens) - 1)
        line = self.tokens[index][1] if self.tokens else 1
        raise UserError(f"{self.path}:{line}", what, "make it anew with prepare_lang.py")
