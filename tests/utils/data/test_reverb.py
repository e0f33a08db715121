import numpy as np
import pytest
from scipy.signal import fftconvolve

from utils.data.noise import power
from utils.data.reverb import (
    SOUND_SPEED,
    convolve,
    decay_time,
    direct_path,
    image_response,
    reverberate,
)

ROOMS = [(0.2, (3, 4, 2.5), (1, 1, 1.2), (2, 3, 1.5)), (0.4, (8, 5, 3), (1, 1, 1), (7, 4, 2)),
         (0.6, (5.2, 4.1, 2.7), (1.3, 3.2, 1.5), (3.1, 1.4, 0.9)),
         (0.9, (9, 9.5, 4), (2, 3, 1.5), (2.5, 3.5, 1.2))]


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("room", ROOMS)
def test_the_decay_asked_for(room, rate):
    response = image_response(*room, rate)
    assert len(response) == round(room[0] * rate) and response.dtype == np.float32
    energy = np.cumsum(response[::-1].astype(float) ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    at = [np.argmax(level < limit) / rate for limit in (-5, -25, -35)]
    assert 3 * (at[1] - at[0]) == pytest.approx(room[0], rel=0.15)
    assert 2 * (at[2] - at[0]) == pytest.approx(room[0], rel=0.1)
    assert decay_time(response, rate) == pytest.approx(room[0], rel=0.08)


def test_early_reflections_are_where_geometry_says():
    t60, size, source, mic = 0.3, (6, 7, 5), (2, 3, 1.6), (3.9, 3.8, 2.8)
    response, rate = image_response(t60, size, source, mic, 48000), 48000
    direct = np.linalg.norm(np.subtract(source, mic))
    assert response[0] == pytest.approx(1, abs=1e-6)
    for image in [(2, 3, -1.6), (-2, 3, 1.6), (10, 3, 1.6), (2, -3, 1.6), (2, 11, 1.6),
                  (2, 3, 8.4)]:
        distance = np.linalg.norm(np.subtract(image, mic))
        at = round((distance - direct) / SOUND_SPEED * rate)
        assert -direct / distance < response[at - 1:at + 2].min() < -0.3 * direct / distance
    # Nothing comes before the floor's.
    first = round((np.linalg.norm(np.subtract((2, 3, -1.6), mic)) - direct) / SOUND_SPEED * rate)
    assert not response[1:first - 1].any()


def test_all_images_of_a_dead_small_room_by_brute_force():
    size, source, mic, rate, t60 = (3, 2.5, 2.2), (1, 1, 1), (2, 1.5, 1.2), 16000, 0.06
    response = image_response(t60, size, source, mic, rate)
    volume, surface = np.prod(size), 2 * (3 * 2.5 + 2.5 * 2.2 + 2.2 * 3)
    absorption = 1 - np.exp(-24 * np.log(10) * volume / (SOUND_SPEED * surface * t60))
    expected, direct = np.zeros(5000), np.linalg.norm(np.subtract(source, mic))
    for cell in np.ndindex(15, 15, 15):
        for mirrored in np.ndindex(2, 2, 2):
            n, p = np.array(cell) - 7, np.array(mirrored)
            distance = np.linalg.norm((1 - 2 * p) * source + 2 * n * size - mic)
            gain = (-np.sqrt(1 - absorption)) ** np.sum(abs(n - p) + abs(n))
            at = round((distance - direct) / SOUND_SPEED * rate)
            expected[min(at, 4999)] += gain * direct / distance
    heard = np.flatnonzero(response)
    np.testing.assert_array_equal(heard, np.flatnonzero(expected[:len(response)]))
    # All that the correction of the decay does is an exponential.
    rates = np.log(response[heard] / expected[heard])[1:] / heard[1:]
    np.testing.assert_allclose(rates, rates.mean(), atol=1e-5)


def test_a_response_has_no_rumble():
    response = image_response(*ROOMS[2], 16000)
    spectrum = np.abs(np.fft.rfft(response[800:])) ** 2
    hertz = np.fft.rfftfreq(len(response) - 800, 1 / 16000)
    low, mid = (10 * np.log10(spectrum[(hertz >= a) & (hertz < b)].mean())
                for a, b in [(0, 40), (500, 4000)])
    assert low < mid


@pytest.mark.parametrize("count", [1, 50, 8000, 100000])
@pytest.mark.parametrize("taps", [1, 700, 20000])
def test_convolve(count, taps):
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((count, 2)).astype(np.float32)
    response = rng.standard_normal(taps).astype(np.float32) / np.float32(np.sqrt(taps))
    expected = fftconvolve(samples.astype(float), response[:, None].astype(float), axes=0)
    result = convolve(samples, response)
    assert result.dtype == np.float32 and result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_no_delay_and_as_loud():
    rng = np.random.default_rng(1)
    clean = (0.1 * rng.standard_normal((16000, 1))).astype(np.float32)
    clean[:4000] = 0
    measured = np.zeros(6000, np.float32)
    measured[700:] = image_response(*ROOMS[2], 16000)[:5300] * 0.02
    measured[650] = 0.004   # something before it, less than half as loud
    assert direct_path(measured) == 700
    for response, direct in [(image_response(*ROOMS[2], 16000), 0), (measured, 700)]:
        result = reverberate(clean, response, direct)
        assert result.shape == clean.shape and result.dtype == np.float32
        assert power(result) == pytest.approx(power(clean), rel=1e-4)
        lags = fftconvolve(result[:, 0], clean[::-1, 0])
        assert np.argmax(np.abs(lags)) == len(clean) - 1
    assert not np.abs(reverberate(clean, response, 700)[:3949]).max() > 1e-6
    assert reverberate(np.zeros((50, 1), np.float32), measured).max() == 0


def test_decay_time_of_a_known_decay():
    rng = np.random.default_rng(0)
    response = rng.standard_normal(16000) * 10 ** (-3 * np.arange(16000) / 16000 / 0.5)
    assert decay_time(response, 16000) == pytest.approx(0.5, rel=0.03)
    assert decay_time(np.zeros(10), 16000) is None and decay_time(np.ones(1), 16000) is None
