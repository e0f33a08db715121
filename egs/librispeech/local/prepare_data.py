#!/usr/bin/env python3
"""Make the data directory of one or several parts of LibriSpeech.

in   <corpus>/SPEAKERS.TXT                                    reader | sex | part | minutes | name
     <corpus>/<part>/<reader>/<chapter>/<reader>-<chapter>.trans.txt     and <utt>.flac
out  <data>/wav.scp text utt2spk spk2utt spk2gender

As in Kaldi's recipe an utterance is <reader>-<chapter>-<number> and a speaker <reader>-<chapter>,
so that the mean of the features is a chapter's; --speakers reader takes the readers. Text is as
published, upper case.

e.g. local/prepare_data.py /corpora/LibriSpeech train-clean-5 data/train_clean_5
     local/prepare_data.py corpus/LibriSpeech train-clean-100 train-clean-360 data/train
"""

from pathlib import Path

from utils.data.datadir import invert
from utils.data.tables import read_lines, write_table
from utils.step import Step, UserError, log

MAX_MISSING = 0.05


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--speakers", choices=("chapter", "reader"), default="chapter",
             help="what a speaker is: a reader in one chapter, or in all (default chapter)")
    step.add("corpus", help="the directory LibriSpeech/, with SPEAKERS.TXT")
    step.add("parts", nargs="+", metavar="part", help="such as train-clean-5")
    step.add("data", help="data directory to make")
    args = step.parse(argv)
    corpus = Path(args.corpus)
    transcripts = []
    for part in args.parts:
        paths = sorted((corpus / part).glob("*/*/*.trans.txt"))
        if not paths:
            raise UserError(corpus / part, "no transcripts <reader>/<chapter>/*.trans.txt here",
                            f"local/download.py fetches it: local/download.py corpus {part}")
        transcripts += paths
    if step.up_to_date(args.data, [corpus / "SPEAKERS.TXT", *transcripts]):
        return 0
    genders = read_genders(corpus / "SPEAKERS.TXT")
    utts, missing = {}, []
    for path in transcripts:
        read_chapter(path, genders, utts, missing)
    if missing:
        log(f"left out, no sound: {' '.join(missing[:10])}"
            + (f" and {len(missing) - 10} more" if len(missing) > 10 else ""))
    if len(missing) > MAX_MISSING * (len(utts) + len(missing)):
        raise UserError(corpus, f"{len(missing)} of {len(utts) + len(missing)} utterances of "
                        f"{' '.join(args.parts)} are not here", "fetch the corpus again")
    with step.output(args.data) as out:
        speakers = write_data(out, utts, genders, args.speakers)
    return step.finish(f"{args.data}: {len(utts)} utterances, {speakers} speakers")


def read_genders(path):
    """{reader: m or f} of SPEAKERS.TXT, whose comments begin with a semicolon."""
    if not path.is_file():
        raise UserError(path, "no such file, so not LibriSpeech/")
    genders = {}
    # Readers' names are of many alphabets, and not what is wanted here.
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        if line.startswith(";") or not line.strip():
            continue
        reader, *rest = [field.strip() for field in line.split("|")]
        if not reader.isdigit() or not rest or rest[0] not in ("M", "F"):
            raise UserError(f"{path}:{number}", f"expected `reader | M or F | ...`, found {line!r}")
        genders[reader] = rest[0].lower()
    return genders


def read_chapter(path, genders, utts, missing):
    """Add {utt: (flac path, text)} of one chapter to utts, and what has no sound to missing."""
    chapter = path.name.removesuffix(".trans.txt")
    reader = chapter.partition("-")[0]
    if chapter != f"{path.parent.parent.name}-{path.parent.name}":
        raise UserError(path, "its name is not <reader>-<chapter> of its directories")
    if reader not in genders:
        raise UserError(path, f"reader {reader} is not in SPEAKERS.TXT")
    directory = path.parent.resolve()
    for number, line in enumerate(read_lines(path), 1):
        utt, _, text = line.strip().partition(" ")
        if not utt.startswith(f"{chapter}-") or not text:
            raise UserError(f"{path}:{number}", f"expected `{chapter}-NNNN WORDS`, found {line!r}")
        flac = directory / f"{utt}.flac"
        if flac.is_file():
            utts[utt] = flac, text
        else:
            missing.append(utt)


def write_data(directory, utts, genders, speakers):
    """Write a data directory of {utt: (flac, text)}; the number of speakers."""
    fields = 2 if speakers == "chapter" else 1
    utt2spk = {utt: "-".join(utt.split("-")[:fields]) for utt in utts}
    write_table(directory / "wav.scp", {utt: str(flac) for utt, (flac, _) in utts.items()})
    write_table(directory / "text", {utt: text for utt, (_, text) in utts.items()})
    write_table(directory / "utt2spk", utt2spk)
    write_table(directory / "spk2utt", invert(utt2spk))
    spk2gender = {spk: genders[spk.partition("-")[0]] for spk in utt2spk.values()}
    write_table(directory / "spk2gender", spk2gender)
    return len(spk2gender)


if __name__ == "__main__":
    raise SystemExit(main())
