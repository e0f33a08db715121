"""Features beside those that a source knows."""

import json
import re

import numpy as np
import pytest

from steps.features import compute_cmvn, make_fbank, paste_feats
from steps.nnet.architectures import ARCHITECTURES, add_output, build_trunk
from steps.nnet.network import read_network
from steps.transfer import transfer
from steps.transfer.widen import place_in, widen, widened_config
from tests.steps.transfer.test_transfer import OPTIONS, told
from tests.steps.transfer.tiny_source import SIZES, make_source, tiny_model
from utils.data import copy_data_dir
from utils.step import UserError

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def joined(speech, tmp_path_factory):
    """The training data with 5 log mel energies before its 13 MFCC."""
    directory = tmp_path_factory.mktemp("joined")
    copy_data_dir.main([speech.train, directory / "fbank"])
    make_fbank.main(["--nj", 1, "--num-mel-bins", 5, directory / "fbank"])
    paste_feats.main([directory / "fbank", speech.train, directory / "joined"])
    compute_cmvn.main([directory / "joined"])
    return directory / "joined"


@pytest.fixture(scope="module")
def source(speech, mono_ali, tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("source") / "nn", speech.train, mono_ali)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("first", [0, 4, 7])
def test_it_says_what_it_said_whatever_is_beside(arch, first):
    model, _, _ = tiny_model(arch)
    config = {"arch": arch, "sizes": SIZES[arch], "feat_dim": 13}
    if arch == "cnn" and first != 7:
        with pytest.raises(UserError, match="--new-inputs: stand after the bands"):
            widen(model, config, first, 20, "nn")
        return
    feats = RNG.normal(0, 1, (2, 60, 20)).astype(np.float32)
    wide, hearing = widen(model, config, first, 20, "nn")
    assert len(hearing) == (2 if arch == "blstm" else 1)
    wanted = np.asarray(model(feats[:, :, first:first + 13]))
    np.testing.assert_allclose(wide(feats), wanted, atol=1e-5)
    again, _ = widen(wide, widened_config(config, first, 20, "nn"), 2, 22, "nn")
    more = np.concatenate([feats[:, :, :2], feats], 2)
    np.testing.assert_allclose(again(more), wanted, atol=1e-5)


def test_it_learns_what_is_beside(speech, mono_ali, joined, source, tmp_path, capsys):
    out = tmp_path / "nn"
    assert transfer.main([*OPTIONS, "--new-inputs", "true", "--distill", "0.2", source, joined,
                          mono_ali, out]) == 0
    assert "5 values a frame beside the 13 that" in capsys.readouterr().err
    kernels = [np.asarray(read_network(out / made).model.get_layer("input.affine").kernel)
               .reshape(-1, 18, 12) for made in ("initial", "")]
    old = np.asarray(read_network(source).model.get_layer("input.affine").kernel)
    assert not kernels[0][:, :5].any() and np.abs(kernels[1][:, :5]).min() > 0
    np.testing.assert_array_equal(kernels[0][:, 5:], old.reshape(-1, 13, 12))
    feats = json.loads((joined / "feats.json").read_text())
    for made in ("", "initial", "source"):
        assert read_network(out / made).config["feat_dim"] == 18
        assert json.loads((out / made / "front_end.json").read_text())["feats"] == feats
    losses = told(out)["held_out_loss"]
    assert losses["after"] < losses["before"]
    # A network of new inputs is a source as any other.
    assert transfer.main([*OPTIONS, "--output", "copy", "--num-epochs", "0", out, joined, mono_ali,
                          tmp_path / "further"]) == 0


def test_options_that_do_not_go_with_it(speech, mono_ali, joined, source, tmp_path):
    def run(data, *options):
        transfer.main([*OPTIONS, "--new-inputs", "true", *options, source, data, mono_ali,
                       tmp_path / "nn"])

    with pytest.raises(UserError, match="--new-inputs: have weights of their own, and --adapters"):
        run(joined, "--adapters", "lhuc")
    with pytest.raises(UserError, match=r"feats\.json: is of what the source knows"):
        run(speech.train)
    with pytest.raises(UserError, match=r"feats\.json: features .* are not those the model"):
        transfer.main([*OPTIONS, source, joined, mono_ali, tmp_path / "nn"])
    with pytest.raises(UserError, match="--new-inputs: stand beside features that the source kn"):
        run(joined, "--other-features", "true")
    assert not (tmp_path / "nn").exists()
    for frozen in (["--lr-factors", "input*=0"], ["--unfreeze-every", "1"]):
        with pytest.raises(UserError, match=r"--new-inputs: are heard by input\.affine, which"):
            run(joined, *frozen)


def test_where_known_features_are():
    fmllr = {"kind": "fmllr", "feat_dim": 40, "fingerprint": "a"}
    fbank = {"kind": "fbank", "feat_dim": 20, "fingerprint": "b"}
    found = {"parts": [fmllr, fbank], "feat_dim": 60, "fingerprint": "ab"}
    assert place_in(fbank, found, "data") == (40, 60)
    assert place_in(fmllr, found, "data") == (0, 60)
    for known, damage, message in [
            ({**fbank, "fingerprint": "c"}, {}, "data/feats.json: is of fmllr a, fbank b, and the"),
            ({}, {}, "--new-inputs: the source does not tell"),
            (found, {}, "data/feats.json: is of what the source knows, and nothing is new"),
            (fbank, {"parts": []}, "data/feats.json: names no parts"),
            (fbank, {"parts": None}, "data/feats.json: names no parts"),
            (fbank, {"parts": "fbank"}, "data/feats.json: is damaged"),
            (fbank, {"parts": [1]}, "data/feats.json: is damaged"),
            (fbank, {"parts": [{"kind": "fbank"}]}, "data/feats.json: is damaged"),
            (fbank, {"parts": [fmllr, {**fbank, "feat_dim": True}]}, "data/feats.json: is damaged"),
            (fbank, {"feat_dim": 50}, "data/feats.json: is damaged")]:
        with pytest.raises(UserError, match=re.escape(message)):
            place_in(known, found | damage, "data")


@pytest.mark.parametrize("sizes", [None, [1], {"window": 2.5}, {"no": 1}, {"offsets": 3}])
def test_a_damaged_config_is_named(sizes):
    model, _, _ = tiny_model("tdnn")
    with pytest.raises(UserError, match=r"nn/config\.json: is .*train the network again"):
        widen(model, {"arch": "tdnn", "sizes": sizes, "feat_dim": 13}, 5, 18, "nn")


def test_a_network_of_other_layers_is_named():
    trunk, _, _ = build_trunk("tdnn", SIZES["tdnn"] | {"offsets": (1,)}, 13)
    config = {"arch": "tdnn", "sizes": SIZES["tdnn"], "feat_dim": 13}
    for model in (add_output(trunk, 9), tiny_model("tdnn", hidden_dim=8)[0]):
        with pytest.raises(UserError, match=r"nn: has layers of other sizes .*all their neurons"):
            widen(model, config, 5, 18, "nn")
