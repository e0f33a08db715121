#!/usr/bin/env python3
"""Check a dict directory: everything that Kaldi's validate_dict_dir.pl checks, and more.

in   <dict>/lexicon.txt or lexiconp.txt, silence_phones.txt, nonsilence_phones.txt,
     optional_silence.txt, extra_questions.txt
out  on stderr, a line `file:line: what is wrong (what to do)` for each problem; exit status 1
     if there is one

e.g. utils/lang/validate_dict_dir.py data/dict
"""

from utils.lang.dictdir import check_dict
from utils.lang.lexicon import report_problems
from utils.step import Step


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--max-problems", type=int, default=30, help="how many are printed (default 30)")
    step.add("dict", help="dict directory")
    args = step.parse(argv)
    contents, problems = check_dict(args.dict)
    report_problems(args.dict, problems, args.max_problems)
    return step.finish(f"{args.dict} is valid: {len(contents.entries)} pronunciations, "
                       f"{sum(map(len, contents.silence))} silence and "
                       f"{sum(map(len, contents.nonsilence))} other phones")


if __name__ == "__main__":
    raise SystemExit(main())
