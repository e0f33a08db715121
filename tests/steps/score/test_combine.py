"""What systems hear together, of hand-made lattices."""

import json

import numpy as np
import pytest

from steps.score import combine, score
from steps.score.results import main as results
from tests.steps.score.scored import chain, make_data, make_decode, make_graph, sausage
from utils.step import UserError

SMALL = ["--min-lmwt", "1", "--max-lmwt", "1", "--word-ins-penalty", "0.0"]


def unsure(*words):
    """Each (word, probability of it); otherwise it is "no" (2)."""
    return sausage(*([(word, -np.log(prob), 0.0), (2, -np.log(1 - prob), 0.0)]
                     for word, prob in words))


@pytest.fixture
def systems(tmp_path):
    """"yes go" by three systems, of which two are wrong at one place each, and not sure of it."""
    data = make_data(tmp_path / "data", {"ann-1": "yes go", "bob-1": "go", "bob-2": ""})
    graph = make_graph(tmp_path / "graph")
    decodes = [make_decode(tmp_path / name / "decode", [lattices]) for name, lattices in {
        "a": {"ann-1": unsure((1, 0.9), (3, 0.4)), "bob-1": chain(2), "bob-2": chain()},
        "b": {"ann-1": unsure((1, 0.4), (3, 0.9)), "bob-1": chain(3)},
        "c": {"bob-1": chain(3), "bob-2": chain()}}.items()]
    for decode in decodes:
        score.main([*SMALL, data, graph, decode])
    return data, graph, decodes


def test_each_makes_up_for_the_others(systems, tmp_path, capsys):
    data, graph, (a, b, c) = systems
    assert "ann-1 yes no\n" in (a / "scoring/hyp.txt").read_text()
    assert "ann-1 no go\n" in (b / "scoring/hyp.txt").read_text()
    out = tmp_path / "all/decode"
    assert combine.main([data, graph, a, b, c, out]) == 0
    assert (out / "scoring/hyp.txt").read_text().splitlines() == ["ann-1 yes go", "bob-1 go",
                                                                  "bob-2"]
    assert (out / "best_wer").read_text().startswith("%WER 0.00 [ 0 / 3, 0 ins, 0 del, 0 sub ]")
    summary = json.loads((out / "scoring/summary.json").read_text())
    assert [system["decode"] for system in summary["systems"]] == [str(a), str(b), str(c)]
    assert summary["systems"][0]["wer"] == pytest.approx(200 / 3)
    assert not list(out.glob("hyps*"))
    assert "alone 66.67, 33.33, 66.67" in capsys.readouterr().err
    results([out, a])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"; {a} and {b} and {c} together")
    combine.main([data, graph, a, b, c, out])
    assert "up to date" in capsys.readouterr().err


def test_jobs_and_weights(systems, tmp_path):
    data, graph, (a, b, _) = systems
    combine.main(["--nj", "1", data, graph, a, b, tmp_path / "one"])
    combine.main(["--nj", "3", data, graph, a, b, tmp_path / "three"])
    assert (tmp_path / "one/scoring/hyp.txt").read_text() == (
        tmp_path / "three/scoring/hyp.txt").read_text()
    combine.main(["--weights", "9,1", data, graph, a, b, tmp_path / "a"])
    assert "bob-1 no\n" in (tmp_path / "a/scoring/hyp.txt").read_text()
    combine.main(["--weights", "1,9", data, graph, a, b, tmp_path / "b"])
    assert "bob-1 go\n" in (tmp_path / "b/scoring/hyp.txt").read_text()


def test_what_cannot_be_combined(systems, tmp_path):
    data, graph, (a, b, c) = systems
    for options, said in ((["--weights", "1", data, graph, a, b], "are not 2 numbers above 0"),
                          (["--weights", "1,0", data, graph, a, b], "are not 2 numbers above 0"),
                          (["--weights", "1,x", data, graph, a, b], "are no numbers"),
                          ([data, graph, a], "one system cannot be combined")):
        with pytest.raises(UserError, match=said):
            combine.main([*options, tmp_path / "out"])
    with pytest.raises(UserError, match="b/decode: is a system's own decode directory"):
        combine.main([data, graph, a, c, b])
    with pytest.raises(UserError, match=r"no/words.txt: no such file"):
        combine.main([data, tmp_path / "no", a, b, tmp_path / "out"])
    bare = make_decode(tmp_path / "bare", [{"ann-1": chain(1)}])
    with pytest.raises(UserError, match=r"bare/scoring/summary.json: not scored yet"):
        combine.main([data, graph, a, bare, tmp_path / "out"])
    other = make_data(tmp_path / "other", {"ann-1": "yes yes", "bob-1": "go", "bob-2": ""})
    score.main([*SMALL, other, graph, bare])
    with pytest.raises(UserError, match=r'ann-1 is "yes yes", but in .* it is "yes go"'):
        combine.main([data, graph, a, bare, tmp_path / "out"])
    words = make_graph(tmp_path / "words")
    (words / "words.txt").write_text((graph / "words.txt").read_text().replace("no 2", "nay 2"))
    score.main([*SMALL, data, words, bare])
    with pytest.raises(UserError, match=r"words/words.txt: of .*bare, is not .*graph/words.txt"):
        combine.main([data, graph, a, bare, tmp_path / "out"])
    assert not (tmp_path / "out").exists()
