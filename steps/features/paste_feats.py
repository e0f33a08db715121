#!/usr/bin/env python3
"""Put features of the same sound side by side, such as fMLLR's and log mel energies.

A network then hears both: what is adapted to the speaker, and what LDA has left out.

in   <data>/feats.scp utt2spk feats.json   two or more data directories; float32 (num_frames, dim)
                                           an utterance, frames as many in all of them
out  <dest>/*                              the first one's tables, with feats.scp and feats/*.ark,
                                           float32 (num_frames, sum of dims), and feats.json;
                                           utterances that not all of them have are left out;
                                           more than 5 % of the first one's is an error

e.g. steps/features/paste_feats.py data/fmllr/train data/fbank/train data/joined/train
"""

import hashlib
import json

import numpy as np

from steps.features.archive import MatrixReader, MatrixWriter
from steps.features.pipeline import read_feats_config
from steps.features.spectra import frame_shift
from utils.data.datadir import DataDir
from utils.data.transform import check_target, data_files, drop_stale, select, write_data
from utils.option_types import count
from utils.step import Step, UserError, log

MAX_LEFT_OUT = 0.05       # share of the first one's utterances that others may lack
OF_FEATURES = {"cmvn.scp", "vad.scp"}     # the first one's own, not of what is made


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--length-tolerance", type=count, default=0, metavar="FRAMES",
             help="frames that an utterance may have more in one than in another; those at the "
                  "end are left out (default 0)")
    step.add("data", nargs="+", help="data directories with features")
    step.add("dest", help="data directory to make")
    args = step.parse(argv)
    if len(args.data) < 2:
        raise UserError("data", "features of one directory alone", "name two or more, then <dest>")
    sources = [DataDir(path) for path in args.data]
    if step.up_to_date(args.dest, [path for data in sources for path in data_files(data)]):
        return 0
    for data in sources:
        data.require("feats.scp")
    check_target(step, args.data, args.dest)
    utts = [utt for utt in sources[0].utts if all(utt in data.feats_scp for data in sources)]
    check_left_out(sources, utts)
    reader, lengths = MatrixReader(), {}
    with step.output(args.dest) as out:
        name = "feats/pasted.ark"
        with MatrixWriter(out / name, f"{args.dest}/{name}") as archive:
            for utt in utts:
                feats, dims = pasted(utt, sources, reader, args.length_tolerance)
                archive.write(utt, feats)
                lengths[utt] = str(len(feats))
        tables = {name: table for name, table in select(sources[0], utts).items()
                  if name not in OF_FEATURES}
        tables |= {"feats.scp": archive.index, "utt2num_frames": lengths}
        write_data(out, tables)
        (out / "feats.json").write_text(
            json.dumps({**description(args.data, dims), "content": step.key()}, indent=1) + "\n")
        drop_stale(args.dest, tables)
    return step.finish(f"{args.dest}: {len(utts)} utterances, "
                       f"{sum(map(int, lengths.values()))} frames of {feats.shape[1]}")


def check_left_out(sources, utts):
    """A line of the first one's utterances that others lack; UserError where they are many, or
    where it has none."""
    first, *others = sources
    chosen = set(utts)
    left_out = [utt for utt in first.utts if utt in first.feats_scp and utt not in chosen]
    if not left_out and not utts:
        raise UserError(f"{first.path}/feats.scp", "no features of any utterance in utt2spk",
                        "make them again")
    if not left_out:
        return
    where = next(data for data in others if left_out[0] not in data.feats_scp)
    what = (f"has no {left_out[0]}, and {len(left_out)} of {len(left_out) + len(utts)} utterances "
            f"of {first.path} are not in all of the others")
    if len(left_out) > MAX_LEFT_OUT * (len(left_out) + len(utts)):
        raise UserError(f"{where.path}/feats.scp", what, "make features of the same utterances, "
                        "or choose those with utils/data/subset_data_dir.py")
    log(f"{where.path}/feats.scp: {what}: left out")


def pasted(utt, sources, reader, tolerance):
    """float32 (num_frames, sum of dims); dims, the values a frame of each"""
    parts = [reader.feats(data, utt) for data in sources]
    lengths = [len(part) for part in parts]
    for data, length in zip(sources, lengths, strict=True):
        if abs(length - lengths[0]) > tolerance:
            raise UserError(f"{data.path}/feats.scp", f"{utt} has {length} frames, and in "
                            f"{sources[0].path} {lengths[0]}", "make both of the same sound, "
                            "with frames alike, or see --length-tolerance")
    feats = np.hstack([part[:min(lengths)] for part in parts]).astype(np.float32, copy=False)
    return feats, [part.shape[1] for part in parts]


def description(paths, dims):
    """feats.json; other features of any of the directories are another fingerprint.

    dims  values a frame of each directory's features
    """
    parts = [read_feats_config(path) for path in paths]
    prints = " ".join(part.get("fingerprint", "") for part in parts)
    return {"kind": "+".join(part.get("kind", "feats") for part in parts), "feat_dim": sum(dims),
            "fingerprint": hashlib.blake2b(prints.encode(), digest_size=8).hexdigest(),
            "frame_shift": frame_shift(parts[0]),
            "parts": [{"kind": part.get("kind", "feats"), "feat_dim": dim,
                       "fingerprint": part.get("fingerprint")}
                      for part, dim in zip(parts, dims, strict=True)]}


if __name__ == "__main__":
    raise SystemExit(main())
