import numpy as np
import pytest

from steps.hmm.lda import LdaStats, covariances, estimate_lda
from utils.step import UserError


def classes_and_frames(num_frames=3000, num_classes=6, dim=5, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, num_classes, num_frames)
    mix = rng.normal(size=(dim, dim)) + np.eye(dim)
    means = rng.normal(size=(num_classes, dim)) * 2 + 3
    feats = means[classes] + rng.normal(size=(num_frames, dim)) @ mix.T
    return feats.astype(np.float32), classes


def direct_covariances(feats, classes):
    feats = feats.astype(float)
    mean = feats.mean(0)
    within = between = 0
    for c in np.unique(classes):
        own = feats[classes == c]
        within = within + (own - own.mean(0)).T @ (own - own.mean(0)) / len(feats)
        between = between + len(own) / len(feats) * np.outer(own.mean(0) - mean,
                                                             own.mean(0) - mean)
    return within, between, mean


def test_covariances_agree_with_their_definition(monkeypatch):
    monkeypatch.setattr("steps.hmm.lda.CHUNK", 500)
    feats, classes = classes_and_frames()
    stats = LdaStats.of(feats, classes, 8)      # two classes without frames
    for ours, direct in zip(covariances(stats), direct_covariances(feats, classes), strict=True):
        np.testing.assert_allclose(ours, direct, rtol=1e-9, atol=1e-9)


def test_within_becomes_unit_and_between_diagonal():
    feats, classes = classes_and_frames()
    matrix, variances = estimate_lda(LdaStats.of(feats, classes, 6), 3)
    assert matrix.shape == (3, 5) and variances.shape == (5,)
    within, between, _ = direct_covariances(feats @ matrix.T, classes)
    np.testing.assert_allclose(within, np.eye(3), atol=1e-4)
    np.testing.assert_allclose(between, np.diag(variances[:3]), atol=1e-4 * variances[0])
    assert (np.diff(variances) <= 0).all()


def test_two_classes_give_fishers_direction():
    feats, classes = classes_and_frames(num_classes=2)
    matrix, variances = estimate_lda(LdaStats.of(feats, classes, 2), 1)
    within, _, _ = direct_covariances(feats, classes)
    difference = feats[classes == 1].astype(float).mean(0) - feats[classes == 0].mean(0)
    fisher = np.linalg.solve(within, difference)
    cosine = matrix[0] @ fisher / np.linalg.norm(matrix[0]) / np.linalg.norm(fisher)
    assert abs(cosine) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(variances[1:], 0, atol=1e-8)


def test_jobs_add_up_and_files_keep_them(tmp_path):
    feats, classes = classes_and_frames()
    whole = estimate_lda(LdaStats.of(feats, classes, 6), 3)[0]
    for job, rows in enumerate([slice(0, 1000), slice(1000, None)]):
        LdaStats.of(feats[rows], classes[rows], 6).write(tmp_path / f"lda.{job}")
    total = LdaStats.sum(LdaStats.read(tmp_path / f"lda.{job}") for job in range(2))
    np.testing.assert_allclose(estimate_lda(total, 3)[0], whole, rtol=1e-8, atol=1e-10)


def test_weights_count_as_repetitions():
    feats, classes = classes_and_frames()
    weights = np.arange(len(feats)) % 3
    weighted = LdaStats.of(feats, classes, 6, weights)
    repeated = LdaStats.of(np.repeat(feats, weights, 0), np.repeat(classes, weights), 6)
    for name in ["counts", "x", "x2"]:
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-9)


def test_offset_centres_the_features():
    feats, classes = classes_and_frames()
    stats = LdaStats.of(feats, classes, 6)
    matrix, _ = estimate_lda(stats, 3, remove_offset=True)
    assert matrix.shape == (3, 6)
    np.testing.assert_allclose((feats @ matrix[:, :-1].T + matrix[:, -1]).mean(0), 0, atol=1e-4)
    np.testing.assert_array_equal(matrix[:, :-1], estimate_lda(stats, 3)[0])


def test_what_cannot_be_estimated():
    feats, classes = classes_and_frames()
    with pytest.raises(UserError, match="5 dimensions need more than 5 classes"):
        estimate_lda(LdaStats.of(feats, np.minimum(classes, 4), 9), 5)
    with pytest.raises(UserError, match="7 dimensions asked for, the spliced features have 5"):
        estimate_lda(LdaStats.of(feats, classes, 6), 7)
    feats[:, 2] = 0
    with pytest.raises(UserError, match="singular"):
        estimate_lda(LdaStats.of(feats, classes, 6), 2)
