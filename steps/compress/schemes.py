"""Numbers of fewer bits in a LiteRT model, layer by layer, by litert-quantizer.

    data = quantized(export(model), {"tdnn1.affine": "int4", "output": "int8"}, calibration)

int8 and int4 kernels are symmetric, with a scale for each output or, int4-block32 and int4-block64,
for so many inputs of each; what is multiplied with them becomes int8 while it runs, frame by frame,
but for a convolution, which takes one range for all frames that are given at once.
In int8-static all between the layers is int8 too, of ranges found in calibration speech.
"""

import contextlib
import fnmatch
import re

import numpy as np

from steps.compress.litert import hushed
from utils.hushed import hushed as hushed_natives
from utils.step import UserError, log

SCHEMES = ("float32", "float16", "int8", "int8-static", "int4", "int4-block32", "int4-block64")
BLOCKS = {"int4-block32": 32, "int4-block64": 64}
SIGNATURE = "serving_default"
BITS = {0: 32, 1: 16, 9: 8, 17: 4}       # of a number, by LiteRT's tensor type: float32 ... int4


def parse_keep(text):
    """[(glob, scheme)] of 'output=int8 tdnn*=float16'."""
    keep = []
    for item in text.split():
        glob, equals, scheme = item.partition("=")
        if not (glob and equals and scheme in SCHEMES) or scheme == "int8-static":
            raise UserError("--keep", f"{item} is no GLOB=SCHEME", "such as output=int8, of "
                            f"{', '.join(s for s in SCHEMES if s != 'int8-static')}")
        keep.append((glob, scheme))
    return keep


def check_keep(keep, layers):
    """UserError if a glob is of no layer."""
    for glob, _ in keep:
        if not fnmatch.filter(layers, glob):
            raise UserError("--keep", f"no layer is called {glob}",
                            f"there are {', '.join(layers)}")


def plan_of(layers, scheme, keep):
    """{layer: scheme}, where those that match a glob of keep have another.

    layers  {name: shape of the kernel, inputs first};  keep  of parse_keep()
    """
    plan = {}
    for name, shape in layers.items():
        own = scheme
        for glob, other in keep:
            own = other if fnmatch.fnmatchcase(name, glob) else own
        if own in BLOCKS and (len(shape) > 2 or shape[0] % BLOCKS[own]):
            log(f"{name}: {' x '.join(map(str, shape))}, no blocks of {BLOCKS[own]} inputs: int4 "
                "with a scale for each output")
            own = "int4"
        plan[name] = own
    return plan


def quantized(data, plan, speech=(), on_grid=()):
    """The bytes of a LiteRT model whose layers have the schemes of a plan.

    data    bytes of a float32 LiteRT model
    plan    {layer: scheme}
    speech  list of float32 (num_frames, feat_dim), padded; with some, int4 kernels are rounded so
            that what the layers say of it changes least (GPTQ, Frantar et al. 2023), and without
            so that the kernels do (OCTAV, Sakr et al. 2022); none for recurrent networks, as what
            happens in a loop cannot be seen
    on_grid     layers whose kernels were rounded by quantize_aware.py: they stay where they are
    """
    if set(plan.values()) <= {"float32"}:
        return data
    with quiet():
        from litert_quantizer.quantizer import Quantizer
        quantizer = Quantizer(data)
        for arguments in recipe(plan, bool(speech), on_grid):
            quantizer.update_quantization_recipe(*arguments)
        ranges = None
        if quantizer.need_calibration:
            ranges = quantizer.calibrate({SIGNATURE: [{"feats": feats} for feats in speech]},
                                         num_threads=1)
        return bytes(quantizer.quantize(ranges, enable_progress_bar=False,
                                        enable_progress_report=False).quantized_model)


