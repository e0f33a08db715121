#!/usr/bin/env python3
"""Make train, dev and test of one side of a transfer from what a corpus's own recipe prepares.

in   <src>/tune/train <src>/tune/test <src>/test   of ../an4/local/prepare_data.py --hold-out N or
                                                   ../speechocean762/local/prepare_data.py
out  <dest>/train <dest>/dev <dest>/test           the same tables, and spk2agegroup: unknown where
                                                   the corpus does not tell ages

e.g. local/prepare_data.py --age-group child data/corpora/speechocean762 data/children
"""

from pathlib import Path

from utils.data.datadir import DataDir
from utils.data.transform import data_files, select, write_data
from utils.step import Step, UserError

SETS = {"train": "tune/train", "dev": "tune/test", "test": "test"}


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--age-group", default="", help="only speakers of this group: child, adult")
    step.add("src", help="directory with tune/train, tune/test and test")
    step.add("dest", help="directory to make the data directories in")
    args = step.parse(argv)
    sources = {name: DataDir(Path(args.src) / source) for name, source in SETS.items()}
    if step.up_to_date(args.dest, [file for data in sources.values() for file in data_files(data)]):
        return 0
    counts = {}
    with step.output(args.dest) as out:
        for name, data in sources.items():
            groups = {spk: data.table("spk2agegroup").get(spk, "unknown") for spk in data.spk2utt}
            utts = [utt for utt in data.utts
                    if groups[data.utt2spk[utt]] == args.age_group or not args.age_group]
            if not utts:
                raise UserError(data.path, f"nobody here is of --age-group {args.age_group}")
            tables = select(data, utts)
            spks = set(tables["utt2spk"].values())
            tables["spk2agegroup"] = {spk: groups[spk] for spk in groups if spk in spks}
            write_data(out / name, tables)
            counts[name] = len(utts)
    return step.finish(", ".join(f"{name} {number} utterances" for name, number in counts.items()))


if __name__ == "__main__":
    raise SystemExit(main())
