"""A network's matrices as products of two that are smaller together, by singular values.

    ranks = ranks_of(spectra(model), energy=0.9)
    smaller = factor(model, ranks)

W (in, out) becomes A (in, rank) and B (rank, out), where rank * (in + out) < in * out. Of all
matrices of that rank their product is the nearest to W (Eckart & Young 1936; for acoustic networks
Xue et al. 2013).
"""

from dataclasses import dataclass

import numpy as np

from steps.nnet.size import calls, num_params
from steps.nnet.tf import keras
from steps.transfer import graft
from utils.step import UserError

SUFFIX = ".low_rank"      # name of the first of the two layers; the second keeps the layer's name


@dataclass
class Spectrum:
    """Singular values of a layer's matrix, from the largest; its rows and columns."""

    values: np.ndarray
    num_in: int
    num_out: int

    @property
    def most(self):
        """The highest rank with which two matrices are smaller than the one."""
        return (self.num_in * self.num_out - 1) // (self.num_in + self.num_out)

    def rank(self, energy):
        """The lowest rank that keeps a share of the squares, or None where it does not pay."""
        kept = np.cumsum(np.square(self.values, dtype=np.float64))
        rank = 1 + int(np.searchsorted(kept, energy * kept[-1] * (1 - 1e-12)))
        return rank if rank <= self.most else None

    def saved(self, rank):
        """Numbers less at a rank, or None for the whole matrix."""
        if rank is None:
            return 0
        return self.num_in * self.num_out - rank * (self.num_in + self.num_out)

    def kept(self, rank):
        """Share of the squares that a rank keeps."""
        squares = np.square(self.values, dtype=np.float64)
        return 1.0 if rank is None else float(squares[:rank].sum() / max(squares.sum(), 1e-300))


def spectra(model):
    """{layer: Spectrum} of dense and convolutional layers, from the input upwards.

    Recurrent matrices are left whole, and so are *.linear, which are the first of two already.
    """
    found = {}
    for layer, _, _ in calls(model):
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D) \
                and not layer.name.endswith((".linear", SUFFIX)):
            matrix = np.asarray(layer.kernel).reshape(-1, layer.kernel.shape[-1])
            found[layer.name] = Spectrum(np.linalg.svd(matrix, compute_uv=False), *matrix.shape)
    return found


def ranks_of(found, energy):
    """{layer: rank, or None where it stays whole}."""
    return {name: spectrum.rank(energy) for name, spectrum in found.items()}


def energy_for(found, whole, share):
    """The highest energy, to 1e-4, with which a network has at most a share of its parameters.

    found  spectra();  whole  number of the network's parameters
    """
    def size(energy):
        return whole - sum(found[n].saved(rank) for n, rank in ranks_of(found, energy).items())

    low, high = 0.0, 1.0
    if size(low) > share * whole:
        raise UserError(f"--size-target {share:g}", f"cannot be reached: rank 1 everywhere leaves "
                        f"{size(low) / whole:.3f} of the parameters", "give a larger share")
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if size(middle) <= share * whole else (low, middle)
    return low


def factor(model, ranks):
    """The network with two layers in place of each that has a rank.

    ranks    {layer: rank or None}
    returns  keras.Model; its other weights are the model's
    """
    def put(layer, tensor):
        if layer is None:
            return tensor
        rank = ranks.get(layer.name)
        if rank is None:
            made = graft.clone(layer)
            output = made(tensor)
            if layer.weights:
                made.set_weights(layer.get_weights())
            return output
        first, second = _two_layers(layer, rank)
        output = second(first(tensor))
        one, other = split(np.asarray(layer.kernel).reshape(-1, layer.kernel.shape[-1]), rank)
        first.set_weights([one.reshape(first.kernel.shape)])
        second.set_weights([other.reshape(second.kernel.shape), *layer.get_weights()[1:]])
        return output

    return graft.rewire(model, put)


def split(matrix, rank):
    """float32 (in, rank) and (rank, out), of equal weight, whose product is nearest to a matrix."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(values[:rank])
    return ((left[:, :rank] * root).astype(np.float32),
            (root[:, None] * right[:rank]).astype(np.float32))


def table_of(model, found, ranks):
    """[{"layer", "in", "out", "rank", "energy"}]; rank None where a layer stays whole."""
    whole = num_params(model)
    return [{"layer": name, "in": s.num_in, "out": s.num_out, "rank": ranks[name],
             "energy": round(s.kept(ranks[name]), 4),
             "saved": round(s.saved(ranks[name]) / whole, 4)} for name, s in found.items()]


def _two_layers(layer, rank):
    """Not built: a layer that makes `rank` values, and one that makes a layer's own of them."""
    config, name = layer.get_config(), layer.name + SUFFIX
    if isinstance(layer, keras.layers.Dense):
        return keras.layers.Dense(rank, use_bias=False, name=name), graft.clone(layer)
    first = keras.layers.Conv2D(rank, layer.kernel_size, layer.strides, use_bias=False, name=name)
    return first, keras.layers.Conv2D.from_config(
        {**config, "kernel_size": (1, 1), "strides": (1, 1)})
