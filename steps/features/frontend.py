"""The front end: its options, what identifies them, and the features of one utterance.

    config = feats_config("mfcc", args)              # what is written to feats.json
    feats = FrontEnd(config).compute(utt, samples)   # float32 (num_frames, feat_dim)
"""

import hashlib
import json
import zlib

import numpy as np

from steps.features import spectra
from utils.data.audio import parse_channel
from utils.option_types import yes_or_no
from utils.step import UserError, positive

FULL_SCALE = 32768       # Kaldi computes at the scale of 16-bit samples, and so do we
PITCH_DIM = 3            # probability of voicing, normalised log pitch, its delta
TRIM_MARGIN = 0.1        # s kept before the first and after the last loud frame
# These change no number, or by float32's rounding only.
NOT_FEATURES = {"config", "force", "nj", "cmd", "job", "work", "data", "compress", "method",
                "channel", "sound"}


def add_options(step, num_mel_bins):
    """The options that MFCC and filterbanks share, named as Kaldi's; seconds and Hz."""
    add = step.add
    add("--sample-rate", "--sample-frequency", type=int, default=16000,
        help="Hz; sound of another rate is resampled to this")
    add("--frame-length", type=float, default=0.025, help="s")
    add("--frame-shift", type=float, default=0.01, help="s")
    add("--snip-edges", type=yes_or_no, default=True,
        help="true: 1 + (num_samples - length) // shift frames, each wholly within the sound; "
             "false: (num_samples + shift / 2) // shift frames, centred on each shift, the sound "
             "mirrored at its ends")
    add("--preemphasis-coefficient", type=float, default=0.97)
    add("--remove-dc-offset", type=yes_or_no, default=True, help="subtract the utterance's mean")
    add("--window-type", choices=spectra.WINDOWS, default="hamming")
    add("--fft-length", type=int, default=0,
        help="points; 0: the first power of two that holds a frame. Filters begin and end on "
             "whole FFT bins, so a longer one draws them more exactly")
    add("--num-mel-bins", type=positive, default=num_mel_bins)
    add("--low-freq", type=float, default=20.0, help="Hz, where the lowest filter begins")
    add("--high-freq", type=float, default=0.0,
        help="Hz, where the highest filter ends; 0: half the rate; negative: below that")
    add("--dither", type=float, default=1.0,
        help="standard deviation of the noise added, in units of 1/32768; the same for the same "
             "utterance id in every run; without it, energies of digital silence are log(1.2e-7)")
    add("--target-level", type=float, default=0.0,
        help="dB: bring the loud frames of each utterance to this level, for example -26; "
             "0: leave the level as it is")
    add("--trim-silence", type=float, default=0.0,
        help="dB: cut what lies before the first and after the last frame less than this below "
             f"the loudest, and keep {TRIM_MARGIN:g} s there, for example 40; times then count "
             "from the cut, which utt2trim tells; 0: nothing is cut")
    add("--add-pitch", type=yes_or_no, default=False,
        help="append Kaldi's pitch features, 3 columns (kaldi-native-fbank)")
    add("--method", choices=spectra.METHODS, default="batched",
        help="batched: python_speech_features' numbers in batches of frames, over twice as fast; "
             "psf: python_speech_features itself")
    add("--compress", type=yes_or_no, default=False,
        help="Kaldi's compressed matrices: a quarter of the size, lossy")
    add("--channel", type=parse_channel, default=None, help="of several: 0, 1, ... or mix")


def feats_config(kind, args):
    """feats.json: every option that changes the features, their dimension and a fingerprint.

    raises UserError for options that cannot be
    """
    config = {k: v for k, v in vars(args).items() if k not in NOT_FEATURES}
    _check(config)
    if config["high_freq"] <= 0:
        config["high_freq"] += config["sample_rate"] / 2
    dim = config["num_ceps"] if kind == "mfcc" else config["num_mel_bins"] + config["use_energy"]
    config = {"kind": kind, "feat_dim": dim + PITCH_DIM * config["add_pitch"], **config}
    config["fft_length"] = spectra.fft_length(config)
    text = json.dumps(config, sort_keys=True)
    return {**config, "fingerprint": hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}


def _check(config):
    def refuse(option, what, do=None):
        raise UserError(f"--{option}={config[option.replace('-', '_')]:g}", what, do)

    for name, value in config.items():
        if isinstance(value, float) and not np.isfinite(value):
            refuse(name.replace("_", "-"), "is no number")
    for option in ["frame-length", "frame-shift"]:
        if not 0 < config[option.replace("-", "_")] < 1:
            refuse(option, "is a time in seconds between 0 and 1", "25 ms are 0.025")
    if config["trim_silence"] < 0:
        refuse("trim-silence", "is below 0", "it says how many dB below the loudest frame")
    nyquist = config["sample_rate"] / 2
    high = config["high_freq"] if config["high_freq"] > 0 else nyquist + config["high_freq"]
    if not config["low_freq"] < high <= nyquist or config["low_freq"] < 0:
        refuse("high-freq", f"the filters would be from {config['low_freq']:g} Hz to {high:g} Hz",
               f"expected 0 <= low-freq < high-freq <= {nyquist:g}, half of --sample-rate")
    if config.get("num_ceps", 1) > config["num_mel_bins"]:
        refuse("num-ceps", f"is more than the {config['num_mel_bins']} of --num-mel-bins")
    length, shift = spectra.frame_samples(config)
    if not shift:
        refuse("frame-shift", f"is less than a sample at {config['sample_rate']} Hz")
    if config["fft_length"] and config["fft_length"] < length:
        refuse("fft-length", f"is less than a frame's {length} samples")
    bank = spectra.filterbank(config["num_mel_bins"], spectra.fft_length(config),
                              config["sample_rate"], config["low_freq"], high)
    empty = np.flatnonzero(bank.sum(axis=1) == 0)
    if len(empty):
        refuse("num-mel-bins", f"leaves filter {empty[0]} without an FFT bin",
               "fewer filters, or a longer --fft-length")


