"""Praat's TextGrid as text, long or short (Praat manual, "TextGrid file formats").

    for tier in read_textgrid("rec1.TextGrid"):
        for interval in tier.intervals: print(tier.name, interval.start, interval.label)
"""

import bisect
import math
import re
from pathlib import Path
from typing import NamedTuple

from utils.step import UserError

SAVE = "open the file in Praat and save it again"
# A string, a flag, or a number that stands alone: that of `intervals [3]:` does not.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|<(\w+)>|(?<!\S)(-?\d[\d.]*(?:[eE][+-]?\d+)?)(?!\S)'
                    r"|(?<!\S)!.*")


class Interval(NamedTuple):
    """A labelled stretch, or a point, where start is end; s. line: where its label is."""
    start: float
    end: float
    label: str
    line: int


class Tier(NamedTuple):
    name: str
    intervals: list
    speaker: str = ""


def read_textgrid(path):
    """The Tiers of a file, in order; UserError with file and line if it is not whole."""
    text = decode(Path(path))
    tokens = _Tokens(text, path)
    if not text.lstrip().startswith(("File type", '"ooTextFile')):
        raise UserError(f"{path}:1", "not a TextGrid of Praat's",
                        "save it in Praat as a text file")
    tokens.string(), tokens.string()
    tokens.number(), tokens.number()
    if tokens.flag() != "exists":
        return []
    return [_read_tier(tokens) for _ in range(tokens.count())]


def decode(path):
    """The text of a file in UTF-8 or UTF-16, as its byte-order mark says."""
    try:
        if path.is_fifo():
            raise UserError(path, "is a pipe", "expected a file")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(path, f"cannot be read, {error.strerror.lower()}") from None
    if data.startswith(b"ooBinaryFile"):
        raise UserError(path, "a binary TextGrid", "save it in Praat as a text file")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}", f"not {encoding.removesuffix('-sig').upper()}",
                        "convert the file with iconv") from None
    if "\0" in text:
        raise UserError(f"{path}:{text.count(chr(10), 0, text.index(chr(0))) + 1}",
                        "has a zero byte", "UTF-16? then convert the file with iconv")
    return text


def _read_tier(tokens):
    kind, name = tokens.string(), tokens.string()
    tokens.number(), tokens.number()
    intervals = []
    for _ in range(tokens.count()):
        start = tokens.number()
        end = tokens.number() if kind == "IntervalTier" else start
        label = tokens.string()
        if end < start:
            raise UserError(f"{tokens.path}:{tokens.line}", f"an interval from {start:g} s to "
                            f"{end:g} s", "mend it in Praat")
        intervals.append(Interval(start, end, label, tokens.line))
    return Tier(name, intervals)


class _Tokens:
    def __init__(self, text, path):
        self.path, self.line, self.size = path, 1, len(text)
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._matches = _TOKEN.finditer(text)

    def string(self):
        return self._next(1, "a text in quotes").replace('""', '"')

    def flag(self):
        return self._next(2, "<exists>")

    def number(self):
        """A finite one; its digits may be any script's, its points too many."""
        found = self._next(3, "a number")
        try:
            value = float(found)
        except ValueError:
            value = math.inf
        if not math.isfinite(value):
            raise UserError(f"{self.path}:{self.line}", f"{found[:20]} is no number", SAVE)
        return value

    def count(self):
        value = self.number()
        if value < 0 or value % 1:
            raise UserError(f"{self.path}:{self.line}", f"expected a count, got {value:g}", SAVE)
        return int(value)

    def _next(self, group, wanted):
        for match in self._matches:
            if match.lastindex is None:   # a comment
                continue
            self.line = bisect.bisect_left(self._ends, match.start()) + 1
            if match.lastindex != group:
                raise UserError(f"{self.path}:{self.line}", f"expected {wanted}, got {match[0]}",
                                SAVE)
            return match[group]
        raise UserError(f"{self.path}:{len(self._ends) + 1}", f"ends where {wanted} is expected",
                        "the file is not whole, or a quote is not closed")
