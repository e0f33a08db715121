"""What a recipe ran: stages.tsv of utils/parse_options.sh, .done of steps, tables and logs."""

import math
import re
from itertools import pairwise
from typing import NamedTuple

from steps.nnet.progress import read_log
from steps.report.gather import find
from utils.step import UserError, read_done

TABLE_DEPTH = 3   # folders below exp that tables are looked for in


class Stage(NamedTuple):
    """One stage of run.sh: seconds of all its runs together, and their number."""

    number: int
    title: str
    seconds: int
    runs: int


class Ran(NamedTuple):
    """One step that .done tells of."""

    step: str
    directory: str
    seconds: float
    date: str
    command: str


def read_stages(path):
    """[Stage] in order; a line that was cut off is passed over."""
    stages = {}
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
        row = line.split("\t")
        if len(row) != 4 or not all(row[i].isdecimal() for i in (0, 2, 3)):
            continue
        number, seconds = int(row[0]), max(0, int(row[3]) - int(row[2]))
        before = stages.get(number, Stage(number, "", 0, 0))
        stages[number] = Stage(number, row[1], before.seconds + seconds, before.runs + 1)
    return [stages[number] for number in sorted(stages)]


def read_steps(directories, skip=()):
    """[Ran] of every .done below some directories, first to last."""
    found = []
    for top in directories:
        for path in find(top, ".done", skip):
            done = read_done(path.parent)
            for name, entry in done.items() if isinstance(done, dict) else ():
                seconds = entry.get("seconds") if isinstance(entry, dict) else None
                if isinstance(seconds, (int, float)):
                    found.append(Ran(name.partition(":")[0], str(path.parent), float(seconds),
                                     str(entry.get("date", "")), str(entry.get("command", ""))))
    return sorted(found, key=lambda ran: (ran.date, ran.directory))


def by_kind(steps):
    """[(step, how often, seconds in all)], the longest first."""
    kinds = {}
    for ran in steps:
        number, seconds = kinds.get(ran.step, (0, 0.0))
        kinds[ran.step] = number + 1, seconds + ran.seconds
    return sorted(((name, *both) for name, both in kinds.items()), key=lambda k: -k[2])


def read_training_logs(exp, skip=()):
    """{network: [rows of train.log.jsonl of each seed]}, named by their paths below exp."""
    logs = {}
    for path in find(exp, "train.log.jsonl", skip):
        parts = path.parent.relative_to(exp).parts
        if len(parts) > 1 and parts[-1].isdigit():
            parts = parts[:-1]
        rows = read_log(path, _epoch_of)
        if rows:
            logs.setdefault("/".join(parts) or exp.name, []).append(rows)
    return logs


def _epoch_of(row):
    return ({name: _finite(row[name]) for name in ("epoch", "loss")}
            | {name: None if row.get(name) is None else _finite(row[name])
               for name in ("valid_loss", "valid_accuracy")}
            | {"seconds": _finite(row.get("seconds") or 0.0)})


def _finite(value):
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    return value


def find_tables(exp, skip=()):
    """Paths of tables of steps/score/table.py, and of those of learning_curve.py."""
    tables, curves = [], []
    for path in find(exp, "*", skip, TABLE_DEPTH):
        if path.suffix not in ("", ".txt") or path.name.startswith((".", "wer_", "cer_")) \
                or path.is_symlink() or path.stat().st_size > 100_000:
            continue
        head = path.read_bytes().split(b"\n", 1)[0]
        if head.startswith(b"system ") and b"%WER" in head:
            (curves if path.name.endswith(".png.txt") else tables).append(path)
    return tables, curves


def read_aligned(path):
    """Rows of cells, with the head first, of a table that steps/score/table.py aligned.

    The first column stands to the left, the others end where their heads do. Of a file without
    columns each line is a cell.
    """
    lines = path.read_text("utf-8", "replace").splitlines() or [""]
    ends = [match.end() for match in re.finditer(r"\S+(?: \S+)*", lines[0])]
    if len(ends) < 2:
        return [[line] for line in lines]
    ends[-1] = None   # whatever comes after is the last column's
    rows = []
    for line in filter(str.strip, lines):
        first = re.split(r"\s{2,}", line[:ends[1]])[0]
        second = line[len(first):ends[1]].strip()
        rows.append([first.strip(), second, *(line[a:b].strip() for a, b in pairwise(ends[1:]))])
    return rows


def read_curve(path):
    """The unit of the amounts, and {system: [(amount, WER, lowest, highest of its seeds)]}."""
    head, *rows = read_aligned(path)
    curves = {}
    try:
        for row in rows:
            wer = float(row[2])
            seeds = [float(s) for s in row[3].split()] if "seeds" in head[3:4] else []
            curves.setdefault(row[0], []).append(
                (float(row[1]), wer, min(seeds, default=wer), max(seeds, default=wer)))
    except (ValueError, IndexError):
        raise UserError(path, "is no table of steps/score/learning_curve.py",
                        "make it again") from None
    return head[1], curves
