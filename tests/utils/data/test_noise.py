import numpy as np
import pytest

from utils.data.noise import MAX_PERIOD, coloured, mix, power


@pytest.mark.parametrize(("colour", "slope"), [("white", 0), ("pink", -3.01), ("brown", -6.02)])
def test_slope_of_the_spectrum(colour, slope):
    noise = coloured(colour, 3, 160000, 16000)
    assert noise.dtype == np.float32 and abs(power(noise) - 1) < 0.1
    spectrum = np.abs(np.fft.rfft(noise)) ** 2   # 0.1 Hz apart
    octaves = [10 * np.log10(spectrum[10 * f:20 * f].mean()) for f in [125, 250, 500, 1000, 2000]]
    np.testing.assert_allclose(np.diff(octaves), slope, atol=0.5)
    frames = noise.reshape(-1, 1600)   # Gaussian: kurtosis 3; stationary
    assert abs(np.mean(noise ** 4) / np.mean(noise ** 2) ** 2 - 3) < 0.2
    assert abs(np.log(power(frames[:50]) / power(frames[50:]))) < 0.5


def test_a_seed_is_a_noise():
    first, again, other = (coloured("pink", seed, 5000, 8000) for seed in [1, 1, 2])
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.2
    assert len(coloured("pink", 1, 1, 8000)) == 1 and len(coloured("brown", 1, 0, 8000)) == 0


def test_long_noise_repeats_without_a_seam():
    noise = coloured("brown", 1, MAX_PERIOD + 1000, 16000)
    np.testing.assert_array_equal(noise[MAX_PERIOD:], noise[:1000])
    steps = np.abs(np.diff(noise))
    assert steps[MAX_PERIOD - 1] < 5 * np.sqrt(np.mean(steps ** 2))


def speech(count=16000, channels=1):
    rng = np.random.default_rng(5)
    swell = 0.5 + 0.5 * np.sin(np.arange(count) / 900)[:, None]
    return (0.05 * swell * rng.standard_normal((count, channels))).astype(np.float32)


def ratio(clean, noisy, where=slice(None)):
    """SNR in dB measured on a result; gain of the clean sound by least squares"""
    gain = np.sum(noisy * clean, dtype=float) / np.sum(clean * clean, dtype=float)
    return 10 * np.log10(gain ** 2 * power(clean) / power((noisy - gain * clean)[where]))


@pytest.mark.parametrize("snr", [-5, 0, 10, 30])
def test_the_ratio_asked_for_as_loud_as_before(snr):
    for channels in [1, 2]:
        clean = speech(channels=channels)
        noisy = mix(clean, snr, [(0, 7 * coloured("pink", 1, 16000, 16000)),
                                 (0, 0.01 * coloured("white", 2, 16000, 16000))])
        assert noisy.shape == clean.shape and noisy.dtype == np.float32
        assert abs(ratio(clean, noisy) - snr) < 0.3
        assert abs(10 * np.log10(power(noisy) / power(clean))) < 0.01


def test_short_noises_count_where_they_are():
    clean = speech()
    burst = np.full(800, 0.3, np.float32)
    noisy = mix(clean, 10, [(1000, burst), (15500, burst)])   # the second is cut
    heard = np.r_[1000:1800, 15500:16000]
    assert abs(ratio(clean, noisy, heard) - 10) < 0.3
    quiet = np.setdiff1d(np.arange(16000), heard)
    np.testing.assert_allclose(noisy[quiet] / noisy[5] * clean[5], clean[quiet], atol=1e-6)


def test_nothing_clips_and_silence_stays():
    loud = 0.9 * np.sign(speech())
    noisy = mix(loud, 0, [(0, coloured("white", 1, 16000, 16000))])
    assert np.abs(noisy).max() <= 1 and abs(ratio(loud, noisy)) < 0.3
    zeros = np.zeros((100, 1), np.float32)
    assert mix(zeros, 0, [(0, np.ones(100, np.float32))]).max() == 0
    clean = speech(100)
    np.testing.assert_array_equal(mix(clean, 0, [(0, zeros[:, 0]), (100, zeros[:0, 0])]), clean)
