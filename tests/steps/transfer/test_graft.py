"""Surgery on tiny networks."""

import numpy as np
import pytest

from steps.nnet.architectures import ARCHITECTURES
from steps.nnet.size import context
from steps.nnet.tf import keras, seed
from steps.transfer import graft
from tests.steps.transfer.tiny_source import tiny_model
from utils.step import UserError

FEATS = np.random.default_rng(0).normal(0, 1, (2, 45, 13)).astype(np.float32)


def run(model):
    return np.asarray(model(FEATS, training=False))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_another_output_and_the_source_on_the_same_layers(arch):
    source, left, right = tiny_model(arch)
    before = run(source)
    model, joint = graft.graft(source, 5, {"hidden_dim": 7, "num": 2})
    assert joint == "new1.affine"
    assert model.output_shape[-1] == 5 and context(model) == (left, right, 3)
    view, layer = graft.with_output(model, joint, graft.output_of(source))
    assert np.array_equal(run(view), before)
    first = graft.hidden_layers(model)[0]
    first.set_weights([0 * w for w in first.get_weights()])
    assert not np.array_equal(run(view), before)      # the layers are shared
    assert layer.units == 9
    assert graft.graft(source, 5)[1] == "output"
    assert graft.graft(model, 3, {"hidden_dim": 7, "num": 1})[1] == "new3.affine"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_layer_begins_anew_as_the_seed_says(arch):
    model, _, _ = tiny_model(arch)
    layers = graft.hidden_layers(model)
    assert [layer.name for layer in layers][-1] not in ("output", "log_posteriors")
    found = []
    for number in (1, 1, 2):
        seed(number)
        for layer in layers:
            graft.reset(layer)
        found.append(np.concatenate([np.ravel(w) for w in model.get_weights()]))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    norms = [layer for layer in layers if graft.is_batchnorm(layer)]
    assert all(np.array_equal(layer.gamma, np.ones(layer.gamma.shape)) for layer in norms)


def test_dropout_is_seeded():
    def drawn(number):
        model = tiny_model("tdnn")[0]
        graft.reseed(model, number)
        return np.asarray(model(FEATS, training=True))
    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_a_network_without_an_output_layer():
    feats = keras.Input((None, 13))
    model = keras.Model(feats, keras.layers.ReLU()(feats))
    with pytest.raises(UserError, match="exp/mix: has no output layer of its own"):
        graft.output_of(model, "exp/mix")
