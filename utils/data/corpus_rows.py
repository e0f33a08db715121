"""Transcribed stretches of sound from any of the ways in which transcripts come.

    rows, problems, paths = read_rows(recordings, options)   # options: those of import_corpus.py

A problem is (file:line, what, what to do); rows with one are left out.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from utils.data.corpus_table import Table, guess_columns, seconds
from utils.data.datadir import channel_number
from utils.data.elan import read_eaf
from utils.data.textgrid import decode, read_textgrid
from utils.step import UserError, log

SUFFIXES = {"textgrid": {".textgrid"}, "elan": {".eaf"}, "text": {".txt", ".lab"},
            "table": {".csv", ".tsv"}}
TIER_NAMES = {"transcript", "transcription", "text", "sentence", "sentences", "utterance",
              "utterances", "ortho", "orthography", "tx", "ref", "words-in-line", "default"}
COLUMNS = ("path", "text", "speaker", "start", "end", "duration", "id", "gender", "accent", "set",
           "channel")
NO_TRANSCRIPTS = {"readme", "license", "licence", "metadata", "notes"}   # .txt beside them
SHOWN = 8


class Row(NamedTuple):
    """where: file:line; sound: Path; start, end: s or None for the whole recording; more: {role:
    cell} of the table's other columns"""
    where: str
    sound: Path
    start: float | None
    end: float | None
    speaker: str
    text: str
    more: dict


def find_transcripts(folder, kind="auto", table=""):
    """(kind, paths): the table, or the files of transcripts in a folder."""
    folder = Path(folder)
    if table:
        within = folder / table
        return "table", [within if within.is_file() else Path(table)]
    found = {name: sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes
                          and not p.name.startswith(".")
                          and p.stem.lower() not in NO_TRANSCRIPTS)
             for name, suffixes in SUFFIXES.items() if kind in ("auto", name)}
    found = {name: paths for name, paths in found.items() if paths}
    if not found:
        raise UserError(folder, "no transcripts here", "--table FILE; or a TextGrid, .eaf or .txt "
                        "beside each recording, of the same name")
    if len(found) > 1:
        told = ", ".join(f"{len(paths)} {name}" for name, paths in found.items())
        raise UserError(folder, f"several kinds of transcripts: {told}",
                        "say --table FILE, or --transcripts " + "|".join(found))
    (name, paths), = found.items()
    if name == "table" and len(paths) > 1:
        raise UserError(folder, f"{len(paths)} tables: "
                        + ", ".join(p.name for p in paths[:SHOWN]), "say which: --table FILE")
    return name, paths


def read_rows(recordings, options):
    """(Rows, problems, paths of the transcripts) of the table or files that options name"""
    kind, paths = find_transcripts(recordings.folder, options.transcripts, options.table)
    if kind == "table":
        rows, problems = _table_rows(recordings, paths[0], options)
    elif kind == "text":
        rows, problems = _text_rows(recordings, paths)
    else:
        rows, problems = _tier_rows(recordings, paths, kind, options.tier)
    return rows, problems, paths


def _table_rows(recordings, path, options):
    table = Table(path, options.delimiter, options.header)
    columns = guess_columns(table, recordings,
                            {role: getattr(options, f"{role}_column") for role in COLUMNS})
    log("columns: " + ", ".join(f"{role} is {table.names[i]}" for role, i in columns.items()))
    unused = [name for i, name in enumerate(table.names) if i not in columns.values()]
    if unused:
        log(f"not used: {', '.join(unused)}")
    thousandths = {role for role in ("start", "end", "duration")
                   if role in columns and table.names[columns[role]].lower().endswith("ms")}
    rows = []
    problems = [(f"{path}:{line}", what, do) for line, what, do in table.problems]
    for row in table.rows:
        cells = {role: " ".join(row.cells[i].split()) for role, i in columns.items()}
        sound, why = recordings.find(row.cells[columns["path"]], path.parent)
        if why:
            problems.append((table.where(row), why, "mend the name, or --path-column"))
            continue
        try:
            start, end = _times(cells, thousandths)
        except ValueError as error:
            problems.append((table.where(row), str(error), "seconds, or h:mm:ss.s"))
            continue
        channel = cells.get("channel", "")
        if channel not in ("", "0") and (" " in channel or channel_number(channel) is None):
            problems.append((table.where(row), f"channel is {channel!r}",
                             "1, 2, ... or A, B; --channel-column none: the column is not used"))
            continue
        rows.append(Row(table.where(row), sound, start, end, cells.get("speaker", ""),
                        cells["text"],
                        {r: cells[r] for r in ("id", "gender", "accent", "set", "channel")
                         if cells.get(r)}))
    return rows, problems


