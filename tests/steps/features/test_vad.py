import numpy as np
import pytest

from steps.features.frontend import FrontEnd
from steps.features.vad import energy_vad, log_energy
from tests.steps.features.test_frontend import config


def kaldi_vad(energy, threshold, mean_scale, context, proportion):
    """ComputeVadEnergy, its two loops"""
    limit = threshold + mean_scale * np.mean(energy)
    voiced = []
    for t in range(len(energy)):
        window = [energy[u] for u in range(t - context, t + context + 1) if 0 <= u < len(energy)]
        voiced.append(sum(e > limit for e in window) >= len(window) * proportion)
    return voiced


def test_by_hand():
    energy = np.array([1, 9, 1, 9, 9, 9, 1, 1.0])           # mean 5
    assert energy_vad(energy, 2, 0.5).tolist() == [0, 1, 0, 1, 1, 1, 0, 0]
    # of three frames, or two at the ends, six tenths
    assert energy_vad(energy, 2, 0.5, context=1).tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    assert energy_vad(np.zeros(0)).tolist() == []


@pytest.mark.parametrize("context", [0, 1, 2, 5, 30])
@pytest.mark.parametrize("proportion", [0.12, 0.6, 0.9])
def test_equals_kaldis_loops(context, proportion):
    energy = np.random.default_rng(context).normal(8, 4, size=40)
    assert energy_vad(energy, 5, 0.5, context, proportion).tolist() == \
        kaldi_vad(energy, 5, 0.5, context, proportion)


@pytest.mark.parametrize("options", [
    {"use_energy": True}, {"use_energy": False}, {"kind": "fbank"},
    {"kind": "fbank", "use_energy": True}])
def test_energy_is_found_in_every_kind_of_features(options):
    noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    found = config(**options)
    energy = log_energy(FrontEnd(found).compute("u", 0.01 * noise), found)
    louder = log_energy(FrontEnd(found).compute("u", 0.1 * noise), found)
    np.testing.assert_allclose(louder - energy, 2 * np.log(10), atol=0.01)


def test_energy_of_kaldis_own_features_is_their_first_column():
    feats = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(log_energy(feats, {}), [0, 3])


@pytest.mark.parametrize("fft_length", [512, 2048])
def test_energy_is_the_sum_of_squares_as_kaldis(fft_length):
    noise = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.01
    found = config(use_energy=True, fft_length=fft_length, window_type="rectangular",
                   preemphasis_coefficient=0.0, dither=0.0)
    energy = log_energy(FrontEnd(found).compute("u", noise), found)
    frames = np.lib.stride_tricks.sliding_window_view(32768.0 * (noise - noise.mean()), 400)[::160]
    np.testing.assert_allclose(energy, np.log((frames ** 2).sum(1)), atol=0.1)
