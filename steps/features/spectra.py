"""Sound to mel filterbank energies and to MFCC, by python_speech_features or its numbers batched.

    log_mel, log_energy = log_mel_energies(samples, options)   # (num_frames, 23), (num_frames,)
    feats = cepstra(log_mel, 13, lifter=22)                    # (num_frames, 13)

The definitions are python_speech_features': pre-emphasis over the signal, the power spectrum
|FFT|^2 / fft_length, and triangles on its bins whose corners are equally spaced in mel.
"""

import functools

import numpy as np
import python_speech_features as psf
from python_speech_features import sigproc
from scipy.fft import rfft
from scipy.fftpack import dct

FLOOR = float(np.finfo(np.float32).eps)   # of energies, before the logarithm; as Kaldi's
BLOCK = 1000                              # frames computed at a time, so that memory is bounded
WINDOWS = ("hamming", "hanning", "povey", "blackman", "rectangular")
METHODS = ("psf", "batched")


def log_mel_energies(signal, options, method="batched"):
    """Log energy of each mel band and of each whole frame, frames wholly within the signal.

    signal   float32 (num_samples,), at the scale of 16-bit samples
    options  the dict of frontend.feats_config()
    method   "psf" calls python_speech_features; "batched" gives the same to float32's precision,
             over twice as fast
    returns  float64 (num_frames, num_mel_bins), float64 (num_frames,), natural logarithms
    """
    length, shift = frame_samples(options)
    num_frames = max(0, 1 + (len(signal) - length) // shift)
    energies = {"psf": _psf_energies, "batched": _batched_energies}[method]
    signal = sigproc.preemphasis(signal, options["preemphasis_coefficient"]) \
        if num_frames else signal
    parts = [energies(signal[first * shift: (min(first + BLOCK, num_frames) - 1) * shift + length],
                      options) for first in range(0, num_frames, BLOCK)]
    mel = np.concatenate([p[0] for p in parts]) if parts else np.zeros(
        (0, options["num_mel_bins"]))
    total = np.concatenate([p[1] for p in parts]) if parts else np.zeros(0)
    return np.log(np.maximum(mel, FLOOR)), np.log(np.maximum(total, FLOOR))


def cepstra(log_mel, num_ceps, lifter=22):
    """Discrete cosine transform (orthonormal, type 2) and sinusoidal lifter.

    log_mel  (num_frames, num_mel_bins)
    returns  float64 (num_frames, num_ceps)
    """
    return psf.lifter(dct(log_mel, type=2, axis=1, norm="ortho")[:, :num_ceps], lifter)


def frame_samples(options):
    """Frame length and frame shift in samples, rounded half up."""
    rate = options["sample_rate"]
    return (sigproc.round_half_up(options["frame_length"] * rate),
            sigproc.round_half_up(options["frame_shift"] * rate))


def fft_length(options):
    """The FFT's length: --fft-length, or the first power of two that holds a frame."""
    length = frame_samples(options)[0]
    return options["fft_length"] or 1 << (length - 1).bit_length()


@functools.cache
def window(kind, length):
    """float64 (length,); povey is Kaldi's: Hann to the power of 0.85, which is zero at no sample
    within and smoother than Hamming at the edges."""
    if kind == "povey":
        return np.hanning(length) ** 0.85
    if kind == "rectangular":
        return np.ones(length)
    return {"hamming": np.hamming, "hanning": np.hanning, "blackman": np.blackman}[kind](length)


@functools.cache
def filterbank(num_mel_bins, fft_length, rate, low, high):
    """float64 (num_mel_bins, fft_length // 2 + 1), of python_speech_features"""
    return psf.get_filterbanks(num_mel_bins, fft_length, rate, low, high)


def _psf_energies(signal, options):
    length, shift = frame_samples(options)
    rate = options["sample_rate"]
    return psf.fbank(
        signal, rate, length / rate, shift / rate, nfilt=options["num_mel_bins"],
        nfft=fft_length(options), lowfreq=options["low_freq"], highfreq=options["high_freq"],
        preemph=0, winfunc=lambda n: window(options["window_type"], n))


def _batched_energies(signal, options):
    length, shift = frame_samples(options)
    size = fft_length(options)
    frames = np.lib.stride_tricks.sliding_window_view(signal, length)[::shift]
    frames = np.multiply(frames, window(options["window_type"], length), dtype=np.float32)
    spectrum = rfft(frames, size)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    power *= np.float32(1 / size)
    bank = filterbank(options["num_mel_bins"], size, options["sample_rate"],
                      options["low_freq"], options["high_freq"])
    return (power @ bank.T.astype(np.float32)).astype(np.float64), power.sum(axis=1, dtype=float)
