"""Logs and pictures of a made-up training."""

import json

import numpy as np
import pytest

from steps.nnet.progress import Progress, draw, loss_of, write_log


def rows_of(count, held_out=True):
    return [{"epoch": n, "step": 10 * n, "learning_rate": 2e-3 / n, "loss": 3 / n,
             "accuracy": 1 - 1 / (n + 1), "valid_loss": 3.5 / n if held_out else None,
             "valid_accuracy": 1 - 1.2 / (n + 1) if held_out else None, "seconds": 1.5}
            for n in range(1, count + 1)]


def points(directory):
    """{curve: [(step, value), ...]} of the event files, read with TensorFlow's own parser."""
    from steps.nnet.tf import tf
    found = {}
    for path in sorted(directory.glob("events.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, tf.make_ndarray(
                    value.tensor).item() if value.HasField("tensor") else value.simple_value))
    return found


def test_tensorboard_can_read_the_curves(tmp_path, capsys):
    ours, other = (Progress(30, 0, tmp_path / name) for name in ("ours", "other"))
    for row in rows_of(3):
        ours.step(row["loss"])
        ours.epoch(row, seconds_left=90)
    other.epoch(rows_of(1, held_out=False)[0], seconds_left=60)
    ours.close()
    other.close()
    found = points(tmp_path / "ours/tensorboard")
    assert set(found) == {"loss", "accuracy", "valid_loss", "valid_accuracy", "learning_rate",
                          "seconds"}
    assert found["valid_loss"] == [(10, 3.5), (20, 1.75), (30, pytest.approx(3.5 / 3))]
    assert set(points(tmp_path / "other/tensorboard")) == {"loss", "accuracy", "learning_rate",
                                                           "seconds"}
    lines = [line for line in capsys.readouterr().err.splitlines() if "epoch" in line]
    assert lines[0].endswith("epoch 1: loss 3.0000 (50.00 % of frames right), held out 3.5000 "
                             "(40.00 %), learning rate 2.00e-03, 1.5 s, 1.5 min left")
    assert lines[3].endswith("epoch 1: loss 3.0000 (50.00 % of frames right), learning rate "
                             "2.00e-03, 1.5 s, 1.0 min left")


def test_log_is_a_json_object_an_epoch(tmp_path):
    write_log(tmp_path / "train.log.jsonl", rows_of(3, held_out=False))
    lines = (tmp_path / "train.log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows_of(3, held_out=False)


@pytest.mark.parametrize("rows", [rows_of(8), rows_of(8, held_out=False), rows_of(1)])
def test_picture(tmp_path, rows):
    from matplotlib.image import imread
    draw(tmp_path / "a.png", rows, "tdnn")
    draw(tmp_path / "b.png", rows, "tdnn")
    image = (imread(tmp_path / "a.png")[..., :3] * 255).round().astype(int)
    assert image.shape[0] > 300 and image.shape[1] > 1000

    def has(color):
        wanted = [int(color[i:i + 2], 16) for i in (1, 3, 5)]
        return (np.abs(image - wanted).max(-1) < 6).sum() > 20
    assert has("#4477aa") and has("#228833")
    assert has("#cc3311") == (rows[0]["valid_loss"] is not None)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_held_out_loss_is_what_counts():
    assert [loss_of(row) for row in rows_of(2)] == [3.5, 1.75]
    assert [loss_of(row) for row in rows_of(2, held_out=False)] == [3, 1.5]
