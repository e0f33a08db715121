"""Pruning of tiny networks, from options to zeros in the file."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from steps.compress import prune
from steps.compress.masks import count_zeros
from steps.nnet.network import FILES, load_model, read_network
from tests.steps.transfer.tiny_source import make_source
from utils.step import ROOT, UserError

OPTIONS = ["--xla", "false", "--num-epochs", "2", "--batch-size", "16", "--chunk-frames", "45",
           "--held-out", "8", "--learning-rate", "0.01"]
FEATS = np.random.default_rng(0).normal(0, 1, (40, 13)).astype(np.float32)
KILLED = """import os, signal, sys
from steps.nnet import checkpoints
from steps.compress import prune
write = checkpoints.write_state
def write_and_die(path, variables, state):
    write(path, variables, state)
    if state.get("step") == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.write_state = write_and_die
prune.main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def source(speech, mono_ali, tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("source") / "nn", speech.train, mono_ali)


def run(speech, alidir, source, directory, *options):
    return prune.main([*OPTIONS, *options, source, speech.train, alidir, directory])


def told(directory):
    return json.loads((directory / "compress.json").read_text())


def kernels(directory):
    model = load_model(directory / "final.keras")
    return {row["layer"]: np.asarray(model.get_layer(row["layer"]).kernel)
            for row in count_zeros(model)}


def test_zeros_in_the_file(speech, mono_ali, source, tmp_path, capsys):
    out = tmp_path / "nn"
    assert run(speech, mono_ali, source, out, "--sparsity", "0.7", "--average", "2") == 0
    assert {p.name for p in out.iterdir()} == {*FILES, "compress.json", "train.log.jsonl",
                                               "progress.png", "tensorboard", ".done"}
    about, written = told(out), kernels(out)
    assert "is 0" not in capsys.readouterr().err
    for row in about["layers"]:
        zeros = int((written[row["layer"]] == 0).sum())
        assert zeros == row["zeros"] == round(0.7 * written[row["layer"]].size)
        assert row["sparsity"] == pytest.approx(0.7, abs=0.02)
    assert set(written) == {"input.affine", "tdnn1.affine", "tdnn2.affine", "output"}
    assert about["sparsity"] == pytest.approx(0.7, abs=0.01)
    total = sum(row["zeros"] for row in about["layers"])
    assert about["nonzero"] == about["num_params"] - total
    assert about["num_params"] == about["before"]["num_params"]
    assert about["bytes"] == (out / "final.keras").stat().st_size
    assert about["method"] == "prune" and about["source"] == str(source)
    assert about["options"]["sparsity"] == 0.7 and about["gate"] == {"passed": None}
    losses = about["held_out_loss"]
    assert losses["final"] < losses["source"]       # of random weights
    assert np.exp(read_network(out).log_posteriors(FEATS)).sum(1) == pytest.approx(1, abs=1e-4)

    before = (out / "final.keras").stat().st_mtime_ns
    run(speech, mono_ali, source, out, "--sparsity", "0.7", "--average", "2")
    assert "up to date" in capsys.readouterr().err
    assert (out / "final.keras").stat().st_mtime_ns == before

    # Once more: what is 0 stays 0, and of less there is nothing to do.
    with pytest.raises(UserError, match=r"--sparsity: 0.5 of any layer .* what is 0 already"):
        run(speech, mono_ali, out, tmp_path / "less", "--sparsity", "0.5")
    assert run(speech, mono_ali, out, tmp_path / "more", "--sparsity", "0.75", "--num-epochs",
               "1") == 0
    for name, kernel in kernels(tmp_path / "more").items():
        assert (kernel[written[name] == 0] == 0).all()
        assert (kernel == 0).sum() == round(0.75 * kernel.size)


