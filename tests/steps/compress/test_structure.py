"""Units of networks of all architectures, found, masked and cut out."""

import numpy as np
import pytest

from steps.compress.structure import FIXED, NeuronPruner, Units, importance
from steps.nnet.architectures import ARCHITECTURES, add_output, build_trunk
from steps.nnet.size import macs_per_second, num_params
from tests.steps.transfer.tiny_source import tiny_model
from utils.step import UserError

FEATS = np.random.default_rng(0).normal(0, 1, (2, 40, 13)).astype(np.float32)


def hold(pruner, masks):
    for variable, mask in zip(pruner.variables, masks, strict=True):
        variable.assign(variable * mask)



@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize(("arch", "sizes"), [*((arch, {}) for arch in ARCHITECTURES),
                                             ("cnn", {"beside": 5})])
def test_the_cut_network_says_what_the_masked_one_does(arch, sizes, scope):
    model, *_ = tiny_model(arch, **sizes)
    pruner = NeuronPruner(model, scope)
    masks = pruner.masks(0.5)
    hold(pruner, masks)
    smaller, left = pruner.cut(model, masks)
    assert np.asarray(smaller(FEATS)) == pytest.approx(np.asarray(model(FEATS)), abs=1e-5)
    units, of = np.sum(list(left.values()), axis=0)
    assert units == of - round(0.5 * of) and all(kept >= 1 for kept, _ in left.values())
    assert num_params(smaller) < 0.8 * num_params(model)
    assert macs_per_second(smaller, 0.01) < macs_per_second(model, 0.01)
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    # And what is cut is not there to be pruned again, while the rest is.
    again, _ = NeuronPruner(smaller, scope).cut(smaller, NeuronPruner(smaller, scope).masks(0.5))
    assert num_params(again) < num_params(smaller)


@pytest.mark.parametrize("arch", ["tdnn", "tdnnf", "cnn", "lstm"])
def test_masks_only_close(arch):
    model, *_ = tiny_model(arch)
    pruner = NeuronPruner(model, "global")
    before = pruner.masks(0.2)
    hold(pruner, before)
    rng = np.random.default_rng(1)
    for variable, mask in zip(pruner.variables, before, strict=True):   # as training changes them
        variable.assign(mask * rng.normal(size=mask.shape))
    after = pruner.masks(0.5)
    assert all((new <= old).all() for new, old in zip(after, before, strict=True))
    assert sum(m.sum() for m in after) < sum(m.sum() for m in before)


def test_groups_of_layers_that_are_tied():
    sizes = {arch: {name: len(group) for name, group in Units(tiny_model(arch)[0]).groups().items()}
             for arch in ("dnn", "cnn", "tdnn", "tdnnf", "lstm", "blstm")}
    assert sizes["dnn"] == {"dnn1.affine": 12, "dnn2.affine": 12}
    assert sizes["tdnn"] == {"input.affine+tdnn1.affine+tdnn2.affine": 12}
    assert sizes["tdnnf"] == {"input.affine+tdnnf1.affine+tdnnf2.affine": 12,
                              "tdnnf1.linear": 4, "tdnnf2.linear": 4}
    assert sizes["cnn"] == {"cnn1.conv": 4, "cnn2.conv": 6, "input.affine+tdnn1.affine": 12}
    assert sizes["lstm"] == {"lstm1.affine": 6, "lstm2.affine": 6}
    assert len(sizes["blstm"]) == 4 and set(sizes["blstm"].values()) == {6}


def test_importance_by_hand():
    trunk, *_ = build_trunk("rnn", {"hidden_dim": 2, "num_layers": 1, "subsampling": 1,
                                    "window": 0, "warm_up": 0, "look_ahead": 0}, 3)
    model = add_output(trunk, 2)
    affine, recurrence, output = (model.get_layer(n) for n in (
        "rnn1.affine", "rnn1.recurrence", "output"))
    affine.kernel.assign([[3, 0], [0, 1], [0, 1]])     # squares 9 and 2 of 11
    recurrence.kernel.assign([[1, 1], [1, 0]])         # rows 2 and 1 of 3
    output.kernel.assign([[0, 1], [2, 0]])             # rows 1 and 4 of 5
    units = Units(model)
    first, second = units.groups()["rnn1.affine"]
    found = importance(units)
    assert found[first] == pytest.approx(9 / 11 * (2 / 3 + 1 / 5))
    assert found[second] == pytest.approx(2 / 11 * (1 / 3 + 4 / 5))
    masks = NeuronPruner(model, "layer").masks(0.5)    # the second goes
    assert masks[0].tolist() == [[1, 0]] * 3
    assert [m.tolist() for m in masks if m.shape == (2, 2)] == [[[1, 0], [0, 0]], [[1, 1], [0, 0]]]


def test_features_and_pdfs_are_not_cut():
    units = Units(tiny_model("dnn")[0])
    tables = {(t.layer, t.variable.name): t for t in units.tables}
    assert (tables["dnn1.affine", "kernel"].axes[0] == FIXED).all()
    assert (tables["output", "kernel"].axes[1] == FIXED).all()
    assert (tables["output", "bias"].axes[0] == FIXED).all()
    assert (tables["output", "kernel"].axes[0] != FIXED).all()


def test_one_unit_of_each_layer_stays():
    model, *_ = tiny_model("tdnnf")
    pruner = NeuronPruner(model, "layer")
    _, left = pruner.cut(model, pruner.masks(0.99))
    assert set(map(tuple, left.values())) == {(1, 12), (1, 4)}
    pruner = NeuronPruner(model, "global")
    _, left = pruner.cut(model, pruner.masks(0.99))
    assert all(stay >= 1 for stay, _ in left.values())
    assert sum(stay for stay, _ in left.values()) == len(left)


def test_layers_that_cannot_be_cut():
    from steps.nnet.tf import keras
    model, *_ = tiny_model("dnn")
    x = keras.layers.Conv1D(4, 1, name="odd")(model.layers[-2].output)
    odd = add_output(keras.Model(model.inputs[0], x, name="odd"), 3, "out")
    with pytest.raises(UserError, match="cannot cut odd, a layer of kind Conv1D"):
        NeuronPruner(odd, "layer")
