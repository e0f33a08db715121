#!/usr/bin/env python3
"""Part a data directory in train, dev and test by lists of utterances.

in   <all>/*              a data directory, its text normalised
     <dev> <test>         a file each: utt-id, and anything after it; what they do not name is train
     --exclude FILE       utt-id, and why: utterances that are in no set
out  <data>/train dev test   data directories
     <data>/apart.tsv     utterances left out of train for their sentence is one of dev or test

With --sentences apart (the default) no sentence of dev or test is in train, however it got there: a
sentence heard in training says little of how well others are recognised.

e.g. utils/data/split_sets.py --exclude conf/exclude conf/dev conf/test data/all data
"""

from pathlib import Path

from utils.data.datadir import DataDir
from utils.data.tables import read_lines
from utils.data.transform import check_target, data_files, drop_stale, select, write_data
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--exclude", default="", metavar="FILE", help="utterances to leave out")
    step.add("--sentences", choices=("apart", "any"), default="apart",
             help="any: train may have sentences of dev and test, as where there are but a few")
    step.add("dev", help="list of dev's utterances")
    step.add("test", help="list of test's utterances")
    step.add("all", help="data directory")
    step.add("data", help="directory to make the data directories in")
    args = step.parse(argv)
    data = DataDir(args.all)
    lists = [args.dev, args.test, args.exclude]
    if step.up_to_date(args.data, [*data_files(data), *filter(None, lists)]):
        return 0
    data.require("text", "utt2spk")
    known = set(data.utts)
    exclude = _read_list(args.exclude, known, tell=False) if args.exclude else set()
    sets = {name: _read_list(path, known) - exclude
            for name, path in (("dev", args.dev), ("test", args.test))}
    both = sorted(sets["dev"] & sets["test"])
    if both:
        raise UserError(args.test, f"{both[0]} is in {args.dev} as well", "take it out of one")
    without = next((utt for utt in data.utts if utt not in data.text), None)
    if without:
        raise UserError(data.path / "text", f"has no {without}", "run utils/data/fix_data_dir.py")
    held_out = {data.text[utt] for utts in sets.values() for utt in utts}
    rest = [utt for utt in data.utts if utt not in exclude | sets["dev"] | sets["test"]]
    apart = [utt for utt in rest if args.sentences == "apart" and data.text[utt] in held_out]
    sets = {"train": set(rest).difference(apart), **sets}
    for name, utts in sets.items():
        if not utts:
            raise UserError(args.all, f"no utterance is left for {name}",
                            f"look at {args.dev} and {args.test}")
    for name in sets:
        check_target(step, [args.all], Path(args.data) / name, made_in=args.data)
    tables = {name: select(data, utts) for name, utts in sets.items()}
    with step.output(args.data) as out:
        for name, selected in tables.items():
            write_data(out / name, selected, args.all)
        write_atomic(out / "apart.tsv", "".join(f"{utt}\t{data.text[utt]}\n" for utt in apart))
        for name, selected in tables.items():
            drop_stale(Path(args.data) / name, selected)
    _tell_speakers(data, sets)
    if apart:
        log(f"{len(apart)} utterances left out of train: their sentences are in dev or test, see "
            f"{args.data}/apart.tsv")
    return step.finish(", ".join(f"{name} {len(utts)} utterances" for name, utts in sets.items()))


def _read_list(path, known, tell=True):
    """The first words of a file's lines that are utterances; others are told of."""
    lines = [(number, line.split()[0]) for number, line in enumerate(read_lines(path), 1)
             if line.strip() and not line.startswith("#")]
    lost = [f"{path}:{number} {utt}" for number, utt in lines if utt not in known]
    if lost and tell:
        log(f"no such utterance, or left out before: {', '.join(lost[:5])}"
            + (f" and {len(lost) - 5} more" if len(lost) > 5 else ""))
    return {utt for _, utt in lines if utt in known}


def _tell_speakers(data, sets):
    speakers = {name: {data.utt2spk[utt] for utt in utts} for name, utts in sets.items()}
    heard = (speakers["dev"] | speakers["test"]) & speakers["train"]
    if heard:
        log(f"{len(heard)} speakers of dev or test are in train as well, so results hold for "
            "these speakers, not for new ones")


if __name__ == "__main__":
    raise SystemExit(main())
