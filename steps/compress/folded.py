"""A network as plain TensorFlow operations on one utterance, its batch norms folded away.

    run = folded(model)
    log_posteriors = run(feats)        # (left + n * subsampling + right, feat_dim) -> (n, num_pdfs)

There is no batch axis and every product is of two matrices, which LiteRT runs fastest. A batch norm
after a relu, y = a relu(z) + c, is split: |a| scales the affine layer below, as the relu lets it
pass, and the constant c is carried along, through splices and sums, until an affine layer takes it
into its bias. Where zeros are padded or a nonlinearity follows, c is added.
"""

import numpy as np

from steps.nnet.layers import (
    LEAST,
    Columns,
    Crop,
    HiddenScale,
    LookAhead,
    MapPosteriors,
    MixPosteriors,
    Scale,
    Splice,
)
from steps.nnet.recurrence import CELLS, Recurrence
from steps.nnet.size import calls
from steps.nnet.tf import keras, tf
from utils.step import UserError

IN_TRAINING = (keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D)
AFFINE = (keras.layers.Dense, keras.layers.Conv2D)


class Value:
    """A tensor (num_frames, ..., dim), and a constant of its last axis that is still to be added.

    shift  float64 (dim,), or None for zeros
    """

    def __init__(self, tensor, shift=None):
        self.tensor, self.shift = tensor, shift

    def whole(self):
        """The tensor with its constant."""
        return self.tensor if self.shift is None else self.tensor + single(self.shift)


def folded(model):
    """A function from features to log-posteriors, float32 (num_frames, dim) both."""
    order = calls(model)
    scales = scales_below(order)

    def run(feats):
        values = {id(model.inputs[0]): Value(feats)}
        for layer, inputs, output in order:
            taken = [values[id(tensor)] for tensor in inputs]
            with tf.name_scope(layer.name):
                values[id(output)] = applied(layer, taken, scales)
        return values[id(model.outputs[0])].whole()

    return run


def scales_below(order):
    """{id(affine layer): float64 (units,) that its outputs are multiplied with, for a norm above}.

    Only where nothing but a relu and the norm hear of it.
    """
    made = {id(output): (layer, inputs) for layer, inputs, output in order}
    uses = {}
    for _, inputs, _ in order:
        for tensor in inputs:
            uses[id(tensor)] = uses.get(id(tensor), 0) + 1
    found = {}
    for norm, (tensor,), _ in ((n, i, o) for n, i, o in order
                               if isinstance(n, keras.layers.BatchNormalization)):
        relu, below = made.get(id(tensor), (None, ()))
        affine, _ = made.get(id(below[0]), (None, ())) if below else (None, ())
        if isinstance(relu, keras.layers.ReLU) and isinstance(affine, AFFINE) \
                and uses[id(tensor)] == uses[id(below[0])] == 1:
            found[id(affine)] = found[id(norm)] = np.abs(scale_and_shift(norm)[0])
    return found


def scale_and_shift(norm):
    """A batch norm as y = scale x + shift, float64 (dim,) each."""
    mean, variance = numbers(norm.moving_mean), numbers(norm.moving_variance)
    gamma = numbers(norm.gamma) if norm.scale else np.ones_like(mean)
    beta = numbers(norm.beta) if norm.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - scale * mean


def applied(layer, values, scales):
    """The Value that a layer makes of others.

    scales  of scales_below()
    """
    for kind, function in LAYERS.items():
        if isinstance(layer, kind):
            return function(layer, scales, *values)
    raise UserError(layer.name, f"a {type(layer).__name__} layer cannot be exported",
                    "take a network of steps/nnet, steps/transfer or steps/compress")


