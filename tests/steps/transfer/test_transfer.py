"""Transfers between tiny networks, from options to files."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from steps.nnet.architectures import ARCHITECTURES
from steps.nnet.network import read_network
from steps.transfer import apply_adapter, mix, transfer
from tests.steps.transfer.tiny_source import make_source
from utils.step import ROOT, UserError

OPTIONS = ["--xla", "false", "--num-epochs", "2", "--batch-size", "16", "--chunk-frames", "45",
           "--held-out", "8", "--learning-rate", "0.01"]
NAMES = {"final.keras", "config.json", "front_end.json", "priors", "final.mdl", "tree",
         "phones.txt"}
FEATS = np.random.default_rng(0).normal(0, 1, (40, 13)).astype(np.float32)
KILLED = """import os, signal, sys
from steps.nnet import checkpoints
from steps.transfer import transfer
write = checkpoints.write_state
def write_and_die(path, variables, state):
    write(path, variables, state)
    if state.get("step") == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.write_state = write_and_die
transfer.main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def source(speech, mono_ali, tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("source") / "nn", speech.train, mono_ali)


@pytest.fixture
def identity(source, tmp_path):
    num_pdfs = json.loads((source / "config.json").read_text())["num_pdfs"]
    (tmp_path / "map").mkdir()
    sparse.save_npz(tmp_path / "map/pdf_map.npz", sparse.eye(num_pdfs, dtype=np.float32).tocsr())
    return tmp_path / "map"


def run(speech, alidir, source, directory, *options):
    return transfer.main([*OPTIONS, *options, source, speech.train, alidir, directory])


def told(directory):
    return json.loads((directory / "transfer.json").read_text())


def test_a_transfer_and_its_files(speech, mono_ali, source, tmp_path, capsys):
    out = tmp_path / "nn"
    assert run(speech, mono_ali, source, out, "--lr-factors", "input=0") == 0
    assert {p.name for p in out.iterdir()} == NAMES | {
        "initial", "source", "transfer.json", "train.log.jsonl", "progress.png", "tensorboard",
        "held_out", ".done"}
    assert len((out / "held_out").read_text().split()) == 8
    assert {p.name for p in (out / "initial").iterdir()} == NAMES | {"initial.json"}
    assert {p.name for p in (out / "source").iterdir()} == NAMES
    shown = capsys.readouterr().err
    assert shown.index("input.affine") < shown.index("epoch 1:")
    layers = {layer["layer"]: layer for layer in told(out)["layers"]}
    assert layers["input.affine"]["trained"] == "no" and layers["tdnn1.affine"]["factor"] == 1
    assert layers["output"]["state"] == "new"
    losses = told(out)["held_out_loss"]
    assert losses["after"] < losses["before"] and told(out)["warnings"] == []
    old, new, view = (read_network(d).model for d in (source, out, out / "source"))
    for name, same in (("input.affine", True), ("tdnn1.affine", False)):
        kernels = [np.asarray(m.get_layer(name).kernel) for m in (old, new, view)]
        assert np.array_equal(kernels[0], kernels[1]) == same
        assert np.array_equal(kernels[1], kernels[2])
    assert np.array_equal(view.get_layer("output").kernel, old.get_layer("output").kernel)
    trained = sum(int(np.prod(v.shape)) for v in new.trainable_variables
                  if not v.path.startswith("input"))
    assert told(out)["num_trained"] == trained
    assert np.exp(read_network(out).log_posteriors(FEATS)).sum(1) == pytest.approx(1, abs=1e-4)

    before = (out / "final.keras").stat().st_mtime_ns
    run(speech, mono_ali, source, out, "--lr-factors", "input=0")
    assert "up to date" in capsys.readouterr().err
    assert (out / "final.keras").stat().st_mtime_ns == before


