#!/usr/bin/env python3
"""Split a data directory, keeping each speaker's utterances together.

in   <data>/*              a data directory
out  <data>/split<n>/1..n  data directories of nearly equal size, as Kaldi's split_data.sh;
                           split<n>utt with --per-utt
     <dest>/<part>         with --parts: one data directory a part, no speaker in two of them

Parts take whole speakers, at random by --seed, until they have their share of the sound (of the
utterances, without utt2dur).

e.g. utils/data/split_data.py data/train 8
     utils/data/split_data.py --parts train=0.8,dev=0.1,test=0.1 data/all data
"""

import random

from utils.data.datadir import DataDir, split_utts
from utils.data.transform import check_target, data_files, drop_stale, select, write_data
from utils.step import Step, UserError, share


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--per-utt", action="store_true", help="cut anywhere, not between speakers")
    step.add("--parts", metavar="NAME=SHARE,...", help="named parts with their shares")
    step.add("--seed", type=int, default=0, help="of the order of speakers, for --parts")
    step.add("data", help="data directory")
    step.add("where", metavar="NUM|DEST", help="number of parts; with --parts, a directory")
    args = step.parse(argv)
    data = DataDir(args.data)
    shares = _shares(args.parts) if args.parts else {}
    target = args.where if shares else \
        data.path / f"split{_count(args.where)}{'utt' if args.per_utt else ''}"

    if step.up_to_date(target, data_files(data)):
        return 0
    if shares:
        parts = split_speakers(data, shares, args.seed)
        for name in parts:
            check_target(step, [data.path], f"{target}/{name}", made_in=target)
    else:
        parts = split_count(data, int(args.where), args.per_utt)
    tables = {name: select(data, utts) for name, utts in parts.items()}
    with step.output(target) as out:
        for name in parts:
            write_data(out / name, tables[name], data.path)
        for name in parts:
            drop_stale(f"{target}/{name}", tables[name])
    return step.finish(f"{target}: " + ", ".join(
        f"{name} {len(utts)}" for name, utts in parts.items()) + " utterances")


def split_count(data, count, per_utt):
    """{"1": utts, ...}; fewer than count where there are fewer utterances or speakers"""
    units = data.utts if per_utt else data.spk2utt
    if count > len(units):
        raise UserError(data.path, f"has {len(units)} {'utterances' if per_utt else 'speakers'}, "
                        f"not enough for {count} parts", "ask for fewer parts"
                        + ("" if per_utt else ", or say --per-utt"))
    parts = [share(data.utts, job, count) for job in range(1, count + 1)] if per_utt \
        else split_utts(data.spk2utt, count)
    return {str(number): utts for number, utts in enumerate(parts, 1)}


def split_speakers(data, shares, seed):
    """{part: utts}: each speaker, in random order, to the part that lacks most of its share."""
    if len(data.spk2utt) < len(shares):
        raise UserError(data.path, f"has {len(data.spk2utt)} speakers for {len(shares)} parts")
    lengths = data.utt2dur if all(utt in data.utt2dur for utt in data.utts) \
        else dict.fromkeys(data.utts, 1.0)
    speakers = random.Random(seed).sample(list(data.spk2utt), len(data.spk2utt))
    parts, filled = {name: [] for name in shares}, dict.fromkeys(shares, 0.0)
    for left, spk in zip(range(len(speakers), 0, -1), speakers, strict=True):
        empty = [name for name in shares if not parts[name]]
        among = empty if len(empty) >= left else shares
        name = min(among, key=lambda part: filled[part] / shares[part])
        parts[name] += data.spk2utt[spk]
        filled[name] += sum(lengths[utt] for utt in data.spk2utt[spk])
    return {name: sorted(utts) for name, utts in parts.items()}


def _shares(text):
    """{name: share} of `train=0.8,dev=0.2`"""
    shares = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name in shares:
            raise UserError("--parts", f"{name} is there twice", "expected such as "
                            "train=0.9,dev=0.1")
        try:
            shares[name] = float(value)
        except ValueError:
            shares[name] = 0.0
        if not name or "/" in name or name.startswith(".") or not 0 < shares[name] <= 1:
            raise UserError("--parts", f"{part!r} is no part", "expected such as train=0.9,dev=0.1")
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise UserError("--parts", f"the shares sum to {sum(shares.values()):g}, not 1")
    return shares


def _count(text):
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UserError(text, "is no number of parts", "with --parts, it is a directory")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
