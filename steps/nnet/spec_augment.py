"""SpecAugment without time warping (Park et al. 2019): stretches of time and bands are erased."""

import numpy as np


def spec_augment(feats, rng, num_time_masks=2, time_mask_frames=20, num_freq_masks=2,
                 freq_mask_bins=8, freq_mask_first=0, max_time_share=0.2, max_freq_share=0.4,
                 batch_size=None, rows=slice(None)):
    """Erase random stretches of time and random bands of each chunk of a batch, in place.

    feats             float32 (batch, num_frames, dim), normalised to mean 0: erased is set to 0
    rng               numpy Generator
    time_mask_frames  the longest stretch; lengths are uniform from 0
    freq_mask_bins    the widest band, also from 0
    freq_mask_first   of the values of a frame the first that is one of the bands
    max_time_share    of the chunk, at most so much is erased by all stretches together
    max_freq_share    of the bands, at most so many by all of them together
    batch_size, rows  where feats are these rows of a larger batch: they are erased as they would
                      be in there
    returns           feats
    """
    batch_size = batch_size or len(feats)
    _, num_frames, dim = feats.shape
    if num_time_masks:
        longest = min(time_mask_frames, int(max_time_share * num_frames / num_time_masks))
        feats[_masks(rng, batch_size, num_frames, num_time_masks, longest)[rows]] = 0
    if num_freq_masks:
        dim -= freq_mask_first
        widest = min(freq_mask_bins, int(max_freq_share * dim / num_freq_masks))
        bands = _masks(rng, batch_size, dim, num_freq_masks, widest)[rows]
        np.copyto(feats[:, :, freq_mask_first:], 0, where=bands[:, None, :])
    return feats


def _masks(rng, batch, size, count, longest):
    """bool (batch, size), true in count stretches of 0 to longest places each."""
    lengths = rng.integers(0, longest + 1, (batch, count, 1))
    starts = rng.integers(0, size - lengths + 1)
    places = np.arange(size)
    return ((places >= starts) & (places < starts + lengths)).any(1)   # of (batch, count, size)
