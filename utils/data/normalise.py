"""Rules that turn transcripts into words, as a recipe's conf/normalise.tsv has them: those that
utils/data/normalise_text.py --help lists.
"""

import re
import unicodedata
from collections import Counter
from typing import NamedTuple

from utils.data.tables import read_lines
from utils.step import UserError

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
TURKISH = str.maketrans({"I": "ı", "İ": "i"})


class Rule(NamedTuple):
    """where: file:line; apply: text -> text, or None for a text that is rejected"""
    where: str
    name: str
    apply: callable


def read_rules(path):
    """The Rules of a file; UserError with its line for one that is none."""
    return parse_rules(read_lines(path), path)


def parse_rules(lines, path):
    """The same of its lines."""
    rules = []
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        name, *fields = line.split("\t")
        where = f"{path}:{number}"
        if name not in _RULES:
            raise UserError(where, f"no rule {name.split(' ')[0]!r}",
                            "one of " + " ".join(_RULES) + ", and tabs between the fields")
        while len(fields) > 1 and not fields[-1]:
            fields.pop()
        try:
            rules.append(Rule(where, name, _RULES[name](*fields)))
        except re.error as error:
            raise UserError(where, f"{fields[0]} is no regular expression, {error}") from None
        except (TypeError, ValueError, IndexError):
            raise UserError(where, f"{name} with {fields}",
                            "see utils/data/normalise_text.py --help") from None
    return rules


def normalise(text, rules):
    """(words with one space between, None), or ("", the Rule that rejected the text)"""
    for rule in rules:
        result = rule.apply(text)
        if result is None:
            return "", rule
        text = result
    return " ".join(text.split()), None


def count_characters(texts):
    """Counter of the characters of {utt: text}, and {character: utt} where each is first."""
    counts, first = Counter(), {}
    for utt, text in texts.items():
        for character in text.replace(" ", ""):
            counts[character] += 1
            first.setdefault(character, utt)
    return counts, first


def character_table(texts):
    """Lines of character, count, code point, Unicode name, an utterance; the rarest last."""
    counts, first = count_characters(texts)
    rows = ["character\tcount\tcode point\tname\tfirst in"]
    rows += [f"{c}\t{n}\tU+{ord(c):04X}\t{unicodedata.name(c, 'unnamed')}\t{first[c]}"
             for c, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    return "".join(f"{row}\n" for row in rows)


def _unicode(form):
    if form == "none":
        return lambda text: text
    if form not in FORMS:
        raise ValueError(form)
    return lambda text: unicodedata.normalize(form, text)


def _case(which, language=""):
    if which not in ("lower", "upper") or language not in ("", "tr"):
        raise ValueError(which)
    def change(text):
        if language:
            text = text.replace("i", "İ").replace("ı", "I") if which == "upper" else \
                text.translate(TURKISH)
        return text.lower() if which == "lower" else text.upper()

    def apply(text):
        # Capitals of some composed letters are decomposed, such as those of ΐ.
        composed = unicodedata.is_normalized("NFC", text)
        return unicodedata.normalize("NFC", change(text)) if composed else change(text)

    return apply


def _map(old, new=""):
    if not old:
        raise ValueError(old)
    return lambda text: text.replace(old, new)


def _regex(pattern, new=""):
    compiled = re.compile(pattern)
    compiled.sub(new, "")
    return lambda text: compiled.sub(new, text)


def _characters(characters, new):
    table = dict.fromkeys(map(ord, unicodedata.normalize("NFC", characters)), new)
    return lambda text: text.translate(table)


def _edge(characters):
    return lambda text: " ".join(word.strip(characters) for word in text.split())


def _reject(pattern):
    compiled = re.compile(pattern)
    return lambda text: None if compiled.search(text) else text


_RULES = {"unicode": _unicode, "case": _case, "map": _map, "regex": _regex,
          "space": lambda characters: _characters(characters, " "),
          "remove": lambda characters: _characters(characters, ""),
          "edge": _edge, "reject": _reject}
