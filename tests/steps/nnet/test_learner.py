"""Losses held against numpy; steps on made-up frames of three kinds."""

from types import SimpleNamespace

import numpy as np
import pytest

from steps.nnet.architectures import add_output, build_trunk
from steps.nnet.learner import Learner, Task, frame_losses, make_optimizer
from steps.nnet.tf import keras, seed, tf
from steps.nnet.trainer import Options

MEANS = np.array([[2, 0, 0, -1], [0, 2, 1, 0], [-2, 0, 0, 2]], np.float32)
SIZES = {"subsampling": 1, "hidden_dim": 16, "window": 1, "offsets": (1,), "dropout": 0.1}


class Reader:
    """Frames of three pdfs, each about a mean of its own; three frames of context at both ends."""

    def __init__(self, batch_size=8, soft=False, erase=False):
        self.chunk_out = 30
        self.batch_size, self.soft, self.spec_augment = batch_size, soft, {} if erase else None

    def num_batches(self, epoch):
        return 4

    def batch(self, epoch, index):
        rng = np.random.default_rng([epoch, index])
        pdfs = np.repeat(rng.integers(3, size=(self.batch_size, 7)), 5, 1)[:, :34]
        feats = MEANS[pdfs] + rng.normal(0, 0.5, (*pdfs.shape, 4))
        if self.spec_augment is not None:
            feats[:] = 0
        labels = pdfs[:, 2:-2].astype(np.int32)
        weights = np.ones(labels.shape, np.float32)
        weights[0, :4] = 0
        batch = feats.astype(np.float32), labels, weights
        return (*batch, np.eye(3, dtype=np.float32)[labels]) if self.soft else batch

    def valid_batches(self):
        yield self.batch(100, 0)


def make_learner(num_tasks=1, soft=False, valid=True, erase=False, **options):
    seed(1)
    trunk, left, right = build_trunk("tdnn", SIZES, 4)
    assert (left, right) == (2, 2)
    tasks = []
    for number in range(num_tasks):
        model = add_output(trunk, 3, f"output.{number}")
        tasks.append(Task(str(number), model, model.get_layer(f"output.{number}"),
                          Reader(8, soft, erase), Reader(8) if valid else None))
    return Learner(trunk, tasks, Options(**{"xla": False, **options}))


def train(learner, num_steps=12, rate=5e-3):
    return [learner.train([task.train.batch(*divmod(step, 4)) for task in learner.tasks],
                          rate, step) for step in range(num_steps)]


def values(learner):
    return [v.numpy() for v in learner.weights]


# losses

def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("soft_weight", "temperature"), [
    (None, 1.0), (0.0, 1.0), (0.3, 1.0), (1.0, 1.0), (0.3, 2.0)])
def test_losses_are_cross_entropies_with_mixed_targets(smoothing, soft_weight, temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4, 6, 5)).astype(np.float32)
    labels = rng.integers(5, size=(4, 6)).astype(np.int32)
    weights = rng.integers(2, size=(4, 6)).astype(np.float32)
    targets = softmax(rng.normal(size=(4, 6, 5))).astype(np.float32)
    found = frame_losses(logits, labels, weights, None if soft_weight is None else targets,
                         smoothing, soft_weight or 0.0, temperature).numpy()
    expected = np.zeros(4)
    for chunk in range(4):
        for frame in range(6):
            if not weights[chunk, frame]:
                continue
            log_p = np.log(softmax(logits[chunk, frame].astype(float)))
            label = labels[chunk, frame]
            target = (1 - smoothing) * np.eye(5)[label] + smoothing / 5
            loss = -(target * log_p).sum()
            if soft_weight is not None:
                soft_p = np.log(softmax(logits[chunk, frame].astype(float) / temperature))
                soft = -temperature ** 2 * (targets[chunk, frame] * soft_p).sum()
                loss = (1 - soft_weight) * loss + soft_weight * soft
            expected += [-log_p[label], log_p.argmax() == label, loss, 1]
    assert found == pytest.approx(expected, rel=1e-5)


# steps

@pytest.fixture(scope="module")
def plain():
    learner = make_learner()
    sums = np.array(train(learner))
    return SimpleNamespace(learner=learner, sums=sums, after=values(learner))


