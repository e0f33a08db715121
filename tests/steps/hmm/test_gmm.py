import heapq

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from steps.hmm import gmm
from steps.hmm.gmm import Gmm, single_gaussians, split_targets

DIM = 3


def random_gmm(rng, sizes=(3, 1, 4)):
    weights = np.concatenate([rng.dirichlet(np.ones(n)) for n in sizes])
    count = sum(sizes)
    return Gmm(np.concatenate([[0], np.cumsum(sizes)]), weights,
               rng.normal(size=(count, DIM)) * 2, rng.uniform(0.3, 2, (count, DIM)))


def frames(rng, count=400):
    return (rng.normal(size=(count, DIM)) * 2).astype(np.float32)


def direct(model, feats, pdf):
    span = range(model.offsets[pdf], model.offsets[pdf + 1])
    return logsumexp([np.log(model.weights[g]) + multivariate_normal.logpdf(
        feats, model.means[g], np.diag(model.vars[g])) for g in span], axis=0)


def test_log_likes_are_scipys():
    rng = np.random.default_rng(0)
    model, feats = random_gmm(rng), frames(rng, 1500)     # more than one block of frames
    expected = np.stack([direct(model, feats, pdf) for pdf in range(3)], 1)
    found = model.log_likes(feats)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-4)
    assert np.allclose(model.log_likes(feats, np.array([2, 0])), expected[:, [2, 0]], atol=1e-4)
    assert model.log_likes(feats[:0]).shape == (0, 3)
    blocks = list(model.log_like_blocks(feats))
    assert [len(block) for block in blocks] == [gmm.BLOCK, 1500 - gmm.BLOCK]
    assert np.array_equal(np.concatenate(blocks), found)


def test_far_frames_do_not_underflow():
    model = random_gmm(np.random.default_rng(0))
    far = np.full((1, DIM), 60, np.float32)
    assert np.allclose(model.log_likes(far)[0], [direct(model, far, p) for p in range(3)],
                       rtol=1e-4)


def test_accumulate_is_a_sum_over_posteriors():
    rng = np.random.default_rng(1)
    model, feats = random_gmm(rng), frames(rng)
    pdfs = rng.integers(0, 3, len(feats))
    other = frames(rng)
    for summed in (None, other):
        stats = model.accumulate(feats, pdfs, summed)
        x = feats if summed is None else summed
        for g in range(model.num_gauss):
            pdf = np.searchsorted(model.offsets, g, side="right") - 1
            rows = pdfs == pdf
            post = np.exp(np.log(model.weights[g]) + multivariate_normal.logpdf(
                feats[rows], model.means[g], np.diag(model.vars[g]))
                - direct(model, feats[rows], pdf))
            assert stats["occ"][g] == pytest.approx(post.sum(), rel=1e-3)
            assert np.allclose(stats["x"][g], post @ x[rows], rtol=1e-3, atol=1e-2)
            assert np.allclose(stats["x2"][g], post @ x[rows] ** 2, rtol=1e-3, atol=1e-2)
        assert stats["log_like"][0] == pytest.approx(sum(
            direct(model, feats[pdfs == p], p).sum() for p in range(3)), rel=1e-5)


def test_accumulate_without_frames():
    stats = random_gmm(np.random.default_rng(1)).accumulate(np.zeros((0, DIM), np.float32),
                                                            np.zeros(0, int))
    assert not any(value.any() for value in stats.values())


def test_sums_of_parts_are_the_sum_of_all():
    rng = np.random.default_rng(2)
    model, feats = random_gmm(rng), frames(rng)
    pdfs = rng.integers(0, 3, len(feats))
    parts = [model.accumulate(feats[part], pdfs[part]) for part in (slice(150), slice(150, None))]
    for key, value in model.accumulate(feats, pdfs).items():
        assert np.allclose(parts[0][key] + parts[1][key], value, rtol=1e-4)


def test_likelihood_rises_at_each_step():
    rng = np.random.default_rng(3)
    truth = random_gmm(rng)
    pdfs = rng.integers(0, 3, 3000)
    gauss = [rng.choice(np.arange(truth.offsets[p], truth.offsets[p + 1]),
                        p=truth.weights[truth.offsets[p]:truth.offsets[p + 1]]) for p in pdfs]
    feats = (truth.means[gauss] + rng.normal(size=(3000, DIM))
             * np.sqrt(truth.vars[gauss])).astype(np.float32)
    model = random_gmm(rng)
    likes = []
    for _ in range(15):
        stats = model.accumulate(feats, pdfs)
        likes.append(stats["log_like"][0] / len(feats))
        model, occ = model.update(stats, np.full(DIM, 1e-3), drop=False)
        assert np.bincount(np.repeat(np.arange(3), np.diff(model.offsets)),
                           model.weights) == pytest.approx(np.ones(3))
        assert occ.sum() == pytest.approx(3000, rel=1e-4)
    assert np.all(np.diff(likes) > -1e-5)
    assert likes[-1] > likes[0] + 0.5


