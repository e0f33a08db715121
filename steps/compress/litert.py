"""Networks as LiteRT models: the file that a phone runs.

    data = export(read_network("exp/tdnn").model)        # bytes of a .tflite file, float32

The model's input is float32 (left + n * subsampling + right, feat_dim), of any length; its output
log-posteriors (n, num_pdfs). Batch norms are folded, see steps/compress/folded.py.
"""

import contextlib
import io
import logging
import warnings

import numpy as np

from steps.compress.folded import folded
from steps.nnet.litert import LiteRtModel
from steps.nnet.size import context
from steps.nnet.tf import tf
from utils.step import UserError

TOLERANCE = 1e-3      # of log-posteriors, of the exported model against the network itself
CHECKED = 20          # outputs that are compared


def export(model):
    """The bytes of a float32 LiteRT model, compared with the keras.Model that it is of."""
    data = convert(folded(model), model.input_shape[-1])
    left, right, stride = context(model)
    feats = np.random.default_rng(0).normal(
        0, 1, (left + stride * CHECKED + right, model.input_shape[-1])).astype(np.float32)
    difference = np.abs(LiteRtModel(data).run(feats) - model(feats[None]).numpy()[0]).max()
    if not difference <= TOLERANCE:
        raise UserError(model.name, f"its LiteRT model gives log-posteriors that differ by "
                        f"{difference:.2g}", "of weights this large it cannot be made")
    return data


def convert(function, feat_dim):
    """The bytes of the LiteRT model of a TensorFlow function of float32 (any, feat_dim)."""
    concrete = tf.function(function, autograph=False, input_signature=[
        tf.TensorSpec((None, feat_dim), tf.float32, name="feats")]).get_concrete_function()
    with hushed():
        return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


@contextlib.contextmanager
def hushed():
    """Keep what converters say of themselves."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