def test_loss_falls(plain):
    assert plain.sums[:, 3].tolist() == [8 * 30 - 4] * 12
    assert plain.sums[-1, 0] < 0.5 * plain.sums[0, 0]
    assert plain.sums[-1, 1] > plain.sums[0, 1]
    assert np.array_equal(plain.sums[:, 0], plain.sums[:, 2])
    loss, accuracy = plain.learner.validate()
    assert loss < 0.9 and accuracy > 0.7


@pytest.mark.parametrize("options", [
    {"optimizer": "sgd"}, {"label_smoothing": 0.1},
    {"soft": True, "soft_weight": 0.9}, {"clip_norm": 0.1}, {"xla": True}])
def test_loss_falls_with(options):
    sums = np.array(train(make_learner(**options),
                          rate=0.1 if options.get("optimizer") else 5e-3))
    assert sums[-1, 0] < 0.8 * sums[0, 0] and sums[-1, 2] < 0.8 * sums[0, 2]
    if options.get("label_smoothing"):
        assert (sums[:, 2] > sums[:, 0]).all()


def test_gradients_are_clipped():
    """SGD without momentum moves by rate * gradient."""
    moved = {}
    for clip in (0.0, 0.01):
        learner = make_learner(optimizer="sgd", momentum=0.0, weight_decay=0.0, clip_norm=clip)
        before = [v.numpy() for v in learner.trainable]
        train(learner, 1, rate=0.5)
        moved[clip] = np.concatenate([(v.numpy() - b).ravel() for b, v in
                                      zip(before, learner.trainable, strict=True)])
    norm = np.linalg.norm(moved[0.0])
    assert norm > 0.5 * 0.02
    assert np.linalg.norm(moved[0.01]) == pytest.approx(0.5 * 0.01, rel=1e-3)
    assert np.allclose(moved[0.01], moved[0.0] * 0.5 * 0.01 / norm, atol=1e-7)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_what_decays(name):
    """Without a frame that counts, matrices shrink by rate * weight_decay and nothing else does."""
    learner = make_learner(optimizer=name, weight_decay=0.5)
    before = [v.numpy() for v in learner.trainable]
    feats, labels, weights = learner.tasks[0].train.batch(0, 0)
    assert learner.train([(feats, labels, 0 * weights)], 0.1, 0).tolist() == [0, 0, 0, 0]
    names = [v.name for v in learner.trainable]
    assert {"kernel", "bias", "gamma", "beta"} <= set(names)
    for variable, name, old in zip(learner.trainable, names, before, strict=True):
        factor = 1 - 0.1 * 0.5 if name == "kernel" else 1
        assert np.allclose(variable.numpy(), factor * old, atol=1e-6), variable.path


def test_optimizer_options():
    found = make_optimizer(Options(optimizer="sgd", momentum=0.8, clip_norm=3.0))
    assert found.momentum == 0.8 and found.global_clipnorm == 3 and found.nesterov
    assert make_optimizer(Options(clip_norm=0)).global_clipnorm is None


def test_two_tasks_share_the_trunk():
    learner = make_learner(num_tasks=2)
    before = values(learner)
    sums = train(learner, 8)
    assert sums[0][3] == 2 * (8 * 30 - 4)
    first, second = (task.model for task in learner.tasks)
    assert all(a is b for a, b in zip(first.variables[:-2], second.variables[:-2], strict=True))
    assert not np.array_equal(*(task.layer.kernel.numpy() for task in learner.tasks))
    moved = [not np.array_equal(a, b) for a, b in zip(before, values(learner), strict=True)]
    assert all(moved)
    each = learner.validate_each()
    assert each.shape == (2, 2) and each[0, 0] != each[1, 0]
    assert learner.validate() == pytest.approx(each.mean(0)) and each[:, 0].max() < 1.0
    learner.tasks[1].valid = None
    assert learner.validate() == (None, None)


def test_same_seed_same_weights(plain):
    again = make_learner()
    sums = train(again)
    assert np.array_equal(sums, plain.sums)
    assert all(map(np.array_equal, values(again), plain.after))


