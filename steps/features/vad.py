"""Energy-based voice activity, Kaldi's algorithm.

    voiced = energy_vad(log_energy(feats, feats_json))     # bool (num_frames,)
"""

import math

import numpy as np


def log_energy(feats, config):
    """Log energy of each frame, at the scale of Kaldi's where our own front end made the features.

    MFCC have it in their first column, or there the 0th cepstrum, from which the mean of the log
    mel energies follows; of filterbanks the mean is taken. Our spectra are divided by the FFT's
    length, Kaldi's are not, which is made up for so that Kaldi's thresholds can be used.

    feats    float32 (num_frames, feat_dim)
    config   feats.json; {} for Kaldi's own features, whose first column is taken as it is
    returns  float (num_frames,), natural logarithm
    """
    if not config:
        return feats[:, 0]
    if config["use_energy"]:
        return feats[:, 0] + math.log(2)   # half of the spectrum is summed (Parseval)
    scale = math.log(config["fft_length"])
    num_bins = config["num_mel_bins"]
    if config["kind"] == "fbank":
        return feats[:, :num_bins].mean(axis=1) + scale
    return feats[:, 0] / math.sqrt(num_bins) + scale   # the transform is orthonormal


def energy_vad(energy, threshold=5.0, mean_scale=0.5, context=0, proportion=0.6):
    """Whether each frame is voiced, as Kaldi's ComputeVadEnergy.

    energy      (num_frames,), natural logarithm
    threshold   a frame is loud above threshold + mean_scale * the utterance's mean
    context     frames to each side that are looked at
    proportion  a frame is voiced if at least this share of the frames looked at is loud
    returns     bool (num_frames,)
    """
    if not len(energy):
        return np.zeros(0, bool)
    loud = energy > threshold + mean_scale * np.mean(energy, dtype=np.float64)
    total = np.concatenate([[0], np.cumsum(loud)])
    frames = np.arange(len(energy))
    first = np.maximum(frames - context, 0)
    end = np.minimum(frames + context + 1, len(energy))
    return total[end] - total[first] >= (end - first) * proportion
