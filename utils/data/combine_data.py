#!/usr/bin/env python3
"""One data directory of several.

in   <src>.../*   data directories
out  <dest>/*     the tables that all of them have; segments and reco2file_and_channel if one has
                  them

An utterance, speaker or recording in two of them must have the same value in both. A speaker in
two of them has no cmvn there, which has to be computed again.

e.g. utils/data/combine_data.py data/train_all data/fr/train data/en-scotland/train
"""

import hashlib
import json
from pathlib import Path

from utils.data.datadir import DataDir
from utils.data.transform import (
    all_tables,
    check_target,
    data_files,
    drop_stale,
    durations,
    write_data,
)
from utils.json_file import read_json
from utils.step import Step, UserError, log

CHANNELS = "reco2file_and_channel"


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("dest", help="data directory to make")
    step.add("src", nargs="+", help="data directories")
    args = step.parse(argv)
    sources = [DataDir(path) for path in args.src]
    if step.up_to_date(args.dest, [file for data in sources for file in data_files(data)]):
        return 0
    check_target(step, args.src, args.dest)
    tables = combine(sources)
    with step.output(args.dest) as out:
        write_data(out, tables, args.src[0])
        if "feats.scp" in tables:
            _tell_all_contents(out / "feats.json", args.src)
        drop_stale(args.dest, tables)
    return step.finish(f"{args.dest}: {len(tables['utt2spk'])} utterances, "
                       f"{len(set(tables['utt2spk'].values()))} speakers")


def combine(sources):
    """tables of DataDirs together"""
    everything = [all_tables(data) for data in sources]
    if any("segments" in tables for tables in everything):
        for data, tables in zip(sources, everything, strict=True):
            if "segments" not in tables:
                tables["segments"] = {utt: f"{utt} 0 {s:.5f}"
                                      for utt, s in durations(data, measure=True).items()}
    if any("utt2uniq" in tables for tables in everything):
        for tables in everything:      # what is no copy is its own original
            tables.setdefault("utt2uniq", {utt: utt for utt in tables["utt2spk"]})
    if any(CHANNELS in tables for tables in everything):
        for tables in everything:      # recordings of one channel need not be in it
            tables.setdefault(CHANNELS, {})
    names = sorted(set().union(*everything))
    shared = [name for name in names if all(name in tables for tables in everything)]
    speakers = [spk for data in sources for spk in data.spk2utt]
    if "cmvn.scp" in shared and len(set(speakers)) < len(speakers):
        shared.remove("cmvn.scp")
    if "feats.scp" in shared:
        _same_features(sources)
    for name in names:
        if name not in shared:
            log(f"{name} is left out, " + ("speakers are in two directories" if all(
                name in tables for tables in everything) else "not every directory has it"))
    result = {}
    for name in shared:
        result[name] = table = {}
        for data, tables in zip(sources, everything, strict=True):
            for key, value in tables[name].items():
                if table.setdefault(key, value) != value:
                    other = next(d.path for d, t in zip(sources, everything, strict=True)
                                 if key in t[name])
                    raise UserError(data.path / name, f"{key} differs from that in {other}",
                                    "copy_data_dir.py gives it another prefix")
    return result


def _same_features(sources):
    """UserError if the features of two directories were made differently."""
    first = None
    for data in sources:
        path = data.path / "feats.json"
        config = read_json(path, "make the features again") if path.exists() else {}
        config = config.get("fingerprint", config)
        first = first or (path, config)
        if config != first[1]:
            raise UserError(path, f"other features than {first[0]}", "make them alike")


def _tell_all_contents(path, sources):
    """What feats.json says of the features' contents, of all the sources and not of the first."""
    told = [Path(source) / "feats.json" for source in sources]
    if not all(file.exists() for file in told):
        return
    configs = [read_json(file, "make the features again") for file in told]
    contents = " ".join(config.get("content", "") for config in configs).encode()
    path.write_text(json.dumps({
        **configs[0], "content": hashlib.blake2b(contents, digest_size=12).hexdigest()},
        indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
