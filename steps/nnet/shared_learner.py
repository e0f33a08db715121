"""A Learner that is one of several workers: the same network on all, a share of each batch."""

from functools import partial

import numpy as np

from steps.nnet.learner import Learner
from steps.nnet.tf import tf
from utils.step import UserError

SEED_STRIDE = 1000003      # between the seeds of two workers' dropout


class SharedLearner(Learner):
    """As Learner, of batches whose rows are dealt out to workers.

    Gradients are those of the whole batch's loss. Batch norm takes mean and variance over a
    worker's own rows; its moving averages are averaged over workers in each step, so that all
    variables are always the same on all.

    workers    Workers
    """

    def __init__(self, trunk, tasks, options, workers):
        super().__init__(trunk, tasks, options)
        self.workers = workers
        for reader in (r for task in tasks for r in (task.train, task.valid) if r):
            reader.take_rows(workers.number, workers.count)
        trained = set(map(id, self.trainable))
        others = [v for v in self.weights if id(v) not in trained]
        self.moving = [v for v in others if is_real(v)]
        self.seeds = [v for v in others if not is_real(v)]
        compiled = partial(tf.function, autograph=False, jit_compile=options.xla)
        self._pack, self._unpack = compiled(self._pack_step), compiled(self._unpack_step)
        self._train = self._train_together

    def total(self, sums):
        return self.workers.sum(sums).numpy()

    def sync(self):
        real = [v for v in self.weights if is_real(v)]
        values = np.concatenate([v.numpy().ravel() for v in real])
        values = self.workers.sum(values if self.workers.first else 0 * values)
        for variable, value in zip(real, _split(values, real), strict=True):
            variable.assign(value)

    def _train_together(self, batches):
        sums, together = self._unpack(self.workers.sum(self._pack(batches)))
        if not together:
            raise UserError("--num-workers", "the workers are not at the same step",
                            "remove the directory's checkpoints/ to begin anew")
        return sums

    def _pack_step(self, batches):
        """One vector of all that is to be summed: gradients, moving averages, sums, the step."""
        shift = self.workers.number * SEED_STRIDE
        for seed in self.seeds:
            seed.assign(seed + tf.constant([shift, 0], seed.dtype))
        with tf.GradientTape() as tape:
            sums = tf.add_n(self._forward(batches))
            loss = sums[2]
        parts = [*tape.gradient(loss, self.trainable), *self.moving, sums,
                 tf.cast(self.optimizer.iterations, tf.float32)]
        for seed in self.seeds:
            seed.assign(seed - tf.constant([shift, 0], seed.dtype))
        return tf.concat([tf.reshape(tf.convert_to_tensor(part), [-1]) for part in parts], 0)

    def _unpack_step(self, vector):
        """Apply what _pack_step() packed, summed over workers."""
        vector, sums, step = vector[:-5], vector[-5:-1], vector[-1]
        together = tf.equal(step, self.workers.count * tf.cast(self.optimizer.iterations,
                                                               tf.float32))
        values = _split(vector, self.trainable + self.moving)
        grads = [grad / tf.maximum(sums[3], 1.0) for grad in values[:len(self.trainable)]]
        self.optimizer.apply(grads, self.trainable)
        for variable, value in zip(self.moving, values[len(self.trainable):], strict=True):
            variable.assign(value / self.workers.count)
        return sums, together


def is_real(variable):
    return np.issubdtype(np.dtype(variable.dtype), np.floating)


def _split(vector, variables):
    """A vector's parts, shaped as variables."""
    parts = tf.split(vector, [int(np.prod(v.shape)) for v in variables])
    return [tf.reshape(part, v.shape) for part, v in zip(parts, variables, strict=True)]