def test_killed_it_goes_on_with_the_same_initial_network(speech, mono_ali, source, tmp_path,
                                                         capsys):
    options = ["--copy-to", "tdnn1", "--unfreeze-every", "0.5", "--distill", "0.3",
               "--checkpoint-minutes", "0"]
    run(speech, mono_ali, source, tmp_path / "whole", *options)
    arguments = [*OPTIONS, *options, source, speech.train, mono_ali, tmp_path / "nn"]
    killed = subprocess.run([sys.executable, "-c", KILLED, "7", *map(str, arguments)],
                            env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    stamp = (tmp_path / "nn/initial/final.keras").stat().st_mtime_ns
    assert not (tmp_path / "nn/final.keras").exists()
    capsys.readouterr()
    transfer.main(arguments)
    shown = capsys.readouterr().err
    assert "initial: is there, and is used as it is" in shown and "step 7 of" in shown
    assert (tmp_path / "nn/initial/final.keras").stat().st_mtime_ns == stamp
    for name in ("final.keras", "source/final.keras", "priors"):
        assert (tmp_path / "nn" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    states = {layer["layer"]: layer["state"] for layer in told(tmp_path / "nn")["layers"]}
    assert states["tdnn1.affine"] == "copied" and states["tdnn2.affine"] == "reset"
    old, new = (read_network(d).model for d in (source, tmp_path / "nn/initial"))
    for name, same in (("tdnn1.affine", True), ("tdnn2.affine", False)):
        assert np.array_equal(*(m.get_layer(name).kernel for m in (old, new))) == same


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_adapters_on_every_architecture(arch, speech, mono_ali, tmp_path):
    source = make_source(tmp_path / "source", speech.train, mono_ali, arch)
    run(speech, mono_ali, source, tmp_path / "nn", "--num-epochs", "1", "--adapters",
        "lora=2 lhuc lin", "--output", "copy", "--distill", "0.2", "--batchnorm", "adapt")
    apply_adapter.main([source, tmp_path / "nn", tmp_path / "again"])
    for name in NAMES:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "nn" / name).read_bytes()
    old, new = (read_network(d).log_posteriors(FEATS) for d in (source, tmp_path / "nn"))
    assert np.abs(old - new).max() > 1e-3
    assert told(tmp_path / "nn")["num_trained"] > 0
    assert (tmp_path / "nn/adapter.npz").stat().st_size > 0
    other = make_source(tmp_path / "other", speech.train, mono_ali, arch, seed=4)
    with pytest.raises(UserError, match="is of another network than"):
        apply_adapter.main([other, tmp_path / "nn", tmp_path / "x"])


def test_copied_or_mapped_to_itself_it_begins_as_the_source(speech, mono_ali, source, identity,
                                                            tmp_path):
    wanted = read_network(source)
    for output in (["--output", "copy"], ["--output", "map", "--pdf-map", identity]):
        out = tmp_path / output[1]
        run(speech, mono_ali, source, out, *output, "--num-epochs", "0")
        found = read_network(out)
        scores, expected = found.log_likes(FEATS), wanted.log_likes(FEATS)
        # A frame's scores may all be higher by the same number.
        assert scores - scores[:, :1] == pytest.approx(expected - expected[:, :1], abs=1e-3)
        assert (out / "final.keras").read_bytes() == (out / "initial/final.keras").read_bytes()
        assert told(out)["num_trained"] == 0
        assert not (out / "train.log.jsonl").exists()


def test_a_map_is_a_weighted_mean_of_log_likelihoods(speech, mono_ali, source, identity, tmp_path):
    num_pdfs = read_network(source).config["num_pdfs"]
    weights = np.random.default_rng(1).dirichlet(np.full(num_pdfs, 0.3), num_pdfs)
    sparse.save_npz(identity / "pdf_map.npz", sparse.csr_matrix(weights.astype(np.float32)))
    tree = tmp_path / "tree_only"
    tree.mkdir()
    for name in ("final.mdl", "tree", "phones.txt"):
        (tree / name).write_bytes((mono_ali / name).read_bytes())
    options = ["--output", "map", "--pdf-map", identity]
    run(speech, tree, source, tmp_path / "nn", *options, "--num-epochs", "0")
    scores = read_network(tmp_path / "nn").log_likes(FEATS)
    expected = read_network(source).log_likes(FEATS) @ weights.T
    assert scores - scores[:, :1] == pytest.approx(expected - expected[:, :1], abs=1e-3)
    with pytest.raises(UserError, match=r"ali\.1\.gz: no such file .*--num-epochs 0"):
        run(speech, tree, source, tmp_path / "x", *options)
    sparse.save_npz(identity / "pdf_map.npz", sparse.eye(3, dtype=np.float32).tocsr())
    with pytest.raises(UserError, match=r"pdf_map\.npz: maps 3 target pdfs, expected"):
        run(speech, mono_ali, source, tmp_path / "x", *options)


def test_worse_than_before_or_than_scratch_is_told(speech, mono_ali, source, tmp_path, capsys):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "tree").write_bytes((mono_ali / "tree").read_bytes())
    row = {"epoch": 1, "loss": 1.0, "valid_loss": 0.001}
    (scratch / "train.log.jsonl").write_text(json.dumps(row) + "\n")
    run(speech, mono_ali, source, tmp_path / "nn", "--num-epochs", "1", "--scratch", scratch)
    assert "transfer: WARNING held-out loss" in capsys.readouterr().err
    warning, = told(tmp_path / "nn")["warnings"]
    assert warning.endswith("is worse than from scratch, 0.0010")
    (scratch / "tree").write_text("{}")
    with pytest.raises(UserError, match="is another tree than"):
        run(speech, mono_ali, source, tmp_path / "x", "--scratch", scratch)


