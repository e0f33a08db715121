"""Networks as LiteRT models, which run without TensorFlow.

    network = LiteRtNetwork(read_litert_model("exp/tdnn_int8/model.tflite"), config, log_priors)
    scores = network.log_likes(feats)      # as of steps/nnet/network.py

A network directory of this kind has model.tflite in the place of final.keras.
"""

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from steps.nnet.network import Network
from steps.nnet.threads import cores, threads_asked_for, told
from utils.hushed import hushed
from utils.step import UserError


class LiteRtModel:
    """A LiteRT model of one input and one output, whose first axis is of any length.

    data         bytes of a .tflite file
    num_threads  None: all cores, or as many as GRAFT_THREADS says
    """

    def __init__(self, data, num_threads=None):
        with hushed():
            from ai_edge_litert.interpreter import Interpreter
            self.interpreter = Interpreter(model_content=data,
                                           num_threads=num_threads or default_threads())
        self.input, = self.interpreter.get_input_details()
        self.output, = self.interpreter.get_output_details()
        self.input_dim = self.input["shape"][-1]
        self.length = None

    def run(self, feats):
        """float32 (num_frames, feat_dim) -> float32 (num_out, dim)"""
        if len(feats) != self.length:
            with hushed() if self.length is None else nullcontext():
                self.interpreter.resize_tensor_input(self.input["index"], feats.shape)
                self.interpreter.allocate_tensors()
            self.length = len(feats)
        self.interpreter.set_tensor(self.input["index"], np.ascontiguousarray(feats, np.float32))
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output["index"])


class LiteRtNetwork(Network):
    """A Network whose model is a LiteRtModel."""

    def _forward(self, padded):
        return self.model.run(padded)


def read_litert_model(path, num_threads=None):
    """The LiteRtModel of a .tflite file."""
    try:
        return LiteRtModel(Path(path).read_bytes(), num_threads)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(path, f"cannot be read ({str(error).splitlines()[0]})",
                        "make it with steps/compress/quantize.py") from None


def default_threads():
    """GRAFT_THREADS, or the number of cores."""
    return threads_asked_for() or cores()


def devices():
    """What a LiteRT model runs on, in words."""
    return f"{told(default_threads())} (LiteRT)"
