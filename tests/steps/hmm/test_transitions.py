"""Kaldi's numbering and formulas (hmm/transition-model.cc), worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from steps.hmm.topology import Topology
from steps.hmm.transitions import TransitionModel, check_own_pdfs, make_transitions
from steps.hmm.tree import monophone_tree
from utils.step import UserError

# Phone 1: two states, the first of which may be left for the end; phone 2: one, without a loop.
TOPO = Topology({
    1: [(0, [(0, 0.5), (1, 0.3), (2, 0.2)]), (1, [(1, 0.6), (2, 0.4)]), (-1, [])],
    2: [(0, [(1, 1.0)]), (-1, [])]})


@pytest.fixture
def model():
    return TransitionModel.from_tree(TOPO, monophone_tree([[2], [1]], {1: 2, 2: 1}))


def test_transition_ids_are_numbered_as_kaldis(model):
    # Kaldi sorts (phone, state, pdf) and counts each state's arcs in the topology's order.
    assert model.tuples.tolist() == [[1, 0, 1, 1], [1, 1, 2, 2], [2, 0, 0, 0]]
    assert model.num_tids == 6
    assert model.first_tid.tolist() == [1, 4, 6, 7]
    assert model.tid2state.tolist()[1:] == [0, 0, 0, 1, 1, 2]
    assert model.tid2phone.tolist()[1:] == [1, 1, 1, 1, 1, 2]
    assert model.tid2hmm_state.tolist()[1:] == [0, 0, 0, 1, 1, 0]
    assert model.tid2pdf.tolist()[1:] == [1, 1, 1, 2, 2, 0]
    assert model.tid2next.tolist()[1:] == [0, 1, 2, 1, 2, 1]
    assert model.tid_is_self_loop.tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert model.tid_is_final.tolist() == [0, 0, 0, 1, 0, 1, 1]
    assert np.exp(model.log_probs[1:]) == pytest.approx([0.5, 0.3, 0.2, 0.6, 0.4, 1.0])
    assert [model.self_loop_tid(s) for s in range(3)] == [1, 4, 0]
    assert model.state_index(1, 1, 2, 2) == 1


def test_states_with_several_pdfs_are_sorted_by_pdf():
    class Tree:
        num_pdfs = 4

        def possible_pdfs(self, phone, pdf_class):
            return {(1, 0): [3, 0], (1, 1): [1], (2, 0): [2]}[phone, pdf_class]

    model = TransitionModel.from_tree(TOPO, Tree())
    assert model.tuples.tolist() == [[1, 0, 0, 0], [1, 0, 3, 3], [1, 1, 1, 1], [2, 0, 2, 2]]
    assert model.tid2pdf.tolist()[1:] == [0, 0, 0, 3, 3, 3, 1, 1, 2]


@pytest.mark.parametrize("transition_scale,self_loop_scale", [(1.0, 0.1), (0.5, 0.3), (1.0, 1.0)])
def test_scales_as_in_a_kaldi_graph(model, transition_scale, self_loop_scale):
    scaled = model.scaled_log_probs(transition_scale, self_loop_scale)
    t, s = transition_scale, self_loop_scale
    # GetTransitionLogProbIgnoringSelfLoops times t, and the way past the loop times s.
    assert scaled[1:] == pytest.approx([
        s * np.log(0.5), t * np.log(0.3 / 0.5) + s * np.log(0.5),
        t * np.log(0.2 / 0.5) + s * np.log(0.5), s * np.log(0.6), s * np.log(0.4), 0.0], abs=1e-6)
    if t == s == 1:
        assert scaled[1:] == pytest.approx(model.log_probs[1:], abs=1e-6)


def test_update_counts_and_floors(model):
    model.update(np.array([0, 70, 30, 0, 2, 2, 9.0]))
    probs = np.exp(model.log_probs)
    floored = np.array([0.7, 0.3, 0.01])
    assert probs[1:4] == pytest.approx(floored / floored.sum())     # 0 of 100 becomes the floor
    assert probs[4:6] == pytest.approx([0.6, 0.4])                   # passed 4 times, too seldom
    assert probs[6] == pytest.approx(1.0)


def test_an_unfloored_update_is_the_likeliest(model):
    counts = np.array([0, 60, 25, 15, 30, 70, 8.0])
    model.update(counts)
    best = counts[1:] @ model.log_probs[1:]
    rng = np.random.default_rng(0)
    for _ in range(50):
        other = TransitionModel(TOPO, model.tuples, 3)
        other.update(np.maximum(counts + rng.normal(size=7) * 5, 1))
        assert counts[1:] @ other.log_probs[1:] <= best + 1e-4


def test_survives_arrays(model):
    model.update(np.array([0, 70, 30, 5, 2, 9, 9.0]))
    again = make_transitions(TOPO.to_json(), **model.to_arrays(), num_pdfs=3)
    assert np.array_equal(again.log_probs, model.log_probs)
    assert np.array_equal(again.tid2pdf, model.tid2pdf)


def test_states_that_have_their_own_pdfs():
    class Lang:
        path, sets = Path("lang"), [[1], [2, 3]]

    def topo(*classes, like=1):
        states = [(c, [(s, 0.6), (s + 1, 0.4)]) for s, c in enumerate(classes)]
        return Topology({1: [*states, (-1, [])], 2: TOPO.states(1),
                         3: TOPO.states(like)})

    check_own_pdfs(Lang, topo(0, 1, 2))
    for classes in ((0, 1, 0), (0, 0), (1, 0), (1, 2)):
        with pytest.raises(UserError, match="lang/topo: the states of phone 1 have the pdf classes "
                                            + " ".join(map(str, classes))):
            check_own_pdfs(Lang, topo(*classes))
    with pytest.raises(UserError, match="lang/topo: phones 2 and 3, which share their pdfs"):
        check_own_pdfs(Lang, topo(0, like=2))
