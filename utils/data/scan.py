"""Read a table that may be wrong in any way, and collect what is wrong with it.

read_table() stops at the first mistake; this goes on, for validate_data_dir.py and fix_data_dir.py.
"""

import operator
import re
import unicodedata
from functools import cached_property
from itertools import islice
from pathlib import Path

SHOWN = 10   # of a kind; the others are counted

# Spaces that Kaldi's tools take for letters. The joiners U+200C and U+200D belong to words.
ODD_SPACE = re.compile("[\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff\u0085]")
CONTROL = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_BOM = b"\xef\xbb\xbf"


class Problems:
    """What is wrong, by kind; notes are what may be meant so, and Kaldi accepts."""

    def __init__(self):
        self.kinds = {}
        self.count = self.notes = 0

    def add(self, kind, where, what, do=None, note=False):
        """where, what, do: as for UserError; kind: for the line that counts the rest of it"""
        shown = self.kinds.setdefault((kind, str(where).split(":")[0]), [0, [], note])
        shown[0] += 1
        self.count += not note
        self.notes += note
        if shown[0] <= SHOWN:
            line = f"{where}: {what}" + (f" ({do})" if do else "")
            shown[1].append(f"note: {line}" if note else line)

    def lines(self):
        """Every kind's first ten, then how many more there are."""
        result = []
        for (kind, file), (count, shown, _) in self.kinds.items():
            result += shown
            if count > SHOWN:
                result.append(f"{file}: and {count - SHOWN} more: {kind}")
        return result


class Scan:
    """A table as it stands: .path, and .keys, .values, .numbers (lines) in the file's order."""

    def __init__(self, path):
        self.path = path
        self.keys, self.values, self.numbers = [], [], []
        self._lines = None

    @cached_property
    def table(self):
        """{key: value}; the first line counts where a key is there twice."""
        table = dict(zip(self.keys, self.values, strict=True))
        if len(table) < len(self.keys):
            table |= dict(zip(reversed(self.keys), reversed(self.values), strict=True))
        return table

    def where(self, key):
        """path:line of a key"""
        if self._lines is None:
            self._lines = dict(zip(reversed(self.keys), reversed(self.numbers), strict=True))
        return f"{self.path}:{self._lines[key]}"


def scan_table(path, problems, only_keys=False, empty_ok=False, order_note=False, non_print=False):
    """A Scan of the file; what is wrong with its lines goes to problems.

    only_keys   values are paths, which may hold any space or accent that the disk has
    empty_ok    a key without a value is a note
    order_note  that lines are not in order is a note
    non_print   control characters are meant
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.add("unreadable", path, f"cannot be read, {error.strerror}")
        return Scan(path)
    if data.startswith(_BOM):
        problems.add("byte-order mark", f"{path}:1:1", "byte-order mark U+FEFF",
                     "remove it, or run fix_data_dir.py")
        data = data[len(_BOM):]
    text = _decode(data, path, problems)
    if "\r" in text:
        for number, line in enumerate(text.split("\n"), 1):
            if "\r" in line:
                problems.add("CR", f"{path}:{number}:{line.index(chr(13)) + 1}",
                             "carriage return U+000D", "run dos2unix or fix_data_dir.py")
        text = text.replace("\r", "")
    text = text.replace("\t", " ")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    scan = Scan(path)
    for number, line in enumerate(lines, 1):
        key, _, value = line.strip(" ").partition(" ")
        if key:
            scan.keys.append(key)
            scan.values.append(value.lstrip(" "))
            scan.numbers.append(number)
            if not value:
                problems.add("no value", f"{path}:{number}", f"{key} has no value",
                             None if empty_ok else "complete it, or run fix_data_dir.py",
                             note=empty_ok)
        else:
            problems.add("empty line", f"{path}:{number}", "empty line",
                         "remove it, or run fix_data_dir.py")
    _check_characters("\n".join(scan.keys) if only_keys else text, scan, problems, non_print,
                      only_keys)
    _check_keys(scan, problems, order_note)
    return scan


def _decode(data, path, problems):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        try:
            lines[number] = line.decode("utf-8")
        except UnicodeDecodeError as error:
            column = len(line[:error.start].decode("utf-8")) + 1
            problems.add("not UTF-8", f"{path}:{number + 1}:{column}",
                         f"byte 0x{line[error.start]:02x} is not UTF-8",
                         "convert the file with iconv")
            lines[number] = line.decode("utf-8", "replace")
    return "\n".join(lines)


def _check_characters(text, scan, problems, non_print, only_keys):
    path = scan.path
    odd, composed = None, True
    if not text.isascii():
        odd, composed = ODD_SPACE.search(text), unicodedata.is_normalized("NFC", text)
    control = not non_print and CONTROL.search(text)
    if not odd and composed and not control:
        return
    for index, line in enumerate(text.split("\n")):
        number = scan.numbers[index] if only_keys else index + 1
        for match in ODD_SPACE.finditer(line) if odd else ():
            problems.add("odd spaces", f"{path}:{number}:{match.start() + 1}",
                         describe(match[0]), "use a plain space, or run fix_data_dir.py")
        for match in CONTROL.finditer(line) if control else ():
            problems.add("control characters", f"{path}:{number}:{match.start() + 1}",
                         f"control character {describe(match[0])}",
                         "remove it, run fix_data_dir.py, or say --non-print if it is meant")
        if not composed and not unicodedata.is_normalized("NFC", line):
            fixed = unicodedata.normalize("NFC", line)
            at = next((i for i, (a, b) in enumerate(zip(line, fixed, strict=False)) if a != b),
                      min(len(line), len(fixed)) - 1)
            problems.add("not NFC", f"{path}:{number}:{at + 1}",
                         f"{describe(line[at:at + 2])} is not composed (NFC)",
                         "run fix_data_dir.py")


def describe(characters):
    """`U+00E9 LATIN SMALL LETTER E WITH ACUTE`, of each character"""
    return " + ".join(f"U+{ord(c):04X} {unicodedata.name(c, '')}".rstrip() for c in characters)


def _check_keys(scan, problems, order_note):
    keys, path = scan.keys, scan.path
    if len(set(keys)) < len(keys):
        seen = {}
        for key, value, number in zip(keys, scan.values, scan.numbers, strict=True):
            if key in seen:
                same = "the same line" if seen[key][0] == value else "another value"
                problems.add("ids twice", f"{path}:{number}",
                             f"{key} is here twice, with {same} at line {seen[key][1]}",
                             "remove one, or run fix_data_dir.py")
            else:
                seen[key] = value, number
    if not all(map(operator.le, keys, islice(keys, 1, None))):
        for before, key, number in zip(keys, keys[1:], scan.numbers[1:], strict=False):
            if before > key:
                problems.add("not sorted", f"{path}:{number}",
                             f"{key} comes after {before}, not in code-point order",
                             "sort with LC_ALL=C, or run fix_data_dir.py", note=order_note)
