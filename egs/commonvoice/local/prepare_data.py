#!/usr/bin/env python3
"""Make the data directories of a language of Common Voice, or of an accent of it.

in   <corpus>/cv-corpus-<version>/<language>/train.tsv dev.tsv test.tsv [validated.tsv]
                                             clip_durations.tsv (newer versions), clips/*.mp3
out  <data>/train <data>/dev <data>/test     wav.scp text utt2spk spk2utt utt2accent utt2gender,
                                             and utt2dur where the durations are known
     <data>/lm.txt   sentences of train, of all accents, each once, none of dev and test

Sets are those published. A speaker is the beginning of a client_id, as long as it tells all apart;
an utterance is <speaker>-<clip>. The text is as published: utils/data/normalise_text.py comes next.
What is not known of accent and gender is `unknown`.

e.g. local/prepare_data.py --language fr /corpora/commonvoice data/fr/raw
     local/prepare_data.py --language en --accents 'Scottish English' corpus data/en-scotland/raw
"""

import random
import re
from pathlib import Path

from utils.data.datadir import invert
from utils.data.tables import read_lines, write_table
from utils.option_types import count
from utils.step import Step, UserError, log, write_atomic

SETS = ("train", "dev", "test")
COLUMNS = ("client_id", "path", "sentence")
GENDERS = {"male": "m", "male_masculine": "m", "female": "f", "female_feminine": "f", "": "unknown"}
SHORTEST = 16   # characters of a speaker
MAX_MISSING = 0.05


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--language", required=True, help="as Common Voice calls it: en, fr, zh-CN, ...")
    step.add("--version", default="", help="such as cv-corpus-17.0-2024-03-15, if several are here")
    step.add("--accents", default="", metavar="'A|B'",
             help="only speakers who call their accent one of these (default: all)")
    step.add("--train", default="train", choices=("train", "validated"),
             help="train.tsv, or validated.tsv without speakers and sentences of dev and test "
                  "(default train)")
    step.add("--max-dev", type=count, default=0, help="this many of dev at random (default 0: all)")
    step.add("--max-test", type=count, default=0, help="the same of test")
    step.add("corpus", help="the directory with cv-corpus-*/, or one of these")
    step.add("data", help="directory to make the data directories in")
    args = step.parse(argv)
    source = find_language(Path(args.corpus), args.version, args.language)
    paths = {name: source / f"{args.train if name == 'train' else name}.tsv" for name in SETS}
    durations = source / "clip_durations.tsv"
    if step.up_to_date(args.data, [*paths.values(), durations]):
        return 0
    rows = {name: read_clips(path) for name, path in paths.items()}
    if args.train == "validated":
        rows["train"] = without(rows["train"], rows["dev"] + rows["test"])
    heard = {row["sentence"] for name in ("dev", "test") for row in rows[name]}
    sentences = sorted({row["sentence"] for row in rows["train"]} - heard)
    speakers = short_names({row["client_id"] for some in rows.values() for row in some})
    chosen = {}
    for name, limit in zip(SETS, (0, args.max_dev, args.max_test), strict=True):
        wanted = of_accents(rows[name], args.accents, paths[name])
        chosen[name] = with_sound(pick(wanted, limit), source / "clips", paths[name])
    seconds = read_durations(durations)
    with step.output(args.data) as out:
        for name in SETS:
            write_data(out / name, chosen[name], speakers, seconds)
        write_atomic(out / "lm.txt", "".join(f"{sentence}\n" for sentence in sentences))
    return step.finish(", ".join(f"{name} {len(some)} utterances" for name, some in chosen.items())
                       + f", {len(sentences)} sentences for the LM")


def find_language(corpus, version, language):
    """The directory with train.tsv of a language of a version."""
    here = [] if version else [corpus, corpus / language]
    found = [path for path in here if path.name == language and (path / "train.tsv").is_file()]
    found = found or sorted(path.parent for path in
                            corpus.glob(f"{version or '*'}/{language}/train.tsv"))
    if not found:
        raise UserError(corpus, f"no {version or 'cv-corpus-*'}/{language}/train.tsv here",
                        "give the directory that Common Voice's archives were unpacked in")
    if len(found) > 1:
        raise UserError(corpus, f"{language} is here in several versions, "
                        + " ".join(path.parent.name for path in found), "choose by --version")
    return found[0]