def test_neurons(speech, mono_ali, tmp_path):
    """Of the architecture with most kinds of layers; the others: test_structure.py."""
    source, out = make_source(tmp_path / "cnn", speech.train, mono_ali, "cnn"), tmp_path / "nn"
    run(speech, mono_ali, source, out, "--structure", "neurons", "--num-epochs", "1")
    about, config = told(out), json.loads((out / "config.json").read_text())
    assert about["num_params"] == config["num_params"] < 0.8 * about["before"]["num_params"]
    assert all(kept == -(-of // 2) for kept, of in about["units"].values())
    assert config["units"] == about["units"]
    assert about["sparsity"] == 0
    assert config["left_context"] == json.loads((source / "config.json").read_text())[
        "left_context"]
    assert np.exp(read_network(out).log_posteriors(FEATS)).sum(1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("arch, options", [     # tdnnf is pulled to be orthogonal
    ("tdnnf", ("--scope", "global")), ("lstm", ("--structure", "2of4"))])
def test_masks_hold(speech, mono_ali, tmp_path, arch, options):
    source, out = make_source(tmp_path / arch, speech.train, mono_ali, arch), tmp_path / "nn"
    run(speech, mono_ali, source, out, *options, "--num-epochs", "1")
    about, written = told(out), kernels(out)
    assert any("recurrence" in name for name in written) == (arch == "lstm")
    if "2of4" not in options:
        assert about["sparsity"] == pytest.approx(0.5, abs=1e-3)
        return
    for kernel in written.values():
        for start in range(0, len(kernel), 4):
            assert ((kernel[start:start + 4] != 0).sum(0) == min(2, len(kernel) - start)).all()


def test_at_once(speech, mono_ali, source, tmp_path):
    run(speech, mono_ali, source, tmp_path / "nn", "--num-epochs", "0", "--sparsity", "0.6")
    assert told(tmp_path / "nn")["sparsity"] == pytest.approx(0.6, abs=0.01)
    old, new = kernels(source), kernels(tmp_path / "nn")
    for name, kernel in new.items():
        assert (kernel == np.where(kernel == 0, 0, old[name])).all()
    assert not (tmp_path / "nn/train.log.jsonl").exists()
    norms = [load_model(d / "final.keras").get_layer("tdnn1.batchnorm")
             for d in (source, tmp_path / "nn")]
    assert (np.asarray(norms[0].gamma) == np.asarray(norms[1].gamma)).all()
    assert not np.allclose(norms[0].moving_mean, norms[1].moving_mean)     # estimated anew


def test_with_a_teacher(speech, mono_ali, source, tmp_path):
    for name, weight in (("alone", 0), ("taught", 0.9)):
        run(speech, mono_ali, source, tmp_path / name, "--distill", weight)
    alone, taught = (told(tmp_path / name)["held_out_loss"] for name in ("alone", "taught"))
    assert alone["source"] == taught["source"] and alone["final"] != taught["final"]
    old, *new = (read_network(d).log_posteriors(FEATS)
                 for d in (source, tmp_path / "alone", tmp_path / "taught"))
    far, near = ((np.exp(old) * (old - mine)).sum(1).mean() for mine in new)
    assert near < far


def test_killed_it_goes_on(speech, mono_ali, source, tmp_path, capsys):
    options = [*OPTIONS, "--checkpoint-minutes", "0"]
    paths = [source, speech.train, mono_ali]
    whole, part = tmp_path / "whole", tmp_path / "part"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, "3", *options, *map(str, [*paths, part])]
    killed = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL and not (part / "final.keras").exists()
    capsys.readouterr()
    prune.main([*options, *paths, part])
    assert "goes on from" in capsys.readouterr().err
    prune.main([*options, *paths, whole])
    for name, kernel in kernels(whole).items():
        assert (kernel == kernels(part)[name]).all()
    assert not (part / "checkpoints").exists()


def test_mistakes(speech, mono_ali, tri1, source, tmp_path):
    for options, said in ((["--sparsity", "0"], "--sparsity: is 0"),
                          (["--sparsity", "1e-6"], "--sparsity: 1e-06 of any layer is less than"),
                          (["--sparsity", "1e-3", "--structure", "neurons"], "0.001 of any layer"),
                          (["--structure", "2of4", "--sparsity", "0.7"], "prunes half")):
        with pytest.raises(UserError, match=said):
            run(speech, mono_ali, source, tmp_path / "nn", *options)
    other = tmp_path / "ali"
    shutil.copytree(mono_ali, other)
    (other / "tree").write_bytes((tri1 / "tree").read_bytes())
    with pytest.raises(UserError, match="ali/tree: is not the tree of"):
        run(speech, other, source, tmp_path / "nn")
    with pytest.raises(UserError, match="no such file"):
        run(speech, mono_ali, tmp_path / "none", tmp_path / "nn")
    with pytest.raises(UserError, match="ali: is both source and destination"):
        run(speech, other, source, other)
    shutil.copytree(source, tmp_path / "of_another")
    config = json.loads((source / "config.json").read_text())
    for name, said in (("left_context", "config.json: left_context is"),
                       ("feat_dim", "config.json: feat_dim is")):
        (tmp_path / "of_another/config.json").write_text(
            json.dumps({**config, name: config[name] + 1}))
        with pytest.raises(UserError, match=said):
            run(speech, mono_ali, tmp_path / "of_another", tmp_path / "nn")
    assert not (tmp_path / "nn/final.keras").exists()
