"""Factoring of tiny networks, from options to files."""

import json

import numpy as np
import pytest

from steps.compress import factor
from steps.nnet.network import FILES, read_network
from steps.nnet.size import macs_per_second, num_params
from tests.steps.transfer.tiny_source import make_source
from utils.step import UserError

OPTIONS = ["--xla", "false", "--num-epochs", "2", "--batch-size", "16", "--chunk-frames", "45",
           "--held-out", "8", "--learning-rate", "0.01"]
FEATS = np.random.default_rng(0).normal(0, 1, (40, 13)).astype(np.float32)


@pytest.fixture(scope="module")
def source(speech, mono_ali, tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("source") / "nn", speech.train, mono_ali)


def run(speech, alidir, source, directory, *options):
    return factor.main([*OPTIONS, *options, source, speech.train, alidir, directory])


def told(directory):
    return json.loads((directory / "compress.json").read_text())


def test_a_size_target(speech, mono_ali, source, tmp_path, capsys):
    out = tmp_path / "nn"
    assert run(speech, mono_ali, source, out, "--size-target", "0.5", "--distill", "0.5") == 0
    assert {p.name for p in out.iterdir()} == {*FILES, "compress.json", "train.log.jsonl",
                                               "progress.png", "tensorboard", ".done"}
    about, network = told(out), read_network(out)
    assert about["num_params"] == num_params(network.model) == network.config["num_params"]
    assert 0.4 < about["num_params"] / about["before"]["num_params"] <= 0.5
    assert about["bytes"] == (out / "final.keras").stat().st_size != about["before"]["bytes"]
    ranks = {row["layer"]: row["rank"] for row in about["ranks"]}
    assert network.model.get_layer("input.affine.low_rank").units == ranks["input.affine"]
    assert network.model.get_layer("output").bias is not None
    losses = about["held_out_loss"]
    assert losses["final"] < losses["start"]
    assert network.config["macs_per_second"] == macs_per_second(network.model, 0.01)
    assert np.exp(network.log_posteriors(FEATS)).sum(1) == pytest.approx(1, abs=1e-4)
    run(speech, mono_ali, source, out, "--size-target", "0.5", "--distill", "0.5")
    assert "up to date" in capsys.readouterr().err


def test_without_training(speech, mono_ali, source, tmp_path):
    run(speech, mono_ali, source, tmp_path / "nn", "--num-epochs", "0", "--energy", "0.8")
    about = told(tmp_path / "nn")
    factored = [row for row in about["ranks"] if row["rank"]]
    assert factored and all(row["energy"] >= 0.8 for row in factored)
    assert sum(row["saved"] for row in factored) == pytest.approx(
        1 - about["num_params"] / about["before"]["num_params"], abs=1e-3)


def test_mistakes(speech, mono_ali, source, tmp_path):
    for options, said in ((["--energy", "1"], "must be between 0 and 1"),
                          (["--energy", "0.999999"], "no layer would be smaller"),
                          (["--size-target", "0.01"], "cannot be reached"),
                          (["--energy", "0.5", "--size-target", "0.5"], "not allowed with")):
        with pytest.raises(SystemExit, match=said):
            run(speech, mono_ali, source, tmp_path / "nn", *options)
    with pytest.raises(UserError, match="no such file"):
        run(speech, mono_ali, tmp_path / "none", tmp_path / "nn")
