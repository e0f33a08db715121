"""Propose how transcripts become words: the text of a recipe's conf/normalise.tsv."""

import re
import unicodedata
from collections import Counter

APOSTROPHES = "'’‘`´"
SPOKEN = "%&@#$€£¥°+=§"      # read aloud, so no rule may drop them unseen
JOINERS = "\u200c\u200d"     # stand inside words of some scripts
MANY = 0.2                   # of the utterances: what so many have belongs to the spelling
HEAD = """\
# How transcripts become words: rules that utils/data/normalise_text.py --help lists, tabs between
# their fields, applied from top to bottom. Change what does not suit the language; then ./run.sh
# goes on from there, and data/all/characters.tsv and data/all/left_out.tsv show what is left and
# what is not.
"""


def propose_rules(texts, lm_text=()):
    """The text of normalise.tsv for a list of transcripts, and for the LM's text, which may have
    capitals and punctuation that they have not. What belongs to the spelling, transcripts say."""
    texts, lm_text = ([unicodedata.normalize("NFC", text) for text in some]
                      for some in (texts, lm_text))
    rows = [HEAD, "unicode\tNFC"]
    for name, pattern in (("[noises]", r"\[[^]]*\]"), ("<marks>", "<[^>]*>")):
        count = sum(bool(re.search(pattern, text)) for text in texts)
        if count or any(re.search(pattern, text) for text in lm_text):
            rows += [f"# {name} in {count} utterances are no words", f"regex\t{pattern}\t "]
            texts, lm_text = ([re.sub(pattern, " ", text) for text in some]
                              for some in (texts, lm_text))
    counts, inside, utts = Counter(), Counter(), Counter()
    for text in texts:
        utts.update(set(text))
    for text in [*texts, *lm_text]:
        counts.update(text)
        inside.update(c for a, c, b in zip(text, text[1:], text[2:], strict=False)
                      if a.isalpha() and b.isalpha() and not c.isalnum())
    if any(c.isupper() or c.istitle() for c in counts):
        turkic = counts["ı"] + counts["İ"] and counts["ğ"] + counts["ş"]
        rows.append("case\tlower" + ("\ttr" if turkic else ""))
    rows += _apostrophes(counts, inside)
    rows += _digits(counts, texts)
    others = [c for c in sorted(counts) if not c.isalnum() and not c.isspace()
              and c not in JOINERS + APOSTROPHES and unicodedata.category(c)[0] != "M"]
    invisible = [c for c in others if unicodedata.category(c)[0] == "C"]
    if invisible:
        rows += ["# invisible characters",
                 "regex\t[" + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else
                                      f"\\U{ord(c):08x}" for c in invisible) + "]\t"]
    spoken = [c for c in others if c in SPOKEN and utts[c] <= MANY * len(texts)]
    if spoken:
        told = ", ".join(f"{c} in {utts[c]}" for c in spoken)
        rows += [f"# read aloud, so not to be dropped unseen: {told} utterances. Better than",
                 "# leaving them out: a rule such as  map <tab> % <tab> per cent  above this one",
                 f"reject\t[{re.escape(''.join(spoken))}]"]
    silent = [c for c in others if c not in invisible and c not in spoken]
    if silent:
        told = [f"{c} {inside[c]}" for c in silent if inside[c]]
        rows += ["# punctuation" + (f"; between letters: {', '.join(told)} times, where a word is "
                                    "cut in two (to join it: remove)" if told else ""),
                 "space\t" + "".join(silent)]
    return "\n".join(rows) + "\n"


def _apostrophes(counts, inside):
    """Those inside words stay, as one character; quotes around words go."""
    seen = [c for c in APOSTROPHES if counts[c]]
    if not seen:
        return []
    if not any(inside[c] for c in seen):
        return ["# apostrophes only around words", "space\t" + "".join(seen)]
    rows = [f"# apostrophes inside words: {sum(inside[c] for c in seen)}; they stay, and are "
            "silent unless conf/dict.conf says --keep='"]
    rows += [f"map\t{c}\t'" for c in seen if c != "'"]
    return [*rows, "edge\t'"]


def _digits(counts, texts):
    if not any(c.isdigit() for c in counts):
        return []
    count = sum(any(c.isdigit() for c in text) for text in texts)
    if count > MANY * len(texts):
        return [f"# digits in {count} of {len(texts)} utterances: they belong to the spelling, so",
                "# conf/dict.conf keeps them; else  reject <tab> [0-9]"]
    return [f"# digits in {count} utterances, said in words that nobody knows: write them out, or",
            "# they are left out", r"reject	\d"]
