#!/usr/bin/env python3
"""Print the perplexity of a text under an n-gram model.

in   <arpa>   ARPA format, gzip if the name ends in .gz
     <text>   one sentence a line; or, with --utt-ids, a Kaldi `text`. Empty lines are passed over
out  stdout   sentences, words, OOVs (words that the model lacks; no part of the first two
              perplexities), logprob (log10, of the words known and of </s>), ppl (per word and
              </s>), ppl1 (per word, as SRILM's), and, where the model has <unk>, ppl_unk:
              per word and </s>, OOVs scored as <unk>
     FILE of --per-utt   one line each: utt (or line's number from 1) logprob words oovs ppl

e.g. utils/lang/perplexity.py --utt-ids lm/3gram.arpa.gz data/test/text
"""

import numpy as np

from utils.lang.arpa import ArpaModel
from utils.lang.lm_score import score_text
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--utt-ids", action="store_true", help="each line begins with an utterance id")
    step.add("--per-utt", default="", metavar="FILE", help="write each sentence's figures here")
    step.add("arpa", help="model")
    step.add("text", help="sentences")
    args = step.parse(argv)
    model = ArpaModel.read(args.arpa)
    if model.skipped:
        log(f"{args.arpa}: {model.skipped} n-grams left out: their history is no n-gram")
    scores = score_text(model, args.text, args.utt_ids)
    if not scores.utts:
        raise UserError(args.text, "has no words", "is --utt-ids right?")
    known = ~scores.is_oov
    words = int(np.count_nonzero(~scores.is_end))
    oovs = int(scores.is_oov.sum())
    logprob = float(scores.logprob[known].sum())
    figures = {"sentences": len(scores.utts), "words": words, "OOVs": oovs,
               "logprob": f"{logprob:.4f}",
               "ppl": f"{perplexity(logprob, known.sum()):.4f}",
               "ppl1": f"{perplexity(logprob, words - oovs):.4f}"}
    if model.unk:
        figures["ppl_unk"] = f"{perplexity(scores.logprob.sum(), len(scores.logprob)):.4f}"
    print(" ".join(f"{name}={value}" for name, value in figures.items()))
    if args.per_utt:
        write_atomic(args.per_utt, "".join(_per_utt(scores)))
    return step.finish(f"{args.arpa}, {args.text}: perplexity {figures['ppl']} of {words} words, "
                       f"{oovs} OOVs ({100 * oovs / words:.2f} %)")


def perplexity(logprob, count):
    """10 to the mean negative log10 probability; inf where nothing was scored."""
    return 10.0 ** (-float(logprob) / int(count)) if count else float("inf")


def _per_utt(scores):
    """One line for each sentence."""
    count, known = len(scores.utts), ~scores.is_oov
    logprob = np.bincount(scores.sentence[known], scores.logprob[known], count)
    tokens = np.bincount(scores.sentence, minlength=count)
    oovs = np.bincount(scores.sentence, scores.is_oov, count).astype(int)
    for number, utt in enumerate(scores.utts):
        yield (f"{utt.decode() or number + 1} {logprob[number]:.4f} {tokens[number] - 1} "
               f"{oovs[number]} {perplexity(logprob[number], tokens[number] - oovs[number]):.4f}\n")


if __name__ == "__main__":
    raise SystemExit(main())