def _times(cells, thousandths):
    """(start, end) in s, or (None, None); ValueError says what is wrong."""
    values = {}
    for role in ("start", "end", "duration"):
        if cells.get(role):
            try:
                values[role] = seconds(cells[role]) / (1000 if role in thousandths else 1)
            except ValueError:
                raise ValueError(f"{role} is {cells[role]!r}, no time") from None
    if "start" not in values:
        if "end" in values or ("start" in cells and values):
            raise ValueError("no start, so it is not known where to cut")
        return None, None   # the whole recording, of this duration if it is said
    start = values["start"]
    end = values.get("end", start + values["duration"] if "duration" in values else None)
    if end is not None and end <= start:
        raise ValueError(f"from {start:g} s to {end:g} s")
    return start, end


def _text_rows(recordings, paths):
    rows, problems = [], []
    for path in paths:
        sound, why = recordings.like(path)
        if why:
            problems.append((path, why, "name the text as the recording"))
            continue
        rows.append(Row(f"{path}:1", sound, None, None, "", " ".join(decode(path).split()), {}))
    return rows, problems


def _tier_rows(recordings, paths, kind, wanted):
    """Rows of the tiers of TextGrids or ELAN files; an interval without a label is none."""
    files, problems = [], []
    for path in paths:
        tiers, media = (read_textgrid(path), []) if kind == "textgrid" else read_eaf(path)
        found = [(*recordings.find(name), origin) for name, origin in media]
        found.append((*recordings.like(path), 0.0))
        sound, origin = next(((sound, at) for sound, why, at in found if not why), (None, 0.0))
        if sound is None:
            problems.append((path, found[-1][1], "name the file as the recording"))
            continue
        if origin:   # as ELAN does where it has synchronised several media
            tiers = [tier._replace(intervals=[i._replace(start=i.start + origin, end=i.end + origin)
                                              for i in tier.intervals]) for tier in tiers]
        files.append((path, sound, tiers))
    # Names may end in a space, which is not seen, and which conf/corpus.conf does not keep.
    wanted = [name.strip() for name in wanted or _likely_tiers(files)]
    rows, one = [], len(wanted) == 1
    for path, sound, tiers in files:
        for tier in (t for t in tiers if t.name.strip() in wanted):
            speaker = tier.speaker or ("" if one else tier.name)
            for interval in tier.intervals:
                where = f"{path}:{interval.line}"
                text = " ".join(interval.label.split())
                if text and interval.end <= interval.start:
                    problems.append((where, f"{text[:20]!r} has no duration", "mend its times"))
                elif text:
                    rows.append(Row(where, sound, interval.start, interval.end, speaker, text, {}))
    if not rows and files:
        raise UserError(paths[0], f"no labels in the tiers {', '.join(wanted)}",
                        f"--tier, one of: {_told(_labels(files))}")
    return rows, problems


def _labels(files):
    """{tier: number of its labels in all files}"""
    counts = Counter()
    for _, _, tiers in files:
        for tier in tiers:
            counts[tier.name] += sum(bool(i.label.strip()) for i in tier.intervals)
    return counts


def _likely_tiers(files):
    """The one tier that has labels, or that has a name as transcripts have."""
    counts = {name: n for name, n in _labels(files).items() if n}
    likely = list(counts) if len(counts) == 1 else \
        [name for name in counts if name.strip().lower() in TIER_NAMES]
    if files and len(likely) != 1:
        raise UserError(files[0][0], f"which tier is the transcript? {_told(counts)}",
                        "--tier NAME, again for each further speaker's tier")
    if likely:
        log(f"tier: {likely[0]}, {counts[likely[0]]} labels")
    return likely


def _told(counts):
    return ", ".join(f"{name} ({n} labels)" for name, n in counts.items()) or "none has labels"
