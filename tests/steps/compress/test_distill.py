"""Students of tiny teachers, from options to files."""

import json
import re

import numpy as np
import pytest

from steps.compress import distill, prune
from steps.nnet.jobs import pipeline_of
from steps.nnet.labels import split_held_out
from steps.nnet.network import FILES, read_network
from steps.nnet.size import context, num_params
from steps.transfer import mix
from tests.steps.transfer.tiny_source import make_source, tiny_model
from utils.data.datadir import DataDir
from utils.step import UserError

OPTIONS = ["--xla", "false", "--num-epochs", "2", "--batch-size", "16", "--chunk-frames", "45",
           "--held-out", "8", "--learning-rate", "0.01"]
FEATS = np.random.default_rng(0).normal(0, 1, (40, 13)).astype(np.float32)


@pytest.fixture(scope="module")
def teacher(speech, mono_ali, tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("teacher") / "nn", speech.train, mono_ali)


def run(speech, alidir, teacher, directory, *options):
    return distill.main([*OPTIONS, *options, teacher, speech.train, alidir, directory])


@pytest.mark.parametrize("arch, sizes", [
    ("dnn", "hidden_dim=8 num_layers=1 window=1"),            # less context than the teacher
    ("gru", "hidden_dim=6 num_layers=1 window=1 warm_up=6 look_ahead=1"),      # more, and less
])
def test_students(speech, mono_ali, teacher, tmp_path, capsys, arch, sizes):
    out = tmp_path / "nn"
    assert run(speech, mono_ali, teacher, out, "--arch", arch, "--sizes", sizes) == 0
    assert {p.name for p in out.iterdir()} == {*FILES, "compress.json", "train.log.jsonl",
                                               "progress.png", "tensorboard", ".done"}
    network, about = read_network(out), json.loads((out / "compress.json").read_text())
    assert network.config["arch"] == arch and network.config["sizes"]["num_layers"] == 1
    assert network.context == context(network.model)[:2] != read_network(teacher).context
    assert about["num_params"] == num_params(network.model)
    assert about["before"]["num_params"] == num_params(read_network(teacher).model)
    assert set(about["held_out_loss"]) == {"source", "final"}
    assert not any("narrow" in layer.name for layer in network.model.layers)
    assert np.exp(network.log_posteriors(FEATS)).sum(1) == pytest.approx(1, abs=1e-4)
    capsys.readouterr()
    run(speech, mono_ali, teacher, out, "--arch", arch, "--sizes", sizes)
    assert "up to date" in capsys.readouterr().err


def test_a_student_says_what_its_teacher_says(speech, mono_ali, teacher, tmp_path):
    """With random weights the teacher is wrong, and only who listens to it says the same."""
    far, feats = {}, pipeline_of(teacher, DataDir(speech.train))
    feats = np.concatenate([feats.load(utt) for utt in feats.utts[:8]])
    for weight in ("0.1", "1"):
        run(speech, mono_ali, teacher, tmp_path / weight, "--arch", "dnn", "--sizes",
            "hidden_dim=12 num_layers=1 window=3", "--distill", weight, "--num-epochs", "3")
        old, new = (read_network(d).log_posteriors(feats) for d in (teacher, tmp_path / weight))
        far[weight] = (np.exp(old) * (old - new)).sum(1).mean()
    assert far["1"] < 0.7 * far["0.1"]


def test_a_mixture_teaches(speech, mono_ali, teacher, tmp_path, capsys):
    other = make_source(tmp_path / "other", speech.train, mono_ali, arch="dnn")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "units": {"dnn1.affine": [1, 2]}}))
    mix.main(["--form", "loglinear", teacher, other, tmp_path / "mix"])
    out = tmp_path / "nn"
    assert run(speech, mono_ali, tmp_path / "mix", out, "--arch", "dnn", "--sizes",
               "hidden_dim=8 num_layers=1 window=1") == 0
    told = capsys.readouterr().err
    assert re.search("distill: 2 networks: .* million", told) and "distill: dnn: " in told
    about, config = (json.loads((out / name).read_text())
                     for name in ("compress.json", "config.json"))
    assert about["before"]["num_params"] == sum(
        num_params(read_network(d).model) for d in (teacher, other))
    assert about["held_out_loss"]["source"] > 0
    assert not {"mixture", "units"} & set(config) and config["arch"] == "dnn"
    assert not (tmp_path / "mix/held_out").exists() and not (out / "held_out").exists()
    with pytest.raises(UserError, match="has no output layer of its own"):
        prune.main([*OPTIONS, tmp_path / "mix", speech.train, mono_ali, tmp_path / "pruned"])


def test_what_its_teachers_held_out(speech, mono_ali, tmp_path):
    """Of what a student holds out, each teacher may have known some."""
    teachers = [make_source(tmp_path / arch, speech.train, mono_ali, arch)
                for arch in ("tdnn", "dnn")]
    utts = sorted(DataDir(speech.train).utts)
    for directory, held_out in zip(teachers, (utts, utts[::2]), strict=True):
        (directory / "held_out").write_text("".join(f"{utt}\n" for utt in held_out))
    mix.main([*teachers, tmp_path / "mix"])
    assert (tmp_path / "mix/held_out").read_text().split() == utts[::2]
    run(speech, mono_ali, tmp_path / "mix", tmp_path / "nn", "--num-epochs", "1", "--arch", "dnn",
        "--sizes", "hidden_dim=8 num_layers=1 window=1")
    own = split_held_out(DataDir(speech.train), 8, 0, utts=utts)[1]
    assert (tmp_path / "nn/held_out").read_text().split() == [u for u in own if u in utts[::2]]
    assert 0 < len((tmp_path / "nn/held_out").read_text().split()) < len(own)


def test_the_same_network_narrowed():
    """Frames beyond its context change nothing in what a network says."""
    model, left, right = tiny_model("tdnn")
    feats = np.random.default_rng(0).normal(0, 1, (2, left + 30 + right, 13)).astype(np.float32)
    wide = np.pad(feats, ((0, 0), (3, 5), (0, 0)), constant_values=9.0)
    given = distill.narrowed(model, (left, right), (left + 3, right + 5))
    assert np.array_equal(given(wide), model(feats))
    assert distill.narrowed(model, (left, right), (left, right)) is model


def test_mistakes(speech, mono_ali, teacher, tmp_path):
    for options, said in ((["--sizes", "subsampling=1"], "subsampling is 1, the teacher's 3"),
                          (["--sizes", "width=3"], "tdnn has no width"),
                          (["--arch", "perceptron"], "--arch"),
                          (["--distill", "0"], "there is no teacher")):
        with pytest.raises(UserError, match=said):
            run(speech, mono_ali, teacher, tmp_path / "nn", *options)
