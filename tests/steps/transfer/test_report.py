"""What is warned of."""

import json

import pytest

from steps.transfer.report import scratch_loss, warnings_of
from utils.step import UserError


def test_warnings():
    assert warnings_of(None, None, None) == warnings_of(3.0, 2.0, 2.5) == []
    assert warnings_of(3.0, 2.0, 2.0) == warnings_of(None, 2.0, None) == []
    both = warnings_of(1.5, 2.0, 1.0)
    assert both == ["held-out loss 2.0000 after transfer is worse than before it, 1.5000",
                    "held-out loss 2.0000 after transfer is worse than from scratch, 1.0000"]


def test_scratch(tmp_path, capsys):
    rows = [{"loss": 1.0, "valid_loss": loss} for loss in (3.0, 2.0, 2.5)]
    (tmp_path / "train.log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match="tree: no such file"):
        scratch_loss(tmp_path, tmp_path, ["u"])
    (tmp_path / "tree").write_text("t")
    assert scratch_loss(tmp_path, tmp_path, ["u"]) == 2.0      # nothing tells what it held out
    (tmp_path / "held_out").write_text("u\nv\n")
    assert scratch_loss(tmp_path, tmp_path, ["v", "u"]) == 2.0
    (tmp_path / "train.log.jsonl").write_text("".join(
        json.dumps(row) + "\n" for row in [*rows, {**rows[0], "final_valid_loss": 1.5}]))
    assert scratch_loss(tmp_path, tmp_path, ["v", "u"]) == 1.5      # of the epochs' average
    assert scratch_loss(tmp_path, tmp_path, ["u"]) is None
    assert "held out other utterances than are held out here" in capsys.readouterr().err
    (tmp_path / "train.log.jsonl").write_text('{"loss": 1.0, "valid_loss": null}\n')
    assert scratch_loss(tmp_path, tmp_path, []) is None
    assert "held no speakers out" in capsys.readouterr().err
    (tmp_path / "train.log.jsonl").write_text('{"loss": 1.0, "val')
    with pytest.raises(UserError, match=r"train.log.jsonl: is damaged \("):
        scratch_loss(tmp_path, tmp_path, [])
    (tmp_path / ".done").write_text('{"train_mmi": {}}')
    with pytest.raises(UserError, match=r"train.log.jsonl: is of steps/nnet/train_mmi.py, whose"):
        scratch_loss(tmp_path, tmp_path, [])