def recipe(plan, calibrated, on_grid=()):
    """What Quantizer.update_quantization_recipe() is called with, one after the other."""
    from litert_quantizer.algorithm_manager import AlgorithmName as Algorithm
    from litert_quantizer.qtyping import (
        ComputePrecision,
        OpQuantizationConfig,
        QuantGranularity,
        TensorDataType,
        TensorQuantizationConfig,
        TFLOperationName,
    )
    every, rows = TFLOperationName.ALL_SUPPORTED, []

    def whole_numbers(bits, granularity=QuantGranularity.CHANNELWISE, between=None):
        return OpQuantizationConfig(
            activation_tensor_config=between, compute_precision=ComputePrecision.INTEGER,
            weight_tensor_config=TensorQuantizationConfig(num_bits=bits, symmetric=True,
                                                          granularity=granularity))

    static = whole_numbers(8, between=TensorQuantizationConfig(num_bits=8, symmetric=False))
    fit = Algorithm.GPTQ if calibrated else Algorithm.OCTAV
    if "int8-static" in plan.values():
        rows += [(".*", every, static, Algorithm.MIN_MAX_UNIFORM_QUANT)]
        # Features come, and log-posteriors go, as float32.
        rows += [(".*", name, None, Algorithm.NO_QUANTIZE)
                 for name in (TFLOperationName.INPUT, TFLOperationName.OUTPUT)]
    for layer, scheme in plan.items():
        scope = f"(^|;){re.escape(layer)}/"
        if scheme == "float32":
            rows.append((scope, every, None, Algorithm.NO_QUANTIZE))
        elif scheme == "float16":
            halves = OpQuantizationConfig(
                compute_precision=ComputePrecision.FLOAT, explicit_dequantize=True,
                weight_tensor_config=TensorQuantizationConfig(
                    num_bits=16, symmetric=True, dtype=TensorDataType.FLOAT,
                    granularity=QuantGranularity.CHANNELWISE))
            rows += [(scope, name, halves, Algorithm.FLOAT_CASTING)
                     for name in (TFLOperationName.FULLY_CONNECTED, TFLOperationName.CONV_2D)]
        elif scheme == "int8":
            rows.append((scope, every, whole_numbers(8), Algorithm.MIN_MAX_UNIFORM_QUANT))
        elif scheme != "int8-static":
            granularity = {"int4": QuantGranularity.CHANNELWISE,
                           "int4-block32": QuantGranularity.BLOCKWISE_32,
                           "int4-block64": QuantGranularity.BLOCKWISE_64}[scheme]
            rows.append((scope, every, whole_numbers(4, granularity),
                         Algorithm.MIN_MAX_UNIFORM_QUANT if layer in on_grid else fit))
    return rows


def kernels_in(data, layers):
    """What a LiteRT model holds of each layer's kernel, counted in its bytes.

    layers   names
    returns  {name: {"shape", "bits", "bytes" with scales, "nonzero"}}
    """
    from litert_quantizer.utils.tfl_flatbuffer_utils import read_model
    model, found = read_model(memoryview(data)), {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            name = tensor.name.decode().split("/")[0]
            stored = model.buffers[tensor.buffer].data
            if name not in layers or stored is None or len(tensor.shape) < 2:
                continue
            if tensor.name.endswith(b"_scales"):
                found[name]["bytes"] += len(stored)
                continue
            bits, raw = BITS[tensor.type], np.frombuffer(stored, np.uint8)
            values = raw.view({32: np.float32, 16: np.float16, 8: np.int8}.get(bits, np.uint8))
            if bits == 4:
                values = np.stack([values & 15, values >> 4], 1).ravel()[:np.prod(tensor.shape)]
            scales = getattr(tensor.quantization, "scale", None)
            found[name] = {"shape": [int(n) for n in tensor.shape], "bits": bits,
                           "bytes": len(stored) + (0 if scales is None else 4 * len(scales)),
                           "nonzero": int(np.count_nonzero(values))}
    return found


@contextlib.contextmanager
def quiet():
    """Keep progress bars and what the quantizer and LiteRT say of themselves; not errors."""
    with hushed(), hushed_natives():
        yield
