"""What a network costs: context, parameters, multiply-adds; counted from the built model.

    left, right, stride = context(model)         # frames of the input
    macs(model, num_frames=150)                  # multiply-adds of one pass
    macs_per_second(model, frame_shift=0.01)     # whole utterances, where nothing is computed twice
"""

import math

from steps.nnet.tf import keras


def context(model):
    """(left, right, stride) of the model's first output, in input frames.

    num_frames = left + stride * num_out + right
    """
    return contexts(model)[id(model.outputs[0])]


def contexts(model):
    """{id(tensor): (left, right, stride)} of every tensor of a functional model.

    Where tensors of different contexts meet, frames of different times would be added: ValueError.
    """
    found = {id(tensor): (0, 0, 1) for tensor in model.inputs}
    for layer, inputs, output in calls(model):
        before = {found[id(tensor)] for tensor in inputs}
        if len(before) > 1:
            raise ValueError(f"{layer.name} joins frames of different times: "
                             f"(left, right, stride) = {sorted(before)}")
        left, right, stride = before.pop()
        more_left, more_right, more_stride = layer_context(layer)
        found[id(output)] = (left + stride * more_left, right + stride * more_right,
                             stride * more_stride)
    return found


def layer_context(layer):
    """(left, right, stride) of one layer, in frames of its input."""
    if isinstance(layer, keras.layers.Conv2D):
        more = layer.kernel_size[0] - layer.strides[0]
        return more // 2, more - more // 2, layer.strides[0]
    return getattr(layer, "context", (0, 0, 1))


def calls(model):
    """(layer, input tensors, output tensor) of each use of a layer, in an order they can run in."""
    seen, ordered = set(), []

    def visit(tensor):
        if id(tensor) in seen:
            return
        seen.add(id(tensor))
        layer, node, _ = tensor._keras_history
        inputs = layer._inbound_nodes[node].input_tensors
        for before in inputs:
            visit(before)
        if inputs:
            ordered.append((layer, inputs, tensor))

    for tensor in model.outputs:
        visit(tensor)
    return ordered


def num_params(model):
    """Numbers in the model that are learnt, and the statistics of batch norms."""
    return sum(math.prod(v.shape) for v in model.weights if v.dtype.startswith("float"))


def macs_per_frame(layer, output):
    """Multiply-adds of a layer's matrix products for one frame of its output.

    What works on each number by itself (relu, batch norm, addition) is not counted.
    """
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    # A layer over time and frequency uses its kernel once for each place in frequency.
    return math.prod(kernel.shape) * math.prod(output.shape[2:-1])


def macs(model, num_frames):
    """Multiply-adds of one pass over num_frames input frames, context included."""
    found = contexts(model)
    total = 0
    for layer, _, output in calls(model):
        left, right, stride = found[id(output)]
        total += macs_per_frame(layer, output) * ((num_frames - left - right) // stride)
    return total


def macs_per_second(model, frame_shift):
    """Multiply-adds for each second of a long utterance; frame_shift in seconds."""
    found = contexts(model)
    per_frame = sum(macs_per_frame(layer, output) / found[id(output)][2]
                    for layer, _, output in calls(model))
    return round(per_frame / frame_shift)