def test_update_drops_gaussians_without_frames_but_never_the_last():
    rng = np.random.default_rng(4)
    model = Gmm([0, 2, 4], [0.5, 0.5, 0.5, 0.5], [[0] * 3, [99] * 3, [0] * 3, [99] * 3],
                np.ones((4, 3)))
    feats = rng.normal(size=(100, DIM)).astype(np.float32)
    stats = model.accumulate(feats, np.zeros(100, int))       # the second pdf has no frames at all
    dropped, occ = model.update(stats, np.full(DIM, 0.01))
    assert dropped.offsets.tolist() == [0, 1, 2]
    assert dropped.means[0] == pytest.approx(feats.mean(0), abs=1e-5)
    assert dropped.vars[0] == pytest.approx(feats.var(0), abs=1e-4)
    assert dropped.weights.tolist() == [1.0, 1.0]
    assert occ[0] == pytest.approx(100)
    kept, _ = model.update(stats, np.full(DIM, 0.01), drop=False)
    assert kept.offsets.tolist() == [0, 2, 4]
    assert kept.means[1].tolist() == [99] * 3


def test_variances_are_floored():
    model = Gmm([0, 1], [1.0], np.zeros((1, 3)), np.ones((1, 3)))
    stats = model.accumulate(np.ones((50, 3), np.float32), np.zeros(50, int))
    floored, _ = model.update(stats, np.array([0.1, 0.2, 0.3]))
    assert floored.vars[0] == pytest.approx([0.1, 0.2, 0.3])


def test_mix_up_splits_the_heaviest_and_keeps_the_mean():
    rng = np.random.default_rng(5)
    model = Gmm([0, 2, 3], [0.7, 0.3, 1.0], rng.normal(size=(3, 3)), rng.uniform(1, 2, (3, 3)))
    grown = model.mix_up(np.array([700.0, 300, 400]), 5, 1.0, 20, np.random.default_rng(0))
    assert grown.offsets.tolist() == [0, 3, 5] or grown.offsets.tolist() == [0, 4, 5]
    for pdf in range(2):
        old = slice(model.offsets[pdf], model.offsets[pdf + 1])
        new = slice(grown.offsets[pdf], grown.offsets[pdf + 1])
        assert grown.weights[new].sum() == pytest.approx(1)
        assert grown.weights[new] @ grown.means[new] == pytest.approx(
            model.weights[old] @ model.means[old])
    assert grown.weights[:3].tolist() == pytest.approx([0.35, 0.3, 0.35])
    assert np.array_equal(grown.means[1], model.means[1])
    away = np.abs(grown.means[0] - model.means[0]) / np.sqrt(model.vars[0])
    assert 0 < away.max() < 0.05
    assert model.weights.tolist() == [0.7, 0.3, 1.0]     # the old model is as it was


def test_mix_up_to_no_more_changes_nothing():
    model = random_gmm(np.random.default_rng(6))
    same = model.mix_up(np.full(8, 100.0), 3, 0.2, 20, np.random.default_rng(0))
    assert np.array_equal(same.means, model.means)
    assert np.array_equal(same.offsets, model.offsets)


def greedy(occ, target, power, min_count):
    """One Gaussian after the other from a priority queue, as Kaldi's GetSplitTargets."""
    counts = [1] * len(occ)
    queue = [(-(o ** power), p) for p, o in enumerate(occ)]
    heapq.heapify(queue)
    total = len(occ)
    while total < target and queue:
        _, pdf = heapq.heappop(queue)
        if (counts[pdf] + 1) * min_count > occ[pdf]:
            continue
        counts[pdf] += 1
        total += 1
        heapq.heappush(queue, (-(occ[pdf] ** power) / counts[pdf], pdf))
    return counts


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("power", [0.2, 0.25, 1.0])
def test_split_targets_are_a_priority_queues(seed, power):
    rng = np.random.default_rng(seed)
    occ = rng.gamma(1.0, 800, size=40)
    for target in (10, 40, 41, 77, 200, 100000):
        found, expected = split_targets(occ, target, power, 20), greedy(occ, target, power, 20)
        # Those within a tenth of a per cent of the best may go first.
        assert found.sum() == sum(expected)
        assert np.abs(found - expected).max() <= 1
        assert (found != expected).sum() <= 4


def test_single_gaussians():
    rng = np.random.default_rng(7)
    feats = frames(rng, 300).astype(float)
    labels = np.repeat([0, 2], [295, 5])
    occ = np.bincount(labels, minlength=3).astype(float)
    x = np.stack([feats[labels == p].sum(0) for p in range(3)])
    x2 = np.stack([(feats[labels == p] ** 2).sum(0) for p in range(3)])
    model = single_gaussians(occ, x, x2, np.full(DIM, 1e-3))
    assert model.means[0] == pytest.approx(feats[:295].mean(0))
    assert model.vars[0] == pytest.approx(feats[:295].var(0))
    for pdf in (1, 2):                      # none and too few: the Gaussian of all frames
        assert model.means[pdf] == pytest.approx(feats.mean(0))
        assert model.vars[pdf] == pytest.approx(feats.var(0))


def test_by_pdf():
    pdfs = np.array([3, 1, 3, 0, 1, 3])
    assert [(p, rows.tolist()) for p, rows in gmm.by_pdf(pdfs)] == [
        (0, [3]), (1, [1, 4]), (3, [0, 2, 5])]


def test_floor_of_variances():
    feats = frames(np.random.default_rng(3)).astype(float)
    for constant in (0, -30):
        feats[:, 1] = constant + 1e-6 * np.sign(feats[:, 0])     # but for rounding
        sums = np.array([len(feats)]), feats.sum(0)[None], (feats ** 2).sum(0)[None]
        expected = 0.01 * feats.var(0)
        expected[1] = gmm.MIN_VARIANCE
        np.testing.assert_allclose(gmm.variance_floor(*sums), expected, rtol=1e-9)
