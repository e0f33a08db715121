#!/usr/bin/env python3
"""Compute per-speaker cepstral mean and variance statistics.

in   <data>/utt2spk       utt-id spk-id
     <data>/feats.scp     utt-id archive:offset, float32 (num_frames, feat_dim)
out  <data>/cmvn.scp      spk-id archive:offset, float64 (2, feat_dim + 1): sums and the number of
                          frames, sums of squares and 0, as Kaldi's
     <data>/feats/cmvn.ark

e.g. steps/features/compute_cmvn.py data/train
"""

from steps.features.archive import MatrixReader, MatrixWriter
from steps.features.cmvn import accumulate
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.step import Step, UserError, log


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("data", help="data directory")
    args = step.parse(argv)
    data = DataDir(args.data)
    if step.up_to_date(data.path, [data.path / name
                                   for name in ["utt2spk", "feats.scp", "feats.json"]]):
        return 0
    data.require("utt2spk", "feats.scp")
    reader = MatrixReader()
    with step.output(data.path) as out:
        with MatrixWriter(out / "feats/cmvn.ark", f"{args.data}/feats/cmvn.ark") as archive:
            for spk, utts in data.spk2utt.items():
                stats = speaker_stats(data, utts, reader)
                if stats is None:
                    log(f"speaker {spk} has no features and so no statistics")
                else:
                    archive.write(spk, stats)
        if not archive.index:
            raise UserError(f"{data.path}/feats.scp", "no features of any utterance in utt2spk")
        write_table(out / "cmvn.scp", archive.index)
    return step.finish(f"{args.data}: statistics of {len(archive.index)} speakers")


def speaker_stats(data, utts, reader):
    """float64 (2, feat_dim + 1) over all frames of these utterances; None if there are none."""
    total = None
    for utt in utts:
        if utt in data.feats_scp:
            stats = accumulate(reader.feats(data, utt))
            if total is not None and stats.shape != total.shape:
                raise UserError(f"{data.path}/feats.scp", f"{utt} has {stats.shape[1] - 1} values "
                                f"a frame, its speaker's other utterances {total.shape[1] - 1}")
            total = stats if total is None else total + stats
    return total


if __name__ == "__main__":
    raise SystemExit(main())
