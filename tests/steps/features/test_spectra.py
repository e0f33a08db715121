import kaldi_native_fbank as knf
import numpy as np
import pytest
import python_speech_features as psf

from steps.features import spectra

OPTIONS = {"sample_rate": 16000, "frame_length": 0.025, "frame_shift": 0.01, "fft_length": 512,
           "preemphasis_coefficient": 0.97, "window_type": "hamming", "num_mel_bins": 23,
           "low_freq": 20.0, "high_freq": 8000.0}


@pytest.fixture
def signal(sound):
    return sound(1.3, seed=3) * np.float32(32768)


@pytest.mark.parametrize("method", spectra.METHODS)
@pytest.mark.parametrize("options", [
    {}, {"fft_length": 1024}, {"fft_length": 400}, {"window_type": "hanning"},
    {"window_type": "blackman"}, {"window_type": "rectangular"},
    {"num_mel_bins": 40}, {"low_freq": 100.0, "high_freq": 7000.0}, {"frame_shift": 0.0125},
    {"frame_length": 0.032, "fft_length": 0}, {"preemphasis_coefficient": 0.0},
    {"sample_rate": 8000, "high_freq": 3800.0, "fft_length": 0, "frame_length": 0.02}])
def test_both_methods_give_python_speech_features_numbers(signal, method, options):
    """log energies to 1e-4, and cepstra to 1e-4 of what a cepstrum varies by"""
    o = OPTIONS | options
    window = {"hamming": np.hamming, "hanning": np.hanning, "blackman": np.blackman,
              "rectangular": np.ones}[o["window_type"]]
    theirs = {
        "samplerate": o["sample_rate"], "winlen": o["frame_length"], "winstep": o["frame_shift"],
        "nfilt": o["num_mel_bins"], "nfft": spectra.fft_length(o), "lowfreq": o["low_freq"],
        "highfreq": o["high_freq"], "preemph": o["preemphasis_coefficient"], "winfunc": window}
    energies, total = psf.fbank(signal, **theirs)
    log_mel, log_energy = spectra.log_mel_energies(signal, o, method)
    count = len(log_mel)
    assert len(energies) - 1 <= count <= len(energies)   # theirs pad the last frame with zeros
    np.testing.assert_allclose(log_mel, np.log(energies)[:count], atol=1e-4)
    np.testing.assert_allclose(log_energy, np.log(total)[:count], atol=1e-4)
    for lifter in [0, 22]:
        mfcc = psf.mfcc(signal, numcep=13, ceplifter=lifter, appendEnergy=False, **theirs)[:count]
        ours = spectra.cepstra(log_mel, 13, lifter)
        assert np.all(np.abs(ours - mfcc) <= 1e-4 * np.maximum(1, mfcc.std(axis=0)))


@pytest.mark.parametrize("method", spectra.METHODS)
def test_blocks_change_nothing(signal, method, monkeypatch):
    whole = spectra.log_mel_energies(signal, OPTIONS, method)
    monkeypatch.setattr(spectra, "BLOCK", 7)
    for ours, expected in zip(spectra.log_mel_energies(signal, OPTIONS, method), whole,
                              strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def kaldi_fbank(signal, window="hamming"):
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.window_type = window
    options.frame_opts.remove_dc_offset = False
    options.mel_opts.num_bins = 23
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(16000, signal.tolist())
    fbank.input_finished()
    return np.array([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])


@pytest.mark.parametrize("window", ["hamming", "povey"])
@pytest.mark.parametrize(("fft_length", "tolerance"), [(512, 0.08), (1024, 0.04), (2048, 0.02)])
def test_closer_to_kaldis_filterbank_with_a_longer_fft(window, fft_length, tolerance):
    """Kaldi's triangles are linear in mel, python_speech_features' in Hz with corners on FFT bins:
    of noise the log energies differ by 0.05, 0.025 and 0.013 on average. Both sum over FFT bins,
    and Kaldi's FFT has 512 points and no division by them."""
    noise = np.random.default_rng(0).normal(size=32000).astype(np.float32) * 1000
    options = OPTIONS | {"fft_length": fft_length, "window_type": window}
    ours = spectra.log_mel_energies(noise, options)[0] + np.log(512)
    assert np.abs(ours - kaldi_fbank(noise, window)).mean() < tolerance


def test_frames_are_those_wholly_within():
    for samples, frames in [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98)]:
        log_mel, log_energy = spectra.log_mel_energies(np.ones(samples, np.float32), OPTIONS)
        assert (len(log_mel), len(log_energy)) == (frames, frames)


@pytest.mark.parametrize("method", spectra.METHODS)
def test_digital_silence_is_finite(method):
    log_mel, log_energy = spectra.log_mel_energies(np.zeros(1600, np.float32), OPTIONS, method)
    np.testing.assert_allclose(log_mel, np.log(np.finfo(np.float32).eps))
    assert np.all(np.isfinite(log_energy))


def test_a_tone_is_loudest_in_the_filter_around_it():
    time = np.arange(16000) / 16000
    tone = (1000 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    centres = psf.mel2hz(np.linspace(psf.hz2mel(20), psf.hz2mel(8000), 25))[1:-1]
    loudest = np.argmax(spectra.log_mel_energies(tone, OPTIONS)[0], axis=1)
    assert set(loudest) == {np.argmin(np.abs(centres - 1000))}
