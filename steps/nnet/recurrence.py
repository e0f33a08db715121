"""Recurrent layers that train fast: inputs of all frames in one product, gradients by hand.

    x = Dense(4 * dim)(x)             # what the gates get from the input, all frames at once
    x = Recurrence("lstm")(x)         # what they get from the layer's last output

Only what must wait for the frame before runs frame by frame. The gradient of the recurrent matrix
is one product over all frames after the loop; Keras' layers add one to it at each frame.
"""

from steps.nnet.layers import register
from steps.nnet.tf import keras, tf


def rnn_cell(x, r, h):
    """A simple recurrent layer (Elman 1990)."""
    return (tf.tanh(x + r),)


def gru_cell(x, r, h):
    """Gated recurrent unit, reset gate after the product (Cho et al. 2014)."""
    dim = h.shape[-1]
    update, reset = tf.split(tf.sigmoid(x[:, :2 * dim] + r[:, :2 * dim]), 2, -1)
    new = tf.tanh(x[:, 2 * dim:] + reset * r[:, 2 * dim:])
    return (new + update * (h - new),)


def lstm_cell(x, r, h, c):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gates begin open)."""
    i, f, g, o = tf.split(x + r, 4, -1)
    c = tf.sigmoid(f + 1) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


# kind: (function, matrices, states). A cell's function takes what comes from the input and from
# the last output, (batch, matrices * dim), and its states, (batch, dim); the first is its output.
CELLS = {"rnn": (rnn_cell, 1, 1), "gru": (gru_cell, 3, 1), "lstm": (lstm_cell, 4, 2)}


@register
class Recurrence(keras.layers.Layer):
    """The recurrent half of a layer; states begin at zero.

    kind      "rnn", "gru" or "lstm"
    backward  True: from the last frame to the first
    in        float32 (batch, num_frames, matrices * dim), matrices = 1, 3 or 4
    out       float32 (batch, num_frames, dim)
    """

    def __init__(self, kind, backward=False, **kwargs):
        super().__init__(**kwargs)
        self.kind, self.backward = kind, backward
        self.lora_enabled = False

    def build(self, shape):
        dim = shape[-1] // CELLS[self.kind][1]
        self._kernel = self.add_weight(shape=(dim, shape[-1]), name="kernel",
                                       initializer="orthogonal")

    @property
    def kernel(self):
        """What the gates get from the last output, float32 (dim, matrices * dim)."""
        if not self.lora_enabled:
            return self._kernel
        return self._kernel + tf.matmul(tf.convert_to_tensor(self.lora_kernel_a),
                                        tf.convert_to_tensor(self.lora_kernel_b))

    def enable_lora(self, rank, a_initializer="he_uniform", b_initializer="zeros"):
        """Add a product of two small matrices to the kernel, which is kept, as Keras' layers do."""
        self._tracker.unlock()
        dim, out = self._kernel.shape
        self.lora_kernel_a = self.add_weight(shape=(dim, rank), name="lora_kernel_a",
                                             initializer=a_initializer)
        self.lora_kernel_b = self.add_weight(shape=(rank, out), name="lora_kernel_b",
                                             initializer=b_initializer)
        self._kernel.trainable = False
        self._tracker.lock()
        self.lora_enabled = True

    def call(self, x):
        x = tf.transpose(x, (1, 0, 2))
        if self.backward:
            x = tf.reverse(x, (0,))
        y = recur(self.kind, x, tf.convert_to_tensor(self.kernel))
        if self.backward:
            y = tf.reverse(y, (0,))
        return tf.transpose(y, (1, 0, 2))

    def compute_output_shape(self, shape):
        return *shape[:2], shape[-1] // CELLS[self.kind][1]

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "backward": self.backward}


def recur(kind, x, kernel):
    """The outputs of a cell over time.

    x        float32 (num_frames, batch, matrices * dim), what comes from the input
    kernel   float32 (dim, matrices * dim)
    returns  float32 (num_frames, batch, dim)
    """
    cell, _, num_states = CELLS[kind]
    dim = kernel.shape[0]

    @tf.custom_gradient
    def run(x, kernel):
        num_frames, batch = (x.shape[i] or tf.shape(x)[i] for i in (0, 1))
        zero = tf.zeros((batch, dim))

        def forward(t, states, kept):
            states = cell(frames.read(t), tf.matmul(states[0], kernel), *states)
            return t + 1, states, [k.write(t, s) for k, s in zip(kept, states, strict=True)]

        frames = _array(num_frames, x.shape[1:], x)
        kept = [_array(num_frames, (x.shape[1], dim)) for _ in range(num_states)]
        _, _, kept = tf.while_loop(lambda t, *_: t < num_frames, forward,
                                   (0, (zero,) * num_states, kept),
                                   maximum_iterations=num_frames)
        kept = [k.stack() for k in kept]

        def gradient(dy):
            last = [tf.concat([zero[None], k[:-1]], 0) for k in kept]
            r = tf.reshape(tf.matmul(tf.reshape(last[0], (-1, dim)), kernel), tf.shape(x))
            arrays = [_array(num_frames, (x.shape[1], a.shape[-1]), a) for a in (x, r, *last)]
            douts = _array(num_frames, (x.shape[1], dim), dy)

            def backward(t, dstates, dxs, drs):
                inputs = [a.read(t) for a in arrays]
                with tf.GradientTape() as tape:
                    tape.watch(inputs)
                    states = cell(*inputs)
                dx, dr, *before = tape.gradient(
                    states, inputs, [dstates[0] + douts.read(t), *dstates[1:]],
                    unconnected_gradients=tf.UnconnectedGradients.ZERO)
                before[0] += tf.matmul(dr, kernel, transpose_b=True)
                return t - 1, tuple(before), dxs.write(t, dx), drs.write(t, dr)

            _, _, dxs, drs = tf.while_loop(
                lambda t, *_: t >= 0, backward,
                (num_frames - 1, (zero,) * num_states,
                 _array(num_frames, x.shape[1:]), _array(num_frames, x.shape[1:])),
                maximum_iterations=num_frames)
            drs = tf.reshape(drs.stack(), (-1, x.shape[-1]))
            dkernel = tf.matmul(tf.reshape(last[0], (-1, dim)), drs, transpose_a=True)
            return dxs.stack(), dkernel

        return tf.ensure_shape(kept[0], (*x.shape[:2], dim)), gradient

    return run(x, kernel)


def _array(size, shape, value=None):
    array = tf.TensorArray(tf.float32, size=size, element_shape=shape, clear_after_read=False)
    return array if value is None else array.unstack(value)
