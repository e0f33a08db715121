"""Adapters on tiny networks of each architecture: nothing at first, the same once merged."""

import numpy as np
import pytest

from steps.nnet.architectures import ARCHITECTURES
from steps.nnet.network import load_model, save_model
from steps.nnet.size import context, macs_per_second
from steps.transfer import adapters, graft, layer_plan
from tests.steps.transfer.tiny_source import tiny_model
from utils.step import UserError

FEATS = np.random.default_rng(0).normal(0, 1, (2, 45, 13)).astype(np.float32)


def run(model, feats=FEATS):
    return np.asarray(model(feats, training=False))


def disturb(model, names):
    """Give variables of some names other values."""
    rng, count = np.random.default_rng(5), 0
    for layer in model.layers:
        for variable in layer.weights:
            if variable.name in names:
                variable.assign(rng.normal(0, 0.3, variable.shape))
                count += 1
    return count


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("kinds", ["lora=2", "lhuc lin", "lora=2 lhuc lin"])
def test_inserted_nothing_changes_and_merged_all_stays(arch, kinds, tmp_path):
    model, left, right = tiny_model(arch)
    adapted = adapters.insert(model, layer_plan.parse_adapters(kinds), ["output"])
    assert np.array_equal(run(adapted), run(model))
    assert disturb(adapted, {"lora_kernel_a", "lora_kernel_b", "r", "w"}) >= 3
    assert np.abs(run(adapted) - run(model)).max() > 0.01
    merged = adapters.merge(adapted)
    assert run(merged) == pytest.approx(run(adapted), abs=2e-4)
    save_model(tmp_path / "final.keras", merged)
    again = load_model(tmp_path / "final.keras")
    assert np.array_equal(run(again), run(merged))
    assert context(again) == (left, right, 3)
    assert macs_per_second(again, 0.01) > 0
    assert all(layer.trainable for layer in again.layers)
    # Adapted again: names do not meet.
    twice = adapters.insert(again, layer_plan.parse_adapters(kinds), ["output"])
    assert np.array_equal(run(twice), run(merged))


def test_scales_go_into_batch_norms_but_stay_after_recurrent_layers():
    for arch, left_over in (("tdnn", 0), ("lstm", 2)):
        adapted = adapters.insert(tiny_model(arch)[0], {"lhuc": 1})
        merged = adapters.merge(adapted)
        assert sum(layer.name.endswith(".lhuc") for layer in merged.layers) == left_over


def test_lora_is_no_larger_than_the_kernel_and_freezes_it():
    adapted = adapters.insert(tiny_model("tdnnf")[0], {"lora": 100}, ["output"])
    layer = adapted.get_layer("tdnnf1.linear")
    assert layer.lora_kernel_a.shape == (24, 4)
    assert [v.name for v in layer.trainable_variables] == ["lora_kernel_a", "lora_kernel_b"]
    assert not adapted.get_layer("output").lora_enabled
    *fan_in, fan_out = tiny_model("cnn")[0].get_layer("cnn1.conv").kernel.shape
    layer = adapters.insert(tiny_model("cnn")[0], {"lora": 100}).get_layer("cnn1.conv")
    assert layer.lora_kernel_a.shape == (*fan_in, min(np.prod(fan_in), fan_out))


@pytest.mark.parametrize("output", ["new", "copy"])
def test_an_adapter_alone_makes_the_network_again(output, tmp_path):
    source = tiny_model("tdnn")[0]
    about = {"num_pdfs": 9 if output == "copy" else 5, "new_layers": {}, "output": output,
             "adapters": {"lora": 2, "lhuc": 1}, "whole": [] if output == "copy" else ["output"],
             "source": "0a1b", "seed": 0}
    plain = adapters.base_of(tiny_model("tdnn")[0], about)
    adapted = adapters.base_of(source, about)
    disturb(adapted, {"lora_kernel_a", "lora_kernel_b", "r"} | (
        {"kernel", "bias"} if output == "new" else set()))
    if output == "new":
        graft.output_of(adapted).set_weights([np.ones((12, 5)), np.ones(5)])
    (tmp_path / "tree").write_text("t")
    adapters.write_adapter(tmp_path / "a.npz", adapted, plain, about, {"tree": tmp_path / "tree"})
    found, values, files = adapters.read_adapter(tmp_path / "a.npz")
    assert found == about and files == {"tree": b"t"}
    assert ("output/kernel" in values) == (output == "new")
    assert ("input.affine/kernel" in values) == (output == "new")
    again = adapters.base_of(tiny_model("tdnn")[0], about)
    adapters.assign(again, values)
    assert np.array_equal(run(again), run(adapted))
    with pytest.raises(UserError, match="no such file"):
        adapters.read_adapter(tmp_path / "b.npz")
    for damaged in ("x", ""):
        (tmp_path / "b.npz").write_text(damaged)
        with pytest.raises(UserError, match=r"b\.npz: is no adapter"):
            adapters.read_adapter(tmp_path / "b.npz")
    for no_adapter in ("[1]", '"x"', '{"source": "0a1b"}'):
        np.savez(tmp_path / "b.npz", about=np.array(no_adapter))
        with pytest.raises(UserError, match=r"b\.npz: is no adapter \(it does not tell its source"):
            adapters.read_adapter(tmp_path / "b.npz")
    with pytest.raises(UserError, match="the adapter is of another network"):
        adapters.assign(again, {"x/kernel": np.zeros(3)})
