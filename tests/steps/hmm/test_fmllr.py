import numpy as np
import pytest

from steps.features.transform import apply_affine
from steps.hmm.fmllr import FmllrStats, compose, estimate_fmllr, identity, objective

DIM = 5


def model(rng, num_gauss=12):
    return rng.normal(size=(num_gauss, DIM)) * 3, rng.uniform(0.5, 2, (num_gauss, DIM))


def draw(rng, means, variances, num_frames=20000):
    """Frames and the Gaussian of each."""
    gauss = rng.integers(0, len(means), num_frames)
    return means[gauss] + rng.normal(size=(num_frames, DIM)) * np.sqrt(variances[gauss]), gauss


def stats_of(feats, gamma, means, variances):
    stats = FmllrStats.zeros(DIM)
    stats.add(feats, gamma @ (1 / variances), gamma @ (means / variances), gamma.sum())
    return stats


def log_like(feats, gamma, means, variances):
    """Expected log-likelihood of the frames given their posteriors, summed."""
    offsets = feats[:, None] - means
    return -0.5 * (gamma[..., None] * (offsets ** 2 / variances + np.log(2 * np.pi * variances))
                   ).sum()


@pytest.fixture
def distorted():
    """The model, frames that an affine transform has distorted, posteriors, and its inverse."""
    rng = np.random.default_rng(0)
    means, variances = model(rng)
    clean, gauss = draw(rng, means, variances)
    truth = np.column_stack([np.eye(DIM) + 0.15 * rng.normal(size=(DIM, DIM)),
                             rng.normal(size=DIM)])
    feats = (clean - truth[:, -1]) @ np.linalg.inv(truth[:, :-1]).T
    return means, variances, feats, np.eye(len(means))[gauss], truth


def test_statistics_agree_with_their_definition(monkeypatch):
    monkeypatch.setattr("steps.hmm.fmllr.CHUNK", 64)
    rng = np.random.default_rng(1)
    means, variances = model(rng, 3)
    feats = rng.normal(size=(150, DIM)).astype(np.float32)
    gamma = rng.dirichlet(np.ones(3), 150).astype(np.float32)
    stats = stats_of(feats, gamma, means, variances)
    K, G = np.zeros((DIM, DIM + 1)), np.zeros((DIM, DIM + 1, DIM + 1))
    for x, posteriors in zip(feats, gamma, strict=True):
        xi = np.append(x, 1).astype(float)
        for posterior, mean, variance in zip(posteriors, means, variances, strict=True):
            for d in range(DIM):
                K[d] += posterior * mean[d] / variance[d] * xi
                G[d] += posterior / variance[d] * np.outer(xi, xi)
    np.testing.assert_allclose(stats.K, K, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(stats.G, G, rtol=1e-4, atol=1e-3)
    assert stats.beta == pytest.approx(150, rel=1e-5)


def test_recovers_a_known_distortion(distorted):
    means, variances, feats, gamma, truth = distorted
    transform, gain = estimate_fmllr(stats_of(feats, gamma, means, variances))
    np.testing.assert_allclose(transform, truth, atol=0.05)
    assert gain > 0.1


def test_gain_is_that_of_the_likelihood(distorted):
    means, variances, feats, gamma, _ = distorted
    stats = stats_of(feats, gamma, means, variances)
    transform, gain = estimate_fmllr(stats)
    log_det = np.linalg.slogdet(transform[:, :-1])[1]
    after = log_like(apply_affine(feats, transform), gamma, means, variances) / len(feats) + log_det
    before = log_like(feats, gamma, means, variances) / len(feats)
    assert after - before == pytest.approx(gain, rel=1e-5)


def test_objective_rises_at_each_iteration_to_a_maximum(distorted):
    means, variances, feats, gamma, _ = distorted
    stats = stats_of(feats, gamma, means, variances)
    gains = [estimate_fmllr(stats, num_iters=n)[1] for n in [1, 2, 3, 4, 5, 40]]
    assert gains == sorted(gains) and gains[0] < gains[2]
    transform, _ = estimate_fmllr(stats)
    rng = np.random.default_rng(3)
    for _ in range(20):
        nudged = transform + 1e-3 * rng.normal(size=transform.shape)
        assert objective(stats, nudged) < objective(stats, transform)
    again, gain = estimate_fmllr(stats, start=transform)
    assert gain == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(again, transform, atol=1e-2)


def test_float32_is_good_enough(distorted):
    means, variances, feats, gamma, _ = distorted
    double = estimate_fmllr(stats_of(feats, gamma, means, variances))[0]
    stats = FmllrStats.zeros(DIM)
    stats.add(feats.astype(np.float32), (gamma @ (1 / variances)).astype(np.float32),
              (gamma @ (means / variances)).astype(np.float32), len(feats))
    np.testing.assert_allclose(estimate_fmllr(stats)[0], double, atol=1e-4)


def test_a_second_transform_composes_with_the_first(distorted):
    means, variances, feats, gamma, truth = distorted
    first = np.column_stack([0.8 * np.eye(DIM), np.arange(DIM)])
    moved = apply_affine(feats, first)
    second, _ = estimate_fmllr(stats_of(moved, gamma, means, variances))
    both = compose(second, first)
    np.testing.assert_allclose(both, truth, atol=0.05)
    np.testing.assert_allclose(apply_affine(feats, both), apply_affine(moved, second), rtol=1e-4,
                               atol=1e-4)


def test_speaker_with_few_or_constant_frames_keeps_the_identity():
    rng = np.random.default_rng(5)
    means, variances = model(rng)
    feats, gauss = draw(rng, means, variances, 499)
    few = stats_of(feats, np.eye(12)[gauss], means, variances)
    transform, gain = estimate_fmllr(few)
    np.testing.assert_array_equal(transform, identity(DIM))
    assert gain == 0
    assert estimate_fmllr(few, min_count=100)[1] > 0
    silence = stats_of(np.zeros((1000, DIM)), np.eye(12)[np.zeros(1000, int)], means, variances)
    transform, gain = estimate_fmllr(silence)
    assert np.isfinite(transform).all() and gain >= 0


def test_jobs_add_up_and_files_keep_them(distorted, tmp_path):
    means, variances, feats, gamma, _ = distorted
    whole = stats_of(feats, gamma, means, variances)
    for job, rows in enumerate([slice(0, 7000), slice(7000, None)]):
        stats_of(feats[rows], gamma[rows], means, variances).write(tmp_path / f"fmllr.{job}")
    total = FmllrStats.sum(FmllrStats.read(tmp_path / f"fmllr.{job}") for job in range(2))
    np.testing.assert_allclose(total.G, whole.G, rtol=1e-9, atol=1e-6)
    assert estimate_fmllr(total)[1] == pytest.approx(estimate_fmllr(whole)[1], rel=1e-9)
