import kaldi_native_fbank as knf
import numpy as np
import pytest

from steps.features.transform import add_deltas, apply_affine, delta_filters, splice


def random_feats(num_frames, dim=5):
    return np.random.default_rng(num_frames).normal(size=(num_frames, dim)).astype(np.float32)


def test_deltas_by_hand():
    feats = np.array([[1.0], [2.0], [4.0]], np.float32)
    np.testing.assert_allclose(
        add_deltas(feats, order=2, window=1),
        [[1, 0.5, 0.75], [2, 1.5, 0.25], [4, 1.0, -0.75]], atol=1e-6)


def test_delta_filters_are_kaldis():
    first, second = delta_filters(2, 2)[1:]
    np.testing.assert_allclose(first, [-0.2, -0.1, 0, 0.1, 0.2])
    np.testing.assert_allclose(second, [.04, .04, .01, -.04, -.1, -.04, .01, .04, .04], atol=1e-12)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 50])
@pytest.mark.parametrize(("order", "window"), [(1, 2), (2, 2), (2, 3), (3, 1)])
def test_deltas_equal_another_implementation(num_frames, order, window):
    feats = random_feats(num_frames)
    theirs = knf.compute_deltas(knf.DeltaOptions(order=order, window=window), feats)
    np.testing.assert_allclose(add_deltas(feats, order, window), theirs, atol=1e-5)


def test_deltas_of_a_line_are_its_slope_away_from_the_edges():
    feats = np.outer(np.arange(20), [3.0, -2.0]).astype(np.float32)
    out = add_deltas(feats)[4:-4]
    np.testing.assert_allclose(out[:, 2:4], np.tile([3, -2], (12, 1)), atol=1e-4)
    np.testing.assert_allclose(out[:, 4:], 0, atol=1e-4)


def test_splice_by_hand():
    feats = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    np.testing.assert_array_equal(splice(feats, 1, 1), [
        [1, 10, 1, 10, 2, 20], [1, 10, 2, 20, 3, 30], [2, 20, 3, 30, 3, 30]])


@pytest.mark.parametrize("num_frames", [1, 2, 30])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (3, 3), (5, 0), (1, 4)])
def test_splice_equals_another_implementation(num_frames, left, right):
    feats = random_feats(num_frames)
    theirs = knf.splice_frames(feats, knf.SpliceOptions(left_context=left, right_context=right))
    np.testing.assert_array_equal(splice(feats, left, right), theirs)


def test_affine():
    feats = np.array([[1, 2], [3, 4]], np.float32)
    linear = np.array([[1, 1], [0, 2], [1, 0]], np.float32)
    np.testing.assert_array_equal(apply_affine(feats, linear), [[3, 4, 1], [7, 8, 3]])
    offset = np.array([[10], [20], [30]], np.float32)
    np.testing.assert_array_equal(apply_affine(feats, np.hstack([linear, offset])),
                                  [[13, 24, 31], [17, 28, 33]])
    with pytest.raises(ValueError, match="4 columns cannot transform 2"):
        apply_affine(feats, np.ones((2, 4), np.float32))
