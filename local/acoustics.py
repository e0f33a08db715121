"""Rooms, noises and microphones, so that synthetic speech is not all alike."""

from typing import NamedTuple

import numpy as np
from scipy.signal import fftconvolve, lfilter


class Surroundings(NamedTuple):
    """Where a speaker speaks: what stays the same from utterance to utterance."""

    reverberation: float   # s until the echo has fallen by 60 dB
    direct: float          # share of the direct sound's amplitude
    tilt: float            # the microphone's first-order emphasis, -1 to 1: dull to bright
    snr: float             # dB, typical
    noise_colour: float    # pole of the noise's spectrum, 0 white to 0.98 rumbling
    level: float           # dB below full scale, peak, typical


def draw_surroundings(rng):
    """Random Surroundings: from a studio to an office with the window open."""
    return Surroundings(rng.uniform(0.08, 0.5), rng.uniform(0.5, 0.95), rng.uniform(-0.4, 0.4),
                        rng.uniform(3, 20), rng.uniform(0, 0.98), rng.uniform(4, 22))


def record(samples, rate, where, rng):
    """The speech as a microphone in these surroundings hears it.

    samples   float (num_samples,)
    rate      Hz
    returns   float32 (num_samples,), the peak below full scale
    """
    sound = fftconvolve(samples, _echo(rate, where, rng))[:len(samples)]
    sound = lfilter([1.0, where.tilt], [1.0], sound)
    noise = lfilter([1.0], [1.0, -where.noise_colour], rng.standard_normal(len(sound)))
    snr = where.snr + rng.uniform(-3, 3)
    active = sound[np.abs(sound) > 0.02 * np.abs(sound).max(initial=1e-9)]
    power = np.mean(np.square(active)) if len(active) else 0.0
    noise *= np.sqrt(power / np.mean(np.square(noise)) / 10 ** (snr / 10))
    sound = sound + noise
    level = where.level + rng.uniform(-3, 3)
    return (sound / max(np.abs(sound).max(), 1e-9) * 10 ** (-level / 20)).astype(np.float32)


def _echo(rate, where, rng):
    times = np.arange(int(where.reverberation * rate)) / rate
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / where.reverberation)
    tail *= (1 - where.direct) / np.sqrt(np.sum(np.square(tail)))
    tail[0] += where.direct
    return tail