def test_priors_are_mean_posteriors_of_what_is_not_erased(plain, monkeypatch):
    learner = plain.learner
    task = learner.tasks[0]
    posteriors, total = np.zeros(3), 0
    for index in range(4):
        feats, _, weights = task.train.batch(0, index)
        posteriors += (np.exp(task.model(feats)) * weights[..., None]).sum((0, 1))
        total += weights.sum()
    assert learner.priors(task) == pytest.approx(posteriors / total, rel=1e-4)
    monkeypatch.setattr("steps.nnet.learner.PRIOR_FRAMES", 250)     # of 240 in a batch
    assert learner.priors(task) == pytest.approx(sum(
        (np.exp(task.model(feats)) * weights[..., None]).sum((0, 1))
        for feats, _, weights in (task.train.batch(0, index) for index in range(2)))
        / (2 * 240 - 8), rel=1e-4)
    erasing = Task("", task.model, task.layer, Reader(8, erase=True))
    assert np.array_equal(learner.priors(erasing), learner.priors(task))
    assert erasing.train.spec_augment == {}


def test_factors_are_pulled_towards_orthogonal_ones():
    seed(1)
    trunk, _, _ = build_trunk("tdnnf", {"subsampling": 1, "hidden_dim": 16, "bottleneck_dim": 4,
                                        "window": 1, "offsets": (1,)}, 4)
    model = add_output(trunk, 3)
    task = Task("", model, model.get_layer("output"), Reader())
    learner = Learner(trunk, [task], Options(xla=False))
    matrix, = learner.factored

    def unevenness():
        product = tf.matmul(matrix, matrix, transpose_a=True).numpy()
        return (product ** 2).sum() * len(product) / np.trace(product) ** 2
    before = unevenness()
    train(learner, 40, rate=1e-4)
    assert unevenness() < 1.001 < before


def test_norms_of_several_tasks_are_of_their_batches_together():
    learner = make_learner(2)
    learner.tasks[1].train = OtherReader(4)
    norm, = (layer for layer in learner.trunk.layers if layer.name == "input.batchnorm")
    learner.estimate_norms()
    inside = keras.Model(learner.trunk.inputs[0], norm.input)
    heard = []
    for index in range(4):      # the second task's two batches come twice
        feats = [learner.tasks[0].train.batch(0, index)[0],
                 learner.tasks[1].train.batch(0, index % 2)[0]]
        heard.append(inside(np.concatenate(feats)).numpy())
    assert norm.moving_mean.numpy() == pytest.approx(
        np.mean([batch.mean((0, 1)) for batch in heard], 0), rel=1e-4, abs=1e-5)
    assert norm.moving_variance.numpy() == pytest.approx(
        np.mean([batch.var((0, 1)) for batch in heard], 0), rel=1e-4, abs=1e-5)


class OtherReader(Reader):
    """Two batches of another language, far from the first."""

    def num_batches(self, epoch):
        return 2

    def batch(self, epoch, index):
        feats, *rest = super().batch(epoch, index)
        return (feats + 3, *rest)


def test_norms_are_estimated_over_batches_for_the_weights_as_they_are():
    learner = make_learner()
    train(learner)
    norm, = (layer for layer in learner.trunk.layers if layer.name == "input.batchnorm")
    before = norm.moving_mean.numpy()
    learner.trunk.get_layer("input.affine").kernel.assign_add(
        np.ones(learner.trunk.get_layer("input.affine").kernel.shape, np.float32))
    learner.estimate_norms()
    reader = Reader(8)
    inside = keras.Model(learner.trunk.inputs[0], norm.input)
    heard = [inside(reader.batch(0, index)[0]).numpy() for index in range(4)]
    assert norm.moving_mean.numpy() == pytest.approx(
        np.mean([batch.mean((0, 1)) for batch in heard], 0), rel=1e-4, abs=1e-5)
    assert norm.moving_variance.numpy() == pytest.approx(
        np.mean([batch.var((0, 1)) for batch in heard], 0), rel=1e-4, abs=1e-5)
    assert abs(norm.moving_mean.numpy() - before).max() > 0.1
    assert norm.momentum == 0.95
