"""Subword units of sentencepiece: train, encode text, decode back to words."""

WORD_START = "▁"   # sentencepiece's mark of a space before the unit


def starts_word(unit):
    """Whether a unit begins a word: it bears the mark, or is a symbol such as <UNK> or !SIL."""
    return unit.startswith((WORD_START, "!")) or (unit[:1] == "<" and unit[-1:] == ">")
