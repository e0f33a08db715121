"""Factors, thawing and teaching, on made-up frames."""

from types import SimpleNamespace

import numpy as np
import pytest

from steps.nnet.learner import Learner, Task
from steps.nnet.options import Options
from steps.nnet.tf import keras, seed
from steps.transfer import adapters, graft, layer_plan
from steps.transfer.transfer_learner import (
    Teacher,
    TransferLearner,
    distillation,
    row_name,
)
from tests.steps.transfer.tiny_source import tiny_model


class Reader:
    """Random frames of 5 pdfs; the context is that of the tiny tdnn."""

    batch_size = 4

    def __init__(self, num_frames):
        self.num_frames = num_frames

    def num_batches(self, epoch):
        return 4

    def batch(self, epoch, index):
        rng = np.random.default_rng([epoch, index])
        feats = rng.normal(0, 1, (4, self.num_frames + 12, 13)).astype(np.float32)
        labels = rng.integers(5, size=(4, 4)).astype(np.int32)
        return feats, labels, np.ones(labels.shape, np.float32)


def setup(factors="", arch="tdnn", kinds="", batchnorm="train", weight=0.0, plain=False, thaw=0.0,
          **options):
    seed(1)
    source, left, right = tiny_model(arch)
    model, joint = graft.graft(source, 5)
    if kinds:
        model = adapters.insert(model, layer_plan.parse_adapters(kinds), ["output"])
    output = graft.output_of(model)
    trunk = keras.Model(model.inputs[0], output.input, name=arch)
    teacher = None
    if weight:
        original = tiny_model(arch)[0]
        pupil, layer = graft.with_output(model, joint, graft.output_of(original))
        teacher = Teacher(original, pupil, layer, weight, 2.0)
    layers = []
    for layer in model.layers:
        for name in dict.fromkeys(row_name(layer, v) for v in layer.weights):
            new = name.endswith((".lora", ".lhuc")) or not name.startswith(("input", "tdnn"))
            state = "new" if new else "copied"
            layers.append(layer_plan.Layer(name, (), state, graft.is_batchnorm(layer)))
    if teacher:
        layers.append(layer_plan.Layer(layer_plan.SOURCE_OUTPUT, ()))
    rows = layer_plan.make_plan(layers, layer_plan.parse_factors(factors), batchnorm,
                                0.0 if kinds else 0.25)
    reader = Reader(left + right)
    tasks = [Task("output", model, output, reader)]
    defaults = {"xla": False, "clip_norm": 0.0, "weight_decay": 0.01}
    options = Options(**{**defaults, **options})
    learner = Learner(trunk, tasks, options) if plain else TransferLearner(
        trunk, tasks, options, rows, thaw, teacher)
    return SimpleNamespace(learner=learner, model=model, reader=reader, teacher=teacher)


def values(model):
    return {f"{layer.name}/{v.name}": np.array(v) for layer in model.layers for v in layer.weights}


def step(made, number=0, rate=0.01):
    return made.learner.train([made.reader.batch(0, number)], rate, number)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_factor_scales_what_a_step_changes(optimizer):
    whole, parts = (setup(f, optimizer=optimizer) for f in ("*=1", "input.affine=0 tdnn2=2"))
    before = values(whole.model)
    assert all(np.array_equal(before[n], v) for n, v in values(parts.model).items())
    step(whole, 1), step(parts, 1)
    full, scaled = values(whole.model), values(parts.model)
    for name, value in before.items():
        if "moving" in name:
            continue
        factor = {"input.affine": 0, "tdnn2.affine": 2, "tdnn2.batchnorm": 2,
                  "output": 1}.get(name.split("/")[0], 0.25)
        change = full[name] - value
        assert np.abs(change).max() > 0
        assert scaled[name] - value == pytest.approx(factor * change, abs=3e-7)
        if not factor:
            assert np.array_equal(scaled[name], value)
    assert "input.affine" not in {name for (name, _), v in parts.learner.named.items()
                                  if any(v is t for t in parts.learner.trainable)}


def test_all_factors_one_is_plain_training():
    plain, transfer = setup(plain=True), setup("*=1")
    for number in range(4):
        assert np.array_equal(step(plain, number), step(transfer, number))
    assert all(np.array_equal(v, w) for v, w in zip(plain.model.get_weights(),
                                                    transfer.model.get_weights(), strict=True))


@pytest.mark.parametrize(("mode", "moves", "learns"), [
    ("train", True, True), ("adapt", True, False), ("keep", False, False)])
