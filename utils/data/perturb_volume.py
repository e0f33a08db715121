#!/usr/bin/env python3
"""Copy a data directory with each recording louder or softer by a random factor.

in   <src>/*    a data directory with wav.scp
out  <dest>/*   the same ids; wav.scp with commands of utils/data/audio_filter.py

A recording's factor depends on its id and --seed alone, whatever else is in the directory.
feats.scp, cmvn.scp and vad.scp do not go along.

e.g. utils/data/perturb_volume.py data/train_sp data/train_sp_vp
"""

import random

from utils.data.datadir import DataDir
from utils.data.filters import add_filter
from utils.data.transform import all_tables, check_target, data_files, drop_stale, write_data
from utils.step import Step, UserError


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--scale-low", type=float, default=0.125, help="lowest factor (default 0.125)")
    step.add("--scale-high", type=float, default=2.0, help="highest factor (default 2)")
    step.add("--seed", type=int, default=0)
    step.add("src", help="data directory")
    step.add("dest", help="the copy")
    args = step.parse(argv)
    if not 0 < args.scale_low <= args.scale_high < float("inf"):
        raise UserError("--scale-low", "expected 0 < --scale-low <= --scale-high")

    data = DataDir(args.src)
    if step.up_to_date(args.dest, data_files(data)):
        return 0
    check_target(step, [args.src], args.dest)
    data.require("wav.scp")
    tables = {name: table for name, table in all_tables(data).items()
              if name not in ("feats.scp", "cmvn.scp", "vad.scp")}
    tables["wav.scp"] = {
        recording: add_filter(value, "volume", volume(recording, args))
        for recording, value in data.wav_scp.items()}
    with step.output(args.dest) as out:
        write_data(out, tables)
        drop_stale(args.dest, tables)
    return step.finish(f"{args.dest}: {len(data.wav_scp)} recordings")


def volume(recording, args):
    """A recording's factor, 4 digits, uniform between the limits"""
    rng = random.Random(f"{args.seed} {recording}")
    return float(f"{rng.uniform(args.scale_low, args.scale_high):.4g}")


if __name__ == "__main__":
    raise SystemExit(main())
