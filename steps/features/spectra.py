"""Sound to mel filterbank energies and to MFCC: python_speech_features' numbers, batched in numpy.

    log_mel, log_energy = log_mel_energies(samples, options)   # (num_frames, 23), (num_frames,)
    feats = cepstra(log_mel, 13, lifter=22)                    # (num_frames, 13)

The definitions are python_speech_features': pre-emphasis over the signal, the power spectrum
|FFT|^2 / fft_length, and triangles on its bins whose corners are equally spaced in mel. numpy is
all that the batched method needs, so that a packaged recogniser runs without the others.
"""

import decimal
import functools

import numpy as np

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
    signal = preemphasis(signal, options["preemphasis_coefficient"])
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
    basis = dct_basis(log_mel.shape[1])[:, :num_ceps]
    if lifter > 0:
        basis = basis * (1 + lifter / 2 * np.sin(np.pi * np.arange(num_ceps) / lifter))
    return log_mel @ basis


@functools.cache
def dct_basis(size):
    """float64 (size, size): columns are the orthonormal cosines of the DCT of type 2."""
    n = np.arange(size)
    basis = np.cos(np.pi / size * np.outer(n + 0.5, n)) * np.sqrt(2 / size)
    basis[:, 0] = np.sqrt(1 / size)
    return basis


def preemphasis(signal, coefficient):
    """x[n] - coefficient * x[n - 1], the first sample as it is"""
    result = np.array(signal, np.result_type(signal, np.float32))
    result[1:] -= result.dtype.type(coefficient) * signal[:-1]
    return result


def frame_samples(options):
    """Frame length and frame shift in samples, rounded half up."""
    rate = options["sample_rate"]
    return (_round_half_up(options["frame_length"] * rate),
            _round_half_up(options["frame_shift"] * rate))


def frame_shift(config):
    """Seconds a frame, as a feats.json has it; 0.01 if it does not say.

    Frames are whole numbers of samples apart: at 22050 Hz 0.01 s is 221 samples.
    """
    if "sample_rate" in config:
        return frame_samples(config)[1] / config["sample_rate"]
    return config.get("frame_shift", 0.01)


def _round_half_up(number):
    return int(decimal.Decimal(number).quantize(decimal.Decimal(1), decimal.ROUND_HALF_UP))


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
    """float64 (num_mel_bins, fft_length // 2 + 1), as python_speech_features draws it."""
    mel = np.linspace(2595 * np.log10(1 + low / 700.0), 2595 * np.log10(1 + high / 700.0),
                      num_mel_bins + 2)
    corners = np.floor((fft_length + 1) * (700 * (10 ** (mel / 2595.0) - 1)) / rate)
    bank = np.zeros((num_mel_bins, fft_length // 2 + 1))
    bins = np.arange(bank.shape[1])
    for row, (left, peak, right) in zip(bank, zip(corners, corners[1:], corners[2:], strict=False),
                                        strict=False):
        rising, falling = (bins >= left) & (bins < peak), (bins >= peak) & (bins < right)
        row[rising] = (bins[rising] - left) / (peak - left)
        row[falling] = (right - bins[falling]) / (right - peak)
    return bank


def _psf_energies(signal, options):
    import python_speech_features as psf
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
    spectrum = np.fft.rfft(frames, size)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    power *= np.float32(1 / size)
    bank = filterbank(options["num_mel_bins"], size, options["sample_rate"],
                      options["low_freq"], options["high_freq"])
    return (power @ bank.T.astype(np.float32)).astype(np.float64), power.sum(axis=1, dtype=float)
