"""A Learner whose kernels are always where a quantizer puts them.

    learner = partial(AwareLearner, kernels=[(layer.kernel, bits, block), ...], teacher=teacher)
"""

from steps.compress.learners import TaughtLearner
from steps.nnet.tf import keras, tf

LEAST = 1e-9      # of what a scale comes from, as in litert-quantizer


def fake_quantized(kernel, bits, block=0):
    """A kernel as it is once quantized: symmetric whole numbers times the scale of each output.

    kernel   float32 (..., num_inputs, num_outputs)
    block    inputs that share a scale, of a kernel (num_inputs, num_outputs); 0: all
    returns  float32, as kernel
    """
    kernel = tf.convert_to_tensor(kernel)
    shape = (-1, kernel.shape[-1]) if not block else (-1, block, kernel.shape[-1])
    grouped = tf.reshape(kernel, shape)
    highest = 2.0 ** (bits - 1) - 1
    largest = tf.reduce_max(tf.abs(grouped), -2, keepdims=True)
    scale = tf.maximum(largest, LEAST) / highest
    return tf.reshape(tf.round(grouped / scale) * scale, kernel.shape)


class AwareLearner(TaughtLearner):
    """As TaughtLearner, of a network with quantized kernels, the straight-through way.

    Beside each kernel there is what it was rounded from. Gradients are those at the rounded kernel,
    what they change is the other (Courbariaux et al. 2015). Networks that are averaged are averaged
    before they are rounded.

    kernels  [(variable, bits, block)]
    """

    def __init__(self, trunk, tasks, options, kernels, teacher=None):
        super().__init__(trunk, tasks, options, teacher)
        self.kernels = kernels
        self.exact = [keras.Variable(kernel, trainable=False) for kernel, _, _ in kernels]
        self.weights = self.weights + self.exact
        self.state = self.state + self.exact
        self.sync()

    def sync(self):
        """Round the kernels again, of what was read or averaged."""
        super().sync()
        self._round()

    def _step(self, batches):
        grads, sums = self._gradients(batches)
        self._restore()
        self.optimizer.apply(grads, self.trainable)
        self._take()
        return sums

    def _pull(self):
        self._restore()
        super()._pull()
        self._take()

    def _restore(self):
        for (kernel, _, _), exact in zip(self.kernels, self.exact, strict=True):
            kernel.assign(exact)

    def _take(self):
        """What was learnt is kept as it is, and rounded."""
        for (kernel, _, _), exact in zip(self.kernels, self.exact, strict=True):
            exact.assign(kernel)
        self._round()

    def _round(self):
        for (kernel, bits, block), exact in zip(self.kernels, self.exact, strict=True):
            kernel.assign(fake_quantized(exact, bits, block))
