"""Pronunciation lexicons: read them, mark positions in the word, tell homophones apart.

An entry is (word, prob, phones): the word, p(phones | word) relative to its likeliest
pronunciation (Kaldi's 0 < prob <= 1), and a tuple of phones.
"""

import math
import re
from typing import NamedTuple

from utils.data.tables import read_lines
from utils.step import UserError, log

FORBIDDEN_WORDS = {"<eps>", "<s>", "</s>", "#0"}
# All white space of Unicode but space, tab and the line's end, and the zero byte: inside a word it
# looks like a boundary and is none.
ODD_SPACE = re.compile("[\0\x0b\x0c\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f"
                       "\u205f\u3000\ufeff]")
_VARIANT = re.compile(r"(?<=.)\(\d+\)$")


class Entry(NamedTuple):
    word: str
    prob: float
    phones: tuple


class Problem(NamedTuple):
    """What is wrong with a line: the arguments of UserError."""
    where: str
    what: str
    do: str = None


def is_symbol(word):
    """Whether it stands for no spoken word: <UNK>, [laughter], !SIL."""
    return word == "!SIL" or (len(word) > 2 and word[0] + word[-1] in ("<>", "[]"))


def split_fields(line):
    """Fields between spaces and tabs, and nothing else: other white space stays in its field,
    where the checks find it."""
    return [field for field in line.replace("\t", " ").split(" ") if field]


def text_lines(path):
    """[(line number, fields)] of a text or lexicon from elsewhere.

    raises  UserError with file, line and column where a word has white space in it
    """
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        odd = ODD_SPACE.search(line)
        if odd:
            raise UserError(f"{path}:{number}:{odd.start() + 1}",
                            f"U+{ord(odd[0]):04X}, white space other than space and tab",
                            "replace it by a space")
        rows.append((number, split_fields(line.replace("\r", " "))))
    return rows


def scan_lexicon(path, num_probs=0):
    """Entries and problems of lexicon.txt (num_probs 0), lexiconp.txt (1) or
    lexiconp_silprob.txt (4, of which the first is the entry's).

    returns  [(line number, Entry)], [Problem]
    """
    entries, problems, seen = [], [], {}
    for number, line in enumerate(read_lines(path), 1):
        fields = split_fields(line.removesuffix("\r"))
        problem = _check_fields(fields, num_probs)
        if problem:
            problems.append(Problem(f"{path}:{number}", *problem))
            continue
        entry = Entry(fields[0], float(fields[1]) if num_probs else 1.0,
                      tuple(fields[1 + num_probs:]))
        first = seen.setdefault((entry.word, entry.phones), number)
        if first != number:
            problems.append(Problem(f"{path}:{number}", f"the same pronunciation of {entry.word} "
                                    f"stands in line {first}", "remove one of them"))
        entries.append((number, entry))
    if not entries and not problems:
        problems.append(Problem(str(path), "no words in it"))
    return entries, problems


def read_lexicon(path, num_probs=0):
    """Entries of a lexicon file as scan_lexicon reads it; the first problem is raised."""
    entries, problems = scan_lexicon(path, num_probs)
    if problems:
        raise UserError(*problems[0])
    return [entry for _, entry in entries]


def _check_fields(fields, num_probs):
    if not fields:
        return "empty line", "remove it"
    word = fields[0]
    if word in FORBIDDEN_WORDS:
        return f"{word} may not be in the lexicon", "prepare_lang.py adds it where it belongs"
    for field in fields[1: 1 + num_probs]:
        if not _is_probability(field):
            return (f"{word}: {field} is not a probability in (0, 1]",
                    "expected `word probability phones`")
    if len(fields) < 2 + num_probs:
        return f"{word} has no pronunciation", "add its phones, or remove it"
    return None


def _is_probability(text):
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and 0 < value <= 1


