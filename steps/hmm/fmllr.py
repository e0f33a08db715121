"""fMLLR: a speaker's affine transform of the features, x -> A x + b, under which a model fits best
(constrained MLLR, Gales 1998, "Maximum likelihood linear transformations for HMM-based speech
recognition"), as Kaldi's gmm-est-fmllr.

    stats = FmllrStats.zeros(dim)
    stats.add(feats, gamma @ inv_vars, gamma @ (means * inv_vars), gamma.sum())   # per utterance
    transform, gain = estimate_fmllr(stats)
    transform = compose(transform, earlier)     # if feats had been transformed already
"""

from dataclasses import dataclass

import numpy as np

from steps.hmm.accumulator import Accumulator

MIN_COUNT = 500.0     # with fewer frames, the identity, as Kaldi's --fmllr-min-count
CHUNK = 1024          # frames whose products are held at once


@dataclass
class FmllrStats(Accumulator):
    """Sums over frames t and Gaussians g with posteriors gamma; xi = [x, 1].

    beta    float, frames
    K       float64 (dim, dim + 1): K[d] = sum gamma_tg mean_gd / var_gd xi
    packed  float64 (dim, (dim + 1)(dim + 2) / 2): upper triangles, row by row, of
            G[d] = sum gamma_tg / var_gd xi xi^T
    """

    beta: float
    K: np.ndarray
    packed: np.ndarray

    @classmethod
    def zeros(cls, dim):
        return cls(0.0, np.zeros((dim, dim + 1)), np.zeros((dim, (dim + 1) * (dim + 2) // 2)))

    @property
    def G(self):
        """float64 (dim, dim + 1, dim + 1)"""
        dim = len(self.K)
        full = np.empty((dim, dim + 1, dim + 1))
        rows, columns = np.triu_indices(dim + 1)
        full[:, rows, columns] = full[:, columns, rows] = self.packed
        return full

    def add(self, feats, inv_vars, means_inv_vars, count):
        """Add frames in place.

        feats           float32 (num_frames, dim)
        inv_vars        float32 (num_frames, dim), sum over g of gamma_tg / var_gd
        means_inv_vars  float32 (num_frames, dim), sum over g of gamma_tg mean_gd / var_gd
        count           sum of the posteriors
        """
        dim = feats.shape[1]
        for start in range(0, len(feats), CHUNK):
            block = slice(start, start + CHUNK)
            xi = np.ones((dim + 1, len(feats[block])), feats.dtype)
            xi[:dim] = feats[block].T
            products = np.empty((self.packed.shape[1], xi.shape[1]), feats.dtype)
            filled = 0
            for d in range(dim + 1):
                np.multiply(xi[d], xi[d:], out=products[filled: filled + dim + 1 - d])
                filled += dim + 1 - d
            self.packed += (products @ inv_vars[block]).T
            self.K += (xi @ means_inv_vars[block]).T
        self.beta += float(count)


def estimate_fmllr(stats, min_count=MIN_COUNT, num_iters=40, start=None):
    """The transform that maximises objective(), row by row (Gales 1998, section 3).

    stats      FmllrStats of one speaker
    min_count  frames below which the transform stays as it is
    start      float64 (dim, dim + 1), the identity by default
    returns    float64 (dim, dim + 1), the offset last; and the gain in nats per frame, 0 where
               the transform stayed as it was
    """
    start = identity(len(stats.K)) if start is None else np.array(start, np.float64)
    if stats.beta < min_count:
        return start, 0.0
    try:
        with np.errstate(all="ignore"):
            transform = _ascend(stats, start, num_iters)
            gain = objective(stats, transform) - objective(stats, start)
    except np.linalg.LinAlgError:
        return start, 0.0
    if not gain > 0:     # singular statistics, e.g. all frames the same; or rounding
        return start, 0.0
    return transform, gain


def _ascend(stats, start, num_iters):
    """The transform after at most num_iters rounds over its rows."""
    dim, beta = len(stats.K), float(stats.beta)
    inv_g = np.linalg.inv(stats.G)
    of_k = np.einsum("dij,dj->di", inv_g, stats.K)      # the row but for the determinant's pull
    narrow = np.ascontiguousarray(inv_g[:, :, :dim])
    transform = start.copy()
    fits = _row_fits(stats, start)
    for _ in range(num_iters):
        inverse = np.linalg.inv(transform[:, :dim])
        gain = 0.0
        for d in range(dim):
            cofactors = inverse[:, d].copy()      # of row d, but for the determinant
            pull = narrow[d] @ cofactors
            e1 = float(cofactors @ pull[:dim])
            e2 = float(cofactors @ of_k[d, :dim])
            alpha = _step(e1, e2, beta)
            dot = alpha * e1 + e2                 # row @ cofactors; it was 1
            transform[d] = row = alpha * pull + of_k[d]
            # G[d] @ row is alpha cofactors + K[d], so this is K[d] row - row G[d] row / 2.
            fit = 0.5 * (float(row @ stats.K[d]) - alpha * dot)
            gain += np.log(abs(dot)) + (fit - fits[d]) / beta
            fits[d] = fit
            # The inverse after a change of one row (Sherman and Morrison).
            update = row[:dim] @ inverse
            update[d] -= 1
            inverse -= np.multiply.outer(cofactors, update / dot)
        if gain < 1e-7:
            break
    return transform


def objective(stats, transform):
    """Log-likelihood in nats per frame as far as it depends on the transform."""
    log_det = np.linalg.slogdet(transform[:, :len(transform)])[1]
    return float(log_det + _row_fits(stats, transform).sum() / stats.beta)


def gain_line(answer, num_speakers, min_count):
    """What Share.estimate_transforms() gained, as a line for the log."""
    line = (f"fMLLR: {answer['gain'] / max(answer['frames'], 1):.3f} nats a frame gained over "
            f"{answer['frames']:.0f} frames of {num_speakers} speakers")
    if answer["as_they_are"]:
        line += (f", {answer['as_they_are']:.0f} of whom stay as they are, with less than "
                 f"--fmllr-min-count {min_count:g} frames or nothing to gain")
    return line


def identity(dim):
    """The transform that changes nothing, float64 (dim, dim + 1)."""
    return np.eye(dim, dim + 1)


def compose(after, before):
    """The transform that applies first before, then after; each (dim, dim + 1)."""
    dim = len(after)
    product = after[:, :dim] @ before
    product[:, dim] += after[:, dim]
    return product


def _row_fits(stats, transform):
    """K[d] row - row G[d] row / 2 of each row of the transform, float64 (dim,)."""
    rows, columns = np.triu_indices(transform.shape[1])
    products = transform[:, rows] * transform[:, columns] * np.where(rows == columns, 0.5, 1)
    return (transform * stats.K).sum(1) - (products * stats.packed).sum(1)


def _step(e1, e2, beta):
    """The better root of e1 alpha^2 + e2 alpha - beta = 0 (Gales 1998, eqs. 29 and 30)."""
    root = np.sqrt(e2 * e2 + 4 * e1 * beta)
    return max(((-e2 + sign * root) / (2 * e1) for sign in (1, -1)),
               key=lambda alpha: beta * np.log(abs(alpha * e1 + e2)) - 0.5 * alpha * alpha * e1)
