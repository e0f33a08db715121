#!/usr/bin/env python3
"""Print a table of results, a line for each decode directory that has been scored.

in   <decode>/scoring/summary.json   of steps/score/score.py
out  stdout, and --out: Kaldi's lines, the 95 % interval over utterances, CER, and the WER at the
     LM weight and insertion penalty chosen on the scored set itself (Kaldi's way)

e.g. steps/score/results.py --out exp/results.txt exp/{mono,tri1}/decode_test
"""

from pathlib import Path

from steps.score.wer import Counts, error_line, read_summary
from utils.step import Step, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--out", default="", help="file to write the table to as well")
    step.add("decode", nargs="+", help="decode directories")
    args = step.parse(argv)
    lines = [result_line(Path(directory)) for directory in args.decode]
    text = "".join(line + "\n" for line in lines)
    print(text, end="")
    if args.out:
        write_atomic(args.out, text)
    return step.finish(f"{len(lines)} results")


def result_line(decode):
    """One decode directory's line."""
    summary = read_summary(decode)
    wer = summary["wer"]
    counts = Counts(*(wer[field] for field in Counts._fields))
    low, high = wer["interval"]
    if "systems" in summary:
        chosen = " and ".join(system["decode"] for system in summary["systems"]) + " together"
    elif Path(summary["chosen_on"]).resolve() == decode.resolve():
        chosen = "LM weight chosen on this set itself (Kaldi's way)"
    else:
        chosen = (f"LM weight chosen on {summary['chosen_on']}; "
                  f"on this set itself (Kaldi's way) {summary['kaldi']['wer']:.2f}")
    return (f"{error_line(counts)}  {decode}  95 % {low:.2f} to {high:.2f}, "
            f"CER {summary['cer']['percent']:.2f}; {chosen}")


if __name__ == "__main__":
    raise SystemExit(main())
