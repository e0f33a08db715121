#!/usr/bin/env python3
"""Write a grammar of one digit or more, all alike, as a bigram model.

in   <text>   transcripts, "<utt> <word> ..." a line: their words are the digits
out  <arpa>   ARPA format, log10. After the silence at the beginning comes a digit, never the end:
              a system that has hardly seen silence would take everything for it.

e.g. local/make_grammar.py --more 0.05 data/lucas/others/train/text data/lm/digits.arpa
"""

import math
from pathlib import Path

from utils.data.tables import read_table
from utils.step import Step, UserError, write_atomic

NEVER = -99


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--more", type=float, default=0.05,
             help="probability that another digit follows (default 0.05)")
    step.add("text", help="transcripts")
    step.add("arpa", help="model to write")
    args = step.parse(argv)
    if not 0 < args.more < 1:
        raise UserError("--more", f"{args.more:g} is not between 0 and 1")
    target = Path(args.arpa)
    step.name += f":{target.name}"
    if step.up_to_date(target.parent, [args.text]):
        return 0
    words = sorted({word for line in read_table(args.text).values() for word in line.split()})
    if not words:
        raise UserError(args.text, "has no words", "prepare the data again")
    with step.output(target.parent) as out:
        write_atomic(out / target.name, grammar(words, args.more))
    return step.finish(f"{args.arpa}: {len(words)} digits")


def grammar(words, more):
    """The text of the model: 1-grams for what follows a digit, 2-grams for the first one."""
    digit = math.log10(more / len(words))
    lines = ["\\data\\", f"ngram 1={len(words) + 2}", f"ngram 2={len(words)}", "", "\\1-grams:",
             f"{math.log10(1 - more):.6f} </s>", f"{NEVER} <s> {NEVER}"]
    lines += [f"{digit:.6f} {word} 0" for word in words]
    lines += ["", "\\2-grams:"]
    lines += [f"{-math.log10(len(words)):.6f} <s> {word}" for word in words]
    return "\n".join([*lines, "", "\\end\\", ""])


if __name__ == "__main__":
    raise SystemExit(main())
