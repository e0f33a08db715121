from collections import defaultdict

import numpy as np
import pytest

from steps.hmm.tree_stats import TreeStats, accumulate, log_like, merge


def random_frames(seed, num_frames=400, num_phones=4, dim=3):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, num_phones, (num_frames, 3)), rng.integers(0, 3, num_frames),
            rng.normal(2, 3, (num_frames, dim)).astype(np.float32))


def by_hand(windows, pdf_classes, feats, ci_phones=()):
    groups = defaultdict(list)
    for window, pdf_class, frame in zip(windows.tolist(), pdf_classes.tolist(), feats,
                                        strict=True):
        if window[1] in ci_phones:
            window = [0, window[1], 0]
        groups[*window, pdf_class].append(frame.astype(np.float64))
    return groups


def test_accumulate_sums_each_key(monkeypatch):
    monkeypatch.setattr("steps.hmm.tree_stats.CHUNK", 64)
    frames = random_frames(1)
    stats = accumulate(*frames, ci_phones=[2])
    expected = by_hand(*frames, ci_phones=[2])
    assert [tuple(key) for key in stats.keys.tolist()] == sorted(expected)
    assert stats.keys.dtype == np.int32
    for key, count, x, x2 in zip(stats.keys.tolist(), stats.counts, stats.x, stats.x2,
                                 strict=True):
        group = expected[tuple(key)]
        assert count == len(group)
        np.testing.assert_allclose(x, np.sum(group, 0), rtol=1e-12)
        np.testing.assert_allclose(x2, np.sum(np.square(group), 0), rtol=1e-12)


def test_silence_has_no_context():
    windows = np.array([[2, 1, 3], [3, 1, 2], [2, 3, 1], [1, 3, 1]])
    stats = accumulate(windows, np.zeros(4, int), np.ones((4, 2), np.float32), ci_phones=[1])
    assert stats.keys.tolist() == [[0, 1, 0, 0], [1, 3, 1, 0], [2, 3, 1, 0]]
    assert stats.counts.tolist() == [2, 1, 1]
    wide = accumulate(np.array([[5, 6, 1, 7, 8]]), np.zeros(1, int), np.ones((1, 2), np.float32),
                      central_position=2, ci_phones=[1])
    assert wide.keys.tolist() == [[0, 0, 1, 0, 0, 0]]


def test_merge_equals_accumulating_together(tmp_path):
    parts = [random_frames(seed) for seed in range(3)]
    together = accumulate(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    for job, part in enumerate(parts):
        accumulate(*part).write(tmp_path / f"{job}.stats")
    jobs = [TreeStats.read(tmp_path / f"{job}.stats") for job in range(3)]
    for merged in [merge(jobs), TreeStats.sum(jobs)]:
        np.testing.assert_array_equal(merged.keys, together.keys)
        np.testing.assert_array_equal(merged.counts, together.counts)
        np.testing.assert_allclose(merged.x, together.x, rtol=1e-10, atol=1e-9)
        np.testing.assert_allclose(merged.x2, together.x2, rtol=1e-10)


def test_summed():
    stats = accumulate(*random_frames(5))
    counts, x, x2 = stats.summed(stats.pdf_classes, 4)
    for label in range(4):
        chosen = stats.pdf_classes == label
        assert counts[label] == stats.counts[chosen].sum()
        np.testing.assert_allclose(x[label], stats.x[chosen].sum(0), rtol=1e-10)
        np.testing.assert_allclose(x2[label], stats.x2[chosen].sum(0), rtol=1e-10)
    assert counts[3] == 0


def test_log_like_is_that_of_the_frames():
    frames = np.random.default_rng(3).normal(1, [0.001, 0.5, 4], (50, 3))
    var = np.maximum(frames.var(0), 0.01)
    assert (var == 0.01).sum() == 1
    direct = -0.5 * ((frames - frames.mean(0)) ** 2 / var + np.log(2 * np.pi * var)).sum()
    assert log_like(50.0, frames.sum(0), (frames ** 2).sum(0)) == pytest.approx(direct, rel=1e-12)
    assert log_like(0.0, np.zeros(3), np.zeros(3)) == 0


def test_negative_phones_are_refused():
    with pytest.raises(ValueError, match="not negative"):
        accumulate(np.array([[0, -1, 0]]), np.zeros(1, int), np.ones((1, 2), np.float32))
