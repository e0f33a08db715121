"""Learners of compressed networks: taught by the network they come from, held to masks.

    learner = partial(MaskedLearner, pruner=pruner, sparsity=0.9, prune_epochs=0.5, teacher=teacher)
    trainer = Trainer(trunk, tasks, options, directory, learner=learner)
"""

import math
from dataclasses import dataclass

from steps.compress.masks import sparsity_at
from steps.nnet.learner import Learner, frame_losses, steps_of_epoch
from steps.nnet.tf import keras
from steps.transfer.transfer_learner import taught

UPDATES = 50      # how often masks are made anew until they are final


@dataclass(frozen=True)
class Teacher:
    """A network with the pdfs of the one that learns.

    model   keras.Model, the learner's own features -> log-posteriors
    weight  of its cross-entropy in the loss, 0 to 1;  temperature  of both posteriors
    """

    model: keras.Model
    weight: float
    temperature: float


class TaughtLearner(Learner):
    """As Learner, with a share of the loss from a Teacher (None for no teacher)."""

    def __init__(self, trunk, tasks, options, teacher=None):
        self.teacher = teacher
        super().__init__(trunk, tasks, options)

    def _forward(self, batches):
        if not self.teacher:
            return super()._forward(batches)
        (feats, *targets), = batches
        logits = self.tasks[0].layer(self.trunk(feats, training=True))
        sums = frame_losses(logits, *targets, **self.options.of_frames())
        return [taught(sums, self.teacher, logits, feats, targets[1])]


class MaskedLearner(TaughtLearner):
    """As TaughtLearner, of a network whose masked weights are 0 after each step.

    pruner        .variables and .masks(sparsity) as of masks.WeightPruner
    sparsity      that the masks come to;  prune_epochs  share of the training until they do
    .ready_at     steps until then: from there on the masks stay as they are
    """

    def __init__(self, trunk, tasks, options, pruner, sparsity, prune_epochs, teacher=None):
        super().__init__(trunk, tasks, options, teacher)
        self.pruner, self.sparsity = pruner, sparsity
        self.ready_at = math.ceil(prune_epochs * options.num_epochs * steps_of_epoch(tasks))
        self.every = max(1, self.ready_at // UPDATES)
        self.masks = [keras.Variable("ones", shape=v.shape, trainable=False)
                      for v in pruner.variables]
        self.mask_of = {id(v): mask for v, mask in zip(pruner.variables, self.masks, strict=True)}
        self.state = self.state + self.masks

    def train(self, batches, learning_rate, step):
        last = max(0, self.ready_at - 1)
        if step == last or (step < last and step % self.every == 0):
            self.prune(sparsity_at(step + 1, self.ready_at, self.sparsity))
        return super().train(batches, learning_rate, step)

    def prune(self, sparsity):
        """Close the masks so far, and set what they mask to 0."""
        for mask, value in zip(self.masks, self.pruner.masks(sparsity), strict=True):
            mask.assign(value)
        self._hold()

    def _gradients(self, batches):
        grads, sums = super()._gradients(batches)
        # Without those of masked weights, which would count in the length that is clipped.
        return [g * self.mask_of[id(v)] if id(v) in self.mask_of else g
                for g, v in zip(grads, self.trainable, strict=True)], sums

    def _step(self, batches):
        sums = super()._step(batches)
        self._hold()
        return sums

    def _pull(self):
        super()._pull()
        self._hold()

    def _hold(self):
        for variable, mask in zip(self.pruner.variables, self.masks, strict=True):
            variable.assign(variable * mask)