def affine_weights(layer, shift=None, scale=None):
    """Kernel and bias, float64, of a Dense layer that hears x + shift and is multiplied after."""
    kernel = numbers(layer.kernel)
    bias = numbers(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
    if shift is not None:
        bias = bias + shift @ kernel
    return (kernel, bias) if scale is None else (kernel * scale, bias * scale)


def affine(layer, scales, x):
    kernel, bias = affine_weights(layer, x.shift, scales.get(id(layer)))
    y = tf.matmul(x.tensor, single(kernel))
    if layer.use_bias or bias.any():
        y += single(bias)
    return Value(layer.activation(y))


def convolution(layer, scales, x):
    kernel, bias = affine_weights(layer, None, scales.get(id(layer)))
    y = tf.nn.conv2d(x.whole()[None], single(kernel), layer.strides, layer.padding.upper())[0]
    return Value(layer.activation(y + single(bias)))


def norm(layer, scales, x):
    scale, shift = scale_and_shift(layer)
    if id(layer) in scales:
        scale = np.sign(scale)
    y = x.tensor if (scale == 1).all() else x.tensor * single(scale)
    return Value(y, shift if x.shift is None else shift + scale * x.shift)


def splice(layer, _, x):
    first, last = layer.offsets[0], layer.offsets[-1]
    parts = [x.tensor[o - first:(o - last) or None:layer.stride] for o in layer.offsets]
    shift = None if x.shift is None else np.tile(x.shift, len(parts))
    return Value(tf.concat(parts, -1) if len(parts) > 1 else parts[0], shift)


def crop(layer, _, x):
    left, right, _ = layer.context
    return Value(x.tensor[left:-right or None], x.shift)


def columns(layer, _, x):
    some = slice(layer.first, layer.last or None)
    return Value(x.tensor[:, some], None if x.shift is None else x.shift[some])


def look_ahead(layer, _, x):
    return Value(x.tensor[layer.num_frames:], x.shift)


def scaled(layer, _, x):
    return Value(x.tensor * layer.factor, None if x.shift is None else x.shift * layer.factor)


def add(_, __, *values):
    total = values[0].tensor
    for value in values[1:]:
        total += value.tensor
    shifts = [value.shift for value in values if value.shift is not None]
    return Value(total, sum(shifts) if shifts else None)


def concatenate(_, __, *values):
    shift = np.concatenate([np.zeros(value.tensor.shape[-1]) if value.shift is None
                            else value.shift for value in values])
    return Value(tf.concat([value.tensor for value in values], -1), shift if shift.any() else None)


def reshape(layer, _, x):
    shape = tuple(layer.target_shape[1:])
    if x.shift is not None and shape[-1] % len(x.shift):
        return Value(tf.reshape(x.whole(), (-1, *shape)))
    shift = None if x.shift is None else np.tile(x.shift, shape[-1] // len(x.shift))
    return Value(tf.reshape(x.tensor, (-1, *shape)), shift)


def recurrence(layer, _, x):
    """What comes from the input is there for all frames; the rest is a loop over them."""
    cell, _, num_states = CELLS[layer.kind]
    inputs, kernel = x.whole(), single(numbers(layer.kernel))
    if layer.backward:
        inputs = tf.reverse(inputs, (0,))
    num_frames, dim = tf.shape(inputs)[0], kernel.shape[0]

    def frame(t, states, outputs):
        states = cell(inputs[t][None], tf.matmul(states[0], kernel), *states)
        return t + 1, states, outputs.write(t, states[0][0])

    _, _, outputs = tf.while_loop(
        lambda t, *_: t < num_frames, frame,
        (0, (tf.zeros((1, dim)),) * num_states,
         tf.TensorArray(tf.float32, size=num_frames, element_shape=(dim,))))
    y = outputs.stack()
    return Value(tf.reverse(y, (0,)) if layer.backward else y)


def map_posteriors(layer, _, x):
    mapped = tf.matmul(tf.exp(x.whole()), single(numbers(layer.kernel)))
    return Value(tf.nn.log_softmax(tf.math.log(tf.maximum(mapped, LEAST))))


def numbers(variable):
    """float64 values of a variable, also while a function is traced."""
    with tf.init_scope():
        return np.asarray(variable, np.float64)


def single(array):
    return tf.constant(array, tf.float32)


LAYERS = {
    keras.layers.Dense: affine, keras.layers.Conv2D: convolution,
    keras.layers.BatchNormalization: norm, IN_TRAINING: lambda _, __, x: x,
    keras.layers.ReLU: lambda _, __, x: Value(tf.nn.relu(x.whole())),
    keras.layers.Activation: lambda layer, _, x: Value(layer.activation(x.whole())),
    keras.layers.ZeroPadding2D: lambda layer, _, x: Value(tf.pad(x.whole(), (*layer.padding,
                                                                             (0, 0)))),
    keras.layers.Add: add, keras.layers.Concatenate: concatenate, keras.layers.Reshape: reshape,
    Splice: splice, Crop: crop, Columns: columns,
    LookAhead: look_ahead, Scale: scaled, Recurrence: recurrence,
    HiddenScale: lambda layer, _, x: Value(x.whole() * single(numbers(layer.scale))),
    MapPosteriors: map_posteriors,
    MixPosteriors: lambda layer, _, *parts: Value(layer([part.whole() for part in parts]))}
