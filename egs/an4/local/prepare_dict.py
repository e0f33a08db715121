#!/usr/bin/env python3
"""Make a dict directory of the AN4 corpus's own lexicon.

in   <corpus>/etc/an4.dic    word or word(2), then its phones; 33 phones without stress
out  <dict>/lexicon.txt silence_phones.txt nonsilence_phones.txt optional_silence.txt
     extra_questions.txt

Silence is SIL; SPN is for words not in the lexicon, <UNK>.

e.g. local/prepare_dict.py /corpora/an4 data/dict
"""

import re
from pathlib import Path

from utils.data.tables import read_lines
from utils.step import Step, UserError

SPECIAL = [("!SIL", "SIL"), ("<UNK>", "SPN")]


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("corpus", help="the directory with AN4's etc/ and wav/")
    step.add("dict", help="dict directory to make")
    args = step.parse(argv)
    source = Path(args.corpus) / "etc/an4.dic"
    if step.up_to_date(args.dict, [source]):
        return 0
    lexicon = read_lexicon(source)
    phones = sorted({phone for _, phones in lexicon for phone in phones.split()})
    with step.output(args.dict) as out:
        for name, lines in {
                "lexicon.txt": [f"{word} {phones}" for word, phones in SPECIAL + lexicon],
                "silence_phones.txt": ["SIL", "SPN"], "optional_silence.txt": ["SIL"],
                "nonsilence_phones.txt": phones, "extra_questions.txt": ["SIL SPN"]}.items():
            (out / name).write_text("".join(line + "\n" for line in lines), "utf-8")
    words = len({word for word, _ in lexicon})
    return step.finish(f"{words} words, {len(lexicon)} pronunciations, {len(phones)} phones")


def read_lexicon(path):
    """[(word, phones)], sorted, without the marks of variants, each pair once."""
    pairs = set()
    for number, line in enumerate(read_lines(path), 1):
        word, *phones = line.split() or [""]
        if not phones:
            raise UserError(f"{path}:{number}", f"expected a word and its phones, found {line!r}")
        pairs.add((re.sub(r"\(\d+\)$", "", word), " ".join(phones)))
    return sorted(pairs)


if __name__ == "__main__":
    raise SystemExit(main())
