#!/usr/bin/env python3
"""Make the data directories of speechocean762 from the corpus's own.

in   <corpus>/train <corpus>/test        wav.scp text utt2spk spk2gender spk2age, Kaldi's tables
     <corpus>/WAVE/SPEAKER<spk>/<utt>.WAV
out  <data>/train <data>/test            wav.scp text utt2spk spk2utt spk2gender
                                         spk2age in years, spk2agegroup child or adult
     with --hold-out N
     <data>/tune/train <data>/tune/test  train without N of its speakers, and these

The corpus's paths are relative to it and its tables in no order: here they are absolute and sorted.

e.g. local/prepare_data.py --hold-out 12 /corpora/speechocean762 data
"""

from pathlib import Path

from utils.data.datadir import invert
from utils.data.tables import read_table, write_table
from utils.option_types import count
from utils.step import Step, UserError, log

SETS = ["train", "test"]
TABLES = ["wav.scp", "text", "utt2spk", "spk2gender", "spk2age"]
GROWN_UP = 18        # years
MAX_MISSING = 0.05


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--hold-out", type=count, default=0,
             help="training speakers of tune/test, which tune/train is without (default none)")
    step.add("corpus", help="the directory with speechocean762's train/, test/ and WAVE/")
    step.add("data", help="directory to make the data directories in")
    args = step.parse(argv)
    corpus = Path(args.corpus)
    tables = [corpus / name / table for name in SETS for table in TABLES]
    absent = [path for path in tables if not path.is_file()]
    if absent:
        raise UserError(absent[0], "no such file, so not the speechocean762 corpus",
                        "it is number 101 at openslr.org; local/download.py fetches it")
    if step.up_to_date(args.data, tables):
        return 0
    sets = {name: read_set(corpus, name) for name in SETS}
    if args.hold_out:
        train = sets["train"]
        held_out = choose_speakers(train["spk2gender"], train["spk2age"], args.hold_out)
        for name, inside in (("tune/train", False), ("tune/test", True)):
            sets[name] = keep(train, lambda spk, inside=inside: (spk in held_out) == inside)
    with step.output(args.data) as out:
        for name, tables in sets.items():
            for table, rows in tables.items():
                write_table(out / name / table, rows)
    return step.finish(", ".join(f"{name} {len(tables['text'])} utterances"
                                 for name, tables in sets.items()))


def read_set(corpus, name):
    """{table: rows} of train or test; utterances without sound are named and left out."""
    tables = {table: read_table(corpus / name / table) for table in TABLES}
    spks = set(tables["utt2spk"].values())
    for table, ids in (("wav.scp", tables["text"]), ("utt2spk", tables["text"]),
                       ("spk2gender", spks), ("spk2age", spks)):
        for key in sorted(set(ids) - set(tables[table])):
            raise UserError(corpus / name / table, f"{key} is not here", "fetch the corpus again")
    tables["spk2agegroup"] = {spk: age_group(age, corpus / name / "spk2age", spk)
                              for spk, age in tables["spk2age"].items()}
    wavs = {utt: (corpus / tables["wav.scp"][utt]).resolve() for utt in tables["text"]}
    missing = [utt for utt, wav in wavs.items() if not wav.is_file()]
    if missing:
        log(f"{name}: left out, no sound: {' '.join(missing[:10])}"
            + (f" and {len(missing) - 10} more" if len(missing) > 10 else ""))
    if len(missing) > MAX_MISSING * len(wavs):
        raise UserError(corpus / name / "wav.scp", f"{len(missing)} of {len(wavs)} files are not "
                        "here", "fetch the corpus again")
    tables["wav.scp"] = {utt: str(wav) for utt, wav in wavs.items() if utt not in set(missing)}
    return keep(tables, lambda spk: True)


def age_group(age, path, spk):
    if not age.isdigit():
        raise UserError(path, f"{spk} is {age!r}", "expected the age in years")
    return "adult" if int(age) >= GROWN_UP else "child"


def keep(tables, wanted):
    """The tables with only the speakers wanted, and of those what has sound."""
    utt2spk = {utt: spk for utt, spk in tables["utt2spk"].items()
               if wanted(spk) and utt in tables["wav.scp"]}
    spk2utt = invert(utt2spk)
    result = {table: {key: value for key, value in rows.items()
                      if key in (spk2utt if table.startswith("spk2") else utt2spk)}
              for table, rows in tables.items()}
    return result | {"utt2spk": utt2spk, "spk2utt": spk2utt}


def choose_speakers(spk2gender, spk2age, number):
    """A set of speakers, spread evenly over each gender's ages."""
    spks = sorted(spk2age, key=lambda spk: (spk2gender[spk], int(spk2age[spk]), spk))
    if number >= len(spks):
        raise UserError("--hold-out", f"{number} of {len(spks)} training speakers",
                        "fewer, so that some are left to train on")
    return {spks[(2 * i + 1) * len(spks) // (2 * number)] for i in range(number)}


if __name__ == "__main__":
    raise SystemExit(main())
