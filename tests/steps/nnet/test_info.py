"""What is said of a network, held against counts by hand."""

import json
import shutil

import pytest

from steps.nnet import info
from utils.step import UserError

# window 1 around 3 frames; one layer at (-1, 0, 1) of its input, so 1 + 3 frames on each side
SIZES = "hidden_dim=16 window=1 offsets=1"
INPUT, HIDDEN, OUTPUT = 5 * 10, 3 * 16, 16


def test_an_architecture(capsys):
    assert info.main(["--arch", "tdnn", "--sizes", SIZES, "--feat-dim", "10",
                      "--num-pdfs", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    numbers = (INPUT + 1) * 16 + (HIDDEN + 1) * 16 + 2 * 4 * 16 + (OUTPUT + 1) * 7
    macs = (INPUT * 16 + HIDDEN * 16 + OUTPUT * 7) * 100 / 3
    assert lines[0] == (f"tdnn: {numbers / 1e6:.3f} million parameters, {macs / 1e6:.1f} million "
                        "multiply-adds a second of speech, context 4 + 4 frames, one output every "
                        "3")
    assert lines[1].startswith("sizes: subsampling=3 hidden_dim=16 window=1 offsets=1 dropout=")
    assert lines[2].split(maxsplit=2) == ["input.affine", str((INPUT + 1) * 16), "(50, 16), (16,)"]
    assert lines[-1].split(maxsplit=2) == ["output", str((OUTPUT + 1) * 7), "(16, 7), (7,)"]


def test_a_network(network, capsys):
    assert info.main([network]) == 0
    out = capsys.readouterr().out
    assert out.startswith("dnn: 0.0") and "context 5 + 5 frames" in out
    assert "hidden_dim=64" in out and "dnn1.affine" in out


def test_units_that_pruning_left(network, tmp_path, capsys):
    shutil.copytree(network, tmp_path / "pruned")
    path = tmp_path / "pruned/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()),
                                "units": {"dnn1.affine": [32, 64]}}))
    info.main([tmp_path / "pruned"])
    assert "left by pruning: dnn1.affine=32/64" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("name", ["sizes", "arch"])
def test_a_config_that_lacks_something_is_named(network, tmp_path, name):
    shutil.copytree(network, tmp_path / "old")
    path = tmp_path / "old/config.json"
    config = json.loads(path.read_text())
    del config[name]
    path.write_text(json.dumps(config))
    with pytest.raises(UserError, match=rf"config\.json: is damaged, it has no {name}"):
        info.main([tmp_path / "old"])


def test_a_litert_model_has_no_layers(network, tmp_path):
    shutil.copytree(network, tmp_path / "int8")
    (tmp_path / "int8/final.keras").rename(tmp_path / "int8/model.tflite")
    with pytest.raises(UserError, match="int8: is a LiteRT model"):
        info.main([tmp_path / "int8"])


@pytest.mark.parametrize("arguments, message", [
    ([], "either a network directory or --arch"),
    (["--arch", "tdnn", "somewhere"], "either a network directory or --arch"),
    (["--arch", "tree"], "--arch: is tree"),
    (["--arch", "tdnn", "--sizes", "subsampling=0"], "--sizes: subsampling cannot be 0"),
    (["--arch", "tdnn", "--sizes", "dropout=2"], "--sizes: no tdnn can be made with .*dropout=2"),
    (["/nowhere"], "/nowhere/final.keras: no such file")])
def test_what_is_wrong(arguments, message):
    with pytest.raises(UserError, match=message):
        info.main(arguments)
