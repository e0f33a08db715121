import json
import zipfile

import numpy as np
import pytest

from steps.hmm.model import read_model, read_transitions, write_model, write_transitions
from steps.hmm.transitions import TransitionModel
from tests.steps.hmm.test_gmm import random_gmm
from tests.steps.hmm.test_transitions import TOPO
from utils.step import UserError


@pytest.fixture
def path(tmp_path):
    transitions = TransitionModel(TOPO, [[1, 0, 1, 1], [1, 1, 2, 2], [2, 0, 0, 0]], 3)
    transitions.update(np.array([0, 60, 25, 15, 30, 70, 8.0]))
    write_model(tmp_path / "final.mdl", transitions, random_gmm(np.random.default_rng(0)))
    return tmp_path / "final.mdl"


def test_round_trip(path):
    transitions, model = read_model(path)
    assert transitions.topo.entries == TOPO.entries
    assert transitions.num_pdfs == model.num_pdfs == 3
    assert np.exp(transitions.log_probs[1:4]) == pytest.approx([0.6, 0.25, 0.15])
    expected = random_gmm(np.random.default_rng(0))
    for name, array in expected.to_arrays().items():
        assert np.array_equal(model.to_arrays()[name], array)


def test_nothing_in_it_needs_pickle(path):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                np.lib.format.read_array(file, allow_pickle=False)
    with np.load(path) as arrays:
        assert json.loads(str(arrays["header"]))["num_pdfs"] == 3


@pytest.mark.parametrize("content", [
    b"", b"\0B<TransitionModel> ", b"PK\x03\x04 and no more", b"<TransitionModel> \n"])
def test_what_is_no_model_is_one_line(tmp_path, content):
    (tmp_path / "final.mdl").write_bytes(content)
    with pytest.raises(UserError, match=r"final.mdl: is not a graft-gmm-1 model"):
        read_model(tmp_path / "final.mdl")


def test_a_truncated_model_is_one_line(path):
    for cut in (100, len(path.read_bytes()) // 2, -1):
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(UserError, match=r"final.mdl: is not a graft-gmm-1 model"):
            read_model(path)


def test_other_archives_are_one_line(tmp_path):
    np.savez(tmp_path / "a.npz", means=np.zeros(3))
    with pytest.raises(UserError, match=r"a.npz: is not a graft-gmm-1 model"):
        read_model(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", header=np.array('{"format": "graft-gmm-99"}'))
    with pytest.raises(UserError, match=r"b.npz: is not a graft-gmm-1 model \(graft-gmm-99\)"):
        read_model(tmp_path / "b.npz")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"final.mdl: no such model"):
        read_model(tmp_path / "final.mdl")


def test_transitions_of_either_kind(path, tmp_path):
    transitions, _ = read_model(path)
    write_transitions(tmp_path / "transitions", transitions)
    for found in (read_transitions(path), read_transitions(tmp_path / "transitions")):
        assert found.topo.entries == transitions.topo.entries
        assert found.num_pdfs == 3
        assert np.array_equal(found.tuples, transitions.tuples)
        assert np.array_equal(found.log_probs, transitions.log_probs)
        assert np.array_equal(found.tid2pdf, transitions.tid2pdf)


def test_transitions_alone_are_no_mixtures(path, tmp_path):
    write_transitions(tmp_path / "final.mdl", read_transitions(path))
    with pytest.raises(UserError, match=r"not a graft-gmm-1 model \(graft-transitions-1\)"):
        read_model(tmp_path / "final.mdl")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"is not a graft-gmm-1 or graft-transitions-1 model"):
        read_transitions(path)


@pytest.mark.parametrize(("name", "value"), [
    ("tuples", np.array([[1, 0, 9999, 9999]], np.int32)), ("tuples", np.array(["x"])),
    ("log_probs", np.zeros(3, np.float32)), ("header", np.array("[]")),
    ("header", np.array('{"format": "graft-gmm-1", "topo": 1, "num_pdfs": "x"}'))])
def test_arrays_that_do_not_go_together_are_one_line(path, name, value):
    with np.load(path) as file:
        arrays = dict(file)
    with path.open("wb") as out:
        np.savez(out, **{**arrays, name: value})
    with pytest.raises(UserError, match=r"final.mdl: is (damaged|not a)"):
        read_transitions(path)


@pytest.mark.parametrize(("name", "change", "said"), [
    ("means", lambda a: None, "damaged .*means"),
    ("means", lambda a: a[:-1], "damaged .*Gaussians, means of"),
    ("means", lambda a: np.full_like(a, np.nan), "damaged .*no numbers"),
    ("vars", lambda a: a[:, :-1], "damaged .*variances of"),
    ("vars", lambda a: 0 * a, "damaged .*or below 0"),
    ("weights", lambda a: a[:0], "damaged .*not every pdf"),
    ("weights", lambda a: -a, "damaged .*or below 0"),
    ("offsets", lambda a: a[:-1], "damaged .*not every pdf"),
    ("offsets", lambda a: 0 * a, "damaged .*not every pdf"),
    ("offsets", lambda a: a[[0, -1]], "damaged .*mixtures of 1 pdfs")])
def test_mixtures_that_are_none_are_one_line(path, name, change, said):
    with np.load(path) as file:
        arrays = dict(file)
    changed = change(arrays.pop(name))
    with path.open("wb") as out:
        np.savez(out, **arrays, **({} if changed is None else {name: changed}))
    with pytest.raises(UserError, match=rf"final.mdl: is {said}"):
        read_model(path)
    assert read_transitions(path).num_pdfs
