"""What learns: a trunk, the output layers on it, their losses and the optimizer, compiled by XLA.

A Task is one output layer and the data that teaches it; all tasks share the trunk. One language is
one task, several languages several (Huang et al. 2013).
"""

import copy
import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from steps.nnet.architectures import constrain, semi_orthogonal
from steps.nnet.chunks import prefetch
from steps.nnet.tf import keras, tf

CONSTRAIN_EVERY = 4        # steps between two pulls towards semi-orthogonal factors
PRIOR_FRAMES = 1_000_000   # of the output, over which posteriors are averaged at most
NORM_BATCHES = 50          # over which statistics of batch norms are averaged at most
NOT_DECAYED = ["bias", "gamma", "beta"]


@dataclass(eq=False)
class Task:
    """One output layer: its name, its network (sharing the trunk), its training and held-out data.

    name    of the language
    model   keras.Model, input -> log-posteriors
    layer   the Dense layer of its logits
    train   ChunkReader, whose batch_size is this task's share of a batch
    valid   ChunkReader of held-out speakers, or None
    """

    name: str
    model: keras.Model
    layer: keras.layers.Layer
    train: object
    valid: object = None


class Learner:
    """Steps of training, and measures of what is learnt so far.

    trunk      keras.Model, features -> hidden
    tasks      list of Task
    options    trainer.Options
    .weights   all variables of the networks; .state  those and the optimizer's
    .ready_at  steps after which weights may be the result
    """

    ready_at = 0

    def __init__(self, trunk, tasks, options):
        self.trunk, self.tasks, self.options = trunk, tasks, options
        self.weights = _each_once(v for model in self.models() for v in model.variables)
        self.trainable = self.trained()
        self.optimizer = make_optimizer(options)
        self.optimizer.build(self.trainable)
        self.state = self.weights + self.optimizer.variables
        self.factored = semi_orthogonal(trunk)
        compiled = partial(tf.function, autograph=False, jit_compile=options.xla)
        self._measures = [compiled(partial(self._measure, task)) for task in tasks]
        self._constrain = compiled(self._pull)
        self._train = compiled(self._step)

    def models(self):
        """The networks that share the trunk."""
        return [task.model for task in self.tasks]

    def trained(self):
        """The variables that are learnt."""
        return _each_once(v for model in self.models() for v in model.trainable_variables)

    def train(self, batches, learning_rate, step):
        """One step, the step-th from 0, on a batch of each task.

        returns  float64 (4,), sums over frames as of frame_losses()
        """
        self.optimizer.learning_rate.assign(learning_rate)
        sums = self._train(batches).numpy().astype(np.float64)
        if self.factored and step % CONSTRAIN_EVERY == 0:
            self._constrain()
        return sums

    def validate(self):
        """Means over tasks of validate_each(), a language counting as any other; or None, None."""
        each = self.validate_each()
        return (None, None) if each is None else tuple(each.mean(0).tolist())

    def validate_each(self):
        """Cross-entropy and share of frames right on held-out speakers, without augmentation.

        returns  float64 (num_tasks, 2), or None unless all tasks have held-out data
        """
        if not all(task.valid for task in self.tasks):
            return None
        sums = np.zeros((len(self.tasks), 4))
        for number, (task, measure) in enumerate(zip(self.tasks, self._measures, strict=True)):
            for batch in prefetch(task.valid.valid_batches()):
                sums[number] += measure(*batch).numpy()
        sums = self.total(sums.ravel()).reshape(-1, 4)
        return sums[:, :2] / sums[:, 3:]

    def priors(self, task):
        """Posteriors averaged over training data, float64 (num_pdfs,) (Manohar et al. 2015).

        It takes a good part of it: of most pdfs there is little, and scores are divided by this.
        """
        # XLA would take longer to compile it.
        run = tf.function(partial(self._posteriors, task), autograph=False)
        total, reader = 0.0, task.train
        most = math.ceil(PRIOR_FRAMES / (reader.batch_size * reader.chunk_out))
        for (feats, _, weights, *_), in _plain_batches([task], most):
            total = total + run(feats, weights).numpy().astype(np.float64)
        total = self.total(total)
        return total / total.sum()

    def estimate_norms(self):
        """Give batch norms the mean of their batches' statistics, for the weights as they are.

        Batches are of all tasks, as in training: languages differ, and that is in the variance.

        Moving averages are of the last few batches, and of weights since then changed or averaged
        (Izmailov et al. 2018). Dropout stays on, as without it held-out speech does worse.
        """
        norms = [layer for layer in self.trunk.layers
                 if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]
        statistics = [v for norm in norms for v in (norm.moving_mean, norm.moving_variance)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 0.0          # then what moves is the batch's own
        run = tf.function(lambda feats: self.trunk(feats, training=True) is None, autograph=False)
        total = 0.0
        for batches in _plain_batches(self.tasks, NORM_BATCHES):
            run(np.concatenate([feats for feats, *_ in batches]))
            total = total + np.concatenate(
                [[1.0], *(v.numpy().astype(np.float64) for v in statistics)])
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        total = self.total(total)
        values = np.split(total[1:] / total[0], np.cumsum([v.shape[0] for v in statistics])[:-1])
        for variable, value in zip(statistics, values, strict=True):
            variable.assign(value.astype(np.float32))

    def total(self, sums):
        """Sums over this worker's data, over those of all workers."""
        return sums

    def sync(self):
        """Give all workers the first one's weights."""

    # what is compiled

    def _step(self, batches):
        grads, sums = self._gradients(batches)
        self.optimizer.apply(grads, self.trainable)
        return sums

    def _gradients(self, batches):
        """Gradients of the loss of a frame; and float32 (4,), sums over the batches' frames."""
        with tf.GradientTape() as tape:
            sums = tf.add_n(self._forward(batches))
            loss = sums[2] / tf.maximum(sums[3], 1.0)
        return tape.gradient(loss, self.trainable), sums

    def _forward(self, batches):
        """[float32 (4,), as of frame_losses()] of each task's batch, in one pass of the trunk."""
        feats = [batch[0] for batch in batches]
        hidden = self.trunk(feats[0] if len(feats) == 1 else tf.concat(feats, 0), training=True)
        parts = [hidden] if len(feats) == 1 else tf.split(hidden, [f.shape[0] for f in feats])
        return [frame_losses(task.layer(part), *batch[1:], **self.options.of_frames())
                for task, part, batch in zip(self.tasks, parts, batches, strict=True)]

    def _measure(self, task, feats, labels, weights):
        return frame_losses(task.layer(self.trunk(feats, training=False)), labels, weights)

    def _posteriors(self, task, feats, weights):
        posteriors = tf.exp(task.model(feats, training=False))
        return tf.reduce_sum(posteriors * weights[..., None], [0, 1])

    def _pull(self):
        for variable in self.factored:
            variable.assign(constrain(variable))


def frame_losses(logits, labels, weights, targets=None, label_smoothing=0.0, soft_weight=0.5,
                 soft_temperature=1.0):
    """Sums over frames: cross-entropy, frames that are right, the loss to minimise, frames.

    The loss is the cross-entropy with (1 - label_smoothing) * label + label_smoothing / num_pdfs,
    of which soft_weight is replaced by that with the targets where there are some, of posteriors
    at their temperature T and times T^2 (Hinton et al. 2015).

    logits   float32 (batch, num_out, num_pdfs)
    labels   int32 (batch, num_out);  weights  float32 (batch, num_out)
    targets  float32 (batch, num_out, num_pdfs), rows sum to 1; or None
    returns  float32 (4,)
    """
    log_post = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    # A product with a one-hot matrix: XLA fuses it, and gradients of gather are slow.
    right = tf.reduce_sum(log_post * tf.one_hot(labels, log_post.shape[-1]), -1)
    cross_entropy = -tf.reduce_sum(weights * right)
    loss = cross_entropy
    if label_smoothing:
        even = -tf.reduce_sum(weights * tf.reduce_mean(log_post, -1))
        loss += label_smoothing * (even - loss)
    if targets is not None:
        at_t, t = log_post, soft_temperature
        if t != 1:
            at_t = t * t * tf.nn.log_softmax(log_post / t)
        soft = -tf.reduce_sum(weights * tf.reduce_sum(at_t * targets, -1))
        loss += soft_weight * (soft - loss)
    hits = tf.reduce_sum(weights * tf.cast(right >= tf.reduce_max(log_post, -1), tf.float32))
    return tf.stack([cross_entropy, hits, loss, tf.reduce_sum(weights)])


def steps_of_epoch(tasks):
    """Steps in which about as many chunks are seen as all tasks' data has."""
    chunks = sum(task.train.num_batches(0) * task.train.batch_size for task in tasks)
    return math.ceil(chunks / sum(task.train.batch_size for task in tasks))


def make_optimizer(options):
    """The Keras optimizer of trainer.Options; biases and batch norms do not decay."""
    common = {"learning_rate": options.learning_rate, "weight_decay": options.weight_decay,
              "global_clipnorm": options.clip_norm or None}
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=options.momentum, nesterov=options.momentum > 0,
                                         **common)
    else:
        optimizer = keras.optimizers.AdamW(**common)
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def _plain_batches(tasks, most):
    """Some batches of training data from which nothing is erased, a list with one of each task.

    They end with the task that has the most; those with fewer begin again.
    """
    readers = [copy.copy(task.train) for task in tasks]
    for reader in readers:
        reader.spec_augment = None
    counts = [min(reader.num_batches(0), most) for reader in readers]
    return prefetch([reader.batch(0, index % count)
                     for reader, count in zip(readers, counts, strict=True)]
                    for index in range(max(counts)))


def _each_once(variables):
    return list({id(v): v for v in variables}.values())
