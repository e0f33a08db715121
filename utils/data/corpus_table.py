"""A table of transcripts: csv, tsv, `|` or `;` between columns, or Kaldi's `name words`.

    table = Table("clips.tsv")
    columns = guess_columns(table, recordings, {"text": "sentence"})
    for row in table.rows: print(table.where(row), row.cells[columns["path"]])
"""

import csv
import re
from pathlib import Path
from typing import NamedTuple

from utils.data.audio import SOUND_SUFFIXES
from utils.data.textgrid import decode
from utils.step import UserError

# What headers say, the likeliest first.
ROLES = {
    "path": "path audio_path wav_path file_path audio_file wav_file sound_file audio_filename "
            "wav_filename file_name filename audio wav sound file recording clip media name",
    "text": "sentence transcript transcription text utterance orthography ortho orth words prompt",
    "speaker": "speaker_id speaker spk_id spk client_id reader_id reader talker participant "
               "user_id voice",
    "start": "start start_time start_s start_sec begin begin_time onset from tmin xmin start_ms "
             "begin_ms",
    "end": "end end_time end_s end_sec stop offset to tmax xmax end_ms stop_ms",
    "duration": "duration dur length duration_s",
    "id": "utt_id utterance_id utt segment_id id",
    "gender": "gender sex",
    "accent": "accent accents dialect variety",
    "set": "split set subset partition",
    "channel": "channel",
}
NEEDED = ("path", "text")
MAX_LINES = 5       # of one field; more and a quote has not been closed
LOOKED_AT = 200     # rows from which contents are guessed


class Row(NamedTuple):
    line: int
    cells: list


class Table:
    """.path, .names of the columns (their numbers from 1 if there is no header), .rows, and
    .problems, (line, what, what to do) of rows that are none"""

    def __init__(self, path, delimiter="auto", header="auto"):
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(path, "no such table of transcripts")
        text = decode(self.path)
        self.delimiter = _delimiter(text, self.path) if delimiter == "auto" else \
            {"tab": "\t", "space": " ", "comma": ",", "semicolon": ";"}.get(delimiter, delimiter)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise UserError("--delimiter", f"is {delimiter!r}", "expected one character, or tab, "
                            "comma, semicolon, space")
        self.problems, rows = [], list(self._split(text))
        if not rows:
            raise UserError(path, "is empty")
        known = {name for names in ROLES.values() for name in names.split()}
        first = [plain(cell) for cell in rows[0].cells]
        has_sound = any(Path(cell.strip()).suffix.lower() in SOUND_SUFFIXES
                        for cell in rows[0].cells)
        is_header = header == "yes" or (header == "auto" and self.delimiter != " "
                                        and bool(known & set(first)) and not has_sound)
        self.names = [cell.strip() for cell in rows.pop(0).cells] if is_header else \
            [str(i) for i in range(1, len(rows[0].cells) + 1)]
        self.has_header = is_header
        self.rows = list(self._whole(rows))
        if not self.rows:
            raise UserError(path, "has no rows" + (" below its header" if is_header else ""))

    def where(self, row):
        return f"{self.path}:{row.line}"

    def column(self, name):
        """The number of a column by its header, or by its number from 1."""
        if name in self.names:
            return self.names.index(name)
        same = [i for i, own in enumerate(self.names) if plain(own) == plain(name)]
        if len(same) == 1:
            return same[0]
        if name.isascii() and name.isdigit() and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        raise UserError(self.path, f"no column {name}", "columns: " + ", ".join(self.names))

    def _split(self, text):
        """Rows of cells, whatever their number; only , and ; have quotes that hold line ends."""
        if self.delimiter not in ",;":
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    cells = line.split(None, 1) if self.delimiter == " " else \
                        line.split(self.delimiter)
                    yield Row(number, [_unquoted(cell) for cell in cells])
            return
        lines = (f"{line}\n" for line in text.split("\n"))
        reader = csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True)
        start = 1
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield Row(start, cells)
                start = reader.line_num + 1
        except csv.Error as error:
            raise UserError(f"{self.path}:{start}", f"not a table, {error}",
                            "is a quote not closed?") from None

    def _whole(self, rows):
        for row in rows:
            if any(cell.count("\n") >= MAX_LINES or len(cell) > 20000 for cell in row.cells):
                self.problems.append((row.line, "a quote that begins here is not closed",
                                      'write " within a text as ""'))
            elif len(row.cells) > len(self.names) and any(
                    cell.strip() for cell in row.cells[len(self.names):]):
                self.problems.append((row.line, f"{len(row.cells)} columns and not "
                                      f"{len(self.names)}", "put the text in quotes"))
            else:
                yield Row(row.line, [*row.cells, *[""] * (len(self.names) - len(row.cells))])


