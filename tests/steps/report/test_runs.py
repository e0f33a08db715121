import json

import pytest

from steps.report import runs
from steps.score.table import aligned
from utils.step import UserError


def test_stages_of_several_runs_are_summed(tmp_path):
    (tmp_path / "stages.tsv").write_text(
        "0\tdata\t100\t160\n08\ttrain\t160\t200\n08\ttrain <again>\t300\t301\n9\tcut o")
    assert runs.read_stages(tmp_path / "stages.tsv") == [
        (0, "data", 60, 1), (8, "train <again>", 41, 2)]
    assert runs.read_stages(tmp_path / "none") == []


def test_steps_are_those_of_done_files(tmp_path):
    for name, done in (("a", {"align": {"seconds": 2.5, "date": "2026-01-02", "command": "y"}}),
                       ("b", {"align": {"seconds": 1, "date": "2026-01-01", "command": "x"},
                              "train_ngram:3gram.arpa": {"seconds": 9, "date": "2026-01-03"}}),
                       ("c", [1, 2])):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".done").write_text(json.dumps(done))
    (tmp_path / "d").mkdir()
    (tmp_path / "d/.done").write_text("{not json")
    steps = runs.read_steps([tmp_path, tmp_path / "nowhere"])
    assert [(ran.step, ran.command) for ran in steps] == [
        ("align", "x"), ("align", "y"), ("train_ngram", "")]
    assert runs.by_kind(steps) == [("train_ngram", 1, 9.0), ("align", 2, 3.5)]


def test_aligned_tables_are_read_back(tmp_path):
    rows = [["system", "minutes", "%WER", "seeds", "minutes a needs"],
            ["my system", "5", "61.20", "", "<5"], ["b", "1500", "9.00", "8.50 9.50", ""]]
    (tmp_path / "x").write_text(aligned(rows))
    assert runs.read_aligned(tmp_path / "x") == rows
    assert runs.read_curve(tmp_path / "x") == ("minutes", {
        "my system": [(5.0, 61.2, 61.2, 61.2)], "b": [(1500.0, 9.0, 8.5, 9.5)]})


def test_a_table_that_is_no_learning_curve_is_named(tmp_path):
    (tmp_path / "x.png.txt").write_text(aligned([["system", "%WER", "p"], ["a", "1.00", "0.1"],
                                                 ["b", "2.00", "x"]]))
    with pytest.raises(UserError, match=r"x\.png\.txt: is no table"):
        runs.read_curve(tmp_path / "x.png.txt")


def test_tables_are_found_and_skipped(tmp_path):
    table = aligned([["system", "%WER"], ["a", "1.00"]])
    for name in ("table", "fr/table", "fr/curve.png.txt", "tune/table", "wer_7_0.0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(table)
    (tmp_path / "results").write_text("%WER 1.00\n")
    found = runs.find_tables(tmp_path, ["tune"])
    assert [[str(p.relative_to(tmp_path)) for p in paths] for paths in found] == [
        ["fr/table", "table"], ["fr/curve.png.txt"]]


def test_training_logs_of_seeds_go_together(tmp_path):
    row = {"epoch": 1, "loss": 2.0, "accuracy": 0.3, "valid_loss": None, "valid_accuracy": None,
           "seconds": 4.0}
    for name in ("fr/tdnn/0", "fr/tdnn/1", "en"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "train.log.jsonl").write_text(json.dumps(row) + "\n")
    logs = runs.read_training_logs(tmp_path)
    assert {name: len(seeds) for name, seeds in logs.items()} == {"en": 1, "fr/tdnn": 2}
    for wrong in ('{"epoch": 1}', json.dumps(row | {"loss": float("nan")}),
                  json.dumps(row | {"valid_loss": float("inf")}),
                  json.dumps(row | {"seconds": "a"})):
        (tmp_path / "en/train.log.jsonl").write_text(wrong + "\n")
        with pytest.raises(UserError, match=r"en/train\.log\.jsonl:1: is no epoch"):
            runs.read_training_logs(tmp_path)