def read_clips(path):
    """Rows of a .tsv, {column: cell}; lines that are none are named and left out."""
    lines = read_lines(path)
    header = lines[0].rstrip("\r").split("\t") if lines else []
    for column in COLUMNS:
        if column not in header:
            raise UserError(f"{path}:1", f"no column {column}, only {' '.join(header)}")
    rows, broken = [], []
    for number, line in enumerate(lines[1:], 2):
        cells = line.rstrip("\r").split("\t")
        row = dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False))
        if len(cells) > len(header) or not all(row[column] for column in COLUMNS):
            broken.append(f"{path.name}:{number}")
            continue
        row["path"] = row["path"] if "." in row["path"] else f"{row['path']}.mp3"
        row["accents"] = " ".join(row.get("accents", row.get("accent", "")).split())
        rows.append(row)
    leave_out(path, broken, len(lines) - 1, "not a clip, a speaker and a sentence")
    return rows


def leave_out(path, names, total, why):
    """Say what is left out; UserError if it is much."""
    if names:
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        log(f"left out, {why}: {' '.join(names[:10])}{more}")
    if len(names) > MAX_MISSING * total:
        raise UserError(path, f"of {total} clips {len(names)} are left out, {why}",
                        "unpack the archive again")


def without(rows, others):
    """Rows with neither a speaker nor a sentence of others."""
    speakers = {row["client_id"] for row in others}
    sentences = {row["sentence"] for row in others}
    return [row for row in rows
            if row["client_id"] not in speakers and row["sentence"] not in sentences]


def labels(cell):
    """The accents of a cell: between | or commas, but for commas in brackets."""
    return [label.strip() for label in re.split(r"[|,](?![^(]*\))", cell) if label.strip()]


def of_accents(rows, accents, path):
    """The rows whose speaker calls the accent one of those between |; all without any."""
    wanted = {label.strip().casefold() for label in accents.split("|") if label.strip()}
    chosen = [row for row in rows
              if not wanted or wanted & {label.casefold() for label in labels(row["accents"])}]
    if not chosen:
        there = sorted({label for row in rows for label in labels(row["accents"])})
        raise UserError(path, f"no clip with an accent {accents!r}" if wanted else "no clips",
                        f"there are {', '.join(there[:40])}" if wanted else None)
    return chosen


def pick(rows, number):
    """All of the rows, or so many at random, the same each time."""
    if not 0 < number < len(rows):
        return rows
    return random.Random(0).sample(sorted(rows, key=lambda row: row["path"]), number)


def with_sound(rows, clips, path):
    """The rows whose clip is there, its whole path in them."""
    clips = clips.resolve()
    missing = [row["path"] for row in rows if not (clips / row["path"]).is_file()]
    leave_out(path, missing, len(rows), f"not in {clips}")
    gone = set(missing)
    return [{**row, "clip": clips / row["path"]} for row in rows if row["path"] not in gone]


def short_names(ids):
    """{client_id: its first characters}, as many for all as tell them apart."""
    size = SHORTEST
    while len({name[:size] for name in ids}) < len(ids):
        size += 1
    return {name: name[:size] for name in ids}


def read_durations(path):
    """{clip: s} of clip_durations.tsv, which has ms; {} if there is none."""
    if not path.is_file():
        return {}
    cells = [line.rstrip("\r").split("\t") for line in read_lines(path)[1:]]
    return {row[0]: float(row[1]) / 1000 for row in cells if len(row) == 2 and row[1].isdigit()}


def write_data(directory, rows, speakers, seconds):
    tables = {name: {} for name in ("wav.scp", "text", "utt2spk", "utt2accent", "utt2gender",
                                    "utt2dur")}
    for row in rows:
        spk = speakers[row["client_id"]]
        utt = f"{spk}-{Path(row['path']).stem}"
        values = {"wav.scp": str(row["clip"]), "text": " ".join(row["sentence"].split()),
                  "utt2spk": spk, "utt2accent": row["accents"] or "unknown",
                  "utt2gender": GENDERS.get(row.get("gender", ""), "other")}
        for name, value in values.items():
            tables[name][utt] = value
        if seconds.get(row["path"]):
            tables["utt2dur"][utt] = f"{seconds[row['path']]:.3f}"
    tables["spk2utt"] = invert(tables["utt2spk"])
    if len(tables["utt2dur"]) < len(tables["text"]):
        del tables["utt2dur"]
    for name, table in tables.items():
        write_table(directory / name, table)


if __name__ == "__main__":
    raise SystemExit(main())
