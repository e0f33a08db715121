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
from ai_edge_litert.tools import flatbuffer_utils

from steps.compress.folded import folded
from steps.nnet.layers import MapPosteriors
from steps.nnet.litert import LiteRtModel
from steps.nnet.size import calls, context
from steps.nnet.tf import tf
from utils.step import UserError

TOLERANCE = 1e-3      # of log-posteriors, of the exported model against the network itself
CHECKED = 20          # outputs that are compared


def export(model):
    """The bytes of a float32 LiteRT model, compared with the keras.Model that it is of."""
    left, right, stride = context(model)
    shape = left + stride * CHECKED + right, model.input_shape[-1]
    data = convert(folded(model), shape)
    feats = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    difference = np.abs(LiteRtModel(data).run(feats) - model(feats[None]).numpy()[0]).max()
    if not difference <= TOLERANCE:
        raise UserError(model.name, f"its LiteRT model gives log-posteriors that differ by "
                        f"{difference:.2g}", "of weights this large it cannot be made")
    return data


def affine_layers(model):
    """{name: shape of the kernel, inputs first} of the layers with matrices, from the input on."""
    return {layer.name: tuple(layer.kernel.shape) for layer, _, _ in calls(model)
            if getattr(layer, "kernel", None) is not None}


def posterior_maps(model):
    """Names of the layers that multiply posteriors, most of which whole numbers would make 0."""
    return [layer.name for layer in model.layers if isinstance(layer, MapPosteriors)]


def convert(function, shape):
    """The bytes of the LiteRT model of a TensorFlow function.

    shape  (num_frames, feat_dim) of its input until another number of frames is asked for
    """
    module = tf.Module()      # without one the model has no signature, which calibration needs
    module.run = tf.function(function, autograph=False, input_signature=[
        tf.TensorSpec((None, shape[1]), tf.float32, name="feats")])
    concrete = module.run.get_concrete_function()
    with hushed():
        data = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert()
    # The converter says 1 frame, of which a network with context can make nothing.
    tree = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
    graph = tree.subgraphs[0]
    graph.tensors[graph.inputs[0]].shape = list(shape)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(tree))


@contextlib.contextmanager
def hushed():
    """Keep what converters say of themselves."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
