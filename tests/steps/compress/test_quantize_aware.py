"""Training with rounded kernels, and that quantize.py leaves them where they are."""

import json

import numpy as np
import pytest

from steps.compress import quantize, quantize_aware
from steps.compress.aware_learner import fake_quantized
from steps.compress.litert import affine_layers, export
from steps.compress.schemes import plan_of, quantized
from steps.nnet.litert import LiteRtModel
from steps.nnet.network import read_network
from tests.steps.transfer.tiny_source import make_source, tiny_model
from utils.step import UserError

OPTIONS = ["--xla", "false", "--num-epochs", "2", "--batch-size", "16", "--chunk-frames", "45",
           "--held-out", "8", "--learning-rate", "0.01", "--nj", "1"]
FEATS = np.random.default_rng(0).normal(0, 1, (90, 13)).astype(np.float32)


def test_rounding_by_hand():
    kernel = np.array([[7.0, -0.1], [0.4, 0.2], [-2.6, 0.24], [1.5, 0.7]], np.float32)
    np.testing.assert_allclose(fake_quantized(kernel, 4), np.array(
        [[7, -0.1], [0, 0.2], [-3, 0.2], [2, 0.7]]), rtol=1e-6)
    np.testing.assert_allclose(fake_quantized(kernel, 4, 2)[2:], np.array(
        [[-2.6, 0.2], [4 * 2.6 / 7, 0.7]]), rtol=1e-6)
    np.testing.assert_array_equal(fake_quantized(np.zeros((2, 2), np.float32), 4), 0)
    np.testing.assert_allclose(fake_quantized(fake_quantized(kernel, 4), 4),
                               fake_quantized(kernel, 4), rtol=1e-6)


@pytest.mark.parametrize("arch", ["tdnn", "cnn", "gru"])
def test_the_quantizer_finds_the_same_points(arch):
    """Of rounded kernels int4 changes only what int8 input costs; of others far more."""
    model, left, right = tiny_model(arch)
    layers = affine_layers(model)
    feats = np.random.default_rng(1).normal(0, 1, (left + 60 + right, 13)).astype(np.float32)
    plan = plan_of(layers, "int4", [])
    errors = []
    for number in range(2):
        if number:
            for layer in model.layers:
                if layer.name in layers:
                    layer.kernel.assign(fake_quantized(layer.kernel, 4))
        data = export(model)
        made = quantized(data, plan, [], list(plan))
        errors.append(np.sqrt(np.mean(
            (LiteRtModel(made).run(feats) - LiteRtModel(data).run(feats)) ** 2)))
    assert errors[1] < 0.35 * errors[0]


@pytest.fixture(scope="module")
def aware(speech, mono_ali, tmp_path_factory):
    """The directories of a network and of the one trained on, and what the latter tells."""
    root = tmp_path_factory.mktemp("aware")
    source = make_source(root / "nn", speech.train, mono_ali)
    quantize_aware.main([*OPTIONS, "--keep", "output=int8", source, speech.train, mono_ali,
                         root / "aware"])
    return source, root / "aware", json.loads((root / "aware/compress.json").read_text())


def test_it_learns_to_do_with_it(aware):
    _, directory, about = aware
    losses = about["held_out_loss"]
    assert losses["rounded"] != losses["source"]
    assert losses["final"] < losses["rounded"]
    assert about["method"] == "quantize_aware"
    assert about["gate"] == {"passed": None}
    assert json.loads((directory / "config.json").read_text())["quantized"] == {
        "input.affine": "int4", "tdnn1.affine": "int4", "tdnn2.affine": "int4", "output": "int8"}


def test_kernels_are_rounded_in_the_file(aware):
    network = read_network(aware[1])
    for name, highest in (("tdnn1.affine", 7), ("output", 127)):
        kernel = network.model.get_layer(name).kernel.numpy()
        steps = kernel / np.abs(kernel).max(0) * highest
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
        assert len(np.unique(np.rint(steps))) > 4


def test_quantize_keeps_what_was_learnt(aware, tmp_path):
    _, directory, _ = aware
    quantize.main(["--scheme", "int4", "--keep", "output=int8", directory, tmp_path / "int4"])
    same, other = (read_network(d).log_posteriors(FEATS) for d in (directory, tmp_path / "int4"))
    quantize.main(["--scheme", "int4-block32", directory, tmp_path / "else"])
    moved = read_network(tmp_path / "else").log_posteriors(FEATS)
    assert np.abs(same - other).mean() < 0.5 * np.abs(same - moved).mean()


def test_it_goes_on_where_it_was(aware, speech, mono_ali, capsys):
    source, directory, _ = aware
    quantize_aware.main([*OPTIONS, "--keep", "output=int8", source, speech.train, mono_ali,
                         directory])
    assert "up to date" in capsys.readouterr().err


def test_mistakes_are_told(aware, speech, mono_ali, tmp_path):
    with pytest.raises(UserError, match="--keep: no layer is called outputs"):
        quantize_aware.main([*OPTIONS, "--keep", "outputs=int8", aware[0], speech.train, mono_ali,
                             tmp_path / "nn"])
