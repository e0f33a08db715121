#!/usr/bin/env python3
"""Make the data directories of the Free Spoken Digit Dataset, each speaker a target of its own.

in   <corpus>/recordings/<digit>_<spk>_<number>.wav   numbers from 0 on
     <corpus>/metadata.py                             gender and accent of each speaker
out  <data>/<spk>/test            0 to 4 of each digit, as published
     <data>/<spk>/dev             the last --dev of each digit
     <data>/<spk>/all/train       those between
     <data>/<spk>/<n>/train       the first n of these, for each n of --takes
     <data>/<spk>/others/train    all/train of all other speakers
     wav.scp text utt2spk spk2utt spk2gender utt2accent

e.g. local/prepare_data.py --takes "1 3 10" /corpora/fsdd data
"""

import ast
import re
from pathlib import Path

from utils.data.datadir import invert
from utils.data.tables import write_table
from utils.step import Step, UserError

WORDS = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]
TEST = 5   # recordings of each digit


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--takes", default="1 3 10", help="recordings of each digit in nested training sets")
    step.add("--dev", type=int, default=5, help="recordings of each digit in dev (default 5)")
    step.add("corpus", help="the directory with recordings/ and metadata.py")
    step.add("data", help="directory to make the data directories in")
    args = step.parse(argv)
    corpus = Path(args.corpus)
    wavs = sorted((corpus / "recordings").glob("*.wav"))
    if not wavs:
        raise UserError(corpus / "recordings", "no sound, so not the Free Spoken Digit Dataset",
                        "it is at github.com/Jakobovski/free-spoken-digit-dataset; "
                        "local/download.py fetches it")
    if step.up_to_date(args.data, [corpus / "metadata.py", *wavs]):
        return 0
    about = read_metadata(corpus / "metadata.py")
    speakers = read_recordings(wavs, about)
    parts = {spk: split(spk, utts, parse_takes(args.takes), args.dev)
             for spk, utts in speakers.items()}
    with step.output(args.data) as out:
        for spk, sets in parts.items():
            others = {utt: row for other in parts if other != spk
                      for utt, row in parts[other]["all/train"].items()}
            for name, rows in {**sets, "others/train": others}.items():
                write_data(out / spk / name, rows, about)
    return step.finish(", ".join(f"{spk} {len(utts)}" for spk, utts in speakers.items())
                       + " recordings")


def read_metadata(path):
    """{spk: (f or m, accent)} of the Python dictionary in metadata.py, which is read and not run.
    """
    try:
        tree = ast.parse(path.read_text("utf-8"))
        value = next(node.value for node in tree.body if isinstance(node, ast.Assign))
        return {spk: (row["gender"][0], re.sub(r"\s+", "-", row["accent"]))
                for spk, row in ast.literal_eval(value).items()}
    except (OSError, SyntaxError, ValueError, StopIteration, KeyError, TypeError) as error:
        raise UserError(path, f"cannot be read: {type(error).__name__} {error}",
                        "expected metadata = {speaker: {'gender': ..., 'accent': ...}}") from None


def read_recordings(wavs, about):
    """{spk: {utt: (spk, digit, number, wav)}}"""
    speakers = {}
    for wav in wavs:
        match = re.fullmatch(r"(\d)_([^_]+)_(\d+)", wav.stem)
        if not match or match[2] not in about:
            raise UserError(wav, "is not <digit>_<speaker>_<number>.wav, the speaker of "
                                 "metadata.py")
        digit, spk, number = int(match[1]), match[2], int(match[3])
        speakers.setdefault(spk, {})[f"{spk}-{digit}-{number:03d}"] = spk, digit, number, wav
    return dict(sorted(speakers.items()))


def split(spk, utts, takes, dev):
    """{set: {utt: row}} of one speaker's recordings"""
    end = max(number for _, _, number, _ in utts.values()) + 1 - dev
    if dev < 1 or end - TEST < max([1, *takes]):
        raise UserError("--takes, --dev", f"{spk} has {end + dev} recordings of a digit, {TEST} of "
                        f"them to test and {dev} for dev", "fewer")
    ranges = {"test": (0, TEST), "dev": (end, end + dev), "all/train": (TEST, end)}
    ranges |= {f"{number}/train": (TEST, TEST + number) for number in takes}
    return {name: {utt: row for utt, row in utts.items() if first <= row[2] < last}
            for name, (first, last) in ranges.items()}


def parse_takes(text):
    if not all(re.fullmatch("[1-9][0-9]*", word) for word in text.split()):
        raise UserError("--takes", f"{text} are not numbers from 1 on", "such as 1 3 10")
    return [int(word) for word in text.split()]


def write_data(directory, rows, about):
    """Write a data directory of {utt: (spk, digit, number, wav)}."""
    utt2spk = {utt: row[0] for utt, row in rows.items()}
    write_table(directory / "wav.scp", {utt: str(row[3].resolve()) for utt, row in rows.items()})
    write_table(directory / "text", {utt: WORDS[row[1]] for utt, row in rows.items()})
    write_table(directory / "utt2spk", utt2spk)
    write_table(directory / "spk2utt", invert(utt2spk))
    write_table(directory / "spk2gender", {spk: about[spk][0] for spk in utt2spk.values()})
    write_table(directory / "utt2accent", {utt: about[spk][1] for utt, spk in utt2spk.items()})


if __name__ == "__main__":
    raise SystemExit(main())