def test_options_that_do_not_go_together(speech, mono_ali, source, tmp_path):
    for options, message in (
            (["--output", "map"], "--pdf-map: goes with --output map"),
            (["--new-layers", "num=1", "--output", "copy"], "leaves no room for --output copy"),
            (["--lr-factors", "*=0"], "nothing is left to learn"),
            (["--adapters", "prompt"], "is no adapter"),
            (["--adapters", "lhuc", "--unfreeze-every", "1"], "--unfreeze-every: is of copied"),
            (["--copy-to", "lstm1"], "there is no such layer")):
        with pytest.raises(UserError, match=message):
            run(speech, mono_ali, source, tmp_path / "x", *options)
    assert not (tmp_path / "x/final.keras").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty/final\.keras: no such file"):
        run(speech, mono_ali, tmp_path / "empty", tmp_path / "x")
    with pytest.raises(UserError, match=r"empty/tree: no such file .*align first"):
        run(speech, tmp_path / "empty", source, tmp_path / "x", "--output", "copy")


def test_a_source_whose_files_do_not_go_together(speech, mono_ali, source, tmp_path):
    def spoilt(name, change):
        directory = shutil.copytree(source, tmp_path / f"spoilt{len(list(tmp_path.iterdir()))}")
        (directory / name).write_text(change((directory / name).read_text()))
        return directory

    for name, change, message in (
            ("priors", lambda text: " [ 0.5 0.5 ]\n", r"priors: has 2 values, config\.json"),
            ("config.json", lambda text: text.replace('"subsampling": 3', '"subsampling": 1'),
             r"config\.json: subsampling is 1, final\.keras has 3"),
            ("config.json", lambda text: text.replace('"num_pdfs": ', '"num_pdfs": 1'),
             r"config\.json: num_pdfs is 1\d+, final\.keras"),
            ("front_end.json", lambda text: "{}", r"front_end\.json: is damaged, it has no cmvn")):
        with pytest.raises(UserError, match=message):
            run(speech, mono_ali, spoilt(name, change), tmp_path / "x", "--num-epochs", "0",
                "--output", "copy")
    mix.main([source, source, tmp_path / "mixture"])
    with pytest.raises(UserError, match="/mixture: has no output layer of its own"):
        run(speech, mono_ali, tmp_path / "mixture", tmp_path / "x", "--num-epochs", "0")
    with pytest.raises(UserError, match=r"priors: has 2 values, config\.json"):
        mix.main([source, spoilt("priors", lambda text: " [ 0.5 0.5 ]\n"), tmp_path / "x"])


