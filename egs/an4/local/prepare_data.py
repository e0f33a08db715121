#!/usr/bin/env python3
"""Make Kaldi data directories of the AN4 corpus, close-talking microphone.

in   <corpus>/etc/an4_train.fileids an4_train.transcription      and the same of an4_test
     <corpus>/wav/an4_clstk/<spk>/<file>.wav                     or .sph, .flac
out  <data>/train <data>/test            wav.scp text utt2spk spk2utt spk2gender
     with --hold-out N
     <data>/tune/train <data>/tune/test  train without N of its speakers, and these

An utterance is <spk>-<file>: fash-an251-fash-b. A speaker's first letter tells the gender.

e.g. local/prepare_data.py --hold-out 10 /corpora/an4 data
"""

import re
from pathlib import Path

from utils.data.tables import read_lines, write_table
from utils.option_types import count
from utils.step import Step, UserError, log

SETS = {"train": "an4_train", "test": "an4_test"}
SUFFIXES = [".wav", ".sph", ".flac"]
MAX_MISSING = 0.05


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--hold-out", type=count, default=0,
             help="training speakers of tune/test, which tune/train is without (default none)")
    step.add("corpus", help="the directory with AN4's etc/ and wav/")
    step.add("data", help="directory to make the data directories in")
    args = step.parse(argv)
    etc = Path(args.corpus) / "etc"
    if not etc.is_dir():
        raise UserError(args.corpus, "no etc/ here, so not the AN4 corpus",
                        "it is at github.com/cmusphinx/an4; local/download.py fetches it")
    lists = [etc / f"{name}.{suffix}" for name in SETS.values()
             for suffix in ("fileids", "transcription")]
    if step.up_to_date(args.data, lists):
        return 0
    utts = {name: read_set(Path(args.corpus), prefix) for name, prefix in SETS.items()}
    if args.hold_out:
        held_out = choose_speakers(sorted({row[0] for row in utts["train"].values()}),
                                   args.hold_out)
        for name, inside in (("tune/train", False), ("tune/test", True)):
            utts[name] = {utt: row for utt, row in utts["train"].items()
                          if (row[0] in held_out) == inside}
    with step.output(args.data) as out:
        for name, rows in utts.items():
            write_data(out / name, rows)
    return step.finish(", ".join(f"{name} {len(rows)} utterances"
                                 for name, rows in utts.items()))


def read_set(corpus, prefix):
    """{utt: (spk, wav path, text)} of train or test; missing files are named and left out."""
    texts = {}
    path = corpus / f"etc/{prefix}.transcription"
    for number, line in enumerate(read_lines(path), 1):
        match = re.fullmatch(r"(.*)\(([^()]+)\)\s*", line)
        if not match:
            raise UserError(f"{path}:{number}", f"expected `WORDS (file)`, found {line!r}")
        texts[match[2]] = [word for word in match[1].split() if word not in ("<s>", "</s>")]
    utts, missing = {}, []
    path = corpus / f"etc/{prefix}.fileids"
    for number, line in enumerate(read_lines(path), 1):
        spk, _, file = line.strip().rpartition("/")
        spk = Path(spk).name
        if file not in texts or spk[:1] not in ("f", "m"):
            raise UserError(f"{path}:{number}", f"{line} has no transcription, or a speaker who "
                            "is neither f... nor m...")
        wavs = [corpus / "wav" / f"{line.strip()}{suffix}" for suffix in SUFFIXES]
        wav = next((wav for wav in wavs if wav.is_file()), None)
        if wav and texts[file]:
            utts[f"{spk}-{file}"] = (spk, wav.resolve(), " ".join(texts[file]))
        else:
            missing.append(line.strip())
    if missing:
        log(f"left out, no sound or no words: {' '.join(missing[:10])}"
            + (f" and {len(missing) - 10} more" if len(missing) > 10 else ""))
    if len(missing) > MAX_MISSING * (len(utts) + len(missing)):
        raise UserError(f"{corpus}/wav", f"{len(missing)} of {len(utts) + len(missing)} files of "
                        f"{prefix} are not here", "fetch the corpus again")
    return utts


def choose_speakers(spks, number):
    """A set of speakers spread evenly over the sorted list, so over both genders.

    mdcs and mdcs2 are one person's two sessions: nobody with a second session is chosen.
    """
    stems = [spk.rstrip("0123456789") for spk in spks]
    single = [spk for spk, stem in zip(spks, stems, strict=True) if stems.count(stem) == 1]
    if number >= len(single):
        raise UserError("--hold-out", f"{number} of {len(spks)} training speakers",
                        "fewer, so that some are left to train on")
    return {single[(2 * i + 1) * len(single) // (2 * number)] for i in range(number)}


def write_data(directory, rows):
    """Write a data directory of {utt: (spk, wav, text)}."""
    spk2utt = {}
    for utt in sorted(rows):
        spk2utt.setdefault(rows[utt][0], []).append(utt)
    write_table(directory / "wav.scp", {utt: str(row[1]) for utt, row in rows.items()})
    write_table(directory / "text", {utt: row[2] for utt, row in rows.items()})
    write_table(directory / "utt2spk", {utt: row[0] for utt, row in rows.items()})
    write_table(directory / "spk2utt", spk2utt)
    write_table(directory / "spk2gender", {spk: spk[0] for spk in spk2utt})


if __name__ == "__main__":
    raise SystemExit(main())
