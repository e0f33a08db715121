#!/usr/bin/env python3
"""Make a data directory from a folder of recordings and their transcripts.

in   <recordings>   sound files, in folders or not
     transcripts    --table FILE: csv, tsv, `|` or `;` between columns, or Kaldi's `name words`; or
                    in <recordings>: one table, or a TextGrid, .eaf or .txt for each recording
out  <data>/wav.scp text utt2spk spk2utt, and where there are times segments, where there are
     columns for them spk2gender utt2accent utt2set reco2file_and_channel

Columns are guessed by their headers and by what stands in them; options decide. Text is as in the
transcripts, but for the spaces: utils/data/normalise_text.py comes next. Rows that cannot be used
are named and left out; more than --max-bad of them is an error.

e.g. utils/data/import_corpus.py --table clips.tsv --speaker-column client_id clips data/raw
"""

import hashlib
import re
import unicodedata
from collections import Counter

from utils.data.audio import MAX_OVERSHOOT, AudioError, audio_info
from utils.data.corpus_rows import COLUMNS, SUFFIXES, find_transcripts, read_rows
from utils.data.recordings import Recordings
from utils.data.scan import Problems
from utils.data.transform import check_target, drop_stale, write_data
from utils.option_types import share_or_one
from utils.step import Step, UserError, log

SPEAKERS = ("auto", "folder", "name", "recording", "one")
GENDERS = {"m": "m", "male": "m", "male_masculine": "m", "f": "f", "female": "f",
           "female_feminine": "f"}
DEFAULTS = {"table": "", "transcripts": "auto", **{f"{role}_column": "" for role in COLUMNS},
            "delimiter": "auto", "header": "auto", "tier": [], "speaker_from": "auto",
            "max_bad": 0.05}
LONG_ID = 32   # characters, beyond which ids are cut where they stay distinct


def main(argv=None):
    step = Step(__file__, __doc__)
    add_options(step)
    step.add("recordings", help="folder of sound files")
    step.add("data", help="data directory to make")
    args = step.parse(argv)
    _, paths = find_transcripts(args.recordings, args.transcripts, args.table)
    args.sound = stamp(args.recordings)
    if step.up_to_date(args.data, paths):
        return 0
    tables, problems, bad, _ = import_corpus(args.recordings, args)
    for line in problems.lines():
        log(line)
    check_bad(bad, len(tables["utt2spk"]), args.max_bad, paths[0])
    check_target(step, [], args.data)
    with step.output(args.data) as out:
        write_data(out, tables)
        drop_stale(args.data, tables)
    return step.finish(f"{args.data}: {len(tables['utt2spk'])} utterances of "
                       f"{len(set(tables['utt2spk'].values()))} speakers"
                       + (f", {bad} rows left out" if bad else ""))


def stamp(folder):
    """A hash of the names, sizes and times of a folder's sound files, to see what has changed."""
    found = hashlib.blake2b(digest_size=8)
    for path in Recordings(folder).paths:
        status = path.stat()
        found.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return found.hexdigest()


def add_options(step):
    """Options that say how transcripts are read; DEFAULTS has their names."""
    def add(name, **kwargs):
        step.add(f"--{name}", default=DEFAULTS[name.replace("-", "_")], **kwargs)

    add("table", metavar="FILE", help="table of transcripts")
    add("transcripts", choices=("auto", *SUFFIXES),
        help="what to look for in the folder if there are several kinds (default auto)")
    for role in COLUMNS:
        add(f"{role}-column", metavar="NAME",
            help="its header, or its number from 1; none: not to be used")
    add("delimiter", help="tab, comma, semicolon, space or a character (default auto)")
    add("header", choices=("auto", "yes", "no"),
        help="whether the table's first row names its columns (default auto)")
    add("tier", action="append", metavar="NAME",
        help="of TextGrid or ELAN; again for each further speaker's tier")
    add("speaker-from", choices=SPEAKERS,
        help="where no column or tier says who speaks: the recording's folder, its name up to the "
             "first - or _, each recording another, or one for all; auto: folder, if there are "
             "several, else one (default auto)")
    add("max-bad", type=share_or_one, help="share of rows that may be left out (default 0.05)")


