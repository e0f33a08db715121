"""Noise: coloured noise, and sounds mixed at a signal-to-noise ratio. Arrays in, arrays out."""

import numpy as np

SLOPES = {"white": 0.0, "pink": -0.5, "brown": -1.0}   # of the amplitude's power of frequency
FLAT_BELOW = 100.0    # Hz; a brown noise would else have its power below all speech
MAX_PERIOD = 1 << 20  # samples; longer noise repeats, without a seam


def coloured(colour, seed, count, rate):
    """float32 (count,) Gaussian noise: "white", "pink" (-3 dB an octave), "brown" (-6 dB)."""
    period = min(1 << max(count - 1, 1).bit_length(), MAX_PERIOD)
    rng = np.random.default_rng(seed)
    freqs = np.fft.rfftfreq(period, 1 / rate).astype(np.float32)
    spectrum = rng.standard_normal((2, len(freqs)), dtype=np.float32)
    spectrum = (spectrum[0] + np.complex64(1j) * spectrum[1]) \
        * np.maximum(freqs, np.float32(FLAT_BELOW)) ** np.float32(SLOPES[colour])
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, period)
    return np.resize(noise / np.float32(np.sqrt(power(noise))), count)


def mix(samples, snr, sources):
    """A sound with noise at snr dB, as loud as it was, or less so where it would clip.

    samples  float32 (num_samples, num_channels); the noise is the same in all channels
    sources  [(first sample, float32 (num_samples_of_it,)), ...]; they get equal power and overlap
    returns  float32 (num_samples, num_channels)
    The ratio is that of the mean power of all samples to the noise's where there is any; a sound
    or noise of zeros stays as it is.
    """
    noise, heard = np.zeros(len(samples), np.float32), np.zeros(len(samples), bool)
    for first, source in sources:
        source = source[:len(samples) - first]
        loudness = power(source)
        if loudness > 0:
            noise[first:first + len(source)] += source / np.float32(np.sqrt(loudness))
            heard[first:first + len(source)] = True
    before = power(samples)
    if before == 0 or not heard.any():
        return samples
    gain = np.sqrt(before / power(noise[heard]) / 10 ** (snr / 10))
    return same_level(samples + np.float32(gain) * noise[:, None], before)


def same_level(samples, before):
    """Samples scaled to a mean power, or to less if they would clip."""
    now, peak = power(samples), np.abs(samples).max(initial=0)
    if now == 0 or before == 0:
        return samples
    return samples * np.float32(min(np.sqrt(before / now), 32767 / 32768 / peak))


def power(samples):
    """Mean square, in float64; 0 of none"""
    return float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
