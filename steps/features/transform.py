"""Functions of a feature matrix and of nothing else: deltas, splicing, affine transforms.

    feats = add_deltas(mfcc)                      # (num_frames, 13) -> (num_frames, 39)
    feats = apply_affine(splice(mfcc, 3, 3), lda)  # (num_frames, 13) -> 91 -> (num_frames, 40)
"""

import functools

import numpy as np


def in_context(feats, front_end):
    """Deltas and splicing, as a front_end.json says; float32 (num_frames, dim) in and out."""
    if front_end.get("deltas"):
        feats = add_deltas(feats, order=front_end["deltas"])
    if front_end.get("splice"):
        feats = splice(feats, *front_end["splice"])
    return feats


def add_deltas(feats, order=2, window=2):
    """Static features followed by their time derivatives, as Kaldi's add-deltas.

    The first derivative is the slope of the least-squares line through 2 * window + 1 frames
    (Young et al., HTK book, eq. 5.16), the second the first one's filter applied twice. The
    twofold filter is applied at once, so beyond the edges the static features are repeated
    and not the deltas.

    feats    float32 (num_frames, dim)
    returns  float32 (num_frames, dim * (order + 1))
    """
    num_frames, dim = feats.shape
    reach = order * window
    padded = feats[_clamped(num_frames, reach, reach)]
    out = np.zeros((num_frames, order + 1, dim), np.float32)
    for row, scales in enumerate(delta_filters(order, window)):
        for shift, scale in enumerate(scales, reach - len(scales) // 2):
            if scale:
                out[:, row] += np.float32(scale) * padded[shift: shift + num_frames]
    return out.reshape(num_frames, (order + 1) * dim)


@functools.cache
def delta_filters(order, window):
    """One filter a derivative, the 0th being [1]; the k-th has 2 * k * window + 1 taps."""
    ramp = np.arange(-window, window + 1) / sum(j * j for j in range(-window, window + 1))
    filters = [np.ones(1)]
    for _ in range(order):
        filters.append(np.convolve(filters[-1], ramp))
    return filters


def splice(feats, left, right):
    """Each frame with its neighbours, oldest first; frames at the edges are repeated.

    feats    float32 (num_frames, dim)
    returns  float32 (num_frames, dim * (left + 1 + right))
    """
    num_frames, dim = feats.shape
    padded = np.ascontiguousarray(feats[_clamped(num_frames, left, right)], np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded.reshape(-1),
                                                       dim * (left + 1 + right))
    return windows[::dim].copy()


def apply_affine(feats, matrix):
    """A linear transform, or an affine one where the matrix has one column more.

    feats    float32 (num_frames, dim)
    matrix   float32 (out_dim, dim) or (out_dim, dim + 1), the last column being the offset
    returns  float32 (num_frames, out_dim)
    """
    dim = feats.shape[1]
    if matrix.shape[1] not in (dim, dim + 1):
        raise ValueError(f"a matrix of {matrix.shape[1]} columns cannot transform {dim} features")
    matrix = np.asarray(matrix, np.float32)
    out = feats @ matrix[:, :dim].T
    if matrix.shape[1] > dim:
        out += matrix[:, dim]
    return out


def _clamped(num_frames, left, right):
    """Frame indices -left .. num_frames + right - 1, those outside moved to the nearest frame."""
    return np.clip(np.arange(-left, num_frames + right), 0, num_frames - 1)
