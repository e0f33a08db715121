import numpy as np
import pytest

from steps.nnet.spec_augment import spec_augment


def runs(mask):
    """Lengths of the stretches of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def erased(seed=0, batch=200, frames=120, dim=40, **options):
    feats = np.ones((batch, frames, dim), np.float32)
    assert spec_augment(feats, np.random.default_rng(seed), **options) is feats
    return feats == 0


def test_stretches_of_time_and_bands_are_erased_whole():
    zero = erased(num_time_masks=1, time_mask_frames=15, num_freq_masks=1, freq_mask_bins=6)
    times, bands = zero.all(2), zero.all(1)        # (batch, frames), (batch, dim)
    assert np.array_equal(zero, times[:, :, None] | bands[:, None, :])
    for mask, longest in [(times, 15), (bands, 6)]:
        lengths = [runs(row) for row in mask]
        assert all(len(found) <= 1 for found in lengths)
        widths = np.array([found.sum() for found in lengths])
        assert set(widths) == set(range(longest + 1))
        assert abs(widths.mean() - longest / 2) < 1.5
    assert times[:, 0].any() and times[:, -1].any() and bands[:, 0].any() and bands[:, -1].any()


def test_values_before_the_first_band_are_left_alone():
    zero = erased(num_time_masks=0, freq_mask_bins=6, freq_mask_first=25)
    assert not zero[:, :, :25].any()
    bands = zero.all(1)[:, 25:]
    assert bands[:, 0].any() and bands[:, -1].any()
    alone = erased(dim=15, num_time_masks=0, freq_mask_bins=6)
    assert np.array_equal(zero[:, :, 25:], alone)


def test_several_masks_and_the_share_of_time():
    zero = erased(num_time_masks=5, time_mask_frames=100, num_freq_masks=0, max_time_share=0.2)
    assert 0.1 * 120 < zero.all(2).sum(1).max() <= 0.2 * 120
    assert max(len(runs(row)) for row in zero.all(2)) == 5


@pytest.mark.parametrize("dim, most", [(40, 16), (13, 4), (4, 0)])
def test_the_share_of_bands(dim, most):
    assert erased(dim=dim, num_time_masks=0).all(1).sum(1).max() == most


@pytest.mark.parametrize("options", [
    {"num_time_masks": 0, "num_freq_masks": 0}, {"time_mask_frames": 0, "freq_mask_bins": 0},
    {"max_time_share": 0.0, "num_freq_masks": 0}])
def test_nothing_is_erased_where_nothing_is_asked_for(options):
    assert not erased(**options).any()


def test_short_chunks_and_few_bins():
    zero = erased(frames=1, dim=2, freq_mask_bins=100, max_time_share=1.0, max_freq_share=1.0)
    assert zero.any() and not zero.all()


def test_the_generator_alone_decides():
    assert np.array_equal(erased(seed=4), erased(seed=4))
    assert not np.array_equal(erased(seed=4), erased(seed=5))
