"""The HMM states through which one transcript can pass: words, pronunciations, optional silence.

The transcript, composed with the lexicon L.fst, gives a lattice of phones; its arcs are copied
for each pair of neighbours where the tree looks at them, and opened into HMM states.

    words -> L.fst -> phone arcs -> phones in context -> HMM states with incoming transitions
"""

from dataclasses import dataclass

import kaldifst
import numpy as np

from utils.step import UserError


@dataclass
class TrainGraph:
    """States in topological order, but for loops inside a phone; costs in nats.

    state     int32 (num_states,): transition-state of each
    in_start  int32 (num_states + 1,): incoming arcs of state j are in_start[j]:in_start[j + 1]
    in_src    int32 (num_arcs,);  in_tid int32 (num_arcs,): the transition-id taken out of in_src
    in_cost   float32 (num_arcs,): of pronunciation and silence, without HMM transitions
    start_cost, final_cost  float32 (num_states,), inf where a path cannot start or end
    final_tid int32 (num_states,): transition-id that a path's last frame takes
    min_frames  the fewest frames that a path through it has
    """

    state: np.ndarray
    in_start: np.ndarray
    in_src: np.ndarray
    in_tid: np.ndarray
    in_cost: np.ndarray
    start_cost: np.ndarray
    final_cost: np.ndarray
    final_tid: np.ndarray
    min_frames: int


def read_lexicon(lang):
    """L.fst of a LangDir, sorted as GraphBuilder needs it; UserError where it is none."""
    path = lang.path / "L.fst"
    lexicon = kaldifst.StdVectorFst.read(str(path))
    if lexicon is None:
        raise UserError(path, "is no FST, or is cut short", "run utils/lang/prepare_lang.py")
    kaldifst.arcsort(lexicon, sort_type="olabel")
    return lexicon


class GraphBuilder:
    """Makes the TrainGraph of any transcript.

    lexicon      StdVectorFst, L.fst with phones in and words out, sorted by output label
    transitions  TransitionModel;  tree  Tree, of context width 1 or 3
    """

    def __init__(self, lexicon, transitions, tree):
        self.lexicon, self.transitions, self.tree = lexicon, transitions, tree
        self._states = {}
        self._templates = {}

    def build(self, words):
        """TrainGraph of a list of word ids; None where the lexicon has no path for them."""
        starts, follow, finals, phones = phone_arcs(self.lexicon, words)
        if not starts and not any(np.isfinite(finals)):
            return None
        nodes, node_start, node_follow, node_final = self._in_context(
            starts, follow, finals, phones)
        return self._open(nodes, node_start, node_follow, node_final)

    def _in_context(self, starts, follow, finals, phones):
        """Copies of the phone arcs, one per pair of neighbours: (left, phone, right) windows."""
        width = self.tree.context_width
        if width == 1:
            return [(p,) for p in phones], starts, follow, finals
        preceding = [set() for _ in phones]
        for arc, _ in starts:
            preceding[arc].add(0)
        for arc, following in enumerate(follow):
            for to, _ in following:
                preceding[to].add(phones[arc])
        nodes, copies = [], []
        for arc, phone in enumerate(phones):
            rights = {phones[to] for to, _ in follow[arc]}
            if np.isfinite(finals[arc]):
                rights.add(0)
            copies.append({})
            for left in sorted(preceding[arc]):
                for right in sorted(rights):
                    copies[arc][left, right] = len(nodes)
                    nodes.append((left, phone, right))
        node_start = [(node, cost) for arc, cost in starts
                      for (left, _), node in copies[arc].items() if left == 0]
        node_follow = [[] for _ in nodes]
        node_final = [np.inf] * len(nodes)
        for arc, phone in enumerate(phones):
            for (_, right), node in copies[arc].items():
                if right == 0:
                    node_final[node] = finals[arc]
                else:
                    node_follow[node] = [
                        (copy, cost) for to, cost in follow[arc] if phones[to] == right
                        for (left, _), copy in copies[to].items() if left == phone]
        return nodes, node_start, node_follow, node_final

    def _open(self, nodes, starts, follow, finals):
        """HMM states of each phone in context, in topological order of the phones."""
        order = topological(len(nodes), starts, follow)
        base, state = {}, []
        for node in order:
            base[node] = len(state)
            state.extend(self._window_states(nodes[node]))
        incoming = [[] for _ in state]
        start_cost = np.full(len(state), np.inf, np.float32)
        final_cost = np.full(len(state), np.inf, np.float32)
        final_tid = np.zeros(len(state), np.int32)
        shortest = {}
        for node, cost in starts:
            if base[node] < len(state):
                start_cost[base[node]] = min(cost, start_cost[base[node]])
                shortest[node] = 0
        total = np.inf
        for node in order:
            first = base[node]
            within, leaving, min_frames = self._template(nodes[node])
            for src, tid, dst in within:
                incoming[first + dst].append((first + src, tid, 0.0))
            for src, tid in leaving:
                for to, cost in follow[node]:
                    incoming[base[to]].append((first + src, tid, cost))
                if np.isfinite(finals[node]):
                    final_cost[first + src] = finals[node]
                    final_tid[first + src] = tid
            end = shortest.get(node, np.inf) + min_frames
            for to, _ in follow[node]:
                shortest[to] = min(shortest.get(to, np.inf), end)
            if np.isfinite(finals[node]):
                total = min(total, end)
        flat = [arc for arcs in incoming for arc in arcs]
        sources, tids, costs = zip(*flat, strict=True) if flat else ((), (), ())
        return TrainGraph(
            np.array(state, np.int32),
            np.concatenate([[0], np.cumsum([len(a) for a in incoming])]).astype(np.int32),
            np.array(sources, np.int32), np.array(tids, np.int32), np.array(costs, np.float32),
            start_cost, final_cost, final_tid, int(total) if np.isfinite(total) else 0)

    def _window_states(self, window):
        """Transition-states of the emitting HMM states of a phone in context."""
        states = self._states.get(window)
        if states is None:
            phone = window[self.tree.central_position]
            states = []
            for hmm_state, (pdf_class, arcs) in enumerate(self.transitions.topo.states(phone)):
                if arcs:
                    pdf = self.tree.pdf(window, pdf_class)
                    states.append(self.transitions.state_index(phone, hmm_state, pdf, pdf))
            self._states[window] = states
        return states

    def _template(self, window):
        """Arcs inside the phone (src, tid, dst), arcs out of it (src, tid), its fewest frames."""
        template = self._templates.get(window)
        if template is None:
            phone = window[self.tree.central_position]
            final = len(self.transitions.topo.states(phone)) - 1
            within, leaving = [], []
            for src, state in enumerate(self._window_states(window)):
                first, last = self.transitions.first_tid[state:state + 2]
                for tid in range(first, last):
                    following = int(self.transitions.tid2next[tid])
                    if following == final:
                        leaving.append((src, tid))
                    else:
                        within.append((src, tid, following))
            template = within, leaving, self.transitions.topo.min_frames(phone)
            self._templates[window] = template
        return template