def import_corpus(folder, options):
    """(tables of a data directory, Problems, number of rows left out, {utt: file:line})"""
    recordings = Recordings(folder)
    recordings.check()
    rows, wrong, _ = read_rows(recordings, options)
    problems, kept, infos = Problems(), [], {}
    if any(row.more.get("channel") == "0" for row in rows):    # Kaldi's sides are 1, 2 or A, B
        for row in rows:
            if (row.more.get("channel") or "").isdecimal():
                row.more["channel"] = str(int(row.more["channel"]) + 1)
    for problem in wrong:
        problems.add("rows that cannot be used", *problem)
    for row in rows:
        problem = _sound_problem(row, infos)
        if problem:
            problems.add("rows without sound", row.where, *problem)
        else:
            kept.append(row)
    if not kept:
        raise UserError(folder, "no transcript has a recording: "
                        + "; ".join(problems.lines()[:3]), "see --help")
    spks = speakers(kept, recordings, options.speaker_from)
    ids = _utt_ids(kept, spks)
    twice = 0
    tables = {name: {} for name in ("wav.scp", "text", "utt2spk", "segments", "spk2gender",
                                    "utt2accent", "utt2set", "reco2file_and_channel")}
    origins, heard = {}, {}
    has_segments = any(row.start is not None for row in kept)
    names = _recordings_of(kept) if has_segments else ids
    for row, spk, utt, name in zip(kept, spks, ids, names, strict=True):
        if utt in tables["utt2spk"]:
            other = heard[utt] != (row.sound, row.start)
            problems.add("stretches there twice", row.where, f"{utt} is at {origins[utt]} already"
                         + (", of another recording" if other else ""),
                         "mend the ids, or do without them: --id-column none" if other else
                         "remove one of them")
            twice += 1
            continue
        _add(tables, row, spk, utt, name, infos)
        origins[utt], heard[utt] = row.where, (row.sound, row.start)
    return {name: table for name, table in tables.items() if table}, problems, \
        len(wrong) + len(rows) - len(kept) + twice, origins


def check_bad(bad, good, most, where):
    if not bad <= most * (bad + good):
        raise UserError(where, f"{bad} of {bad + good} rows cannot be used, more than {most:.0%}",
                        "mend what is listed above, or allow it with --max-bad")


def _add(tables, row, spk, utt, recording, infos):
    tables["utt2spk"][utt] = spk
    tables["text"][utt] = row.text
    tables["wav.scp"][recording] = str(row.sound)
    if recording != utt or row.start is not None:
        length = infos[row.sound]
        start = row.start or 0.0
        end = length if row.end is None else min(row.end, length)
        tables["segments"][utt] = f"{recording} {start:.3f} {end:.3f}"
    more = row.more
    if GENDERS.get(more.get("gender", "").lower()):
        tables["spk2gender"][spk] = GENDERS[more["gender"].lower()]
    for role in ("accent", "set"):
        if more.get(role):
            tables[f"utt2{role}"][utt] = safe(more[role])
    if more.get("channel"):
        tables["reco2file_and_channel"][recording] = f"{recording} {more['channel']}"


def _sound_problem(row, infos):
    """(what, what to do) if a row has no sound; infos {path: s, or an AudioError} fills."""
    if row.sound not in infos:
        try:
            _check_path(str(row.sound))
            count, rate, _ = audio_info(str(row.sound))
            infos[row.sound] = count / rate
        except AudioError as error:
            infos[row.sound] = error
    length = infos[row.sound]
    if isinstance(length, AudioError):
        return f"{row.sound.name}: {length.what}", "replace the recording"
    start, end = row.start or 0.0, length if row.end is None else row.end
    if start < 0 or round(start, 3) >= round(min(end, length), 3) or end > length + MAX_OVERSHOOT:
        return f"{start:g} s to {end:g} s of {row.sound.name}, which has {length:.2f} s", \
            "mend the times"
    return None


def _check_path(path):
    """AudioError for a path that cannot stand in wav.scp, where a line end begins another row."""
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
        raise AudioError(path, f"{path!r} is a name with a line end, a tab or what is not UTF-8")


