"""Small additions to a network that alone are learnt for a target: LoRA, LHUC, a linear input.

    kinds = layer_plan.parse_adapters("lora=8 lhuc lin")
    adapted = insert(model, kinds, whole={"output"})     # the same function as model, at first
    ...train what is new...
    merged = merge(adapted)                              # an ordinary network

LoRA adds a product of two small matrices to kernels (Hu et al. 2022); LHUC scales hidden units
(Swietojanski and Renals 2014); the linear input layer turns features before all others do (Neto et
al. 1995).
"""

import hashlib
import io
import json
import math
from pathlib import Path

import numpy as np

from steps.nnet.checkpoints import DAMAGE
from steps.nnet.layers import HiddenScale
from steps.nnet.recurrence import Recurrence
from steps.nnet.tf import keras
from steps.transfer import graft
from utils.step import UserError, write_atomic

ABOUT = ("source", "adapters", "new_layers", "num_pdfs", "whole", "output", "seed")
WITH_LORA = (keras.layers.Dense, keras.layers.Conv2D, Recurrence)


class LinearInput(keras.layers.Layer):
    """x + xW + b, W and b zero at first.

    in, out  float32 (batch, num_frames, feat_dim)
    """

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], shape[-1]), name="w", initializer="zeros")
        self.b = self.add_weight(shape=(shape[-1],), name="bias", initializer="zeros")

    def call(self, x):
        return x + keras.ops.matmul(x, self.w) + self.b

    def compute_output_shape(self, shape):
        return shape


def insert(model, kinds, whole=()):
    """A network like model, with adapters that change nothing yet.

    whole    names of layers that are learnt whole and need no LoRA
    returns  keras.Model of other layers of the same names
    """
    taken = {layer.name for layer in model.layers}

    def put(layer, x):
        if layer is None:
            return LinearInput(name=_free("lin", taken))(x) if "lin" in kinds else x
        twin = graft.clone(layer)
        x = twin(x)
        twin.set_weights(layer.get_weights())
        if "lhuc" in kinds and (graft.is_batchnorm(layer) or isinstance(layer, Recurrence)):
            x = HiddenScale(name=_free(f"{layer.name}.lhuc", taken))(x)
        return x

    adapted = graft.rewire(model, put)
    if "lora" in kinds:
        for layer in adapted.layers:
            if isinstance(layer, WITH_LORA) and layer.name not in whole:
                *fan_in, fan_out = layer.kernel.shape
                layer.enable_lora(min(kinds["lora"], math.prod(fan_in), fan_out))
    return adapted


def merge(adapted):
    """A network of ordinary layers that computes what one with adapters does.

    Scales after a batch norm go into its gamma and beta, those after recurrent layers stay.
    """
    twins = {}

    def put(layer, x):
        if layer is None:
            return x
        if isinstance(layer, LinearInput):
            dense = keras.layers.Dense(layer.b.shape[0], name=layer.name)
            x = dense(x)
            dense.set_weights([np.eye(layer.b.shape[0]) + np.asarray(layer.w), np.asarray(layer.b)])
            return x
        if isinstance(layer, HiddenScale) and id(layer.input) in twins:
            norm = twins[id(layer.input)]
            for variable in (norm.gamma, norm.beta):
                variable.assign(variable * layer.scale)
            return x
        twin = graft.clone(layer)
        x = twin(x)
        if getattr(layer, "lora_enabled", False):
            twin.set_weights([np.asarray(keras.ops.convert_to_tensor(layer.kernel)),
                              *([np.asarray(layer.bias)] if _has_bias(layer) else [])])
        else:
            twin.set_weights(layer.get_weights())
        if graft.is_batchnorm(layer):
            twins[id(layer.output)] = twin
        return x

    merged = graft.rewire(adapted, put)
    graft.free(merged)
    return merged


def base_of(source, about):
    """A network with adapters as it is before the values of an adapter are put into it.

    source  keras.Model that the adapter is of;  about  dict of write_adapter()
    """
    old = graft.output_of(source)
    model, _ = graft.graft(source, about["num_pdfs"], about["new_layers"])
    output = graft.output_of(model)
    output.set_weights(old.get_weights() if about["output"] == "copy"
                       else [w * np.nan for w in output.get_weights()])     # all come from the file
    return insert(model, about["adapters"], about["whole"])


def write_adapter(path, adapted, plain, about, files):
    """Write what makes a target's network of its source: an .npz file.

    adapted  network with adapters, trained
    plain    that with the source's values, as at first
    about    dict: how the source is to be changed before the values are put in
    files    {name: Path} of files that the target has of its own
    """
    before, arrays = values_of(plain), {}
    for name, value in values_of(adapted).items():
        if name not in before or not np.array_equal(before[name], value):
            arrays[f"value/{name}"] = value
    for name, file in files.items():
        arrays[f"file/{name}"] = np.frombuffer(Path(file).read_bytes(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, about=np.array(json.dumps(about)), **arrays)
    write_atomic(path, buffer.getvalue())


def read_adapter(path):
    """(about, {name: value}, {file name: bytes}) of an adapter."""
    try:
        with np.load(path, allow_pickle=False) as npz:
            about = json.loads(str(npz["about"]))
            if not isinstance(about, dict) or not set(ABOUT) <= set(about):
                raise ValueError(f"it does not tell its {', '.join(ABOUT)}")
            values = {n.partition("/")[2]: npz[n] for n in npz.files if n.startswith("value/")}
            files = {n.partition("/")[2]: npz[n].tobytes() for n in npz.files
                     if n.startswith("file/")}
    except FileNotFoundError:
        raise UserError(path, "no such file",
                        "run steps/transfer/transfer.py --adapters") from None
    except DAMAGE as error:
        raise UserError(path, f"is no adapter ({error})",
                        "run steps/transfer/transfer.py --adapters") from None
    return about, values, files


def assign(model, values):
    """Put values of values_of() into a model."""
    variables = dict(_variables(model))
    for name, value in values.items():
        if name not in variables or variables[name].shape != value.shape:
            raise UserError(name, "is a value of the adapter and not of the network",
                            "the adapter is of another network")
        variables[name].assign(value)


def values_of(model):
    """{"layer/variable": value} of all real numbers in a network."""
    return {name: np.asarray(variable) for name, variable in _variables(model)}


def fingerprint(network):
    """What tells one network from another: a hash of its final.keras."""
    data = (Path(network) / "final.keras").read_bytes()
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _variables(model):
    return [(f"{layer.name}/{variable.name}", variable)
            for layer in model.layers for variable in layer.weights]


def _has_bias(layer):
    return getattr(layer, "bias", None) is not None


def _free(name, taken):
    """The name itself, or with a number where a network has been adapted before."""
    if name in taken:
        name = graft.unique(name, taken)
    taken.add(name)
    return name
