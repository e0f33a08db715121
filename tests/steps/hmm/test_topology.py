import itertools
import json
import math

import pytest

from steps.hmm.topology import Topology, read_topo
from utils.step import UserError

TOPO = """<Topology>
<TopologyEntry>
<ForPhones>
3 4 5
</ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.75 <Transition> 1 0.25 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.75 <Transition> 2 0.25 </State>
<State> 2 <PdfClass> 2 <Transition> 2 0.75 <Transition> 3 0.25 </State>
<State> 3 </State>
</TopologyEntry>
<TopologyEntry>
<ForPhones>
1
</ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.25 <Transition> 2 0.25 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.5 <Transition> 2 0.5 </State>
<State> 2 </State>
</TopologyEntry>
</Topology>
"""


def written(tmp_path, text):
    (tmp_path / "topo").write_text(text)
    return tmp_path / "topo"


def test_reads_kaldis_form(tmp_path):
    topo = read_topo(written(tmp_path, TOPO))
    assert topo.phones == [1, 3, 4, 5]
    assert topo.states(4) == [(0, [(0, 0.75), (1, 0.25)]), (1, [(1, 0.75), (2, 0.25)]),
                              (2, [(2, 0.75), (3, 0.25)]), (-1, [])]
    assert [topo.num_pdf_classes(p) for p in topo.phones] == [2, 3, 3, 3]
    assert [topo.min_frames(p) for p in topo.phones] == [1, 3, 3, 3]


def test_min_frames_is_the_shortest_of_all_paths(speech):
    topo = read_topo(speech.lang / "topo")
    for phone in topo.phones:
        states = topo.states(phone)
        final = len(states) - 1
        shortest = min(length for length in range(1, len(states) + 1)
                       for path in itertools.product(range(final), repeat=length - 1)
                       if _passes(states, [0, *path, final]))
        assert topo.min_frames(phone) == shortest


def _passes(states, path):
    return all(any(to == b for to, _ in states[a][1]) for a, b in itertools.pairwise(path))


def test_survives_json(tmp_path):
    topo = read_topo(written(tmp_path, TOPO))
    assert Topology.from_json(json.loads(json.dumps(topo.to_json()))).entries == topo.entries


@pytest.mark.parametrize("old,new,where", [
    ("<State> 1 <PdfClass> 1 <Transition> 1 0.75", "<State> 7 <PdfClass> 1 <Transition> 1 0.75",
     "topo:7: states are numbered in order, expected 1"),
    ("<Transition> 0 0.75", "<Transition> 0 much", "topo:6: expected a number, found much"),
    ("<PdfClass> 2", "<SelfLoopPdfClass> 2", "topo:8: <SelfLoopPdfClass> is not known here"),
    ("<State> 3 </State>\n", "", "topo:9: a topology needs emitting states"),
    ("</Topology>\n", "", "topo:18: ends too early"),
    ("<Topology>\n", "", "topo:1: expected <Topology>, found <TopologyEntry>"),
    ("<Transition> 3 0.25", "<Transition> 4 0.25", "topo:10: a transition to state 4"),
    ("<Transition> 1 0.5 <Transition> 2 0.5", "<Transition> 0 0.5 <Transition> 2 0.5",
     "topo:18: a transition from state 1 back to state 0"),
    ("<Transition> 0 0.75 <Transition> 1 0.25", "<Transition> 0 0.75",
     "topo:10: no transitions lead from state 0 to the final state"),
    ("<Transition> 0 0.75 <Transition> 1 0.25", "<Transition> 1 0.75 <Transition> 1 0.25",
     "topo:6: state 0 has two transitions to the same state"),
    ("<Transition> 0 0.75", "<Transition> 0 nan", "topo:6: a transition of probability nan"),
    ("<Transition> 0 0.75", "<Transition> 0 0", "topo:6: a transition of probability 0"),
    ("<PdfClass> 2", "", "topo:8: state 2 has transitions and no <PdfClass>"),
    ("\n1\n</ForPhones>", "\n1 4\n</ForPhones>", "topo:18: phone 4 has a topology already"),
])
def test_errors_name_file_and_line(tmp_path, old, new, where):
    with pytest.raises(UserError, match=where):
        read_topo(written(tmp_path, TOPO.replace(old, new, 1)))


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="topo: no such file"):
        read_topo(tmp_path / "topo")


def test_probabilities_of_prepared_lang_sum_to_one(speech):
    topo = read_topo(speech.lang / "topo")
    for phone in topo.phones:
        for _, arcs in topo.states(phone)[:-1]:
            assert math.isclose(sum(prob for _, prob in arcs), 1, abs_tol=1e-6)
