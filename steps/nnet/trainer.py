"""Training of acoustic networks: steps compiled by XLA, checkpoints, early stopping, averaging.

A Task is one output layer and the data that teaches it; all tasks share the trunk. One language is
one task, several languages several (Huang et al. 2013).

    trainer = Trainer(trunk, tasks, options, directory)
    trainer.run()            # goes on from directory/checkpoints if it was killed
"""

import math
import time
from dataclasses import dataclass

import numpy as np

from steps.nnet import checkpoints, schedule
from steps.nnet.architectures import constrain, semi_orthogonal
from steps.nnet.chunks import prefetch
from steps.nnet.progress import Progress
from steps.nnet.tf import keras, tf
from utils.step import log

CONSTRAIN_EVERY = 4      # steps between two pulls towards semi-orthogonal factors (Povey et al. 2018)
PRIOR_BATCHES = 200      # batches over which posteriors are averaged at most


@dataclass
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


@dataclass
class Options:
    """How to train; the defaults are those of steps/nnet/train.py."""

    num_epochs: int = 15
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    final_learning_rate: float = 2e-5
    schedule: str = "cosine"
    warmup: float = 0.1
    weight_decay: float = 1e-3
    momentum: float = 0.9
    clip_norm: float = 5.0
    label_smoothing: float = 0.0
    soft_weight: float = 0.5
    patience: int = 5
    average: int = 3
    checkpoint_minutes: float = 2.0
    seed: int = 0
    xla: bool = True


