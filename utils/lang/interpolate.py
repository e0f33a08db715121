#!/usr/bin/env python3
"""Interpolate two n-gram models into one.

in   <arpa-a> <arpa-b>   ARPA format, gzip if the names end in .gz; orders may differ
     FILE of --tune      text under which the weight is made best, by EM
out  <arpa>              all n-grams of either, p = weight * p_a + (1 - weight) * p_b, with
                         back-off weights that make every history's probabilities sum to 1

A word that one model lacks has probability 0 in that model. What neither lists is backed off, so
the perplexity may differ a little from that of the two models mixed word by word.

e.g. utils/lang/interpolate.py --tune data/dev/text --utt-ids lm/own.arpa lm/wiki.arpa lm/mix.arpa
"""

from pathlib import Path

from utils.lang.arpa import ArpaModel
from utils.lang.lm_mix import WEIGHT_RANGE, mix, token_probs, tune_weight
from utils.step import Step, UserError, check_apart, log


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--weight", type=float, default=None, help="of the first model, between 0 and 1")
    step.add("--tune", default="", metavar="TEXT", help="text to find the weight on")
    step.add("--utt-ids", action="store_true", help="TEXT's lines begin with an utterance id")
    step.add("arpa_a", metavar="arpa-a", help="first model")
    step.add("arpa_b", metavar="arpa-b", help="second model")
    step.add("arpa", help="model to make")
    args = step.parse(argv)
    step.name += f":{Path(args.arpa).name}"
    if (args.weight is None) == (not args.tune):
        raise UserError("options", "expected one of --weight and --tune")
    if args.weight is not None and not 0 < args.weight < 1:
        raise UserError("--weight", f"must be between 0 and 1, not {args.weight}")
    inputs = [args.arpa_a, args.arpa_b] + ([args.tune] if args.tune else [])
    check_apart(args.arpa, *inputs)
    if step.up_to_date(Path(args.arpa).parent, inputs):
        return 0
    models = [ArpaModel.read(path) for path in (args.arpa_a, args.arpa_b)]
    weight = _tune(args, models) if args.tune else args.weight
    mixed = mix(*models, weight)
    with step.output(Path(args.arpa).parent) as out:
        mixed.write(out / Path(args.arpa).name)
    sizes = ", ".join(f"{len(level)} {n}-grams" for n, level in enumerate(mixed.levels, 1))
    return step.finish(f"{args.arpa}: {weight:.4f} {args.arpa_a} + {1 - weight:.4f} "
                       f"{args.arpa_b}; {sizes}")


def _tune(args, models):
    probs = [token_probs(model, args.tune, args.utt_ids) for model in models]
    scored = int(((probs[0] > 0) | (probs[1] > 0)).sum())
    if not scored:
        raise UserError(args.tune, "neither model knows a word of it", "is --utt-ids right?")
    weight, ppl = tune_weight(*probs)
    log(f"{args.tune}: weight {weight:.4f} for {args.arpa_a}; perplexity {ppl:.2f} of {scored} "
        f"words and ends, {len(probs[0]) - scored} words in neither model left out")
    if weight in WEIGHT_RANGE:
        log(f"{args.tune}: one of the models does not help")
    return weight


if __name__ == "__main__":
    raise SystemExit(main())
