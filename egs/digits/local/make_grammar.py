#!/usr/bin/env python3
"""Write a grammar of one digit or more, all alike, as a bigram model.

out  <arpa>   ARPA format, log10. After the silence at the beginning comes a digit, never the end:
              a system that has hardly seen silence would take everything for it.

e.g. local/make_grammar.py --more 0.05 data/lm/digits.arpa
"""

import math
from pathlib import Path

from egs.digits.local.prepare_data import WORDS
from utils.step import Step, UserError, write_atomic

NEVER = -99


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--more", type=float, default=0.05,
             help="probability that another digit follows (default 0.05)")
    step.add("arpa", help="model to write")
    args = step.parse(argv)
    if not 0 < args.more < 1:
        raise UserError("--more", f"{args.more:g} is not between 0 and 1")
    target = Path(args.arpa)
    step.name += f":{target.name}"
    if step.up_to_date(target.parent, []):
        return 0
    with step.output(target.parent) as out:
        write_atomic(out / target.name, grammar(args.more))
    return step.finish(f"{args.arpa}: {len(WORDS)} digits")


def grammar(more):
    """The text of the model: 1-grams for what follows a digit, 2-grams for the first one."""
    digit = math.log10(more / len(WORDS))
    lines = ["\\data\\", f"ngram 1={len(WORDS) + 2}", f"ngram 2={len(WORDS)}", "", "\\1-grams:",
             f"{math.log10(1 - more):.6f} </s>", f"{NEVER} <s> {NEVER}"]
    lines += [f"{digit:.6f} {word} 0" for word in sorted(WORDS)]
    lines += ["", "\\2-grams:"]
    lines += [f"{-math.log10(len(WORDS)):.6f} <s> {word}" for word in sorted(WORDS)]
    return "\n".join([*lines, "", "\\end\\", ""])


if __name__ == "__main__":
    raise SystemExit(main())
