import kaldi_native_fbank as knf
import numpy as np
import pytest

from steps.features.cmvn import accumulate, normalise, sliding_cmvn


def random_feats(num_frames, dim=4, seed=0):
    return (np.random.default_rng(seed).normal(size=(num_frames, dim)) * [1, 5, 0.1, 20]
            + [0, 40, -3, 5]).astype(np.float32)


def kaldi_sliding(feats, window, center, norm_vars, min_window):
    """Kaldi's SlidingWindowCmnInternal frame by frame, each window summed anew."""
    num_frames = len(feats)
    out = np.zeros_like(feats)
    for t in range(num_frames):
        start, end = (t - window // 2, t - window // 2 + window) if center else (t - window, t + 1)
        if start < 0:
            end -= start
            start = 0
        if not center and end > t:
            end = max(t + 1, min_window)
        if end > num_frames:
            start -= end - num_frames
            end = num_frames
            start = max(start, 0)
        part = feats[start:end].astype(np.float64)
        out[t] = feats[t] - part.mean(axis=0)
        if norm_vars:
            out[t] *= 0 if len(part) == 1 else np.maximum(part.var(axis=0), 1e-10) ** -0.5
    return out


def test_statistics_by_hand():
    feats = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    np.testing.assert_array_equal(accumulate(feats), [[9, 12, 3], [35, 56, 0]])
    np.testing.assert_array_equal(accumulate(feats, [1, 0, 1]), [[6, 8, 2], [26, 40, 0]])


def test_statistics_equal_another_implementation_and_add_up():
    feats = random_feats(100)
    np.testing.assert_allclose(accumulate(feats), knf.compute_cmvn_stats(feats))
    np.testing.assert_allclose(accumulate(feats[:30]) + accumulate(feats[30:]), accumulate(feats))


def test_normalised_means_and_variances():
    feats = random_feats(200)
    out = normalise(feats, accumulate(feats), norm_vars=True)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(out.var(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(normalise(feats, accumulate(feats)),
                               feats - feats.mean(axis=0), atol=1e-4)
    options = knf.CmvnOptions()
    np.testing.assert_allclose(normalise(feats, accumulate(feats)),
                               knf.apply_cmvn(accumulate(feats), options, feats), atol=1e-4)


def test_no_frames_is_an_error():
    with pytest.raises(ValueError, match="no frames"):
        normalise(random_feats(3), np.zeros((2, 5)))


@pytest.mark.parametrize("num_frames", [1, 2, 7, 40])
@pytest.mark.parametrize("window", [5, 6, 100])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("norm_vars", [True, False])
def test_sliding_equals_kaldis_loop(num_frames, window, center, norm_vars):
    feats = random_feats(num_frames)
    np.testing.assert_allclose(
        sliding_cmvn(feats, window, center, norm_vars, min_window=3),
        kaldi_sliding(feats, window, center, norm_vars, min_window=3), atol=2e-3)
