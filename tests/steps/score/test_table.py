import json
import shutil

import pytest

from steps.score import score, table
from tests.steps.score.scored import chain, make_data, make_decode, make_graph
from utils.step import UserError

YES, NO = 1, 2
TEXTS = {f"s{i % 3}-u{i:02d}": "yes no yes no" for i in range(30)}


@pytest.fixture(scope="module")
def decodes(tmp_path_factory):
    """Decode directories by their errors in an utterance: of `wrong` utterances the last word."""
    root = tmp_path_factory.mktemp("table")
    data, graph = make_data(root / "data", TEXTS), make_graph(root / "graph")
    found = {}
    for name, wrong in (("bad", 20), ("good0", 4), ("good1", 6)):
        lattices = {utt: chain(YES, NO, YES, YES if i < wrong else NO)
                    for i, utt in enumerate(TEXTS)}
        found[name] = make_decode(root / name / "decode", [lattices])
        score.main(["--nj", 1, "--max-lmwt", 8, data, graph, found[name]])
    directory = found["good0"].parent
    (directory / "config.json").write_text(
        json.dumps({"num_params": 1_500_000, "macs_per_second": 40_000_000}))
    for name in ("good0", "good1"):
        (found[name].parent / "train.log.jsonl").write_text('{"seconds": 3.0}\n{"seconds": 5.0}\n')
    return found


def test_means_spread_size_and_significance(decodes, tmp_path, capsys):
    assert table.main(["--baseline", "gmm", "--out", tmp_path / "table", f"gmm={decodes['bad']}",
                       f"net={decodes['good0']},{decodes['good1']}"]) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "table").read_text()
    head, gmm, net = (line.split() for line in text.splitlines())
    assert head[:3] == ["system", "%WER", "+-"]
    assert gmm[:2] == ["gmm", "16.67"]                      # 20 of 120 words
    assert net[:5] == ["net", "4.17", "1.18", "3.33", "5.00"]
    assert "-75.0 % 0.0002" in " ".join(net)
    assert " ".join(net).endswith("1.50 M 40.0 M 4.0 8")


def test_without_a_baseline(decodes, capsys):
    table.main([f"net={decodes['good1']}"])
    assert "relative" not in capsys.readouterr().out


def test_mistakes(decodes, tmp_path):
    with pytest.raises(UserError, match="no system is called x"):
        table.main(["--baseline", "x", f"net={decodes['good1']}"])
    with pytest.raises(UserError, match="not scored yet"):
        table.main([f"net={tmp_path}"])
    with pytest.raises(UserError, match="net: is the name of two systems"):
        table.main([f"net={decodes['good1']}", f"net={decodes['good0']}"])
    with pytest.raises(UserError, match="is no system"):
        table.main(["net"])


def test_a_network_without_a_log(decodes, tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"num_params": 1_500_000, "macs_per_second": 40_000_000}))
    for log in (None, ""):
        if log is not None:
            (tmp_path / "train.log.jsonl").write_text(log)
        assert table.cost([[tmp_path / "decode"]]) == ["1.50 M", "", "40.0 M", "", ""]
    (tmp_path / "train.log.jsonl").write_text('{"seconds": 3.0}\n{"sec')
    with pytest.raises(UserError, match=r"train\.log\.jsonl:2: is no epoch of a training"):
        table.cost([[tmp_path / "decode"]])


def test_a_network_of_which_some_was_trained(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"num_params": 1_500_000, "macs_per_second": 40_000_000}))
    (tmp_path / "transfer.json").write_text('{"num_trained": 31000}')
    assert table.cost([[tmp_path / "decode"]])[:2] == ["1.50 M", "0.031 M"]


def test_a_baseline_without_errors(decodes, tmp_path, capsys):
    perfect = tmp_path / "decode"
    shutil.copytree(decodes["good0"], perfect)
    path = perfect / "scoring/utts.tsv"
    head, *lines = path.read_text().splitlines()
    start = head.split("\t").index("words") + 1
    rows = [line.split("\t") for line in lines]
    path.write_text("\n".join([head, *("\t".join([*row[:start], "0", "0", "0", *row[start + 3:]])
                                      for row in rows)]) + "\n")
    table.main(["--baseline", "a", f"a={perfect}", f"b={decodes['good1']}"])
    assert float(capsys.readouterr().out.splitlines()[-1].split()[-1]) < 0.01   # surely worse


def test_test_sets_together(decodes, capsys):
    good, other, bad = (decodes[name] for name in ("good0", "good1", "bad"))
    table.main(["--baseline", "a", f"a={good}+{bad},{other}+{bad}", f"b={good}+{good}"])
    _, a, b = (line.split() for line in capsys.readouterr().out.splitlines())
    assert a[:5] == ["a", "10.42", "0.59", "10.00", "10.83"]        # 24 and 26 of 240 words
    assert b[1] == "3.33" and "-68.0 % 0.0002" in " ".join(b)
    with pytest.raises(UserError, match="b: has 1 test sets and the first system 2"):
        table.main([f"a={good}+{good}", f"b={good}"])


def test_one_utterance_has_no_p(tmp_path, capsys):
    data, graph = make_data(tmp_path / "data", {"a-1": "yes"}), make_graph(tmp_path / "graph")
    for name, words in (("good", (1,)), ("bad", (2,))):
        decode = make_decode(tmp_path / name, [{"a-1": chain(*words)}])
        score.main(["--nj", "1", data, graph, decode])
    capsys.readouterr()
    table.main(["--baseline", "bad", f"bad={tmp_path / 'bad'}", f"good={tmp_path / 'good'}"])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split() == ["good", "0.00", "0.00", "-100.0", "%"]
