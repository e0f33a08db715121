"""Small networks on monophone alignments of the tiny corpus, from options to files."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from steps.nnet import checkpoints, compute_posteriors, train, training
from steps.nnet.network import read_network
from utils.data.datadir import DataDir
from utils.step import ROOT, Step, UserError

SIZES = "hidden_dim=16 window=1 offsets=1"
OPTIONS = ["--xla", "false", "--sizes", SIZES, "--num-epochs", "3", "--batch-size", "16",
           "--chunk-frames", "45", "--held-out", "8", "--learning-rate", "0.01"]
# Step 17 is in the middle of the second epoch.
KILLED = """import os, signal, sys
from steps.nnet import checkpoints, train
write = checkpoints.write_state
def write_and_die(path, variables, state):
    write(path, variables, state)
    if state.get("step") == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.write_state = write_and_die
train.main(sys.argv[2:])
"""


def run(speech, alidir, directory, *options):
    return train.main([*OPTIONS, *options, speech.train, alidir, directory])


@pytest.fixture(scope="module")
def trained(speech, mono_ali, tmp_path_factory):
    """Of three epochs, with dropout, SpecAugment and averaging, as they are without options."""
    directory = tmp_path_factory.mktemp("trained") / "nn"
    assert run(speech, mono_ali, directory) == 0
    rows = [json.loads(line) for line in (directory / "train.log.jsonl").read_text().splitlines()]
    return SimpleNamespace(path=directory, rows=rows,
                           bytes=(directory / "final.keras").read_bytes())


def test_network_directory(speech, mono_ali, trained):
    names = {path.name for path in trained.path.iterdir()}
    assert names == {"final.keras", "config.json", "front_end.json", "priors", "final.mdl", "tree",
                     "phones.txt", "train.log.jsonl", "progress.png", "tensorboard",
                     "held_out", ".done"}
    assert list((trained.path / "tensorboard").iterdir())
    assert (trained.path / "tree").read_bytes() == (mono_ali / "tree").read_bytes()
    config = json.loads((trained.path / "config.json").read_text())
    assert config["arch"] == "tdnn" and config["sizes"]["hidden_dim"] == 16
    assert (config["left_context"], config["right_context"], config["subsampling"]) == (4, 4, 3)
    network = read_network(trained.path)
    posteriors = np.exp(network.log_posteriors(np.zeros((31, config["feat_dim"]), np.float32)))
    assert posteriors.shape == (11, config["num_pdfs"])
    assert posteriors.sum(1) == pytest.approx(np.ones(11), abs=1e-4)
    assert np.exp(network.log_priors.astype(float)).sum() == pytest.approx(1, abs=1e-4)
    assert len(trained.rows) == 3
    assert trained.rows[2]["valid_loss"] < trained.rows[0]["valid_loss"]
    assert trained.rows[2]["valid_accuracy"] > 0.3


def test_a_second_run_does_nothing_and_force_gives_the_same_bytes(speech, mono_ali, trained,
                                                                  capsys):
    before = (trained.path / "final.keras").stat().st_mtime_ns
    run(speech, mono_ali, trained.path)
    assert "up to date" in capsys.readouterr().err
    assert (trained.path / "final.keras").stat().st_mtime_ns == before
    run(speech, mono_ali, trained.path, "--force")
    assert "epoch 3:" in capsys.readouterr().err
    assert (trained.path / "final.keras").stat().st_mtime_ns != before
    assert (trained.path / "final.keras").read_bytes() == trained.bytes


def test_killed_twice_it_goes_on_to_the_same_bytes(speech, mono_ali, trained, tmp_path,
                                                   monkeypatch, capfd):
    arguments = [*OPTIONS, "--checkpoint-minutes", "0", speech.train, mono_ali, tmp_path / "nn"]
    killed = subprocess.run([sys.executable, "-c", KILLED, "17", *map(str, arguments)],
                            env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert trained.rows[0]["step"] < 17 < trained.rows[1]["step"]
    assert not (tmp_path / "nn/final.keras").exists()

    capfd.readouterr()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "mean_weights", interrupt)
        train.main(arguments)
    steps = trained.rows[-1]["step"]
    assert f"goes on from {tmp_path}/nn/checkpoints: step 17 of {steps}" in capfd.readouterr().err
    assert not (tmp_path / "nn/final.keras").exists()
    train.main(arguments)
    assert f"step {steps} of {steps}" in capfd.readouterr().err
    assert (tmp_path / "nn/final.keras").read_bytes() == trained.bytes
    assert not (tmp_path / "nn/checkpoints").exists()


def interrupt(*_):
    raise KeyboardInterrupt


def test_another_seed_and_other_options_begin_anew(speech, mono_ali, trained, tmp_path,
                                                   monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "mean_weights", interrupt)
        run(speech, mono_ali, tmp_path, "--num-epochs", "1", "--weight-decay", "0")
    run(speech, mono_ali, tmp_path, "--num-epochs", "1", "--seed", "1")
    messages = capsys.readouterr().err
    assert "of other options or data, training starts anew" in messages
    assert "goes on" not in messages
    assert (tmp_path / "final.keras").read_bytes() != trained.bytes
    first, = map(json.loads, (tmp_path / "train.log.jsonl").read_text().splitlines())
    assert first["loss"] != trained.rows[0]["loss"]


def test_force_begins_anew(speech, mono_ali, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "mean_weights", interrupt)
        run(speech, mono_ali, tmp_path, "--num-epochs", "1")
    capsys.readouterr()
    run(speech, mono_ali, tmp_path, "--num-epochs", "1", "--force")
    assert "goes on from" not in capsys.readouterr().err


def test_xla_gives_what_is_the_same_but_for_rounding(speech, mono_ali, tmp_path):
    found = {}
    for xla in ("true", "false"):
        run(speech, mono_ali, tmp_path / xla, "--num-epochs", "1", "--xla", xla, "--sizes",
            f"{SIZES} dropout=0")
        found[xla], = map(json.loads, (tmp_path / xla / "train.log.jsonl").read_text().splitlines())
    for key in ("loss", "valid_loss"):
        assert found["true"][key] == pytest.approx(found["false"][key], rel=1e-3)


def test_losses_that_are_no_numbers(speech, mono_ali, tmp_path):
    with pytest.raises(UserError, match=r"epoch 1, step \d+: the loss is no number any more .*"
                       r"--learning-rate below 1e\+30"):
        run(speech, mono_ali, tmp_path / "nn", "--optimizer", "sgd", "--clip-norm", "0",
            "--learning-rate", "1e30", "--warmup", "0")
    assert not (tmp_path / "nn/final.keras").exists() and not (tmp_path / "nn/.done").exists()


# data

def test_held_out_speakers_are_not_trained_on(speech, mono_ali, tmp_path):
    step = Step(train.__file__, train.__doc__)
    training.add_options(step)
    args = step.parse([*OPTIONS, "--seed", "3"])
    language = training.LanguageData(args, speech.train, mono_ali, tmp_path)
    learn, held = language.readers(4, 4, 3, 16)
    utt2spk = DataDir(speech.train).utt2spk
    speakers = [{utt2spk[utt] for utt in reader.utts} for reader in (learn, held)]
    assert [len(s) for s in speakers] == [4, 1] and not speakers[0] & speakers[1]
    assert len(held.utts) == 8 and len(learn.utts) == 32
    assert learn.spec_augment and held.spec_augment is None


def test_soft_targets(speech, mono_ali, trained, tmp_path, capsys):
    post = tmp_path / "post"
    compute_posteriors.main(["--nj", "1", speech.train, trained.path, post])
    options = ["--soft-targets", post, "--soft-weight", "0.9", "--num-epochs", "1"]
    assert run(speech, mono_ali, tmp_path / "nn", *options) == 0
    row, = map(json.loads, (tmp_path / "nn/train.log.jsonl").read_text().splitlines())
    assert row["loss"] < 4 and row["valid_loss"] < 3
    with pytest.raises(UserError, match=r"post.json: subsampling is 3, and 1 in this training"):
        run(speech, mono_ali, tmp_path / "no", *options, "--sizes", SIZES + " subsampling=1")
    tree = (post / "tree").read_bytes()
    (post / "tree").write_bytes(tree + b"\n")
    with pytest.raises(UserError, match=r"tree: is another tree than .*posteriors of a network wi"):
        run(speech, mono_ali, tmp_path / "no", *options)
    (post / "tree").write_bytes(tree)
    lines = (post / "post.scp").read_text().splitlines(keepends=True)
    (post / "post.scp").write_text("".join(lines[:20]))
    with pytest.raises(UserError, match=r"post.scp: has no "):
        run(speech, mono_ali, tmp_path / "no", *options)
    (post / "post.json").unlink()
    with pytest.raises(UserError, match=r"post.json: no such file"):
        run(speech, mono_ali, tmp_path / "no", *options)


@pytest.mark.parametrize("options, message", [
    (["--arch", "transformer"], r"--arch: is transformer \(one of dnn"),
    (["--sizes", "hidden_dims=3"], r"--sizes: tdnn has no hidden_dims \(it has .*hidden_dim"),
    (["--sizes", "hidden_dim=big"], r"--sizes: hidden_dim cannot be 'big' \(such as 256\)"),
    (["--sizes", "hidden_dim=0"], r"--sizes: no tdnn can be made with .*hidden_dim=0"),
    (["--sizes", "dropout=1"], r"--sizes: no tdnn can be made with dropout=1 \(a share"),
    (["--sizes", "batchnorm_momentum=2"], r"no tdnn can be made with batchnorm_momentum=2 "),
    (["--held-out", "39"], r"--held-out 39: .*data/train: 40 utterances, of which 39 cannot"),
    (["--freq-masks", "1", "--freq-mask-first", "13"], r"--freq-mask-first: is 13, .* 13 values"),
    (["--final-learning-rate", "1"], r"--final-learning-rate: is 1, above --learning-rate 0.01"),
])
def test_options_that_cannot_be(speech, mono_ali, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        run(speech, mono_ali, tmp_path / "nn", *options)
    assert not (tmp_path / "nn/final.keras").exists()


@pytest.mark.parametrize("option, value", [
    ("warmup", "1"), ("learning-rate", "0"), ("learning-rate", "nan"), ("seed", "-1"),
    ("held-out", "-1"), ("clip-norm", "nan"), ("patience", "-1"), ("label-smoothing", "1.5"),
    ("xla", "yes"), ("time-masks", "-2")])
def test_values_that_cannot_be(speech, mono_ali, tmp_path, option, value):
    with pytest.raises(SystemExit, match=f"--{option}"):
        run(speech, mono_ali, tmp_path / "nn", f"--{option}={value}")


def test_missing_inputs(speech, mono_ali, tmp_path):
    with pytest.raises(UserError, match=r"no_ali/final.mdl: no such file \(align first"):
        run(speech, tmp_path / "no_ali", tmp_path / "nn")
    with pytest.raises(UserError, match=r"no_data/feats.scp: no such file \(make features"):
        train.main([*OPTIONS, tmp_path / "no_data", mono_ali, tmp_path / "nn"])


def test_it_is_not_written_over_its_alignments(speech, mono_ali):
    before = (mono_ali / "final.mdl").read_bytes()
    with pytest.raises(UserError, match="is both source and destination"):
        run(speech, mono_ali, mono_ali)
    assert (mono_ali / "final.mdl").read_bytes() == before