def guess_columns(table, recordings, given):
    """{role: number of its column} by options, else headers, else what stands in the columns.

    given   {role: name or number of a column, "" for none said, "none" for not to be used}
    """
    columns = {role: table.column(name) for role, name in given.items()
               if name and name != "none"}
    refused = {role for role, name in given.items() if name == "none"}
    taken = set(columns.values())
    if table.has_header:
        plain_names = [plain(name) for name in table.names]
        for role, names in ROLES.items():
            if role in columns or role in refused:
                continue
            for name in names.split():
                if name in plain_names and plain_names.index(name) not in taken:
                    columns[role] = plain_names.index(name)
                    taken.add(columns[role])
                    break
        if "start" not in columns and "end" in columns and "duration" in columns \
                and plain_names[columns["end"]] == "offset":     # as NeMo calls it
            columns["start"] = columns.pop("end")
    for role, guess in (("path", _most_paths), ("text", _most_text)):
        if role not in columns:
            free = [i for i in range(len(table.names)) if i not in taken]
            best = guess(table.rows[:LOOKED_AT], free, recordings)
            if best is None:
                raise UserError(table.path, f"which column is the {role}?",
                                f"--{role}-column, one of: " + ", ".join(table.names))
            columns[role] = best
            taken.add(best)
    return columns


def _most_paths(rows, free, recordings):
    hits = {i: sum(recordings.find(row.cells[i])[0] is not None for row in rows) for i in free}
    best = max(free, key=lambda i: hits[i], default=None)
    return best if best is not None and hits[best] >= 0.5 * len(rows) else None


def _most_text(rows, free, recordings):
    letters = {i: sum(c.isalpha() for row in rows for c in row.cells[i]) for i in free}
    return max((i for i in free if letters[i]), key=lambda i: letters[i], default=None)


def seconds(text):
    """12.5, 0:12.5 or 1:00:12.5 in s; ValueError if it is no time"""
    total = 0.0
    for part in text.strip().replace(",", ".").split(":"):
        value = float(part) if not part.count("_") else float("nan")
        if not 0 <= value < float("inf"):
            raise ValueError(text)
        total = 60 * total + value
    return total


def plain(name):
    """A header as ROLES have it."""
    return re.sub(r"[\s\-.()\[\]]+", "_", name.strip().lower()).strip("_")


def _unquoted(cell):
    cell = cell.strip()
    if len(cell) >= 2 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"')
    return cell


def _delimiter(text, path):
    """The one that cuts most of the first lines alike, tab and | before , and ;"""
    lines = [line for line in text.split("\n")[:50] if line.strip()]
    best, most = " ", 0.0
    for delimiter in "\t|;,":
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        alike = counts.count(usual) / max(1, len(counts)) if usual else 0.0
        if delimiter in ",;" and lines and counts[0]:
            alike = max(alike, 0.6)   # quoted fields hide how many there are
        if delimiter == "\t" and path.suffix == ".tsv" and usual:
            return delimiter
        if delimiter == "," and path.suffix == ".csv" and counts and counts[0] and most < 1:
            return delimiter
        if alike > most + 0.1:
            best, most = delimiter, alike
    return best if most >= 0.5 else " "
