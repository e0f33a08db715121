#!/usr/bin/env python3
"""Make a dict directory of subword units, so that words never seen can be recognised.

sentencepiece learns the units; they are the words of the dict and the lang directory, with their
letters as pronunciations. ▁ marks a unit that begins a word; prepare_lang.py allows silence only
there, and apply_subwords.py cuts text into units and puts words together again.

in   text...                 Kaldi's text, utt-id and words; or --plain-text FILE
out  <dict>/bpe.model units.txt   the sentencepiece model, and its units one a line
     <dict>/lexicon.txt, lexiconp.txt, silence_phones.txt, nonsilence_phones.txt,
     optional_silence.txt, extra_questions.txt
     <dict>/missing_words.txt   words that no unit is learned from, and their counts: with digits,
                                or without a letter

e.g. utils/lang/prepare_dict_subwords.py --vocab-size 300 data/train/text data/dict_bpe
"""

import unicodedata

from utils.lang.dictdir import check_symbols, write_dict
from utils.lang.graphemes import add_letter_options, graphemes, variants
from utils.lang.lexicon import Entry, read_source_lexicon
from utils.lang.subwords import WORD_START, train, unit_list
from utils.lang.wordlist import add_text_options, count_words, missing_lines
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--vocab-size", type=int, default=500, help="number of units (default 500)")
    step.add("--type", choices=("unigram", "bpe"), default="unigram",
             help="sentencepiece's model (default unigram)")
    step.add("--lexicon", default="", metavar="FILE",
             help="`unit phones`, with ▁ or without, in place of letters as pronunciations")
    add_letter_options(step)
    add_text_options(step, "*")
    step.add("dict", help="dict directory to make")
    args = step.parse(argv)
    texts = args.texts + args.plain_text
    if step.up_to_date(args.dict, texts + ([args.lexicon] if args.lexicon else [])):
        return 0
    if not texts:
        raise UserError("prepare_dict_subwords.py", "no text given", "see --help")
    words, missing = count_words(args), {}
    for word in [word for word in words if not _is_spelt(word, args)]:
        missing[word] = words.pop(word)
    if not words:
        raise UserError(texts[0], "no word is written with letters only", "see --keep")
    model = train(words, args.vocab_size, args.type)
    units = unit_list(model, words, args.keep)
    entries = _pronounce(units, args)
    phones = {phone for entry in entries for phone in entry.phones}
    check_symbols(phones)
    with step.output(args.dict) as out:
        write_dict(out, entries, *variants(phones, args.share_base))
        write_atomic(out / "bpe.model", model)
        write_atomic(out / "units.txt", "".join(f"{unit}\n" for unit in units))
        write_atomic(out / "missing_words.txt", missing_lines(missing))
    if missing:
        log(f"{len(missing)} words cannot be written with units, such as {next(iter(missing))}, "
            f"see {args.dict}/missing_words.txt")
    return step.finish(f"{args.dict}: {len(units)} units for {len(words)} words, "
                       f"{len(phones)} phones")


def _is_spelt(word, args):
    """Whether all of a word can be pronounced but punctuation, which its letters bear."""
    letters, left_out = graphemes(word, keep=args.keep)
    return WORD_START not in word and bool(letters) and unicodedata.category(word[0])[0] != "M" \
        and all(unicodedata.category(character)[0] in "PSC" for character in left_out)


def _pronounce(units, args):
    if not args.lexicon:
        return [Entry(unit, 1.0, tuple(graphemes(
            unit.removeprefix(WORD_START), args.marks, args.fold_case == "true", args.keep)[0]))
            for unit in units]
    given = {}
    for entry in read_source_lexicon(args.lexicon)[0]:
        given.setdefault(entry.word, []).append(entry)
    entries = []
    for unit in units:
        found = given.get(unit) or given.get(unit.removeprefix(WORD_START))
        if not found:
            raise UserError(args.lexicon, f"no pronunciation of the unit {unit}",
                            "every unit and every letter needs one")
        entries += [Entry(unit, entry.prob, entry.phones) for entry in found]
    return entries


if __name__ == "__main__":
    raise SystemExit(main())
