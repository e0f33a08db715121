#!/usr/bin/env python3
"""Part of a data directory.

in   <src>/*    a data directory
out  <dest>/*   all of its tables, filtered to the utterances chosen

The number of utterances stands between the directories, as in Kaldi; --hours or --minutes takes
its place, and all may go with one of --first --last --shortest --speakers --balance. Without those
the choice is random. It is the same for the same --seed, and a smaller number, or less time, gives
part of what a larger one gives.

e.g. utils/data/subset_data_dir.py --shortest data/train 500 data/train_500short
     utils/data/subset_data_dir.py --hours 0.5 --seed 2 data/train data/train_30min
     utils/data/subset_data_dir.py --minutes 5 --balance spk2agegroup data/train data/train_5min
     utils/data/subset_data_dir.py --spk-list conf/dev_speakers data/train data/dev
"""

import random

from utils.data.balance import balanced_order
from utils.data.datadir import DataDir
from utils.data.tables import read_lines
from utils.data.transform import (
    check_target,
    data_files,
    drop_stale,
    durations,
    select,
    write_data,
)
from utils.option_types import finite
from utils.step import Step, UserError, log

ORDERS = ["first", "last", "shortest", "speakers", "per_spk", "balance"]


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--first", action="store_true", help="the first in code-point order")
    step.add("--last", action="store_true", help="the last")
    step.add("--shortest", action="store_true", help="the shortest")
    step.add("--speakers", action="store_true", help="random whole speakers, at least that much")
    step.add("--per-spk", action="store_true", help="that many of each speaker, at random")
    step.add("--balance", metavar="TABLE", default="",
             help="equal time for each group of a utt2* or spk2* table, and for its speakers")
    step.add("--hours", type=finite, help="so much sound instead of a number of utterances")
    step.add("--minutes", type=finite, help="the same in minutes")
    step.add("--utt-list", metavar="FILE", help="the utterances of a file, first word of each line")
    step.add("--spk-list", metavar="FILE", help="the speakers of a file")
    step.add("--seed", type=int, default=0)
    step.add("directories", nargs="+", metavar="SRC [NUM] DEST")
    args = step.parse(argv)
    source, number, target = _positionals(args)

    data = DataDir(source)
    if step.up_to_date(target, [*data_files(data), args.utt_list or "", args.spk_list or ""]):
        return 0
    check_target(step, [source], target)
    utts = _listed(data, args) if args.utt_list or args.spk_list else _chosen(data, args, number)
    if not utts:
        raise UserError(source, "no utterance is chosen", "ask for more, or check the list")
    tables = select(data, utts)
    with step.output(target) as out:
        write_data(out, tables, source)
        drop_stale(target, tables)
    return step.finish(f"{target}: {len(utts)} of {len(data.utts)} utterances, "
                       f"{len(set(tables['utt2spk'].values()))} of {len(data.spk2utt)} speakers")


def _positionals(args):
    """(source, number of utterances or None, target), when they fit the options"""
    lists = bool(args.utt_list) + bool(args.spk_list)
    orders = [name for name in ORDERS if getattr(args, name)]
    times = [name for name in ("hours", "minutes") if getattr(args, name) is not None]
    if lists + len(times) > 1 or len(orders) > (not lists):
        raise UserError("options", "one way of choosing at a time", "see --help")
    for name in times:
        if args.per_spk or not getattr(args, name) > 0:
            raise UserError(f"--{name}", f"expected {name} above 0, and no --per-spk")
    without = lists or bool(times)
    if len(args.directories) != 3 - without:
        raise UserError("arguments", f"expected {'SRC DEST' if without else 'SRC NUM DEST'}, got "
                        + " ".join(args.directories))
    if without:
        return args.directories[0], None, args.directories[1]
    source, number, target = args.directories
    if not (number.isascii() and number.isdigit() and int(number)):
        raise UserError(number, "is no number of utterances", "SRC NUM DEST")
    return source, int(number), target


def _listed(data, args):
    path, known = (args.utt_list, data.utt2spk) if args.utt_list else (args.spk_list, data.spk2utt)
    utts = []
    for line_number, line in enumerate(read_lines(path), 1):
        key = (line.split() or [""])[0]
        if key and key not in known:
            raise UserError(f"{path}:{line_number}", f"{key} is not in {data.path}")
        utts += [key] if key and args.utt_list else known.get(key, [])
    return utts


def _chosen(data, args, number):
    """Utterances in the order of the options, until there are as many or as long as asked for."""
    rng = random.Random(args.seed)
    order = list(data.utts)
    seconds = (args.hours or 0) * 3600 + (args.minutes or 0) * 60
    lengths = durations(data) if args.shortest or args.balance or seconds else {}
    if args.last:
        order.reverse()
    elif args.shortest:
        order.sort(key=lambda utt: (lengths[utt], utt))
    elif args.speakers:
        speakers = rng.sample(list(data.spk2utt), len(data.spk2utt))
        order = [utt for spk in speakers for utt in data.spk2utt[spk]]
    elif args.balance:
        order = balanced_order(data, args.balance, lengths, rng)
    elif args.per_spk:
        return [utt for utts in data.spk2utt.values()
                for utt in rng.sample(utts, len(utts))[:number]]
    elif not args.first:
        rng.shuffle(order)
    chosen, total = [], 0.0
    for utt in order:
        enough = total >= seconds if seconds else len(chosen) >= number
        same_speaker = args.speakers and chosen and data.utt2spk[utt] == data.utt2spk[chosen[-1]]
        if enough and not same_speaker:
            return chosen
        chosen.append(utt)
        total += lengths.get(utt, 0.0)
    if total < seconds:
        unit, size = ("hours", 3600) if args.hours else ("minutes", 60)
        raise UserError(data.path, f"has {total / size:.2f} {unit}, fewer than {seconds / size:g}")
    if number and len(chosen) < number:
        log(f"{data.path} has {len(chosen)} utterances and not {number}, all are taken")
    return chosen


if __name__ == "__main__":
    raise SystemExit(main())
