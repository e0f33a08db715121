"""Linear discriminant analysis of spliced features, as Kaldi's acc-lda and est-lda.

    stats = LdaStats.sum(LdaStats.of(splice(feats, 3, 3), pdfs, num_pdfs) for each job)
    matrix, _ = estimate_lda(stats, dim=40)       # final.mat before MLLT
"""

from dataclasses import dataclass

import numpy as np

from steps.hmm.accumulator import Accumulator
from utils.step import UserError

CHUNK = 1 << 14   # frames converted to float64 at a time


@dataclass
class LdaStats(Accumulator):
    """counts  float64 (num_classes,), frames
    x       float64 (num_classes, dim), sums of each class's frames
    x2      float64 (dim, dim), sum of all frames' x x^T
    """

    counts: np.ndarray
    x: np.ndarray
    x2: np.ndarray

    @classmethod
    def of(cls, feats, classes, num_classes, weights=None):
        """Statistics of frames.

        feats    float32 (num_frames, dim)
        classes  int (num_frames,), e.g. pdfs
        weights  (num_frames,), e.g. 0 for silence; None for 1
        """
        dim = feats.shape[1]
        stats = cls(np.zeros(num_classes), np.zeros((num_classes, dim)), np.zeros((dim, dim)))
        stats.add(feats, classes, weights)
        return stats

    def add(self, feats, classes, weights=None):
        """Add frames in place; best many at a time."""
        from scipy.sparse import csr_matrix

        weights = np.ones(len(feats)) if weights is None else np.asarray(weights, np.float64)
        used = np.flatnonzero(weights)
        for start in range(0, len(used), CHUNK):
            rows = used[start: start + CHUNK]
            x = feats[rows].astype(np.float64)
            seen, labels = np.unique(classes[rows], return_inverse=True)
            onto = csr_matrix((weights[rows], (labels, np.arange(len(rows)))))
            self.counts[seen] += np.bincount(labels, weights[rows])
            self.x[seen] += onto @ x
            x *= np.sqrt(weights[rows])[:, None]
            self.x2 += x.T @ x


def estimate_lda(stats, dim, remove_offset=False):
    """The directions in which the classes differ most in units of their own spread.

    stats          LdaStats of features of in_dim dimensions
    dim            directions kept; fewer than the classes seen
    remove_offset  whether to subtract the mean, by a last column
    returns        float64 (dim, in_dim) or (dim, in_dim + 1), such that the transformed features
                   have unit within-class covariance; and float64 (in_dim,), the between-class
                   variance of each direction, falling
    """
    in_dim = stats.x.shape[1]
    seen = stats.counts > 0
    if dim > in_dim:
        raise UserError("LDA", f"{dim} dimensions asked for, the spliced features have {in_dim}",
                        "splice more frames or ask for fewer dimensions")
    if dim >= seen.sum():
        raise UserError("LDA", f"{dim} dimensions need more than {dim} classes, the alignments "
                        f"have {seen.sum()}", "ask for fewer dimensions or build a larger tree")
    within, between, mean = covariances(stats)

    from scipy.linalg import LinAlgError, eigh

    try:
        variances, directions = eigh(between, within)
    except LinAlgError:
        raise UserError("LDA", "the within-class covariance is singular",
                        "are there constant or linearly dependent features, or too few frames?"
                        ) from None
    order = np.argsort(-variances, kind="stable")
    matrix = directions.T[order[:dim]]
    # A direction's sign is arbitrary; fix it, lest it depend on the LAPACK at hand.
    matrix *= np.sign(matrix[np.arange(dim), np.abs(matrix).argmax(1)])[:, None]
    if remove_offset:
        matrix = np.column_stack([matrix, -matrix @ mean])
    return matrix, variances[order]


def covariances(stats):
    """Within-class and between-class covariances float64 (dim, dim), and mean float64 (dim,)."""
    total = stats.counts.sum()
    mean = stats.x.sum(0) / total
    counts = stats.counts[stats.counts > 0]
    scaled = stats.x[stats.counts > 0] / np.sqrt(counts)[:, None]
    between = scaled.T @ scaled / total - np.outer(mean, mean)
    within = stats.x2 / total - np.outer(mean, mean) - between
    return within, between, mean
