#!/usr/bin/env python3
"""Make Kaldi data directories of a corpus of local/synthesise.py.

in   <corpus>/utts.tsv lm.txt    set, utt, spk, accent, text; sentences
     <corpus>/<spk>/<utt>.flac
out  <data>/train <data>/dev <data>/test      wav.scp text utt2spk spk2utt utt2accent
     <data>/lm.txt               text for the language model, one sentence a line

e.g. local/prepare_data.py corpus/en data/en
"""

import shutil
from pathlib import Path

from utils.data.tables import read_lines, write_table
from utils.step import Step, UserError


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("corpus", help="directory of local/synthesise.py")
    step.add("data", help="directory to make the data directories in")
    args = step.parse(argv)
    corpus = Path(args.corpus)
    # .done, as another sound of the same sentences is another corpus.
    if step.up_to_date(args.data, [corpus / name for name in ("utts.tsv", "lm.txt", ".done")]):
        return 0
    if not (corpus / "lm.txt").is_file():
        raise UserError(corpus / "lm.txt", "no such file", "run local/synthesise.py --force")
    sets = {}
    for number, line in enumerate(read_lines(corpus / "utts.tsv"), 1):
        try:
            part, utt, spk, accent, text = line.split("\t")
        except ValueError:
            raise UserError(f"{corpus}/utts.tsv:{number}", f"expected set, utt, spk, accent and "
                            f"text, found {line!r}", "run local/synthesise.py --force") from None
        flac = corpus.resolve() / spk / f"{utt}.flac"
        if not flac.is_file():
            raise UserError(f"{corpus}/utts.tsv:{number}", f"{flac} is not there",
                            "run local/synthesise.py --force")
        sets.setdefault(part, {})[utt] = (str(flac), text, spk, accent)
    with step.output(args.data) as out:
        for part, rows in sets.items():
            for column, name in enumerate(["wav.scp", "text", "utt2spk", "utt2accent"]):
                write_table(out / part / name, {utt: row[column] for utt, row in rows.items()})
            spk2utt = {}
            for utt, row in sorted(rows.items()):
                spk2utt.setdefault(row[2], []).append(utt)
            write_table(out / part / "spk2utt", spk2utt)
        shutil.copyfile(corpus / "lm.txt", out / "lm.txt")
        # What was made of the sound before, such as utt2dur and feats.scp, is not of this one.
        for part in sets:
            shutil.rmtree(Path(args.data) / part, ignore_errors=True)
    return step.finish(", ".join(f"{part} {len(rows)} utterances" for part, rows in sets.items()))


if __name__ == "__main__":
    raise SystemExit(main())
