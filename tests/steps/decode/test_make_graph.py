import json
import shutil

import kaldifst
import pytest

from steps.decode import make_graph
from steps.decode.fst_arrays import read_fst
from utils.step import UserError


def test_graph_directory(system):
    fst = read_fst(system.graph / "HCLG.fst")
    theirs = kaldifst.StdVectorFst.read(str(system.graph / "HCLG.fst"))
    assert theirs.num_states == fst.num_states > 10
    info = json.loads((system.graph / "graph.json").read_text())
    assert info["sizes"]["HCLG"] == [fst.num_states, fst.num_arcs]
    assert info["reorder"] is False
    for name in ("words.txt", "phones.txt", "phones/align_lexicon.int", "phones/silence.csl"):
        assert (system.graph / name).read_bytes() == (system.lang_test / name).read_bytes()


def test_runs_once_and_says_the_size_first(system, tmp_path, capsys):
    command = [system.lang_test, system.mono, tmp_path / "graph"]
    make_graph.main(command)
    lines = capsys.readouterr().err.splitlines()
    told = [i for i, line in enumerate(lines) if "expect about" in line]
    assert told and told[0] < next(i for i, line in enumerate(lines) if "HCLG:" in line)
    written = (tmp_path / "graph/HCLG.fst").stat().st_mtime_ns
    make_graph.main(command)
    assert "up to date" in capsys.readouterr().err
    assert (tmp_path / "graph/HCLG.fst").stat().st_mtime_ns == written
    make_graph.main(["--self-loop-scale", "0.5", *command])
    assert (tmp_path / "graph/HCLG.fst").stat().st_mtime_ns != written


def test_what_is_copied_is_looked_at(system, tmp_path):
    shutil.copytree(system.lang_test, tmp_path / "lang")
    command = [tmp_path / "lang", system.mono, tmp_path / "graph"]
    make_graph.main(command)
    for name in ("phones/silence.csl", "bpe.model"):
        (tmp_path / "lang" / name).write_text("3")
        make_graph.main(command)
        assert (tmp_path / "graph" / name).read_text() == "3"


def test_what_is_missing_is_named(system, tmp_path):
    with pytest.raises(UserError, match=r"lang/G.fst: no such file"):
        make_graph.main([system.lang, system.mono, tmp_path / "graph"])
    with pytest.raises(UserError, match=r"none/final.mdl: no such file"):
        make_graph.main([system.lang_test, tmp_path / "none", tmp_path / "graph"])
    assert not (tmp_path / "graph").exists()


@pytest.mark.parametrize("option", ["--self-loop-scale", "--transition-scale"])
def test_scales_are_numbers(system, tmp_path, option):
    with pytest.raises(SystemExit, match=f"{option}: must be 0 or more, not nan"):
        make_graph.main([option, "nan", system.lang_test, system.mono, tmp_path / "graph"])
    assert not (tmp_path / "graph").exists()


def test_other_phones_are_an_error_and_leave_nothing(system, tmp_path):
    shutil.copytree(system.lang_test, tmp_path / "lang")
    phones = (tmp_path / "lang/phones.txt").read_text()
    (tmp_path / "lang/phones.txt").write_text(phones.replace("a_B ", "aa_B "))
    with pytest.raises(UserError, match=r"lang/phones.txt: a_B is not there, in .*/mono/"):
        make_graph.main([tmp_path / "lang", system.mono, tmp_path / "graph"])
    assert not (tmp_path / "graph").exists()