def mark_positions(entries):
    """Entries with _B, _I, _E, _S after each phone: begin, inside, end of the word, or alone."""
    return [Entry(e.word, e.prob, _positions(e.phones)) for e in entries]


def _positions(phones):
    if len(phones) == 1:
        return (phones[0] + "_S",)
    return (phones[0] + "_B", *[p + "_I" for p in phones[1:-1]], phones[-1] + "_E")


def add_disambig(entries):
    """Append #1, #2, ... where a pronunciation is shared or begins a longer one.

    returns  the entries in the same order, and the highest number used: Kaldi's
             add_lex_disambig, which makes L_disambig.fst o G.fst determinizable
    """
    count, prefixes = {}, set()
    for entry in entries:
        count[entry.phones] = count.get(entry.phones, 0) + 1
        prefixes.update(entry.phones[:n] for n in range(1, len(entry.phones)))
    used, highest, result = {}, 0, []
    for entry in entries:
        phones = entry.phones
        if count[phones] > 1 or phones in prefixes:
            used[phones] = number = used.get(phones, 0) + 1
            highest = max(highest, number)
            phones = (*phones, f"#{number}")
        result.append(Entry(entry.word, entry.prob, phones))
    return result, highest


def read_source_lexicon(path, probabilities="auto", case="keep", drop_stress=False):
    """Entries of a lexicon from elsewhere, and notes on what was changed.

    path           `word phones` or `word probability phones`, CMUdict's variants and comments
    probabilities  "true", "false", or "auto": true if each line has one and phones after it, or if
                   one has a fraction such as 0.5
    case           "keep", "lower" or "upper" for the words; symbols such as <UNK> stay as they are
    drop_stress    AH0 becomes AH
    raises         UserError with file and line: no pronunciation, bad probability, bad word
    """
    rows = []
    for number, fields in text_lines(path):
        fields = fields[:next((i for i, f in enumerate(fields) if i and f.startswith("#")), None)]
        if fields and not fields[0].startswith(";;;"):
            rows.append((number, fields))
    if not rows:
        raise UserError(path, "no words in it", "expected `word phones` a line")
    if probabilities == "auto":
        # 0.5 is no phone: where one line has it, others without a probability are wrong.
        probabilities = "true" if all(len(f) > 2 and _is_probability(f[1]) for _, f in rows) \
            or any("." in f[1] and _is_probability(f[1]) for _, f in rows if len(f) > 1) \
            else "false"
    words = {fields[0] for _, fields in rows}
    entries, variants, repeated = {}, 0, 0
    for number, fields in rows:
        problem = _check_fields(fields, int(probabilities == "true"))
        if problem:
            raise UserError(f"{path}:{number}", *problem)
        word = _VARIANT.sub("", fields[0])
        if word != fields[0] and word in words:
            variants += 1
        else:
            word = fields[0]
        if not is_symbol(word):
            word = {"lower": word.lower(), "upper": word.upper()}.get(case, word)
        prob = float(fields[1]) if probabilities == "true" else 1.0
        phones = fields[1 + int(probabilities == "true"):]
        if drop_stress:
            phones = [p.rstrip("0123456789") or p for p in phones]
        entry = Entry(word, prob, tuple(phones))
        repeated += (word, entry.phones) in entries
        entries.setdefault((word, entry.phones), entry)
    notes = [f"{path}: {variants} lines WORD(n) are variants of WORD"] if variants else []
    if repeated:
        notes.append(f"{path}: {repeated} pronunciations are repeated, each kept once")
    return list(entries.values()), notes


def report_problems(directory, problems, limit):
    """Print the problems, at most `limit` of them, and end the step; nothing if there are none."""
    for problem in problems[:limit]:
        log(f"{problem.where}: {problem.what}" + (f" ({problem.do})" if problem.do else ""))
    if problems:
        raise UserError(directory, f"{len(problems)} problems" if len(problems) > 1
                        else "1 problem", "see above")
