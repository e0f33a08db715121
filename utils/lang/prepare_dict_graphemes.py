#!/usr/bin/env python3
"""Make a dict directory whose phones are the letters of the words, in any script.

in   text...                 Kaldi's text, utt-id and words; or --plain-text FILE
out  <dict>/lexicon.txt, lexiconp.txt, silence_phones.txt, nonsilence_phones.txt,
     optional_silence.txt, extra_questions.txt
     <dict>/graphemes.tsv    symbol, count, code points, Unicode names; "-" for what was dropped
     <dict>/missing_words.txt   words without a letter (or with digits), and their counts

e.g. utils/lang/prepare_dict_graphemes.py --keep "'" data/train/text data/dict
"""

from collections import Counter

from utils.lang.dictdir import check_symbols, write_dict
from utils.lang.graphemes import add_letter_options, describe, graphemes, variants
from utils.lang.lexicon import Entry
from utils.lang.wordlist import add_text_options, count_words, missing_lines
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    add_letter_options(step)
    add_text_options(step, "*")
    step.add("dict", help="dict directory to make")
    args = step.parse(argv)
    if step.up_to_date(args.dict, args.texts + args.plain_text):
        return 0
    if not args.texts + args.plain_text:
        raise UserError("prepare_dict_graphemes.py", "no text given", "see --help")
    words = count_words(args)
    entries, missing, table = _pronounce(words, args)
    if not entries:
        raise UserError(args.texts[0] if args.texts else args.plain_text[0],
                        "no word has a letter")
    phones = {phone for entry in entries for phone in entry.phones}
    check_symbols(phones)
    with step.output(args.dict) as out:
        write_dict(out, entries, *variants(phones, args.share_base))
        write_atomic(out / "graphemes.tsv", table)
        write_atomic(out / "missing_words.txt", missing_lines(missing))
    if missing:
        log(f"{len(missing)} words have no pronunciation, see {args.dict}/missing_words.txt")
    return step.finish(f"{args.dict}: {len(entries)} words, {len(phones)} graphemes")


def _pronounce(words, args):
    """Entries, {word without pronunciation: count}, and the text of graphemes.tsv."""
    entries, missing, used, dropped = [], {}, Counter(), Counter()
    for word, count in words.items():
        symbols, left_out = graphemes(word, args.marks, args.fold_case == "true", args.keep)
        if not symbols or any(character.isdigit() for character in left_out):
            missing[word] = count
            continue
        entries.append(Entry(word, 1.0, tuple(symbols)))
        for symbol in symbols:
            used[symbol] += count
        for character in left_out:
            dropped[character] += count
    rows = ["symbol\tcount\tcode points\tnames"]
    rows += ["\t".join((symbol, str(used[symbol]), *describe(symbol))) for symbol in sorted(used)]
    rows += ["\t".join(("-", str(dropped[c]), *describe(c))) for c in sorted(dropped)]
    return entries, missing, "\n".join(rows) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
