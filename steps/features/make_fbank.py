#!/usr/bin/env python3
"""Compute log mel filterbank energies.

in   <data>/wav.scp [segments]   sound of any rate, which is resampled to --sample-rate
     <data>/utt2spk              utt-id spk-id
out  <data>/feats.scp            utt-id archive:offset, float32 (num_frames, num_mel_bins)
     <data>/feats/fbank.*.ark     the archives, Kaldi's format
     <data>/feats.json           the options, feat_dim, and a fingerprint that later steps compare
     <data>/utt2num_frames       frames of each utterance
     <data>/utt2dur              s of each utterance
     <data>/frame_shift          s
     <data>/utt2trim             first and last s kept, with --trim-silence
     <data>/log/make_fbank.*.log

Archives of earlier features, and their statistics and voice activity (cmvn.scp, vad.scp), are
removed; other archives in feats/ stay.

e.g. steps/features/make_fbank.py --config conf/fbank.conf --nj 2 data/train
"""

from pathlib import Path

from steps.features.extract import INPUTS, extract_job, merge, remove_stale
from steps.features.frontend import add_options, feats_config
from steps.features.pipeline import read_feats_config
from utils.data.audio import sound_stamp
from utils.data.datadir import DataDir
from utils.option_types import yes_or_no
from utils.step import Step


def main(argv=None):
    step = Step(__file__, __doc__, jobs=2)
    add_options(step, num_mel_bins=40)
    step.add("--use-energy", type=yes_or_no, default=False,
             help="the log energy as one more column, the first")
    step.add("data", help="data directory")
    args = step.parse(argv)
    config = feats_config("fbank", args)
    data = DataDir(args.data)
    if step.is_job:
        extract_job(data, config, args)
        return 0

    if read_feats_config(data.path).get("fingerprint") != config["fingerprint"]:
        args.force = True   # MFCC may have replaced the filterbanks that .done tells of
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
