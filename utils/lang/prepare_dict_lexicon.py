#!/usr/bin/env python3
"""Make a dict directory from a lexicon: Kaldi's, CMUdict's or Sphinx's.

in   lexicon    `word phones`, or `word probability phones`; WORD(2) is a variant of WORD;
                lines that begin with ;;; and what follows a # between spaces are comments
     text...    optional: only the words of these (and of --plain-text FILE) are taken
out  <dict>/lexicon.txt, lexiconp.txt, silence_phones.txt, nonsilence_phones.txt,
     optional_silence.txt, extra_questions.txt
     <dict>/missing_words.txt   words of the texts that the lexicon lacks, and their counts

e.g. utils/lang/prepare_dict_lexicon.py --stress drop cmudict.dict data/train/text data/dict
"""

from utils.lang.dictdir import check_symbols, write_dict
from utils.lang.lexicon import is_symbol, read_source_lexicon
from utils.lang.phone_classes import digit_stress, group_variants
from utils.lang.wordlist import add_text_options, count_words, missing_lines
from utils.step import Step, UserError, log, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--probabilities", choices=("true", "false", "auto"), default="auto",
             help="whether the second field is a probability in (0, 1]; auto: if it is on every "
                  "line, or 0.5 or the like on one (default auto)")
    step.add("--stress", choices=("keep", "drop"), default="keep",
             help="drop the digit at the end of CMUdict's vowels (default keep)")
    step.add("--case", choices=("keep", "lower", "upper"), default="keep",
             help="change the words' case to that of the transcripts, but of symbols such as <UNK> "
                  "(default keep)")
    step.add("--silence-phones", default="SIL SPN",
             help='silence and noises, the optional silence first, that of unknown words last '
                  '(default "SIL SPN")')
    step.add("lexicon", help="lexicon file")
    add_text_options(step, "*")
    step.add("dict", help="dict directory to make")
    args = step.parse(argv)
    texts = args.texts + args.plain_text
    if step.up_to_date(args.dict, [args.lexicon, *texts]):
        return 0
    silence = args.silence_phones.split()
    if not silence or len(set(silence)) < len(silence):
        raise UserError("--silence-phones", "a phone is there twice" if silence else
                        "no phone given", "such as SIL SPN")
    entries, notes = read_source_lexicon(args.lexicon, args.probabilities, args.case,
                                         args.stress == "drop")
    for note in notes:
        log(note)
    words = count_words(args)
    known = {entry.word for entry in entries}
    missing = {word: count for word, count in words.items() if word not in known}
    if texts:
        entries = [e for e in entries if e.word in words or is_symbol(e.word)]
    phones = {phone for entry in entries for phone in entry.phones} - set(silence)
    if not phones:
        raise UserError(args.lexicon, "no word of the texts is in it", "or try --case lower")
    check_symbols(phones | set(silence), args.lexicon)
    rows, questions = group_variants(phones, digit_stress)
    with step.output(args.dict) as out:
        write_dict(out, entries, rows, questions, silence, silence[0])
        write_atomic(out / "missing_words.txt", missing_lines(missing))
    if missing:
        log(f"{len(missing)} of {len(words)} words, {sum(missing.values())} of "
            f"{sum(words.values())} with repetitions, are not in {args.lexicon}; "
            f"see {args.dict}/missing_words.txt")
    return step.finish(f"{args.dict}: {len(entries)} pronunciations of "
                       f"{len({e.word for e in entries})} words, {len(phones)} phones")


if __name__ == "__main__":
    raise SystemExit(main())
