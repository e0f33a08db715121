"""Parse ARPA files into the tables of utils/lang/arpa.py."""

import re
from itertools import islice

import numpy as np

from utils.lang.arpa import NEVER, ArpaModel, Level
from utils.lang.lm_text import BOM, open_text
from utils.step import UserError

CHUNK = 1 << 16         # lines parsed at a time
POSITIVE = 1e-4         # log probabilities above 0 by no more than this are rounding


def read_arpa(path):
    """ArpaModel of an ARPA file; UserError with file and line if it is malformed."""
    with open_text(path) as file:
        lines = _Lines(path, file)
        counts = _header(lines)
        model = None
        for order, count in enumerate(counts, 1):
            lines.expect(f"\\{order}-grams:")
            table = _section(lines, order, count, model and model.ids)
            if order == 1:
                words = [word.decode() for word in table.words]
                model = ArpaModel(words, [_unigrams(lines, table)])
            else:
                level, missing = _level(lines, model, order, table)
                model.add_level(level)
                model.skipped += missing
        lines.expect("\\end\\")
    return model


class _Table:
    """One section: words as bytes (unigrams) or ids (num_ngrams, order), and its numbers."""

    def __init__(self, order):
        self.words = []
        self.ids = [np.zeros((0, order), np.int32)]
        self.logprob, self.backoff = [np.zeros(0)], [np.zeros(0)]
        self.first_line = 0

    def join(self):
        self.ids = np.concatenate(self.ids)
        self.logprob = np.concatenate(self.logprob)
        self.backoff = np.concatenate(self.backoff)
        return self


class _Lines:
    """The lines of a file that are not blank, with the number of the last one."""

    def __init__(self, path, file):
        self.path, self.file, self.number, self.pushed = path, file, 0, None

    def next(self, wanted="\\end\\", do="is it whole?"):
        if self.pushed is not None:
            line, self.pushed = self.pushed, None
            return line
        for line in self.file:
            self.number += 1
            line = line.removeprefix(BOM) if self.number == 1 else line
            if line.strip():
                return line.strip()
        raise UserError(f"{self.path}:{self.number}", f"the file ends before {wanted}", do)

    def expect(self, wanted):
        line = self.next().decode("utf-8", "replace")
        if line != wanted:
            raise self.error(f"expected {wanted}, found {line!r}",
                             "do the counts of \\data\\ agree with the n-grams?")

    def take(self, count):
        """The next lines, at most `count`, blank or not."""
        lines = list(islice(self.file, count))
        self.number += len(lines)
        return lines

    def error(self, what, do=None, number=None):
        return UserError(f"{self.path}:{number or self.number}", what, do)


def _header(lines):
    begin, do = "\\data\\", "an ARPA file begins with it"
    while lines.next(begin, do) != begin.encode():
        if lines.number > 1000:
            raise lines.error(f"no {begin} in the first lines", do)
    counts = []
    while match := re.fullmatch(rb"ngram\s+(\d+)\s*=\s*(\d+)", line := lines.next()):
        if int(match[1]) != len(counts) + 1:
            raise lines.error(f"expected `ngram {len(counts) + 1}=`, found {line.decode()!r}")
        counts.append(int(match[2]))
    lines.pushed = line
    if not counts or not counts[0]:
        raise lines.error("\\data\\ counts no unigrams", "expected lines `ngram 1=<count>`")
    return counts


def _section(lines, order, count, ids):
    """Read `count` n-grams; ids is {word: id}, None for the unigrams."""
    table = _Table(order)
    keys = ids and {word.encode(): ident for word, ident in ids.items()}
    while count:
        before = lines.number
        raw = lines.take(min(count, CHUNK))
        table.first_line = table.first_line or before + 1
        rows = [fields for line in raw if (fields := line.split())]
        count -= len(rows)
        try:
            if not raw or not {len(fields) for fields in rows} <= {order + 1, order + 2}:
                raise ValueError
            log_probs = np.array([float(fields[0]) for fields in rows])
            backoffs = np.array([float(fields[-1]) if len(fields) == order + 2 else 0.0
                                 for fields in rows])
            if order == 1:
                table.words += [fields[1] for fields in rows]
                if "\0" in b"".join(table.words[-len(rows):]).decode("utf-8"):
                    raise ValueError
            else:
                flat = [keys[word] for fields in rows for word in fields[1:order + 1]]
                table.ids.append(np.array(flat, np.int32).reshape(-1, order))
            if not (np.all(log_probs <= POSITIVE) and np.all(backoffs < np.inf)):
                raise ValueError
        except (ValueError, KeyError):
            lines.number = before
            _explain(lines, raw, order, keys)
            raise
        table.logprob.append(np.where(log_probs == -np.inf, NEVER, log_probs))
        table.backoff.append(np.where(backoffs == -np.inf, NEVER, backoffs))
    return table.join()


def _explain(lines, raw, order, keys):
    """Raise for the first bad line of a chunk."""
    if not raw:
        raise lines.error(f"the file ends among the {order}-grams", "is it whole?")
    for line in raw:
        lines.number += 1
        fields = line.split()
        text = line.decode("utf-8", "replace").strip()
        if not fields:
            continue
        if text.startswith("\\"):
            raise lines.error(f"{text} comes before as many {order}-grams as \\data\\ counts")
        if not order + 1 <= len(fields) <= order + 2:
            raise lines.error(f"expected a log probability, {order} word(s) and perhaps a "
                              f"back-off weight, found {text!r}")
        for number in [fields[0], *fields[order + 1:]]:
            try:
                value = float(number)
            except ValueError:
                value = np.nan
            if np.isnan(value) or value == np.inf:
                raise lines.error(f"{number.decode('utf-8', 'replace')!r} is no number", text)
        if float(fields[0]) > POSITIVE:
            raise lines.error(f"log probability {float(fields[0])} is above 0")
        for word in fields[1:order + 1]:
            if keys is None:
                try:
                    word.decode("utf-8")
                except UnicodeDecodeError:
                    raise lines.error(f"{text!r} is not UTF-8", "convert it with iconv") from None
                if b"\0" in word:
                    raise lines.error(f"{text!r} has a zero byte", "is it whole?")
            elif word not in keys:
                raise lines.error(f"{word.decode('utf-8', 'replace')} is not among the unigrams")


def _unigrams(lines, table):
    seen = set()
    for offset, word in enumerate(table.words):
        if word in seen:
            raise lines.error(f"{word.decode()} is here twice", number=table.first_line + offset)
        seen.add(word)
    count = len(table.words)
    return Level(np.zeros(count, np.int32), np.arange(count, dtype=np.int32),
                 table.logprob, table.backoff)


def _level(lines, model, order, table):
    """The sorted Level, and how many n-grams it lacks because their history is no n-gram."""
    context = model.rows(table.ids[:, :-1])
    word = table.ids[:, -1]
    key = context * len(model.words) + word
    rank = np.argsort(key, kind="stable")
    rank = rank[context[rank] >= 0]
    twice = np.flatnonzero(np.diff(key[rank]) == 0)
    if len(twice):
        row = int(rank[twice + 1].min())
        text = " ".join(model.words[i] for i in table.ids[row])
        raise lines.error(f"{text} is here twice", number=table.first_line + row)
    return Level(context[rank].astype(np.int32), word[rank], table.logprob[rank],
                 table.backoff[rank]), len(key) - len(rank)
