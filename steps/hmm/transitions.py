"""Transition-states and transition-ids, numbered as in Kaldi's TransitionModel.

A transition-state is a tuple (phone, hmm_state, forward_pdf, self_loop_pdf); a transition-id
(tid) is one arc out of it, counted from 1 through the sorted tuples. A frame's tid names its
phone, HMM state and pdf, and where the path goes after the frame.
"""

import numpy as np

from steps.hmm.topology import Topology, read_topo
from steps.hmm.tree import monophone_tree
from utils.step import UserError

PROB_FLOOR = 0.01     # as in Kaldi's MleTransitionUpdateConfig
MIN_COUNT = 5.0


class TransitionModel:
    """Transition-ids and their probabilities.

    topo       Topology
    tuples     int32 (num_states, 4): phone, hmm_state, forward_pdf, self_loop_pdf; sorted
    log_probs  float32 (num_tids + 1,), entry 0 unused; None takes the topology's

    Arrays indexed by tid, entry 0 unused: tid2state, tid2pdf, tid2phone, tid2hmm_state,
    tid2next (HMM state after the frame) int32; tid_is_self_loop, tid_is_final bool.
    """

    def __init__(self, topo, tuples, num_pdfs, log_probs=None):
        self.topo = topo
        self.tuples = np.asarray(tuples, np.int32).reshape(-1, 4)
        self.num_pdfs = int(num_pdfs)
        rows, probs = [(0, -1, -1)], [1.0]
        first = []
        for state, (phone, hmm_state, _, _) in enumerate(self.tuples.tolist()):
            first.append(len(rows))
            states = topo.states(phone)
            for following, prob in states[hmm_state][1]:
                rows.append((state, following, len(states) - 1))
                probs.append(prob)
        table = np.array(rows, np.int32)
        self.first_tid = np.array([*first, len(rows)], np.int32)
        self.num_tids = len(rows) - 1
        self.tid2state = table[:, 0]
        self.tid2next = table[:, 1]
        self.tid2phone = self.tuples[self.tid2state, 0]
        self.tid2hmm_state = self.tuples[self.tid2state, 1]
        self.tid_is_self_loop = self.tid2next == self.tid2hmm_state
        self.tid_is_final = self.tid2next == table[:, 2]
        self.tid2pdf = np.where(self.tid_is_self_loop, self.tuples[self.tid2state, 3],
                                self.tuples[self.tid2state, 2]).astype(np.int32)
        for array in (self.tid_is_self_loop, self.tid_is_final):
            array[0] = False
        self.log_probs = (np.log(np.array(probs)).astype(np.float32) if log_probs is None
                          else np.asarray(log_probs, np.float32))
        self._index = {tuple(row): state for state, row in enumerate(self.tuples.tolist())}

    @classmethod
    def from_tree(cls, topo, tree):
        """All tuples that the tree can give to the topology's phones."""
        tuples = [(phone, hmm_state, pdf, pdf) for phone in topo.phones
                  for hmm_state, (pdf_class, arcs) in enumerate(topo.states(phone)) if arcs
                  for pdf in tree.possible_pdfs(phone, pdf_class)]
        return cls(topo, sorted(tuples), tree.num_pdfs)

    def state_index(self, phone, hmm_state, forward_pdf, self_loop_pdf):
        return self._index[phone, hmm_state, forward_pdf, self_loop_pdf]

    def self_loop_tid(self, state):
        """The transition-state's self-loop, 0 if it has none."""
        tids = range(self.first_tid[state], self.first_tid[state + 1])
        return next((tid for tid in tids if self.tid_is_self_loop[tid]), 0)

    def scaled_log_probs(self, transition_scale=1.0, self_loop_scale=0.1):
        """Log-probabilities as graphs count them, float32 (num_tids + 1,).

        The chance of staying or leaving is scaled by self_loop_scale, and the choice among the
        ways out by transition_scale, as in Kaldi's AddTransitionProbs.
        """
        scaled = self.log_probs * transition_scale
        for state in range(len(self.tuples)):
            loop = self.self_loop_tid(state)
            if loop:
                stay = self.log_probs[loop]
                leave = np.log(max(1e-10, 1 - np.exp(stay)))
                span = slice(self.first_tid[state], self.first_tid[state + 1])
                scaled[span] = (transition_scale * (self.log_probs[span] - leave)
                                + self_loop_scale * leave)
                scaled[loop] = self_loop_scale * stay
        return scaled.astype(np.float32)

    def update(self, counts):
        """Maximum-likelihood probabilities, floored, from how often each tid was passed.

        counts  float64 (num_tids + 1,); a state passed fewer than MIN_COUNT times is left as it is
        """
        for state in range(len(self.tuples)):
            span = slice(self.first_tid[state], self.first_tid[state + 1])
            total = counts[span].sum()
            if total >= MIN_COUNT and span.stop - span.start > 1:
                probs = np.maximum(counts[span] / total, PROB_FLOOR)
                self.log_probs[span] = np.log(probs / probs.sum())

    def to_arrays(self):
        return {"tuples": self.tuples, "log_probs": self.log_probs}


def make_transitions(topo_json, tuples, num_pdfs, log_probs):
    return TransitionModel(Topology.from_json(topo_json), tuples, num_pdfs, log_probs)


def monophones(lang):
    """Tree without context and the transition model of a LangDir."""
    topo = read_topo(lang.path / "topo")
    for phone in sorted(phone for phones in lang.sets for phone in phones):
        if phone not in topo.entries:
            raise UserError(lang.path / "topo", f"has no phone {phone}, which sets.int has",
                            "run utils/lang/prepare_lang.py again")
    tree = monophone_tree(lang.sets, {p: topo.num_pdf_classes(p) for p in topo.phones})
    return tree, TransitionModel.from_tree(topo, tree)


def check_own_pdfs(lang, topo):
    """UserError unless every HMM state of a phone has its own pdf class, counted from 0, and the
    phones of each set of a LangDir have states and transitions alike."""
    path = lang.path / "topo"
    for first, *others in lang.sets:
        classes = [pdf_class for pdf_class, arcs in topo.states(first) if arcs]
        if classes != list(range(len(classes))):
            raise UserError(path, f"the states of phone {first} have the pdf classes "
                            f"{' '.join(map(str, classes))}, expected 0, 1, 2, one of each state's "
                            "own", "run utils/lang/prepare_lang.py again")
        for phone in others:
            if _shape(topo.states(phone)) != _shape(topo.states(first)):
                raise UserError(path, f"phones {first} and {phone}, which share their pdfs in "
                                "sets.int, have other states or transitions",
                                "run utils/lang/prepare_lang.py again")


def _shape(states):
    return [(pdf_class, [to for to, _ in arcs]) for pdf_class, arcs in states]
