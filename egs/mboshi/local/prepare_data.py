#!/usr/bin/env python3
"""Make the data directories of the Mboshi corpus.

in   <corpus>/full_corpus_newsplit/train dev    <spk>_<session>_<number>.wav and .mb.cleaned
out  <data>/train <data>/dev <data>/test        wav.scp text utt2spk spk2utt

The published dev is the test set here, and dev is --dev utterances of the published train: spread
evenly over speakers and sessions, of sentences that nobody says a second time. The text is lower
case and NFC, tone marks kept, apostrophes left out.

e.g. local/prepare_data.py --dev 250 /corpora/mboshi data
"""

import unicodedata
from collections import Counter
from pathlib import Path

from utils.data.datadir import invert
from utils.data.tables import read_lines, write_table
from utils.step import Step, UserError, log

APOSTROPHES = dict.fromkeys(map(ord, "'\u2019\u02bc\u2018`"))
MAX_MISSING = 0.05


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--dev", type=int, default=250, help="utterances of dev (default 250)")
    step.add("corpus", help="the directory with full_corpus_newsplit/")
    step.add("data", help="directory to make the data directories in")
    args = step.parse(argv)
    published = {name: Path(args.corpus) / "full_corpus_newsplit" / name
                 for name in ("train", "dev")}
    for path in published.values():
        if not path.is_dir():
            raise UserError(path, "no such directory, so not the Mboshi corpus",
                            "it is at github.com/besacier/mboshi-french-parallel-corpus; "
                            "local/download.py fetches it")
    texts = {name: sorted(path.glob("*.mb.cleaned")) for name, path in published.items()}
    if step.up_to_date(args.data, [path for paths in texts.values() for path in paths]):
        return 0
    train, test = (read_set(published[name], texts[name]) for name in ("train", "dev"))
    dev = choose_dev({utt: text for utt, (_, text) in train.items()}, args.dev)
    sets = {"train": {utt: row for utt, row in train.items() if utt not in dev},
            "dev": {utt: train[utt] for utt in sorted(dev)}, "test": test}
    with step.output(args.data) as out:
        for name, rows in sets.items():
            write_data(out / name, rows)
    return step.finish(", ".join(f"{name} {len(rows)} utterances" for name, rows in sets.items()))


def read_set(directory, paths):
    """{utt: (wav path, text)}; utterances without sound or words are named and left out."""
    utts, missing = {}, []
    for path in paths:
        utt = path.name.removesuffix(".mb.cleaned")
        wav = path.with_name(f"{utt}.wav")
        text = normalise(" ".join(read_lines(path)))
        if wav.is_file() and text:
            utts[utt] = wav.resolve(), text
        else:
            missing.append(utt)
    if missing:
        log(f"left out, no sound or no words: {' '.join(missing[:10])}"
            + (f" and {len(missing) - 10} more" if len(missing) > 10 else ""))
    if not paths or len(missing) > MAX_MISSING * len(paths):
        raise UserError(directory, f"{len(missing)} of {len(paths)} utterances are not here",
                        "fetch the corpus again")
    return utts


def normalise(text):
    """Lower case, NFC, without apostrophes, one space between words."""
    text = unicodedata.normalize("NFC", text.lower().translate(APOSTROPHES))
    return " ".join(text.split())


def choose_dev(texts, number):
    """A set of utterances, evenly spread over the sorted ones whose sentence is said once."""
    counts = Counter(texts.values())
    single = [utt for utt in sorted(texts) if counts[texts[utt]] == 1]
    if not 0 < number < len(single):
        raise UserError("--dev", f"{number} of {len(single)} utterances whose sentence is said "
                        "once", "fewer, so that some are left to train on, and at least one")
    return {single[(2 * i + 1) * len(single) // (2 * number)] for i in range(number)}


def write_data(directory, rows):
    """Write a data directory of {utt: (wav, text)}; what stands before the first _ is the speaker.
    """
    utt2spk = {utt: utt.partition("_")[0] for utt in rows}
    write_table(directory / "wav.scp", {utt: str(wav) for utt, (wav, _) in rows.items()})
    write_table(directory / "text", {utt: text for utt, (_, text) in rows.items()})
    write_table(directory / "utt2spk", utt2spk)
    write_table(directory / "spk2utt", invert(utt2spk))


if __name__ == "__main__":
    raise SystemExit(main())