class Trainer:
    """A training from its first step, or from its last checkpoint, to the averaged network.

    trunk      keras.Model, features -> hidden
    tasks      list of Task
    directory  Path, where checkpoints/ and tensorboard/ are kept
    key        str, what must be the same for a checkpoint to be used
    exchange   function(list of gradient tensors) -> list summed over workers and divided by their
               number; None for one worker
    .rows      one dict an epoch, train.log.jsonl
    """

    def __init__(self, trunk, tasks, options, directory, key="", exchange=None):
        self.trunk, self.tasks, self.options = trunk, tasks, options
        self.directory, self.key, self.exchange = directory, key, exchange
        self.weights = list({id(v): v for task in tasks for v in task.model.variables}.values())
        self.trainable = list({id(v): v for task in tasks
                               for v in task.model.trainable_variables}.values())
        self.optimizer = _optimizer(options)
        self.optimizer.build(self.trainable)
        self.factored = semi_orthogonal(trunk)
        chunks = sum(task.train.num_batches(0) * task.train.batch_size for task in tasks)
        self.epoch_steps = max(1, math.ceil(chunks / sum(t.train.batch_size for t in tasks)))
        self.num_steps = options.num_epochs * self.epoch_steps
        self.step, self.rows, self.sums = 0, [], np.zeros(4)
        self.seconds = 0.0
        self.places = [(0, 0) for _ in tasks]     # epoch and batch that each task reads next
        self._compile()

    # one step

    def _compile(self):
        jit = self.options.xla
        if self.exchange is None:
            self._train = tf.function(self._step, jit_compile=jit)
        else:
            gradients = tf.function(self._gradients, jit_compile=jit)
            apply = tf.function(self.optimizer.apply, jit_compile=jit)

            def train(batches):
                grads, sums = gradients(batches)
                apply(self.exchange(grads), self.trainable)
                return sums
            self._train = train
        self._measure = tf.function(self._losses, jit_compile=jit)
        self._constrain = tf.function(self._pull, jit_compile=jit)

    def _step(self, batches):
        grads, sums = self._gradients(batches)
        self.optimizer.apply(grads, self.trainable)
        return sums

    def _gradients(self, batches):
        with tf.GradientTape() as tape:
            losses = self._forward(batches, training=True)
            total = sum(loss for loss, _ in losses) / tf.maximum(sum(s[3] for _, s in losses), 1.0)
        return tape.gradient(total, self.trainable), tf.stack([s for _, s in losses])

    def _forward(self, batches, training):
        """[(loss to minimise, summed over frames; sums float32 (4,))] of each task's batch."""
        sizes = [batch[0].shape[0] for batch in batches]
        feats = [batch[0] for batch in batches]
        hidden = self.trunk(feats[0] if len(feats) == 1 else tf.concat(feats, 0),
                            training=training)
        parts = [hidden] if len(sizes) == 1 else tf.split(hidden, sizes)
        return [self._loss(task.layer(part), *batch[1:])
                for task, part, batch in zip(self.tasks, parts, batches, strict=True)]

    def _loss(self, logits, labels, weights, targets=None):
        """The loss, and its sums: cross-entropy, frames right, posteriors' entropy, frames."""
        log_post = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        num_pdfs = log_post.shape[-1]
        # A product with a one-hot matrix: XLA fuses it, and gradients of gather are slow.
        hot = tf.one_hot(labels, num_pdfs)
        right = tf.reduce_sum(log_post * hot, -1)
        cross_entropy = -tf.reduce_sum(weights * right)
        loss = cross_entropy
        if self.options.label_smoothing:
            even = -tf.reduce_sum(weights * tf.reduce_mean(log_post, -1))
            loss += self.options.label_smoothing * (even - cross_entropy)
        if targets is not None:
            soft = -tf.reduce_sum(weights * tf.reduce_sum(log_post * targets, -1))
            loss += self.options.soft_weight * (soft - loss)
        hits = tf.reduce_sum(weights * tf.cast(right >= tf.reduce_max(log_post, -1), tf.float32))
        return loss, tf.stack([cross_entropy, hits, loss, tf.reduce_sum(weights)])

    def _losses(self, batches):
        return tf.stack([sums for _, sums in self._forward(batches, training=False)])

    def _pull(self):
        for variable in self.factored:
            variable.assign(constrain(variable))

    # the whole

    def run(self):
        """Train to the end; the models of the tasks then hold the final, averaged weights."""
        self._resume()
        progress = Progress(self.num_steps, self.step, self.directory)
        started = saved = time.time()
        first = self.step
        for batches, places in prefetch(self._batches()):
            rate = self._learning_rate()
            self.optimizer.learning_rate.assign(rate)
            sums = self._train(batches)
            if self.factored and self.step % CONSTRAIN_EVERY == 0:
                self._constrain()
            self.step, self.places = self.step + 1, places
            self.sums += sums.numpy().sum(0)
            progress.step(lambda: self.sums[0] / max(self.sums[3], 1))
            if self.step % self.epoch_steps == 0:
                spent = self.seconds + time.time() - started
                pace = (time.time() - started) / (self.step - first)
                self._end_epoch(rate, spent, pace * (self.num_steps - self.step))
                progress.epoch(self.rows[-1])
                if self._stop_early():
                    break
            if time.time() - saved > 60 * self.options.checkpoint_minutes:
                self._save(self.seconds + time.time() - started)
                saved = time.time()
        progress.close()
        self._average()

    def _learning_rate(self):
        o = self.options
        shape = (self.step, self.num_steps, o.learning_rate, o.final_learning_rate, o.warmup)
        if o.schedule == "plateau":
            return schedule.warmup_plateau(*shape, [self._measured(row) for row in self.rows])
        return schedule.warmup_cosine(*shape)

    def _batches(self):
        """(batches of all tasks, where each goes on after them), from self.places on."""
        places = list(self.places)
        for _ in range(self.step, self.num_steps):
            batches = []
            for index, task in enumerate(self.tasks):
                epoch, batch = places[index]
                if batch >= task.train.num_batches(epoch):
                    epoch, batch = epoch + 1, 0
                batches.append(task.train.batch(epoch, batch))
                places[index] = epoch, batch + 1
            yield batches, list(places)

    def _end_epoch(self, rate, seconds, left):
        frames = max(self.sums[3], 1)
        before = sum(row["seconds"] for row in self.rows)
        row = {"epoch": self.step // self.epoch_steps, "step": self.step, "learning_rate": rate,
               "loss": self.sums[0] / frames, "accuracy": self.sums[1] / frames}
        row["valid_loss"], row["valid_accuracy"] = self.validate()
        self.rows.append({**row, "seconds": round(seconds - before, 2), "left": round(left, 1)})
        if not math.isfinite(row["loss"]):
            raise ArithmeticError(f"epoch {row['epoch']}: the loss is {row['loss']}")
        self.sums = np.zeros(4)
        checkpoints.write_weights(self._epoch_file(row["epoch"]), self.weights)
        for stale in self._ranked()[max(self.options.average, 1):]:
            self._epoch_file(stale).unlink(missing_ok=True)
        self._save(seconds)

    def validate(self):
        """Cross-entropy and share of frames right on held-out speakers, without augmentation."""
        if not all(task.valid for task in self.tasks):
            return None, None
        sums = np.zeros(4)
        for index, task in enumerate(self.tasks):
            for batch in prefetch(task.valid.valid_batches()):
                sums += self._valid_step(index, batch)
        return sums[0] / max(sums[3], 1), sums[1] / max(sums[3], 1)

    def _valid_step(self, index, batch):
        if not hasattr(self, "_validators"):
            self._validators = [tf.function(
                lambda feats, labels, weights, task=task: self._loss(
                    task.layer(self.trunk(feats, training=False)), labels, weights)[1],
                jit_compile=self.options.xla) for task in self.tasks]
        return self._validators[index](*batch[:3]).numpy()

    def _measured(self, row):
        return row["loss"] if row["valid_loss"] is None else row["valid_loss"]

    def _ranked(self):
        """Epochs from the best to the worst by held-out loss, the later first of equals."""
        return [row["epoch"] for row in
                sorted(self.rows, key=lambda row: (self._measured(row), -row["epoch"]))]

    def _stop_early(self):
        best = self._ranked()[0]
        waited = self.rows[-1]["epoch"] - best
        if self.options.patience and waited >= self.options.patience:
            log(f"no better since epoch {best}: training ends (--patience {self.options.patience})")
            return True
        return False

    def _average(self):
        """Average the best epochs' weights; if that is no better than the best, take the best."""
        best = self._ranked()[:max(self.options.average, 1)]
        files = [self._epoch_file(epoch) for epoch in best]
        checkpoints.assign(self.weights, checkpoints.mean_weights(files))
        averaged = self.validate()[0]
        single = min(self._measured(row) for row in self.rows)
        if averaged is not None and averaged > single:
            checkpoints.assign(self.weights, checkpoints.mean_weights(files[:1]))
            log(f"epoch {best[0]} is kept: held-out loss {single:.4f}, {averaged:.4f} for the "
                f"average of epochs {_listed(best)}")
        elif averaged is not None:
            log(f"average of epochs {_listed(best)}: held-out loss {averaged:.4f}, "
                f"the best epoch's {single:.4f}")

    def priors(self, task):
        """Posteriors averaged over training data, float64 (num_pdfs,) (Manohar et al. 2015)."""
        if not hasattr(self, "_posteriors"):
            self._posteriors = {}
        run = self._posteriors.setdefault(task.name, tf.function(
            lambda feats, weights: tf.reduce_sum(
                tf.exp(task.model(feats, training=False)) * weights[..., None], [0, 1]),
            jit_compile=self.options.xla))
        total = 0.0
        for index in range(min(task.train.num_batches(0), PRIOR_BATCHES)):
            feats, _, weights = task.train.batch(0, index)[:3]
            total = total + run(feats, weights).numpy().astype(np.float64)
        return total / total.sum()

    # checkpoints

    def _epoch_file(self, epoch):
        return self.directory / "checkpoints" / f"epoch{epoch}.npz"

    def _save(self, seconds):
        checkpoints.write_state(
            self.directory / "checkpoints" / "last.npz", self.weights + self.optimizer.variables,
            {"key": self.key, "step": self.step, "places": self.places, "rows": self.rows,
             "sums": self.sums.tolist(), "seconds": seconds})

    def _resume(self):
        state = checkpoints.read_state(self.directory / "checkpoints" / "last.npz",
                                       self.weights + self.optimizer.variables, self.key)
        if state:
            self.step, self.rows, self.seconds = state["step"], state["rows"], state["seconds"]
            self.places = [tuple(place) for place in state["places"]]
            self.sums = np.array(state["sums"])
            log(f"goes on from {self.directory}/checkpoints: step {self.step} of {self.num_steps}")


def _optimizer(options):
    common = {"learning_rate": options.learning_rate, "global_clipnorm": options.clip_norm or None}
    if options.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=options.momentum, nesterov=True,
                                    weight_decay=options.weight_decay or None, **common)
    optimizer = keras.optimizers.AdamW(weight_decay=options.weight_decay, **common)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _listed(epochs):
    return ", ".join(map(str, sorted(epochs)))