def speakers(rows, recordings, source):
    """A speaker for each row: the row's own, else as --speaker-from says."""
    if all(row.speaker for row in rows):
        names = [row.speaker for row in rows]
    else:
        folders = {row.sound.parent for row in rows}
        if source == "auto":
            source = "folder" if len(folders) > 1 else "one"
            log(f"no speakers named in the transcripts, so --speaker-from {source}")
        by = {"folder": lambda p: p.parent.name, "name": lambda p: re.split("[-_]", p.stem)[0],
              "recording": lambda p: p.stem, "one": lambda p: "speaker"}[source]
        names = [row.speaker or by(row.sound) for row in rows]
    names = [" ".join(unicodedata.normalize("NFC", name).split()) for name in names]
    ids = _ids_of(names)
    names = [ids[name] for name in names]
    if min(map(len, names)) > LONG_ID:
        for length in range(8, LONG_ID, 4):   # long hashes, of which a part tells as much
            if len({name[:length] for name in names}) == len(set(names)):
                return [name[:length] for name in names]
    return names


def _ids_of(names):
    """{name: id}; names that would be one, such as A+ and A-, have numbers."""
    ids, count = {}, Counter()
    for name in sorted(set(names)):
        count[safe(name)] += 1
        number = count[safe(name)]
        ids[name] = safe(name) if number == 1 else f"{safe(name)}.{number}"
    return ids


def _utt_ids(rows, spks):
    """spk-recording, with folders where names alone are not enough, and with the channel where
    nothing else tells the sides of a recording apart."""
    names = _recording_ids(rows)
    ids, sides = _ids_by(rows, spks, [names[row.sound] for row in rows]), {}
    for row, utt in zip(rows, ids, strict=True):
        sides.setdefault(utt, set()).add(row.more.get("channel"))
    if max(map(len, sides.values())) == 1:
        return ids
    return _ids_by(rows, spks, _recordings_of(rows))


def _ids_by(rows, spks, names):
    """spk-name, and its times where it has, in hundredths of a second, in thousandths where two
    begin so close."""
    begins = {}
    for row in rows:
        if row.start is not None:
            begins.setdefault(row.sound, set()).add(round(row.start, 3))
    parts = {sound: 100 if len({round(t * 100) for t in times}) == len(times) else 1000
             for sound, times in begins.items()}
    starts = Counter((sound, start) for sound, start, _ in
                     {(row.sound, row.start, row.end) for row in rows})
    bare = []
    for row, name in zip(rows, names, strict=True):
        name = safe(row.more["id"]) if row.more.get("id") else name
        if row.start is not None and not row.more.get("id"):
            name += f"-{round(row.start * parts[row.sound]):07d}"
            if starts[row.sound, row.start] > 1 and row.end is not None:
                name += f"-{round(row.end * parts[row.sound]):07d}"
        bare.append(name)
    # A name that begins with its speaker need not say so twice.
    short = [name.removeprefix(f"{spk}_") for spk, name in zip(spks, bare, strict=True)]
    if len(set(zip(spks, short, strict=True))) == len(set(zip(spks, bare, strict=True))):
        bare = short
    return [f"{spk}-{name}" for spk, name in zip(spks, bare, strict=True)]


def _recordings_of(rows):
    """The recording's id of each row; where rows are of several of its channels, one for each."""
    names, channels = _recording_ids(rows), {}
    for row in rows:
        channels.setdefault(row.sound, set()).add(row.more.get("channel") or "")
    return [names[row.sound] if len(channels[row.sound]) == 1
            else safe(f"{names[row.sound]}_{row.more.get('channel') or ''}") for row in rows]


def _recording_ids(rows):
    """{sound: id}, by name where that is enough, else with folders, at last with a number"""
    sounds = sorted({row.sound for row in rows})
    ids = {sound: safe(sound.stem) for sound in sounds}
    for folders in range(2, max(len(sound.parts) for sound in sounds) + 1):
        if not (alike := _alike(ids)):
            break
        for sound in alike:
            ids[sound] = safe("_".join(sound.parts[-folders - 1:]))
    for number, sound in enumerate(_alike(ids), 1):     # a-1.wav and a_1.wav in one folder
        ids[sound] += f".{number}"
    return ids


def _alike(ids):
    """The keys whose values are others' as well."""
    counts = Counter(ids.values())
    return [key for key, value in ids.items() if counts[value] > 1]


def safe(name):
    """An id: letters, digits, . and _ of any script; - parts a speaker from the rest."""
    name = unicodedata.normalize("NFC", name)
    return "".join(c if c.isalnum() or c in "._" or unicodedata.category(c)[0] == "M" else "_"
                   for c in name).strip("_") or "_"


if __name__ == "__main__":
    raise SystemExit(main())
