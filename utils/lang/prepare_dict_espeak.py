#!/usr/bin/env python3
"""Make a dict directory with eSpeak NG's pronunciations, its phonemes in IPA.

in   text...                 Kaldi's text, utt-id and words; or --plain-text FILE
out  <dict>/lexicon.txt, lexiconp.txt, silence_phones.txt, nonsilence_phones.txt,
     optional_silence.txt, extra_questions.txt
     <dict>/missing_words.txt   words that eSpeak cannot say, and their counts

e.g. utils/lang/prepare_dict_espeak.py --language sw data/train/text data/dict
"""

import re

from utils.lang.dictdir import check_symbols, write_dict
from utils.lang.lexicon import Entry
from utils.lang.phone_classes import group_variants, ipa_stress
from utils.lang.wordlist import add_text_options, count_words, missing_lines
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--language", default="en-us", metavar="CODE",
             help="a language or accent of eSpeak NG: en-us, en-gb-scotland, fr, sw, ... "
                  "(default en-us)")
    step.add("--stress", choices=("keep", "drop"), default="drop",
             help="ˈ and ˌ make phones of their own (default drop); length always does")
    step.add("--tones", choices=("keep", "drop"), default="keep",
             help="tones make phones of their own (default keep)")
    step.add("--fold-case", choices=("true", "false", "auto"), default="auto",
             help="pronounce upper case as lower case; eSpeak spells out IT and US. auto: if no "
                  "word has lower case (default auto)")
    add_text_options(step, "*")
    step.add("dict", help="dict directory to make")
    args = step.parse(argv)
    if step.up_to_date(args.dict, args.texts + args.plain_text):
        return 0
    if not args.texts + args.plain_text:
        raise UserError("prepare_dict_espeak.py", "no text given", "see --help")
    entries, missing = _pronounce(count_words(args), args)
    if not entries:
        raise UserError(args.language, "eSpeak NG can say none of the words",
                        "is it the language of the text?")
    phones = {phone for entry in entries for phone in entry.phones}
    check_symbols(phones)
    rows, questions = group_variants(phones, ipa_stress)
    long = sorted(phone for phone in phones if "ː" in phone)
    with step.output(args.dict) as out:
        write_dict(out, entries, rows, questions + ([long] if long else []))
        write_atomic(out / "missing_words.txt", missing_lines(missing))
    if missing:
        log(f"{len(missing)} words have no pronunciation, see {args.dict}/missing_words.txt")
    return step.finish(f"{args.dict}: {len(entries)} words, {len(phones)} phonemes")


def _pronounce(words, args):
    """Entries, and {word that eSpeak cannot say: count}."""
    from utils.lang.espeak import Espeak

    espeak = Espeak(args.language)
    marks = ("ˈˌ" if args.stress == "drop" else "") + ("0-9" if args.tones == "drop" else "")
    fold = args.fold_case == "true" or (args.fold_case == "auto"
                                        and all(word == word.upper() for word in words))
    entries, missing = [], {}
    for word, count in words.items():
        phones = espeak.phonemes(word.lower() if fold else word)
        if marks:
            phones = [phone for phone in (re.sub(f"[{marks}]", "", p) for p in phones) if phone]
        if phones:
            entries.append(Entry(word, 1.0, tuple(phones)))
        else:
            missing[word] = count
    return entries, missing


if __name__ == "__main__":
    raise SystemExit(main())
