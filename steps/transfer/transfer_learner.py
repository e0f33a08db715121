"""A Learner whose layers learn at rates of their own, taught by the network they come from.

    learner = partial(TransferLearner, rows=rows, thaw_every=2.0)
    trainer = Trainer(trunk, tasks, options, directory, learner=learner)
"""

from dataclasses import dataclass

import numpy as np

from steps.nnet.architectures import constrain
from steps.nnet.learner import Learner, frame_losses, steps_of_epoch
from steps.nnet.tf import keras, tf
from steps.transfer.layer_plan import SOURCE_OUTPUT, thaw_order


@dataclass
class Teacher:
    """The source network, and its output layer on the hidden layers that are transferred.

    model        keras.Model, as it was: features -> log-posteriors of the source's pdfs
    pupil        keras.Model, the source's output layer on the transferred layers
    layer        Dense, that output layer
    weight       of its cross-entropy in the loss, 0 to 1;  temperature  of both posteriors
    """

    model: keras.Model
    pupil: keras.Model
    layer: keras.layers.Layer
    weight: float
    temperature: float


class TransferLearner(Learner):
    """As Learner, with a factor for each layer's learning rate.

    A factor scales what the optimizer changes in a step, decay included; scaling gradients would
    do nothing under Adam. A layer of factor 0 has no gradient.

    rows        of layer_plan.make_plan()
    thaw_every  epochs after which one more layer from the top begins to learn; 0: all at once
    teacher     Teacher, or None
    """

    def __init__(self, trunk, tasks, options, rows, thaw_every=0.0, teacher=None):
        self.rows = {row.layer.name: row for row in rows}
        self.teacher, self.thaw_every = teacher, thaw_every
        order = thaw_order(rows) if thaw_every else {}
        for layer in tasks[0].model.layers:
            if layer.name in self.rows and self.rows[layer.name].layer.batchnorm:
                layer.trainable = self.rows[layer.name].statistics
        self.named = named_variables(tasks[0].model)
        if teacher:
            self.named |= {(SOURCE_OUTPUT, v.name): v for v in teacher.layer.trainable_variables}
            self.both = keras.Model(trunk.inputs[0], [trunk.outputs[0], teacher.layer.input])
        super().__init__(trunk, tasks, options)
        if thaw_every:
            self.optimizer.global_clipnorm = None     # _clipped() does it
        names = [name for (name, _), v in self.named.items() if self.factor(name)]
        self.factors = np.array([self.factor(name) for name in names], np.float32)
        self.thaws = np.array([order.get(name, -1) + 1 for name in names])
        self.thaw_at = {name: (place + 1) * thaw_every for name, place in order.items()}
        self.epoch_steps = steps_of_epoch(tasks)
        self.rates = tf.Variable(self.factors, trainable=False)
        self.scaled = [i for i, f in enumerate(self.factors) if f != 1 or self.thaws[i]]
        self.place = {id(v): i for i, v in enumerate(self.trainable)}
        self.factored = [v for v in self.factored if id(v) in self.place]

    def factor(self, name):
        return self.rows[name].factor

    def models(self):
        return super().models() + ([self.teacher.pupil] if self.teacher else [])

    def trained(self):
        return [v for (name, _), v in self.named.items() if self.factor(name)]

    def train(self, batches, learning_rate, step):
        if self.thaw_every:
            self.rates.assign(self.rates_at(step / self.epoch_steps))
        return super().train(batches, learning_rate, step)

    def rates_at(self, epoch):
        """Factors after so many epochs, float32 (num_trained,), 0 for what is still frozen."""
        return np.where(self.thaws * self.thaw_every <= epoch, self.factors, np.float32(0))

    def never_thawed(self, num_epochs):
        """Layers that a training of so many epochs leaves frozen."""
        return [name for name, when in self.thaw_at.items() if when >= num_epochs]

    # what is compiled

    def _step(self, batches):
        grads, sums = self._gradients(batches)
        if self.thaw_every and self.options.clip_norm:
            grads = self._clipped(grads)
        old = [tf.identity(tf.convert_to_tensor(self.trainable[i])) for i in self.scaled]
        self.optimizer.apply(grads, self.trainable)
        for i, before in zip(self.scaled, old, strict=True):
            variable = self.trainable[i]
            variable.assign(before + self.rates[i] * (variable - before))
        return sums

    def _clipped(self, grads):
        """Gradients clipped to --clip-norm, as if what is still frozen were not there.

        What is frozen has its gradients all the same, for the optimizer's moments.
        """
        squares = tf.stack([tf.reduce_sum(grad * grad) for grad in grads])
        norm = tf.sqrt(tf.reduce_sum(tf.where(self.rates > 0, squares, 0.0)))
        scale = self.options.clip_norm / tf.maximum(norm, self.options.clip_norm)
        return [grad * scale for grad in grads]

    def _forward(self, batches):
        if not self.teacher:
            return super()._forward(batches)
        (feats, *targets), = batches
        hidden, source_hidden = self.both(feats, training=True)
        sums = frame_losses(self.tasks[0].layer(hidden), *targets, **self.options.of_frames())
        return [taught(sums, self.teacher, self.teacher.layer(source_hidden), feats, targets[1])]

    def _pull(self):
        for variable in self.factored:
            rate = self.rates[self.place[id(variable)]]
            variable.assign(variable + rate * (constrain(variable) - variable))


def taught(sums, teacher, logits, feats, weights):
    """frame_losses() with the teacher's share in the loss.

    sums     float32 (4,) of frame_losses()
    teacher  .model, .weight and .temperature as of Teacher
    logits   float32 (batch, num_out, num_pdfs), to be as the model's on feats
    weights  float32 (batch, num_out)
    """
    t, share = teacher.temperature, teacher.weight
    divergence = distillation(logits, teacher.model(feats, training=False), weights, t)
    # Gradients of softmax(z / t) are 1 / t^2 as large (Hinton et al. 2015).
    loss = (1 - share) * sums[2] + share * t * t * divergence
    return tf.stack([sums[0], sums[1], loss, sums[3]])


def distillation(logits, teacher, weights, temperature):
    """Kullback-Leibler divergence of posteriors from a teacher's, summed over frames, in nats.

    logits   float32 (batch, num_out, num_pdfs);  teacher  logits or log-posteriors, as many
    weights  float32 (batch, num_out)
    """
    mine = tf.nn.log_softmax(logits / temperature)
    theirs = tf.nn.log_softmax(tf.stop_gradient(teacher) / temperature)
    return tf.reduce_sum(weights * tf.reduce_sum(tf.exp(theirs) * (theirs - mine), -1))


def named_variables(model):
    """{(name in the plan, variable's name): variable} of what can be learnt in a network.

    A layer's LoRA matrices stand in the plan as <layer>.lora.
    """
    return {(row_name(layer, variable), variable.name): variable
            for layer in model.layers for variable in layer.trainable_variables}


def row_name(layer, variable):
    return f"{layer.name}.lora" if variable.name.startswith("lora_") else layer.name