def test_batchnorm(mode, moves, learns):
    made = setup("input=0", batchnorm=mode)
    before = values(made.model)
    step(made, 1)
    after = values(made.model)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert ("tdnn1.batchnorm/moving_mean" in changed) == moves
    assert ("tdnn1.batchnorm/gamma" in changed) == learns
    assert ("input.batchnorm/moving_mean" in changed) == (mode == "adapt")
    assert "input.batchnorm/gamma" not in changed
    graft.free(made.model)
    assert all(layer.trainable for layer in made.model.layers)


def test_layers_thaw_from_the_top():
    made = setup("*=0.5 output=1", thaw=0.5)
    assert made.learner.epoch_steps == 4
    assert made.learner.never_thawed(1) == ["input.affine", "input.batchnorm", "tdnn1.affine",
                                            "tdnn1.batchnorm"]
    first = values(made.model)
    learning = []
    for number in range(8):
        before = values(made.model)
        step(made, number, 0.001)
        learning.append({name.split(".")[0] for name, v in values(made.model).items()
                         if "moving" not in name and not np.array_equal(v, before[name])})
        if number < 2:
            assert np.array_equal(values(made.model)["tdnn1.affine/kernel"],
                                  first["tdnn1.affine/kernel"])
    assert learning[0] == learning[1] == {"output/kernel", "output/bias"}
    assert "tdnn2" in learning[2] and "tdnn1" not in learning[3]
    assert "tdnn1" in learning[4] and "input" not in learning[5]
    assert "input" in learning[6]


def test_what_is_frozen_yet_does_not_count_in_clipping():
    made = setup("*=1 output=1", thaw=0.5, optimizer="sgd", momentum=0.0, weight_decay=0.0,
                 clip_norm=0.05)
    before = values(made.model)
    step(made, rate=1.0)
    moved = {name: value - before[name] for name, value in values(made.model).items()
             if "moving" not in name}
    assert {name for name, change in moved.items() if change.any()} == {"output/kernel",
                                                                        "output/bias"}
    assert sum((change ** 2).sum() for change in moved.values()) ** 0.5 == pytest.approx(0.05, 1e-3)


def test_frozen_factored_layers_are_not_pulled():
    for factor, same in (("0", True), ("0.25", False)):
        made = setup(f"tdnnf*={factor}", arch="tdnnf")
        kernel = made.model.get_layer("tdnnf1.linear").kernel
        before = np.array(kernel)
        step(made, 0, 0.0)
        assert np.array_equal(kernel, before) == same


def test_only_adapters_learn():
    made = setup("output=0", kinds="lora=2 lhuc lin")
    before = values(made.model)
    for number in range(3):
        step(made, number)
    changed = {name.split("/")[-1] for name, v in values(made.model).items()
               if not np.array_equal(v, before[name])}
    assert changed == {"lora_kernel_a", "lora_kernel_b", "r", "w", "bias"}
    assert [n for n, v in values(made.model).items() if n.endswith("bias")
            and not np.array_equal(v, before[n])] == ["lin/bias"]


def test_distillation_against_numpy():
    rng = np.random.default_rng(0)
    mine, theirs = rng.normal(size=(2, 2, 3, 4))
    weights = rng.random((2, 3))

    def softmax(z):
        return np.exp(z / 2) / np.exp(z / 2).sum(-1, keepdims=True)
    expected = (softmax(theirs) * np.log(softmax(theirs) / softmax(mine))).sum(-1) * weights
    found = distillation(*(a.astype(np.float32) for a in (mine, theirs, weights)), 2.0)
    assert float(found) == pytest.approx(expected.sum(), rel=1e-5)
    assert float(distillation(*(mine.astype(np.float32),) * 2, weights.astype(np.float32), 2.0)) \
        == pytest.approx(0, abs=1e-6)


def test_a_teacher_keeps_the_sources_posteriors():
    feats = Reader(0)
    forgotten = {}
    for weight in (0.0, 0.9):
        made = setup("*=1", weight=weight or 1e-9)
        feats = made.reader.batch(9, 0)[0]
        wanted = np.asarray(made.teacher.model(feats, training=False))
        for number in range(20):
            step(made, number)
        found = np.asarray(made.teacher.pupil(feats, training=False))
        forgotten[weight] = (np.exp(wanted) * (wanted - found)).sum(-1).mean()
        assert np.array_equal(wanted, made.teacher.model(feats, training=False))
    assert forgotten[0.9] < 0.5 * forgotten[0.0]
