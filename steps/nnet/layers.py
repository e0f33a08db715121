"""Keras layers that choose frames: with Dense layers between them they make a network over time.

Every layer here has .context = (left, right, stride), in frames of its input: output frame i stands
for input frames left + i * stride ... left + i * stride + stride - 1, and num_frames = left +
stride * num_out + right. Nothing is padded; steps/nnet/size.py adds the contexts up over a network.
"""

import math
from functools import reduce

from steps.nnet.tf import keras

LEAST = 1e-30      # of a probability, whose logarithm is to be a number
register = keras.saving.register_keras_serializable("graft")


@register
class Splice(keras.layers.Layer):
    """Frames next to each other become one vector; with a stride, only every stride-th one.

    A Dense layer after it is a convolution over time, dilated as the offsets are. (Under XLA on a
    CPU the pair trains several times faster than Conv1D.)

    offsets  increasing, of the frames that are joined, relative to the first of the stride
    in       float32 (batch, num_frames, dim)
    out      float32 (batch, num_out, dim * len(offsets))
    """

    def __init__(self, offsets, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.offsets, self.stride = tuple(offsets), stride
        self.context = -self.offsets[0], self.offsets[-1] - stride + 1, stride

    def call(self, x):
        first, last = self.offsets[0], self.offsets[-1]
        parts = [x[:, o - first:(o - last) or None:self.stride] for o in self.offsets]
        return parts[0] if len(parts) == 1 else keras.ops.concatenate(parts, -1)

    def compute_output_shape(self, shape):
        batch, num_frames, dim = shape
        left, right, stride = self.context
        num_out = None if num_frames is None else (num_frames - left - right) // stride
        return batch, num_out, dim * len(self.offsets)

    def get_config(self):
        return {**super().get_config(), "offsets": self.offsets, "stride": self.stride}


@register
class Crop(keras.layers.Layer):
    """Leave frames out at the beginning and at the end.

    in   float32 (batch, num_frames, ...)
    out  float32 (batch, num_frames - left - right, ...)
    """

    def __init__(self, left=0, right=0, **kwargs):
        super().__init__(**kwargs)
        self.left, self.right = left, right
        self.context = left, right, 1

    def call(self, x):
        return x[:, self.left:-self.right or None]

    def compute_output_shape(self, shape):
        num_frames = None if shape[1] is None else shape[1] - self.left - self.right
        return shape[0], num_frames, *shape[2:]

    def get_config(self):
        return {**super().get_config(), "left": self.left, "right": self.right}


@register
class Columns(keras.layers.Layer):
    """Some of the numbers of each frame: first ... last - 1; last 0 for all from first on.

    in   float32 (batch, num_frames, dim)
    out  float32 (batch, num_frames, last - first)
    """

    def __init__(self, first=0, last=0, **kwargs):
        super().__init__(**kwargs)
        self.first, self.last = first, last

    def call(self, x):
        return x[:, :, self.first:self.last or None]

    def compute_output_shape(self, shape):
        return *shape[:2], (self.last or shape[2]) - self.first

    def get_config(self):
        return {**super().get_config(), "first": self.first, "last": self.last}


@register
class LookAhead(keras.layers.Layer):
    """Output frame i is input frame i + num_frames: what a recurrent layer says a little later.

    in   float32 (batch, num_frames, dim)
    out  float32 (batch, num_frames - self.num_frames, dim)
    """

    def __init__(self, num_frames, **kwargs):
        super().__init__(**kwargs)
        self.num_frames = num_frames
        self.context = 0, num_frames, 1

    def call(self, x):
        return x[:, self.num_frames:]

    def compute_output_shape(self, shape):
        return shape[0], None if shape[1] is None else shape[1] - self.num_frames, *shape[2:]

    def get_config(self):
        return {**super().get_config(), "num_frames": self.num_frames}


@register
class Scale(keras.layers.Layer):
    """Times a constant.

    in, out  float32, any shape
    """

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@register
class HiddenScale(keras.layers.Layer):
    """Each hidden unit times 2 / (1 + exp(-r)), r learnt from 0 on (Swietojanski & Renals 2014).

    in, out  float32 (..., dim)
    """

    def build(self, shape):
        self.r = self.add_weight(shape=(shape[-1],), name="r", initializer="zeros")

    @property
    def scale(self):
        """float32 (dim,), from 0 to 2."""
        return 2 * keras.ops.sigmoid(self.r)

    def call(self, x):
        return x * self.scale

    def compute_output_shape(self, shape):
        return shape


@register
class MapPosteriors(keras.layers.Layer):
    """Log-posteriors of one set of pdfs to those of another: log(p W), normalised.

    in   float32 (batch, num_out, num_in)
    out  float32 (batch, num_out, num_pdfs)
    """

    def __init__(self, num_pdfs, **kwargs):
        super().__init__(**kwargs)
        self.num_pdfs = num_pdfs

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.num_pdfs), name="kernel",
                                      trainable=False)

    def call(self, x):
        mapped = keras.ops.matmul(keras.ops.exp(x), self.kernel)
        return keras.ops.log_softmax(keras.ops.log(keras.ops.maximum(mapped, LEAST)))

    def compute_output_shape(self, shape):
        return *shape[:-1], self.num_pdfs

    def get_config(self):
        return {**super().get_config(), "num_pdfs": self.num_pdfs}


@register
class MixPosteriors(keras.layers.Layer):
    """Log-posteriors of several networks to those of their mixture.

    weights  of each: the weighted mean of the posteriors, or where form is "loglinear" of their
             logarithms, normalised
    in       float32 (batch, num_out, num_pdfs) of each
    out      float32 (batch, num_out, num_pdfs)
    """

    def __init__(self, weights, form="linear", **kwargs):
        super().__init__(**kwargs)
        self.weights_of_parts, self.form = list(weights), form

    def call(self, parts):
        heard = [(weight, part) for weight, part in zip(self.weights_of_parts, parts, strict=True)
                 if weight]
        if len(heard) == 1:
            return heard[0][1]
        if self.form == "loglinear":
            return keras.ops.log_softmax(sum(weight * part for weight, part in heard))
        return reduce(keras.ops.logaddexp, (part + math.log(weight) for weight, part in heard))

    def compute_output_shape(self, shapes):
        return shapes[0]

    def get_config(self):
        return {**super().get_config(), "weights": self.weights_of_parts, "form": self.form}
