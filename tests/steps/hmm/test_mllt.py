import numpy as np
import pytest

from steps.hmm.mllt import MlltStats, estimate_mllt, objective
from utils.step import UserError


def random_pdf(rng, num_frames=300, num_gauss=3, dim=4):
    return (rng.normal(size=(num_frames, dim)).astype(np.float32),
            rng.dirichlet(np.ones(num_gauss), num_frames).astype(np.float32),
            rng.normal(size=(num_gauss, dim)), 1 / rng.uniform(0.5, 2, (num_gauss, dim)))


def correlated(mixing, matrix=None, seed=0, num_frames=20000):
    """Statistics, under a transform, of four Gaussians whose components are independent, with
    variances of their own, until mixed; the model has the variances but no covariances."""
    rng = np.random.default_rng(seed)
    dim = len(mixing)
    stats = MlltStats.zeros(dim)
    for _ in range(4):
        feats = (rng.normal(size=(num_frames, dim)) * rng.uniform(0.3, 3, dim)) @ mixing.T
        if matrix is not None:
            feats = feats @ matrix.T
        stats.add(feats, np.ones((num_frames, 1)), np.zeros((1, dim)), 1 / feats.var(0)[None])
    return stats


def test_statistics_agree_with_their_definition(monkeypatch):
    monkeypatch.setattr("steps.hmm.mllt.MAX_PAIRS", 200)
    rng = np.random.default_rng(0)
    feats, gamma, means, inv_vars = random_pdf(rng)
    stats = MlltStats.zeros(4)
    stats.add(feats, gamma, means, inv_vars)
    direct = np.zeros((4, 4, 4))
    for x, posteriors in zip(feats.astype(float), gamma, strict=True):
        for posterior, mean, inv_var in zip(posteriors, means, inv_vars, strict=True):
            for d in range(4):
                direct[d] += posterior * inv_var[d] * np.outer(x - mean, x - mean)
    np.testing.assert_allclose(stats.G, direct, rtol=1e-4, atol=1e-3)
    assert stats.beta == pytest.approx(300, rel=1e-5)


def test_jobs_add_up_and_files_keep_them(tmp_path):
    rng = np.random.default_rng(0)
    parts = [random_pdf(rng) for _ in range(2)]
    whole = MlltStats.zeros(4)
    for job, part in enumerate(parts):
        whole.add(*part)
        stats = MlltStats.zeros(4)
        stats.add(*part)
        stats.write(tmp_path / f"mllt.{job}")
    total = MlltStats.sum(MlltStats.read(tmp_path / f"mllt.{job}") for job in range(2))
    np.testing.assert_allclose(total.G, whole.G, rtol=1e-12)
    assert total.beta == pytest.approx(whole.beta)
    np.testing.assert_allclose(estimate_mllt(total)[0], estimate_mllt(whole)[0], rtol=1e-9)


def test_objective_rises_at_each_iteration_as_reported():
    rng = np.random.default_rng(1)
    stats = correlated(np.eye(5) + 0.5 * rng.normal(size=(5, 5)))
    matrix, gains = estimate_mllt(stats)
    assert len(gains) > 3 and (np.diff([0, *gains]) >= -1e-12).all() and gains[-1] > 0.1
    for num_iters in [1, 2, 3]:
        again, _ = estimate_mllt(stats, num_iters)
        assert objective(stats, again) - objective(stats, np.eye(5)) == \
            pytest.approx(gains[num_iters - 1], rel=1e-9)
    # In the end a maximum: no small change is better.
    matrix, _ = estimate_mllt(stats, 5000)
    for _ in range(20):
        nudged = matrix + 1e-3 * rng.normal(size=(5, 5))
        assert objective(stats, nudged) < objective(stats, matrix)
    assert estimate_mllt(stats, start=matrix)[1][-1] == pytest.approx(0, abs=1e-5)


def test_undoes_a_mixing_of_independent_components():
    """With classes of different variances, the mixing is found but for order and scale."""
    rng = np.random.default_rng(2)
    mixing = np.eye(4) + 0.4 * rng.normal(size=(4, 4))
    matrix = np.eye(4)
    for _ in range(30):     # as in training: transform, re-estimate the variances, and again
        matrix = estimate_mllt(correlated(mixing, matrix))[0] @ matrix
    product = np.abs(matrix @ mixing)
    product /= product.max(1, keepdims=True)
    assert sorted(product.argmax(1)) == [0, 1, 2, 3]
    assert np.sort(product, 1)[:, :-1].max() < 0.05


def test_what_cannot_be_estimated():
    stats = MlltStats.zeros(4)
    stats.add(*random_pdf(np.random.default_rng(0), num_frames=5))
    with pytest.raises(UserError, match="5 frames are too few for 4 dimensions"):
        estimate_mllt(stats)
    stats = MlltStats.zeros(4)
    feats, *rest = random_pdf(np.random.default_rng(0))
    stats.add(feats * np.float32([1, 1, 1, 0]), rest[0], rest[1] * [1, 1, 1, 0], rest[2])
    with pytest.raises(UserError, match="singular"):
        estimate_mllt(stats)
