"""Random sentences of a small grammar: the texts of the synthesised corpora."""

import random

from utils.data.tables import read_lines
from utils.step import UserError

START = "sentence"
MAX_TRIES = 200   # drawings in a row without a new sentence, after which the grammar is exhausted


def read_grammar(path):
    """{name: [alternatives, lists of words and NAMES]} of lines `name = words and NAMES | ...`."""
    grammar = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, right = line.partition("=")
        alternatives = [alternative.split() for alternative in right.split("|")]
        if not equals or not all(alternatives):
            raise UserError(f"{path}:{number}", "expected `name = words and NAMES | ...`")
        grammar[name.strip()] = alternatives
    for name, alternatives in grammar.items():
        for token in (token for alternative in alternatives for token in alternative):
            if token.isupper() and token.lower() not in grammar:
                raise UserError(path, f"{token} in {name} is not defined")
    return grammar


def expand(grammar, name, rng):
    """A random expansion of a name, as a list of words."""
    words = []
    for token in rng.choice(grammar[name]):
        words.extend(expand(grammar, token.lower(), rng) if token.isupper() else [token])
    return words


def sentences(grammar, number, seed, max_words=12):
    """That many different sentences in random order; the same ones for the same seed.

    The first n of a larger number are the n of a smaller one.
    """
    rng = random.Random(seed)
    found = {}
    tries = 0
    while len(found) < number:
        words = expand(grammar, START, rng)
        tries += 1
        if len(words) <= max_words and " ".join(words) not in found:
            found[" ".join(words)] = None
            tries = 0
        elif tries > MAX_TRIES:
            raise UserError("grammar", f"only {len(found)} different sentences, not {number}")
    return list(found)
