"""The words that a dict directory shall have: counted in transcripts, text or word lists."""

from collections import Counter

from utils.lang.lexicon import FORBIDDEN_WORDS, is_symbol, text_lines
from utils.step import UserError


def add_text_options(step, nargs):
    """The positional argument `texts` and --plain-text, read by count_words."""
    step.add("texts", nargs=nargs, metavar="text", help="Kaldi's text files: utt-id and words")
    step.add("--plain-text", action="append", default=[], metavar="FILE",
             help="more words from a word list or a text without utt-ids; may be repeated")


def count_words(args):
    """{word: count} over args.texts and args.plain_text; both may be empty lists.

    Words are what stands between spaces and tabs. Symbols such as <UNK>, !SIL and #0 are left out:
    prepare_lang.py and the dict directory have their own.
    """
    counts = Counter()
    for first, paths in ((1, args.texts), (0, args.plain_text)):
        for path in paths:
            for _, fields in text_lines(path):
                counts.update(fields[first:])
    words = {word: n for word, n in sorted(counts.items())
             if not is_symbol(word) and word not in FORBIDDEN_WORDS}
    if not words and (args.texts or args.plain_text):
        raise UserError((args.texts + args.plain_text)[0], "no words in it",
                        "expected `utt-id words`; or --plain-text for text without utt-ids")
    return words


def missing_lines(counts):
    """Lines `word count`, the most frequent first, of words without a pronunciation."""
    return "".join(f"{word} {count}\n" for word, count in
                   sorted(counts.items(), key=lambda item: (-item[1], item[0])))
