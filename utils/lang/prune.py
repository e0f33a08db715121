#!/usr/bin/env python3
"""Make an n-gram model smaller by entropy pruning (Stolcke 1998; SRILM's ngram -prune).

in   <arpa>     ARPA format, gzip if the name ends in .gz
out  <pruned>   ARPA without the n-grams whose removal, each by itself, raises the model's
                perplexity by less than a fraction --threshold, and back-off weights made up for
                it. An n-gram stays as long as a longer one begins with it

1e-8 takes little from a trigram of a hundred million words, 1e-6 makes a first-pass model of it;
small texts bear 1e-5 and more.

e.g. utils/lang/prune.py --threshold 1e-7 lm/3gram.arpa.gz lm/3gram_small.arpa.gz
"""

from pathlib import Path

from utils.lang.arpa import ArpaModel
from utils.lang.lm_prune import prune
from utils.step import Step, UserError, check_apart


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--threshold", type=float, required=True, help="rise of perplexity, such as 1e-7")
    step.add("--min-order", type=int, default=2, help="shorter n-grams stay (default 2)")
    step.add("--history-lm", default="", metavar="ARPA",
             help="model for the probabilities of histories, better than a Kneser-Ney model's own "
                  "under heavy pruning")
    step.add("arpa", help="model")
    step.add("pruned", help="model to make")
    args = step.parse(argv)
    step.name += f":{Path(args.pruned).name}"
    if not args.threshold > 0:
        raise UserError("--threshold", f"must be above 0, not {args.threshold}")
    inputs = [args.arpa] + ([args.history_lm] if args.history_lm else [])
    check_apart(args.pruned, *inputs)
    if step.up_to_date(Path(args.pruned).parent, inputs):
        return 0
    model = ArpaModel.read(args.arpa)
    histories = ArpaModel.read(args.history_lm) if args.history_lm else None
    pruned = prune(model, args.threshold, args.min_order, histories)
    with step.output(Path(args.pruned).parent) as out:
        pruned.write(out / Path(args.pruned).name)
    sizes = ", ".join(
        f"{len(pruned.levels[n]) if n < pruned.order else 0} of {len(level)} {n + 1}-grams"
        for n, level in enumerate(model.levels))
    return step.finish(f"{args.pruned}: {sizes}")


if __name__ == "__main__":
    raise SystemExit(main())