def test_a_source_is_not_written_over(speech, mono_ali, source):
    with pytest.raises(UserError, match="nn: is both source and destination"):
        run(speech, mono_ali, source, source, "--num-epochs", "0", "--new-layers", "num=1")
    with pytest.raises(UserError, match="nn: is both source and destination"):
        apply_adapter.main([source, source, source])
    for adapter in (mono_ali, mono_ali / "adapter.npz"):
        with pytest.raises(UserError, match="mono_ali: is both source and destination"):
            apply_adapter.main([source, adapter, mono_ali])
    with pytest.raises(UserError, match="nn: is both source and destination"):
        mix.main([source, source, source])
    assert not (source / "initial").exists()


def test_a_network_that_it_is_compared_with_is_not_written_over(speech, mono_ali, source, tmp_path):
    with pytest.raises(UserError, match="scratch: is both source and destination"):
        run(speech, mono_ali, source, tmp_path / "scratch", "--scratch", tmp_path / "scratch")


@pytest.mark.parametrize("arch", ["lstm", "dnn"])
def test_batch_norms_that_are_not_there_are_told(arch, speech, mono_ali, tmp_path, capsys):
    source = make_source(tmp_path / "source", speech.train, mono_ali, arch)
    run(speech, mono_ali, source, tmp_path / "nn", "--num-epochs", "0", "--batchnorm", "adapt")
    told_so = "--batchnorm adapt does nothing: no copied layer of lstm" in capsys.readouterr().err
    assert told_so == (arch == "lstm")


def test_begun_anew_by_force_or_where_files_are_missing(speech, mono_ali, source, tmp_path):
    options = ["--output", "copy", "--num-epochs", "0"]
    run(speech, mono_ali, source, tmp_path / "nn", *options)
    initial = tmp_path / "nn/initial"
    for more, damaged in ((["--force"], b"priors"), ([], None)):
        if damaged:
            (initial / "priors").write_bytes(damaged)
        else:
            (initial / "final.keras").unlink()
            (tmp_path / "nn/.done").unlink()
        run(speech, mono_ali, source, tmp_path / "nn", *options, *more)
        assert (initial / "priors").read_bytes() != b"priors"
        assert (initial / "final.keras").is_file()


def test_what_is_counted_and_told_as_trained(speech, mono_ali, source, tmp_path):
    options = ["--num-epochs", "1", "--output", "copy"]
    run(speech, mono_ali, source, tmp_path / "taught", *options, "--distill", "0.3")
    run(speech, mono_ali, source, tmp_path / "lora", *options, "--adapters", "lora=2",
        "--lr-factors", "*=0 tdnn1.affine=1")
    model = read_network(source).model
    assert told(tmp_path / "taught")["num_trained"] == sum(
        int(np.prod(v.shape)) for v in model.trainable_variables)
    layer = model.get_layer("tdnn1.affine")
    fan_in, fan_out = layer.kernel.shape
    assert told(tmp_path / "lora")["num_trained"] == fan_out + 2 * (fan_in + fan_out)
    trained = {row["layer"]: row["trained"] for row in told(tmp_path / "lora")["layers"]}
    assert {name: said for name, said in trained.items() if said != "no"} == {
        "tdnn1.affine": "bias", "tdnn1.affine.lora": "yes"}


def test_a_source_on_the_grid_of_whole_numbers(speech, mono_ali, tmp_path):
    source = make_source(tmp_path / "source", speech.train, mono_ali)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "quantized": {"output": "int8"}}))
    run(speech, mono_ali, source, tmp_path / "nn", "--num-epochs", "0")
    for made in ("", "initial", "source"):
        assert "quantized" not in read_network(tmp_path / "nn" / made).config


def test_other_features(speech, mono_ali, source, tmp_path):
    other = make_source(tmp_path / "source", speech.train, mono_ali)
    front_end = json.loads((other / "front_end.json").read_text())
    front_end["feats"]["fingerprint"] = "another"
    (other / "front_end.json").write_text(json.dumps(front_end))
    with pytest.raises(UserError, match=r"feats\.json: features .* are not those"):
        run(speech, mono_ali, other, tmp_path / "nn")
    run(speech, mono_ali, other, tmp_path / "nn", "--other-features", "true", "--num-epochs", "0")
    found = json.loads((tmp_path / "nn/front_end.json").read_text())
    assert found["feats"]["fingerprint"] != "another" and found["norm_vars"] is True
