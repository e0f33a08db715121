"""Which weights a pruned network keeps: masks by magnitude, and how fast they close.

    pruner = WeightPruner(kernels_of(model), structure="none", scope="global")
    masks = pruner.masks(sparsity_at(step, num_steps, 0.9))      # 1 keeps a weight, 0 prunes it

What is pruned has magnitude 0 and is the first to be pruned again, so that masks only close. What
was 0 before, in a network that has been pruned already, stays so.
"""

import math

import numpy as np

from steps.nnet.size import calls


def kernels_of(model):
    """{layer: Variable} of the matrices of a network, from the input upwards."""
    return {layer.name: layer.kernel for layer, _, _ in calls(model)
            if getattr(layer, "kernel", None) is not None}


def sparsity_at(step, num_steps, final):
    """Share that is pruned after so many steps: a cubic from 0 to final (Zhu & Gupta 2017).

    step  1 to num_steps, and from there on the same
    """
    left = 1 - step / num_steps if step < num_steps else 0.0
    return final * (1 - left ** 3)


def count_zeros(model):
    """[{"layer", "shape", "weights", "zeros", "sparsity"}] of a network's matrices."""
    rows = []
    for name, kernel in kernels_of(model).items():
        zeros, size = int(np.sum(np.asarray(kernel) == 0)), math.prod(kernel.shape)
        rows.append({"layer": name, "shape": list(kernel.shape), "weights": size, "zeros": zeros,
                     "sparsity": zeros / size})
    return rows


class WeightPruner:
    """Masks of single weights.

    kernels    {layer: Variable or array}, the last axis of each is of the outputs
    structure  "none" or "2of4", which keeps 2 of any 4 weights along the input axis
    scope      "layer": each layer the same share; "global": weights are compared across layers
    .variables  what the masks are of
    """

    def __init__(self, kernels, structure, scope):
        self.variables = list(kernels.values())
        self.structure, self.scope = structure, scope
        self.begun = [np.asarray(v) != 0 for v in self.variables]

    def masks(self, sparsity):
        """float32 arrays, one for each variable; sparsity: share of all weights that go."""
        return [mask * begun
                for mask, begun in zip(self._smallest_out(sparsity), self.begun, strict=True)]

    def _smallest_out(self, sparsity):
        values = [np.abs(np.asarray(v)) for v in self.variables]
        if self.structure == "2of4":
            return [two_of_four(v, 2 * sparsity) for v in values]
        if self.scope == "layer":
            return [smallest_out(v, round(sparsity * v.size)) for v in values]
        scores = np.concatenate([lamp(v).ravel() for v in values])
        mask = smallest_out(scores, round(sparsity * scores.size))
        parts = np.split(mask, np.cumsum([v.size for v in values])[:-1])
        return [part.reshape(v.shape) for part, v in zip(parts, values, strict=True)]


def smallest_out(scores, count):
    """float32 mask, as scores, that is 0 at the `count` smallest of them."""
    mask = np.ones(scores.size, np.float32)
    mask[np.argsort(scores, axis=None, kind="stable")[:count]] = 0
    return mask.reshape(scores.shape)


def lamp(magnitudes):
    """Scores of weights that may be compared across layers, whatever the layers' scales.

    A weight's square, as a share of the squares of all weights of its layer that are not smaller
    (Lee et al. 2021). The largest of each layer has 1: no layer is pruned away.
    """
    squares = np.square(magnitudes, dtype=np.float64).ravel()
    order = np.argsort(squares, kind="stable")
    rest = np.cumsum(squares[order][::-1])[::-1]      # from each weight to the largest
    scores = np.empty_like(squares)
    scores[order] = squares[order] / np.maximum(rest, np.finfo(float).tiny)
    return scores.reshape(magnitudes.shape)


def two_of_four(magnitudes, share=1.0):
    """float32 mask with at most 2 weights in each group of 4 along the inputs of an output.

    magnitudes  (..., num_out); axes before the last are inputs, in the order they are stored in.
                Groups begin at input 0; a last, smaller group also keeps up to 2.
    share       of the weights that are to go, the smallest go first
    """
    flat = magnitudes.reshape(-1, magnitudes.shape[-1])
    num_in, num_out = flat.shape
    padded = np.pad(flat, ((0, -num_in % 4), (0, 0)), constant_values=-1.0)
    groups = padded.reshape(-1, 4, num_out)
    # What fills up the last group comes first in order: it goes before any weight does.
    order = np.argsort(groups, axis=1, kind="stable")
    goes = np.zeros(groups.shape, bool)
    np.put_along_axis(goes, order[:, :2], True, 1)
    goes = goes.reshape(padded.shape)[:num_in]
    scores = np.where(goes, flat, np.inf)
    return smallest_out(scores, round(share * goes.sum())).reshape(magnitudes.shape)
