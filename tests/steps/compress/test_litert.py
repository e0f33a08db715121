"""Networks as LiteRT models: the same numbers, and batch norms gone."""

import numpy as np
import pytest

from steps.compress import folded as folding
from steps.compress.litert import export
from steps.nnet.architectures import ARCHITECTURES
from steps.nnet.litert import LiteRtModel
from steps.nnet.tf import keras
from steps.transfer import adapters, graft, layer_plan
from tests.steps.transfer.tiny_source import tiny_model
from utils.step import UserError


def feats_for(left, right, num_out, dim=13, seed=1):
    return np.random.default_rng(seed).normal(
        0, 1, (left + 3 * num_out + right, dim)).astype(np.float32)


def operations(model):
    return [op["op_name"] for op in model.interpreter._get_ops_details()]


@pytest.mark.parametrize(("arch", "sizes"), [*((arch, {}) for arch in ARCHITECTURES),
                                             ("cnn", {"beside": 5})])
def test_numbers_are_the_networks_at_any_length(arch, sizes):
    model, left, right = tiny_model(arch, **sizes)
    exported = LiteRtModel(export(model), num_threads=1)
    for num_out in (1, 7, 50, 7):
        feats = feats_for(left, right, num_out)
        np.testing.assert_allclose(exported.run(feats), model(feats[None]).numpy()[0],
                                   rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("arch", ["dnn", "tdnn", "tdnnf"])
def test_no_norm_is_left(arch):
    model, _, _ = tiny_model(arch)
    done = operations(LiteRtModel(export(model)))
    num_affine = sum(isinstance(layer, keras.layers.Dense) for layer in model.layers)
    num_scaled = sum(layer.name.endswith(".scale") for layer in model.layers)
    num_sums = sum(isinstance(layer, keras.layers.Add) for layer in model.layers)
    assert done.count("FULLY_CONNECTED") == num_affine
    assert done.count("MUL") == num_scaled
    assert done.count("ADD") == num_sums


def test_scales_below_zero_stay():
    model, left, right = tiny_model("tdnn")
    norm = model.get_layer("tdnn1.batchnorm")
    gamma = np.asarray(norm.gamma) * np.where(np.arange(12) % 3, 1, -1)
    gamma[4] = 0
    norm.gamma.assign(gamma)
    exported, feats = LiteRtModel(export(model)), feats_for(left, right, 9)
    np.testing.assert_allclose(exported.run(feats), model(feats[None]).numpy()[0],
                               rtol=1e-5, atol=2e-5)
    assert operations(exported).count("MUL") == 1


def test_a_norm_that_something_else_hears_below_is_kept():
    x = keras.Input((None, 6))
    hidden = keras.layers.ReLU()(keras.layers.Dense(6, name="a")(x))
    normed = keras.layers.BatchNormalization()(hidden)
    y = keras.layers.Dense(4)(keras.layers.Add()([hidden, normed]))
    model = keras.Model(x, y)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(0.5 + rng.random(variable.shape))
    assert folding.scales_below(folding.calls(model)) == {}
    feats = rng.normal(0, 1, (5, 6)).astype(np.float32)
    np.testing.assert_allclose(LiteRtModel(export(model)).run(feats),
                               model(feats[None]).numpy()[0], rtol=1e-5, atol=1e-4)


def test_a_pruned_weight_stays_zero():
    model, _, _ = tiny_model("tdnn")
    layer = model.get_layer("tdnn1.affine")
    kernel = layer.kernel.numpy()
    kernel[::2] = 0
    layer.kernel.assign(kernel)
    scale = folding.scales_below(folding.calls(model))[id(layer)]
    assert (folding.affine_weights(layer, None, scale)[0][::2] == 0).all()


def test_merged_adapters_and_new_layers_are_exported():
    model, left, right = tiny_model("tdnn")
    grown, _ = graft.graft(model, 5, {"hidden_dim": 8, "num": 1})
    adapted = adapters.insert(grown, layer_plan.parse_adapters("lora=2 lhuc lin"), ["output"])
    rng = np.random.default_rng(2)
    for variable in adapted.trainable_variables:
        variable.assign(np.asarray(variable) + 0.1 * rng.normal(size=variable.shape))
    feats = feats_for(left, right, 5)
    np.testing.assert_allclose(LiteRtModel(export(adapters.merge(adapted))).run(feats),
                               adapted(feats[None]).numpy()[0], rtol=1e-5, atol=2e-5)


def test_layers_that_are_not_known_are_named():
    x = keras.Input((None, 6))
    with pytest.raises(UserError, match="up: a UpSampling1D layer cannot be exported"):
        export(keras.Model(x, keras.layers.UpSampling1D(name="up")(x)))


def test_what_came_out_otherwise_is_refused(monkeypatch):
    from steps.compress import litert
    model, _, _ = tiny_model("dnn")
    monkeypatch.setattr(litert, "folded", lambda model: lambda feats: 1.01 * folding.folded(
        model)(feats))
    with pytest.raises(UserError, match=r"dnn_output: its LiteRT model gives log-posteriors that"):
        litert.export(model)


def test_the_same_network_is_the_same_bytes():
    model, _, _ = tiny_model("dnn")
    assert export(model) == export(model)


def test_it_can_be_run_before_a_length_is_asked_for():
    model, left, right = tiny_model("cnn")
    loaded = LiteRtModel(export(model)).interpreter
    loaded.allocate_tensors()
    loaded.invoke()
    assert loaded.get_input_details()[0]["shape"].tolist() == [left + 3 * 20 + right, 13]
