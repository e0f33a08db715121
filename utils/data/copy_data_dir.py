#!/usr/bin/env python3
"""Copy a data directory, with other ids if asked, or from another recipe's folder.

in   <src>/*    a data directory
out  <dest>/*   all of its tables; utterances, and without segments recordings, as
                <utt-prefix><utt><utt-suffix>; speakers as <spk-prefix><spk><spk-suffix>.
                utt2uniq names the originals that are here by their new ids

Paths in scp files begin where a recipe runs. Those of another recipe's data begin in its folder;
with --paths-from they are copied as they are seen from here, and what they name stays there.

Utterance ids should begin with the speaker's, so prefixes usually come in pairs.

e.g. utils/data/copy_data_dir.py --utt-prefix fr- --spk-prefix fr- data/fr/train data/fr/train_fr
     utils/data/copy_data_dir.py --spk-as-prefix data/train data/train_named
     utils/data/copy_data_dir.py --paths-from ../english ../english/data/test_an4 data/test_an4
"""

from pathlib import Path

from utils.data.datadir import DataDir
from utils.data.filters import from_here
from utils.data.transform import (
    all_tables,
    check_target,
    data_files,
    drop_stale,
    rename,
    write_data,
)
from utils.step import Step, UserError


def main(argv=None):
    step = Step(__file__, __doc__)
    for name in ["utt", "spk"]:
        step.add(f"--{name}-prefix", default="", help=f"before every {name} id")
        step.add(f"--{name}-suffix", default="", help=f"after every {name} id")
    step.add("--spk-as-prefix", action="store_true",
             help="utterance ids become <new spk>-<utt>, where they do not begin so")
    step.add("--paths-from", default="", metavar="DIR",
             help="where relative paths in <src>'s scp files begin (default: here)")
    step.add("src", help="data directory")
    step.add("dest", help="the copy")
    args = step.parse(argv)
    for name in ["utt_prefix", "utt_suffix", "spk_prefix", "spk_suffix"]:
        if len(f"x{getattr(args, name)}x".split()) != 1:
            raise UserError(f"--{name.replace('_', '-')}", "there is a space in it")

    if args.paths_from and not Path(args.paths_from).is_dir():
        raise UserError(args.paths_from, "no such directory", "--paths-from is a recipe's folder")
    data = DataDir(args.src)
    if step.up_to_date(args.dest, data_files(data)):
        return 0
    check_target(step, [args.src], args.dest)

    def new_spk(spk):
        return f"{args.spk_prefix}{spk}{args.spk_suffix}"

    def new_utt(utt):
        new = f"{args.utt_prefix}{utt}{args.utt_suffix}"
        spk = new_spk(data.utt2spk[utt]) if args.spk_as_prefix and utt in data.utt2spk else ""
        return new if new.startswith(spk) else f"{spk}-{new}"

    tables = rename(all_tables(data), utt=new_utt, spk=new_spk)
    if "utt2uniq" in tables:   # an original that is not here keeps its name
        tables["utt2uniq"] = {utt: new_utt(original) if original in data.utt2spk else original
                              for utt, original in tables["utt2uniq"].items()}
    if args.paths_from:
        for name in [name for name in tables if name.endswith(".scp")]:
            tables[name] = {key: from_here(value, args.paths_from)
                            for key, value in tables[name].items()}
    with step.output(args.dest) as out:
        write_data(out, tables, args.src)
        drop_stale(args.dest, tables)
    return step.finish(f"{args.dest}: {len(data.utts)} utterances")


if __name__ == "__main__":
    raise SystemExit(main())
