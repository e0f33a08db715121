"""Letters as phones: cut words of any script into graphemes."""

import unicodedata

from utils.lang.phone_classes import group_variants

DOTTED_CIRCLE = "◌"   # carries a combining mark that is a symbol of its own
MARKS = ("letter", "separate")


def add_letter_options(step):
    """What is a letter, and what of it a phone: for graphemes() and variants()."""
    step.add("--marks", choices=MARKS, default="letter",
             help="a combining mark is part of its letter, or a separate phone (default letter)")
    step.add("--fold-case", choices=("true", "false"), default="true",
             help="upper case sounds as lower case (default true)")
    step.add("--keep", default="", metavar="CHARACTERS",
             help="what else is a letter, e.g. \"'-\"; other punctuation is silent")
    step.add("--share-base", choices=("true", "false"), default="false",
             help="letters that differ in their marks share the root of a tree, which may ask "
                  "for each mark; good for tone marks (default false)")


def graphemes(word, marks="letter", fold_case=True, keep=""):
    """The graphemes of a word, and the characters that were left out.

    marks      "letter": a combining mark belongs to its letter, composed to one code point where
               Unicode has one (NFC); "separate": it follows its letter as a symbol of its own,
               and Hangul syllables fall into their jamo (NFD)
    fold_case  upper case becomes lower case
    keep       characters that count as letters although they are not: apostrophes, hyphens,
               digits
    returns    list of symbols, list of characters dropped
    """
    if fold_case:
        word = word.lower()
    keep = set(unicodedata.normalize("NFD", keep))
    symbols, dropped, attached = [], [], False
    for character in unicodedata.normalize("NFD", word):
        kind = unicodedata.category(character)[0]
        if kind == "L" or character in keep:
            symbols.append(character)
            attached = True
        elif kind == "M" and attached:
            if marks == "letter":
                symbols[-1] += character
            else:
                symbols.append(DOTTED_CIRCLE + character)
        else:
            dropped.append(character)
            attached = attached and kind == "C"   # joiners stand inside a letter
    if marks == "letter":
        symbols = _compose(symbols)
    return symbols, dropped


def _compose(symbols):
    """NFC of each symbol; the jamo of a Hangul syllable become one symbol again."""
    composed = []
    for symbol in symbols:
        joined = unicodedata.normalize("NFC", composed[-1] + symbol) if composed else ""
        if len(joined) == 1:
            composed[-1] = joined
        else:
            composed.append(unicodedata.normalize("NFC", symbol))
    return composed


def base_and_marks(symbol):
    """The letter without its combining marks, and the marks: for group_variants."""
    letters = unicodedata.normalize("NFD", symbol)
    marks = [c for c in letters[1:] if unicodedata.category(c)[0] == "M"]
    if letters[0] == DOTTED_CIRCLE or len(marks) != len(letters) - 1:
        return symbol, []
    return letters[0], marks


def variants(phones, share_base):
    """Rows and questions of group_variants(); share_base is the option's "true" or "false"."""
    return group_variants(
        phones, base_and_marks if share_base == "true" else lambda phone: (phone, []))


def describe(symbol):
    """Code points and Unicode names: "U+0061 U+0301", "LATIN SMALL LETTER A + COMBINING ..."."""
    return (" ".join(f"U+{ord(c):04X}" for c in symbol),
            " + ".join(unicodedata.name(c, "unnamed") for c in symbol))