def phone_arcs(lexicon, words):
    """The phone lattice of a transcript, without epsilons.

    returns starts [(arc, cost)], follow [[(arc, cost), ...] per arc], finals [cost per arc],
            phones [phone id per arc]; an arc here is one phone at one place
    """
    linear = kaldifst.make_linear_acceptor(list(map(int, words)))
    lattice = kaldifst.compose(lexicon, linear)
    if lattice.start < 0:
        return [], [], [], []
    arcs, phones, silent = [], [], {}
    leaving = {}
    for state in range(lattice.num_states):
        for arc in kaldifst.ArcIterator(lattice, state):
            cost = float(arc.weight.value)
            if arc.ilabel:
                leaving.setdefault(state, []).append((len(arcs), cost))
                arcs.append(arc.nextstate)
                phones.append(arc.ilabel)
            else:
                silent.setdefault(state, []).append((arc.nextstate, cost))
    final = [float(lattice.final(s).value) for s in range(lattice.num_states)]
    closures = {}

    def closure(state):
        """Cheapest epsilon cost to each state, then the phone arcs and the final cost from here."""
        if state not in closures:
            reached, stack = {state: 0.0}, [state]
            while stack:
                here = stack.pop()
                for following, cost in silent.get(here, ()):
                    if reached[here] + cost < reached.get(following, np.inf):
                        reached[following] = reached[here] + cost
                        stack.append(following)
            out = [(arc, cost + more) for there, cost in reached.items()
                   for arc, more in leaving.get(there, ())]
            closures[state] = out, min(cost + final[there] for there, cost in reached.items())
        return closures[state]

    starts = closure(lattice.start)[0]
    return (starts, [closure(end)[0] for end in arcs], [closure(end)[1] for end in arcs], phones)


def topological(count, starts, follow):
    """Nodes that the starts reach, each before those that follow it."""
    seen, order = [False] * count, []
    for root, _ in starts:
        if seen[root]:
            continue
        seen[root] = True
        stack = [(root, iter(follow[root]))]
        while stack:
            node, rest = stack[-1]
            for to, _ in rest:
                if not seen[to]:
                    seen[to] = True
                    stack.append((to, iter(follow[to])))
                    break
            else:
                order.append(node)
                stack.pop()
    return order[::-1]
