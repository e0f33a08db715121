"""Lattices with another language model's scores."""

import math

import numpy as np

from steps.decode.lattice import Lattice, trim

LOG10 = math.log(10.0)


class LmScores:
    """Costs of a word after a history, in nats, of an ArpaModel; histories are numbered.

    model    ArpaModel;  symbols  words as a list indexed by id
    """

    def __init__(self, model, symbols):
        self.model, self.symbols = model, symbols
        self.histories, self.numbers, self.known = [], {}, {}
        self.start = self._number(model.state(("<s>",)))

    def _number(self, history):
        if history not in self.numbers:
            self.numbers[history] = len(self.histories)
            self.histories.append(history)
        return self.numbers[history]

    def step(self, history, word):
        """(cost, next history) of a word id; word -1 is the end of the sentence."""
        key = history, word
        if key not in self.known:
            before = self.histories[history]
            symbol = "</s>" if word < 0 else self.symbols[word]
            cost = -LOG10 * self.model.score(before, symbol)
            self.known[key] = cost, self._number(self.model.state((*before, symbol)))
        return self.known[key]


def rescore(lattice, old, new, old_scale=1.0, new_scale=1.0):
    """Take the old model's costs out of the graph costs and put the new one's in.

    Each state is copied for each pair of histories that the two models can tell apart there.
    old, new   LmScores; old may be None, to leave what is there
    returns    Lattice
    raises     KeyError of a word that the old model does not allow, and so has not been there
    """
    if not lattice.num_states:
        return lattice
    first = np.searchsorted(lattice.src, np.arange(lattice.num_states + 1)).tolist()
    dst, olabel = lattice.dst.tolist(), lattice.olabel.tolist()
    is_final = np.isfinite(lattice.final_graph_cost).tolist()
    waiting = [{} for _ in range(lattice.num_states)]   # of each state: {histories: number}
    waiting[0][old.start if old else 0, new.start] = None
    count, arcs, finals = 0, [], []
    for state in range(lattice.num_states):
        for histories in waiting[state]:
            waiting[state][histories] = count
            if is_final[state]:
                finals.append((count, state, _change(old, new, histories, -1, old_scale,
                                                     new_scale)[0]))
            for a in range(first[state], first[state + 1]):
                change, following = ((0.0, histories) if not olabel[a] else
                                     _change(old, new, histories, olabel[a], old_scale, new_scale))
                waiting[dst[a]].setdefault(following)
                arcs.append((count, a, change, following))
            count += 1
    index = np.array([a for _, a, _, _ in arcs], np.int64)
    final_graph, final_acoustic = np.full((2, count), np.inf)
    for number, state, change in finals:
        final_graph[number] = lattice.final_graph_cost[state] + change
        final_acoustic[number] = lattice.final_acoustic_cost[state]
    result = Lattice(
        [src for src, _, _, _ in arcs],
        [waiting[dst[a]][following] for _, a, _, following in arcs],
        lattice.ilabel[index], lattice.olabel[index],
        lattice.graph_cost[index] + np.array([change for _, _, change, _ in arcs]),
        lattice.acoustic_cost[index], final_graph, final_acoustic)
    return trim(result, np.isfinite(result.graph_cost))


def _change(old, new, histories, word, old_scale, new_scale):
    """What a word changes in the cost, and the histories after it."""
    old_cost, old_next = old.step(histories[0], word) if old else (0.0, 0)
    new_cost, new_next = new.step(histories[1], word)
    if not math.isfinite(old_cost):
        raise KeyError("</s>" if word < 0 else old.symbols[word])
    return new_scale * new_cost - old_scale * old_cost, (old_next, new_next)