class FrontEnd:
    """Features as a configuration says.

    config  dict of feats_config()
    method  "psf" or "batched", see spectra.py
    """

    def __init__(self, config, method="batched"):
        self.config = config
        self.method = method
        self.length, self.shift = spectra.frame_samples(config)

    def compute(self, utt, samples):
        """Features of one utterance; no rows if it is shorter than one frame.

        utt      its id, which seeds the dither
        samples  float32 (num_samples,) in [-1, 1] at the configuration's sample rate
        returns  float32 (num_frames, feat_dim)
        """
        config = self.config
        signal = self._padded(self._conditioned(utt, samples))
        log_mel, log_energy = spectra.log_mel_energies(signal, config, self.method)
        if config["kind"] == "mfcc":
            feats = spectra.cepstra(log_mel, config["num_ceps"], config["cepstral_lifter"])
            if config["use_energy"]:
                feats[:, 0] = log_energy
        else:
            feats = np.hstack([log_energy[:, None], log_mel]) if config["use_energy"] else log_mel
        if config["add_pitch"] and len(feats):
            feats = np.hstack([feats, pitch(signal, config, len(feats))])
        return feats.astype(np.float32)

    def trim(self, samples):
        """(first, last) sample to keep, by --trim-silence."""
        if not self.config["trim_silence"] or len(samples) < self.length:
            return 0, len(samples)
        if self.config["remove_dc_offset"]:
            samples = samples - samples.mean(dtype=np.float64)
        levels = _frame_levels(samples, self.length, self.shift)
        loud = np.flatnonzero(levels >= levels.max() - self.config["trim_silence"])
        if not len(loud):      # samples that are no numbers
            return 0, len(samples)
        margin = round(TRIM_MARGIN * self.config["sample_rate"])
        return (max(0, loud[0] * self.shift - margin),
                min(len(samples), loud[-1] * self.shift + self.length + margin))

    def _conditioned(self, utt, samples):
        config = self.config
        first, last = self.trim(samples)
        signal = samples[first:last] * np.float32(FULL_SCALE)
        if config["remove_dc_offset"] and len(signal):
            signal -= signal.mean(dtype=np.float64).astype(np.float32)
        if config["target_level"]:
            signal *= np.float32(10 ** ((config["target_level"] - active_level(
                signal / FULL_SCALE, self.length, self.shift)) / 20))
        if config["dither"]:
            noise = np.random.Generator(np.random.SFC64(zlib.crc32(utt.encode())))
            signal += np.float32(config["dither"]) * noise.standard_normal(len(signal), np.float32)
        return signal

    def _padded(self, signal):
        """With --snip-edges=false, the signal mirrored so that each frame is whole."""
        if self.config["snip_edges"]:
            return signal
        num_frames = (len(signal) + self.shift // 2) // self.shift
        if not num_frames:
            return signal[:0]
        before = self.length // 2 - self.shift // 2
        after = (num_frames - 1) * self.shift + self.length - before - len(signal)
        return np.pad(signal, (max(0, before), max(0, after)), "symmetric")[max(0, -before):]


def active_level(samples, length, shift):
    """dB re full scale of the frames within 30 dB of the loudest; 0 for digital silence.

    samples  float32 (num_samples,) in [-1, 1]; length, shift: of a frame, in samples
    """
    levels = _frame_levels(samples, length, shift)
    if not len(levels) or not np.isfinite(levels.max()):
        return 0.0
    return float(10 * np.log10(np.mean(10 ** (levels[levels >= levels.max() - 30] / 10))))


def _frame_levels(samples, length, shift):
    """(num_frames,) dB re full scale, -inf for digital silence"""
    total = np.concatenate([[0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, max(0, len(samples) - length + 1), shift)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.maximum(total[starts + length] - total[starts], 0) / length)


def pitch(signal, config, num_frames):
    """Kaldi's pitch features (Ghahremani et al. 2014) by kaldi-native-fbank.

    returns  float32 (num_frames, 3); its frames differ from ours by a few at the end at most, so
             the last one is repeated or some are left out, as paste-feats --length-tolerance does
    """
    import kaldi_native_fbank as knf
    options = knf.PitchExtractionOptions()
    options.samp_freq = config["sample_rate"]
    options.frame_shift_ms = 1000 * config["frame_shift"]
    options.frame_length_ms = 1000 * config["frame_length"]
    options.snip_edges = True   # the signal is padded already where it should be
    found = knf.compute_and_process_kaldi_pitch(options, knf.ProcessPitchOptions(), signal)
    rows = np.clip(np.arange(num_frames), 0, max(0, len(found) - 1))
    return found[rows] if len(found) else np.zeros((num_frames, PITCH_DIM), np.float32)
