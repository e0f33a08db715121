#!/usr/bin/env python3
"""Train an n-gram language model with interpolated modified Kneser-Ney smoothing.

in   <text>   one sentence a line, <s> and </s> at its ends allowed; or, with --utt-ids, a Kaldi
              `text`: utt-id and words. gzip if the name ends in .gz. Empty lines are passed over
out  <arpa>   ARPA format, log10; gzip if the name ends in .gz

The vocabulary is the text's, or --vocab's: words of --vocab that the text lacks get their share
of the unigrams' mass, words that it lacks become --unk (or, with --oov skip, break the n-grams
that span them, and the model is closed). Where a text is too small for the discounts of modified
Kneser-Ney, simpler ones take their place, and a note says which.

A million lines, 15 million words, take 1.3 GB of memory and half a minute at order 3.

e.g. utils/lang/train_ngram.py --order 3 --utt-ids --vocab data/lang data/train/text lm/3gram.arpa
"""

from pathlib import Path

from utils.lang.lm_text import BOS, NOT_WORDS, open_text, read_text, read_vocab, vocab_files
from utils.lang.ngram import adjusted_counts, count_ngrams, estimate, find_discounts
from utils.step import Step, UserError, check_apart, log


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--order", type=int, default=3, help="longest n-grams, in words (default 3)")
    step.add("--utt-ids", action="store_true", help="each line begins with an utterance id")
    step.add("--vocab", default="", metavar="FILE",
             help="the words to know: one a line, or a words.txt, or a lang directory")
    step.add("--unk", default="", metavar="WORD",
             help="the word for all others (default: oov.txt of --vocab, else <unk>); what reads "
                  "models takes <unk> and <UNK> for it, and no other")
    step.add("--oov", choices=("map", "skip"), default="map",
             help="what becomes of words outside --vocab: --unk (map, the default), or "
                  "nothing (skip): then the model does not have --unk either")
    step.add("--min-counts", default="", metavar="C1,C2,...",
             help="leave out n-grams of order n seen fewer than Cn times (default 1 for all); "
                  "without --vocab, words seen fewer than C1 times become --unk")
    step.add("text", help="sentences")
    step.add("arpa", help="model to make")
    args = step.parse(argv)
    # A directory may hold several models: each has its own record in .done.
    step.name += f":{Path(args.arpa).name}"
    min_counts = _check_options(args)
    inputs = [args.text, *(vocab_files(args.vocab) if args.vocab else [])]
    check_apart(args.arpa, *inputs)
    if step.up_to_date(Path(args.arpa).parent, inputs):
        return 0
    open_text(args.text).close()
    vocab, unk = read_vocab(args.vocab) if args.vocab else (None, None)
    unk = args.unk or unk or "<unk>"
    if args.oov == "skip":
        vocab, unk = vocab and [word for word in vocab if word != unk], None
    text = read_text(args.text, vocab, unk, args.utt_ids, min_counts[0])
    _report(args, text)
    model = _train(args, text, min_counts)
    with step.output(Path(args.arpa).parent) as out:
        model.write(out / Path(args.arpa).name)
    sizes = ", ".join(f"{len(level)} {n}-grams" for n, level in enumerate(model.levels, 1))
    return step.finish(f"{args.arpa}: {sizes}")


def _check_options(args):
    """The minimum counts of all orders."""
    if args.order < 1:
        raise UserError("--order", f"must be at least 1, not {args.order}")
    if args.unk in NOT_WORDS or len(f"x{args.unk}x".split()) != 1:
        raise UserError("--unk", f"{args.unk!r} is no word", "such as <unk>")
    given = args.min_counts.split(",") if args.min_counts else []
    if not all(count.isdecimal() and int(count) > 0 for count in given) or len(given) > args.order:
        raise UserError("--min-counts", f"expected at most {args.order} numbers above 0, "
                        f"found {args.min_counts!r}", "such as 1,1,2")
    counts = [int(count) for count in given] or [1]
    counts += [counts[-1]] * (args.order - len(counts))
    if counts != sorted(counts):
        raise UserError("--min-counts", f"{args.min_counts} goes down",
                        "what is in the model needs its beginning and its end there, so a longer "
                        "n-gram cannot be kept at a lower count than a shorter one")
    return counts


def _report(args, text):
    if not text.num_words:
        raise UserError(args.text, "has no words", "is it the right file, and --utt-ids right?")
    oov = f"{text.num_oovs} words ({100 * text.num_oovs / text.num_words:.2f} %) outside it"
    log(f"{args.text}: {text.num_sentences} sentences, {text.num_words} words; "
        f"vocabulary of {len(text.words) - 2}, {oov}"
        + (f", {'mapped to ' + text.unk if text.unk else 'skipped'}" if text.num_oovs else ""))
    if text.num_empty:
        log(f"{args.text}: {text.num_empty} empty lines passed over")
    if text.num_oovs == text.num_words:
        raise UserError(args.text, "no word is in the vocabulary", f"is {args.vocab} right?"
                        if args.vocab else "lower --min-counts")


def _train(args, text, min_counts):
    bos = text.words.index(BOS)
    levels = count_ngrams(text.tokens, len(text.words), args.order, bos)
    if len(levels) < args.order:
        log(f"{args.text}: no sentence is long enough for order {args.order}, so {len(levels)}")
    discounts, how = find_discounts(adjusted_counts(levels))
    for order, (values, method) in enumerate(zip(discounts, how, strict=True), 1):
        numbers = " ".join(f"{value:.4f}" for value in values)
        note = "" if method == "modified Kneser-Ney" else \
            "; too little text for modified Kneser-Ney"
        log(f"order {order}: discounts {numbers} ({method}{note})")
    return estimate(levels, text.words, bos, discounts, min_counts)


if __name__ == "__main__":
    raise SystemExit(main())
