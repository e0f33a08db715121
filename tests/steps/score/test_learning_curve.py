import json

import pytest

from steps.score import learning_curve
from utils.step import UserError

WERS = {"scratch": {10: [60, 64], 20: [40], 40: [20]}, "transfer": {10: [39], 20: [31], 40: [19]}}


@pytest.fixture
def points(tmp_path):
    found = []
    for name, curve in WERS.items():
        for amount, wers in curve.items():
            decodes = []
            for seed, wer in enumerate(wers):
                decode = tmp_path / f"{name}{amount}.{seed}"
                (decode / "scoring").mkdir(parents=True)
                (decode / "scoring/summary.json").write_text(json.dumps({"wer": {"percent": wer}}))
                decodes.append(str(decode))
            found.append(f"{name}:{amount}={','.join(decodes)}")
    return found


def test_picture_and_numbers(points, tmp_path, capsys):
    picture = tmp_path / "exp/curve.png"
    assert learning_curve.main(["--title", "x", picture, *reversed(points)]) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "exp/curve.png.txt").read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = [line.split() for line in text.splitlines()]
    assert rows[1] == ["transfer", "10", "39.00", "20.7"]     # 20 * 2 ** (1 / 20)
    assert rows[3] == ["transfer", "40", "19.00", ">40"]
    assert rows[4] == ["scratch", "10", "62.00", "60.00", "64.00", "<10"]


def test_dollars_are_no_formulas(points, tmp_path):
    assert learning_curve.main(["--title", "$^$", "--unit", "$_$", tmp_path / "c.png",
                                points[0].replace("scratch", "$^$", 1)]) == 0


@pytest.mark.parametrize("wer, expected", [(70, ("<", 1)), (60, ("<", 1)), (50, ("", 2)),
                                           (40, ("", 4)), (10, (">", 16))])
def test_amounts_between_points(wer, expected):
    curve = {1.0: [60], 4.0: [40], 16.0: [41]}
    sign, amount = learning_curve.amount_for(wer, curve)
    assert (sign, amount) == (expected[0], pytest.approx(expected[1]))


def test_mistakes(points, tmp_path):
    for wrong in ("x", "x:1", "x=1", "x:a=b", "x:-1=b", ":1=b"):
        with pytest.raises(UserError, match="is no point"):
            learning_curve.main([tmp_path / "curve.png", wrong])
    with pytest.raises(UserError, match="is the second point of"):
        learning_curve.main([tmp_path / "curve.png", points[0], points[0]])
    with pytest.raises(UserError, match=r"scratch:10=.*: is no name of a picture"):
        learning_curve.main(points)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        learning_curve.main([tmp_path / "file/curve.png", points[0]])
    with pytest.raises(UserError, match="not scored yet"):
        learning_curve.main([tmp_path / "curve.png", f"x:1={tmp_path}"])
    assert not (tmp_path / "curve.png").exists()
