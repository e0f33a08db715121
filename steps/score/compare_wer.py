#!/usr/bin/env python3
"""Is B better than A? Paired bootstrap over utterances or speakers (Bisani & Ney 2004).

in   <A>/scoring/{ref.txt,utts.tsv,summary.json}   two decode directories that steps/score/score.py
     <B>/scoring/...                               has scored, with the same references
out  stdout: both error rates, their difference, its 95 % interval, the probability that B is better

Both are resampled together, so that what is hard for both does not blur the difference. Speakers
are the independent units: with enough of them, prefer --unit speaker.

e.g. steps/score/compare_wer.py exp/fr/tdnn_scratch/decode_test exp/fr/tdnn_transfer/decode_test
"""

from pathlib import Path

import numpy as np

from steps.score.bootstrap import NUM_REPLICATES, paired_comparison, sums_by
from steps.score.details import COLUMNS, read_utt_table
from steps.score.wer import Counts, error_line, read_summary
from utils.data.tables import read_table
from utils.option_types import count
from utils.step import Step, UserError, positive


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--unit", choices=["utterance", "speaker"], default="utterance",
             help="what is resampled (default utterance)")
    step.add("--cer", action="store_true", help="character errors instead of word errors")
    step.add("--replicates", type=positive, default=NUM_REPLICATES,
             help=f"bootstrap replicates (default {NUM_REPLICATES})")
    step.add("--seed", type=count, default=0, help="of the bootstrap (default 0)")
    step.add("a", metavar="A", help="decode directory")
    step.add("b", metavar="B", help="decode directory")
    args = step.parse(argv)

    check_same_references(Path(args.a), Path(args.b))
    if args.cer:
        check_same_characters(Path(args.a), Path(args.b))
    first = COLUMNS.index("chars" if args.cer else "words")
    (utts, spks, a), (_, _, b) = (read_utt_table(Path(d) / "scoring/utts.tsv")
                                  for d in (args.a, args.b))
    a, b = a[:, first:first + 4], b[:, first:first + 4]
    name = "CER" if args.cer else "WER"
    for label, counts, directory in (("A", a, args.a), ("B", b, args.b)):
        print(f"{label} {error_line(Counts(*counts.sum(0).tolist()), name)}  {directory}")
    units, sums = sums_by(spks if args.unit == "speaker" else utts, np.hstack([
        a[:, 1:].sum(1, keepdims=True), b[:, 1:].sum(1, keepdims=True), a[:, :1]]))
    if len(units) < 2:
        raise UserError(args.a, f"has one {args.unit}, which cannot be resampled",
                        "compare by utterance" if args.unit == "speaker" else "score more")
    result = paired_comparison(*sums.T, seed=args.seed, num_replicates=args.replicates)
    print(f"B - A {result['difference']:+.2f} points, 95 % interval {result['low']:+.2f} to "
          f"{result['high']:+.2f}; B is better with probability {result['better']:.4f}, "
          f"equal {result['equal']:.4f}; p {result['p']:.4f}, two-sided")
    return step.finish(f"{len(units)} {args.unit}s resampled {args.replicates} times")


def check_same_references(a, b):
    """A UserError that names the first difference of the references of two decode directories."""
    for directory in (a, b):
        if not (directory / "scoring/ref.txt").is_file():
            raise UserError(directory, "not scored yet", "run steps/score/score.py")
    ref_a, ref_b = (read_table(d / "scoring/ref.txt", empty_ok=True) for d in (a, b))
    for utt in sorted(ref_a.keys() | ref_b.keys()):
        if ref_a.get(utt) != ref_b.get(utt):
            raise UserError(f"{b}/scoring/ref.txt", f"{utt} is {_quoted(ref_b, utt)}, but in "
                            f"{a}/scoring/ref.txt it is {_quoted(ref_a, utt)}",
                            "only results on the same references can be compared")


def check_same_characters(a, b):
    """A UserError if the same references have more characters in one scoring than in the other."""
    chars_a, chars_b = (read_summary(d)["cer"]["words"] for d in (a, b))
    if chars_a != chars_b:
        raise UserError(f"{b}/scoring/summary.json", f"counts {chars_b} characters, and "
                        f"{a}/scoring/summary.json {chars_a}",
                        "score both with --cer-spaces, or both without")


def _quoted(table, utt):
    return f'"{table[utt]}"' if utt in table else "missing"


if __name__ == "__main__":
    raise SystemExit(main())
