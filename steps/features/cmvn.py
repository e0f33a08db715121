"""Cepstral mean and variance normalisation with Kaldi's statistics and formulas.

    stats = accumulate(feats)                  # float64 (2, dim + 1)
    stats += accumulate(more_feats)            # statistics add up
    feats = normalise(feats, stats)
"""

import numpy as np

VAR_FLOOR = 1e-20          # as Kaldi's ApplyCmvn
SLIDING_VAR_FLOOR = 1e-10  # as Kaldi's SlidingWindowCmn


def accumulate(feats, weights=None):
    """Sums over frames, as Kaldi's compute-cmvn-stats writes them.

    feats    float32 (num_frames, dim)
    weights  (num_frames,), for example 0 for the frames to leave out; None for all ones
    returns  float64 (2, dim + 1): sums and the number of frames; sums of squares and 0
    """
    feats = np.asarray(feats, np.float64)
    if weights is None:
        weights = np.ones(len(feats))
    stats = np.zeros((2, feats.shape[1] + 1))
    stats[0, :-1] = weights @ feats
    stats[0, -1] = np.sum(weights)
    stats[1, :-1] = weights @ (feats * feats)
    return stats


def affine(stats, norm_vars=False):
    """The offset and the scale that normalise: feats * scale + offset.

    stats    float64 (2, dim + 1)
    returns  float32 (dim,), float32 (dim,); the scale is None if it is one throughout
    """
    count = stats[0, -1]
    if count < 1:
        raise ValueError("no frames in the statistics")
    mean = stats[0, :-1] / count
    if not norm_vars:
        return (-mean).astype(np.float32), None
    scale = 1 / np.sqrt(np.maximum(stats[1, :-1] / count - mean * mean, VAR_FLOOR))
    return (-mean * scale).astype(np.float32), scale.astype(np.float32)


def normalise(feats, stats, norm_vars=False):
    """Subtract the mean and, with norm_vars, divide by the standard deviation.

    feats    float32 (num_frames, dim)
    stats    float64 (2, dim + 1), of accumulate()
    returns  float32 (num_frames, dim)
    """
    offset, scale = affine(stats, norm_vars)
    return feats + offset if scale is None else feats * scale + offset


def apply_cmvn(feats, front_end, stats=None):
    """Normalise as a front_end.json says.

    feats    float32 (num_frames, dim)
    stats    float64 (2, dim + 1) of the speaker, where its "cmvn" is "speaker"
    returns  float32 (num_frames, dim)
    """
    how, norm_vars = front_end["cmvn"], front_end.get("norm_vars", False)
    if how == "none":
        return feats
    if how == "sliding":
        return sliding_cmvn(feats, norm_vars=norm_vars)
    return normalise(feats, accumulate(feats) if how == "utterance" else stats, norm_vars)


def sliding_cmvn(feats, window=600, center=True, norm_vars=False, min_window=100):
    """Normalise each frame by the frames around it, as Kaldi's apply-cmvn-sliding.

    window      frames; near an edge the window is shifted inwards, not shortened
    center      the window is around the frame; otherwise it ends with it (as on line)
    min_window  frames used at an utterance's start if not center, so latency in decoding
    feats       float32 (num_frames, dim)
    returns     float32 (num_frames, dim)
    """
    num_frames = len(feats)
    frames = np.arange(num_frames)
    if center:
        start = frames - window // 2
        end = start + window
    else:
        start = frames - window
        end = frames + 1
    end = np.where(start < 0, end - start, end)
    start = np.maximum(start, 0)
    if not center:
        end = np.where(end > frames, np.maximum(frames + 1, min_window), end)
    start = np.maximum(np.where(end > num_frames, start - (end - num_frames), start), 0)
    end = np.minimum(end, num_frames)

    count = (end - start)[:, None]
    feats = np.asarray(feats, np.float64)
    mean = _window_sums(feats, start, end) / count
    out = feats - mean
    if norm_vars:
        variance = _window_sums(feats * feats, start, end) / count - mean * mean
        # of a single frame nothing but zero is left, as in Kaldi
        out *= np.where(count == 1, 0, np.maximum(variance, SLIDING_VAR_FLOOR) ** -0.5)
    return out.astype(np.float32)


def _window_sums(values, start, end):
    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])
    return sums[end] - sums[start]
