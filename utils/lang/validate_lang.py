#!/usr/bin/env python3
"""Check a lang directory, ours or Kaldi's: do its files agree with each other?

in   <lang>/phones.txt words.txt topo oov.txt phones/* L.fst L_disambig.fst, G.fst if there is one
out  on stderr, a line `file: what is wrong` for each problem; exit status 1 if there is one

e.g. utils/lang/validate_lang.py --determinize data/lang_test
"""

from utils.lang.lang_check import check_determinizable, check_lang
from utils.lang.lexicon import report_problems
from utils.step import Step


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--determinize", action="store_true",
             help="also determinize L_disambig.fst o G.fst, which takes time and memory")
    step.add("--max-problems", type=int, default=30, help="how many are printed (default 30)")
    step.add("lang", help="lang directory")
    args = step.parse(argv)
    problems = check_lang(args.lang)
    if not problems and args.determinize:
        problems = check_determinizable(args.lang)
    report_problems(args.lang, problems, args.max_problems)
    return step.finish(f"{args.lang} is valid")


if __name__ == "__main__":
    raise SystemExit(main())
