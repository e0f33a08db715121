#!/usr/bin/env python3
"""Compute mel-frequency cepstral coefficients.

in   <data>/wav.scp [segments]   sound of any rate, which is resampled to --sample-rate
     <data>/utt2spk              utt-id spk-id
out  <data>/feats.scp            utt-id archive:offset, float32 (num_frames, num_ceps)
     <data>/feats/mfcc.*.ark     the archives, Kaldi's format
     <data>/feats.json           the options, feat_dim, and a fingerprint that later steps compare
     <data>/utt2num_frames       frames of each utterance
     <data>/utt2dur              s of each utterance
     <data>/frame_shift          s
     <data>/utt2trim             first and last s kept, with --trim-silence
     <data>/log/make_mfcc.*.log

Archives of earlier features, and their statistics and voice activity (cmvn.scp, vad.scp), are
removed; other archives in feats/ stay.

e.g. steps/features/make_mfcc.py --config conf/mfcc.conf --nj 2 data/train
"""

from pathlib import Path

from steps.features.extract import INPUTS, extract_job, merge, remove_stale
from steps.features.frontend import add_options, feats_config
from steps.features.pipeline import read_feats_config
from utils.data.audio import sound_stamp
from utils.data.datadir import DataDir
from utils.option_types import yes_or_no
from utils.step import Step, positive


def main(argv=None):
    step = Step(__file__, __doc__, jobs=2)
    add_options(step, num_mel_bins=23)
    step.add("--num-ceps", type=positive, default=13, help="cepstra kept, with the 0th")
    step.add("--cepstral-lifter", type=float, default=22.0, help="0: none")
    step.add("--use-energy", type=yes_or_no, default=False,
             help="the log energy in place of the 0th cepstrum")
    step.add("data", help="data directory")
    args = step.parse(argv)
    config = feats_config("mfcc", args)
    data = DataDir(args.data)
    if step.is_job:
        extract_job(data, config, args)
        return 0

    if read_feats_config(data.path).get("fingerprint") != config["fingerprint"]:
        args.force = True   # filterbanks may have replaced the MFCC that .done tells of
    args.sound = sound_stamp(data)
    if step.up_to_date(data.path, [data.path / name for name in INPUTS]):
        return 0
    data.require("wav.scp", "utt2spk")
    num_jobs = step.num_jobs(len(data.utts))
    with step.output(data.path) as out:
        step.run_jobs(num_jobs, data.path / "log", out)
        num_utts, num_frames = merge(data, config, num_jobs, out)
        remove_stale(data.path, out)
    hours = num_frames * config["frame_shift"] / 3600
    return step.finish(f"{Path(args.data)}: {num_utts} utterances, {num_frames} frames of "
                       f"{config['feat_dim']}, {hours:.2f} hours")


if __name__ == "__main__":
    raise SystemExit(main())
