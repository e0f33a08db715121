"""What a decision tree is built from: for each phone window and pdf class, the sum of its frames
and of their squares, as Kaldi's acc-tree-stats.

    stats = merge(accumulate(windows, pdf_classes, feats, ci_phones=[1]) for each job)
    gaussians = stats.summed(tree.pdfs(stats.windows, stats.pdf_classes), tree.num_pdfs)
"""

from dataclasses import dataclass

import numpy as np

from steps.hmm.accumulator import Accumulator

VAR_FLOOR = 0.01       # variance floor of Kaldi's tree statistics
CHUNK = 1 << 16        # frames converted to float64 at a time


@dataclass
class TreeStats(Accumulator):
    """Statistics of num_keys distinct (window, pdf class) pairs, sorted.

    keys    int32 (num_keys, context_width + 1), the pdf class last
    counts  float64 (num_keys,), frames
    x, x2   float64 (num_keys, dim), sums of the frames and of their squares
    """

    keys: np.ndarray
    counts: np.ndarray
    x: np.ndarray
    x2: np.ndarray

    @property
    def windows(self):
        return self.keys[:, :-1]

    @property
    def pdf_classes(self):
        return self.keys[:, -1]

    def __add__(self, other):
        return merge([self, other])

    def summed(self, labels, num_labels):
        """Sums over the keys of each label, for labels int (num_keys,) of 0 .. num_labels - 1.

        returns  counts float64 (num_labels,), x and x2 float64 (num_labels, dim)
        """
        onto = _summing_matrix(labels, num_labels)
        return np.bincount(labels, self.counts, num_labels), onto @ self.x, onto @ self.x2


def accumulate(windows, pdf_classes, feats, central_position=1, ci_phones=()):
    """TreeStats of frames.

    windows      int (num_frames, context_width), the phone window of each frame
    pdf_classes  int (num_frames,)
    feats        float32 (num_frames, dim)
    ci_phones    context-independent phones, e.g. silence: their context counts as 0
    """
    keys = np.column_stack([windows, pdf_classes]).astype(np.int32)
    context = np.delete(np.arange(keys.shape[1] - 1), central_position)
    is_ci = np.isin(keys[:, central_position], list(ci_phones))
    keys[np.ix_(is_ci, context)] = 0
    keys, labels = _unique_rows(keys)
    shape = len(keys), feats.shape[1]
    counts = np.bincount(labels, minlength=len(keys)).astype(np.float64)
    x, x2 = np.zeros(shape), np.zeros(shape)
    for start in range(0, len(feats), CHUNK):
        chunk = feats[start: start + CHUNK].astype(np.float64)
        # A chunk knows few of the keys: sum onto those only.
        seen, seen_labels = np.unique(labels[start: start + CHUNK], return_inverse=True)
        onto = _summing_matrix(seen_labels, len(seen))
        x[seen] += onto @ chunk
        x2[seen] += onto @ np.square(chunk, out=chunk)
    return TreeStats(keys, counts, x, x2)


def merge(parts):
    """The TreeStats of all parts together, e.g. of all jobs."""
    parts = list(parts)
    keys, labels = _unique_rows(np.concatenate([part.keys for part in parts]))
    together = TreeStats(keys, *(np.concatenate([getattr(part, name) for part in parts])
                                 for name in ["counts", "x", "x2"]))
    return TreeStats(keys, *together.summed(labels, len(keys)))


def log_like(counts, x, x2, var_floor=VAR_FLOOR):
    """Log-likelihood of frames under their own diagonal Gaussian, its variances floored.

    counts   float64 (...)
    x, x2    float64 (..., dim), sums of the frames and of their squares
    returns  float64 (...), in nats; 0 where there are no frames
    """
    safe = np.maximum(counts, 1e-10)[..., None]
    variances = x2 / safe
    variances -= np.square(x / safe)
    floored = np.maximum(variances, var_floor)
    variances /= floored
    per_frame = variances.sum(-1) + np.log(floored).sum(-1) + x.shape[-1] * np.log(2 * np.pi)
    return np.where(counts > 1e-5, -0.5 * counts * per_frame, 0.0)


def _unique_rows(keys):
    """The distinct rows in order, and for each row its index among them."""
    if keys.size and keys.min() < 0:
        raise ValueError("phones and pdf classes are not negative")
    radix = keys.max(0, initial=0).astype(np.int64) + 1
    if np.log2(radix.astype(np.float64)).sum() > 62:
        raise ValueError(f"{keys.shape[1]} columns with up to {radix.max()} values are too many")
    codes = np.zeros(len(keys), np.int64)
    for column, size in zip(keys.T, radix, strict=True):
        codes *= size
        codes += column
    _, first, labels = np.unique(codes, return_index=True, return_inverse=True)
    return keys[first], labels


def _summing_matrix(labels, num_labels):
    """Sparse (num_labels, n) whose product with (n, dim) sums the rows of each label."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(labels))
    return csr_matrix((ones, (labels, np.arange(len(labels)))), (num_labels, len(labels)))
