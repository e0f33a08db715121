"""MLLT: one linear transform under which diagonal covariances fit best, as Kaldi's MlltAccs
(Gales 1999, "Semi-tied covariance matrices for hidden Markov models").

    matrix, gain = estimate_mllt(MlltStats.sum(jobs))
    features become matrix @ x, Gaussian means matrix @ mean, final.mat matrix @ final.mat
"""

from dataclasses import dataclass

import numpy as np

from steps.hmm.accumulator import Accumulator
from utils.step import UserError

MAX_PAIRS = 1 << 15     # (frame, Gaussian) pairs held at once


@dataclass
class MlltStats(Accumulator):
    """beta  float, frames
    G     float64 (dim, dim, dim): G[d] = sum over t, g of gamma_tg / var_gd (x - mean)(x - mean)^T
    """

    beta: float
    G: np.ndarray

    @classmethod
    def zeros(cls, dim):
        return cls(0.0, np.zeros((dim, dim, dim)))

    def add(self, feats, gamma, means, inv_vars):
        """Add the frames of one pdf in place; best many at a time.

        feats     float32 (num_frames, dim)
        gamma     float32 (num_frames, num_gauss), posteriors of the pdf's Gaussians
        means     (num_gauss, dim)
        inv_vars  (num_gauss, dim), reciprocals of the variances
        """
        num_gauss, dim = means.shape
        means = means.astype(feats.dtype)
        scatter = np.zeros((num_gauss, dim, dim))
        step = max(1, MAX_PAIRS // num_gauss)
        for start in range(0, len(feats), step):
            weights = np.sqrt(gamma[start: start + step].T)[:, :, None]
            offsets = feats[None, start: start + step] - means[:, None]   # (num_gauss, step, dim)
            offsets *= weights
            scatter += offsets.transpose(0, 2, 1) @ offsets
        self.G += (np.asarray(inv_vars, np.float64).T @ scatter.reshape(num_gauss, -1)
                   ).reshape(self.G.shape)
        self.beta += float(gamma.sum(dtype=np.float64))


def estimate_mllt(stats, num_iters=200, start=None):
    """The transform that maximises objective(), row by row (Gales 1999, eq. 22).

    stats    MlltStats
    start    float64 (dim, dim), the identity by default
    returns  float64 (dim, dim), and the objective's gain after each iteration, nats per frame;
             stops early when that does not rise any more
    """
    dim = len(stats.G)
    beta = float(stats.beta)
    if beta < 2 * dim:
        raise UserError("MLLT", f"{beta:.0f} frames are too few for {dim} dimensions",
                        "train on more data")
    try:
        inv_g = np.linalg.inv(stats.G)
    except np.linalg.LinAlgError:
        raise UserError("MLLT", "the features' covariance is singular",
                        "are there constant or linearly dependent features?") from None
    matrix = np.eye(dim) if start is None else np.array(start, np.float64)
    gain, gains = 0.0, []
    for _ in range(num_iters):
        inverse = np.linalg.inv(matrix)
        before = gain
        for d in range(dim):
            cofactors = inverse[:, d].copy()      # of row d, but for the determinant
            row = inv_g[d] @ cofactors
            norm = float(cofactors @ row)
            row *= np.sqrt(beta / norm)
            dot = np.sqrt(beta * norm)            # row @ cofactors; it was 1
            gain += np.log(dot) - 0.5 + 0.5 * float(matrix[d] @ stats.G[d] @ matrix[d]) / beta
            # The inverse after a change of one row (Sherman and Morrison).
            update = row @ inverse
            update[d] -= 1
            inverse -= np.multiply.outer(cofactors, update / dot)
            matrix[d] = row
        gains.append(gain)
        if gain - before < 1e-9:
            break
    return matrix, gains


def objective(stats, matrix):
    """Log-likelihood in nats per frame as far as it depends on the transform."""
    quadratic = np.einsum("di,dij,dj->", matrix, stats.G, matrix)
    return np.linalg.slogdet(matrix)[1] - 0.5 * float(quadratic / stats.beta)
