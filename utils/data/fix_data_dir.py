#!/usr/bin/env python3
"""Repair a data directory in place, and say what was removed and why.

in   <data>/utt2spk or spk2utt, and any of wav.scp segments text feats.scp utt2* spk2* reco2*
out  the same files where they had to change, and the originals of those in <data>/.backup
     (.backup.2 if there is one)

Sorts by code point; makes text NFC; byte-order marks, CR and control characters go, odd spaces
become spaces; lines there twice are merged, ids with two values removed; utterances without
usable sound go; everything is filtered to the utterances that utt2spk, text, sound and feats.scp
share; spk2utt is rebuilt; utt2dur, cmvn.scp and others that can be made again go where they do not
cover everything. A second run changes nothing.

e.g. utils/data/fix_data_dir.py data/train
"""

import shutil
from pathlib import Path

from utils.data.audio import AudioError, audio_info, read_audio
from utils.data.datadir import NOT_TABLES, table_key
from utils.data.filters import split_filters
from utils.data.repair import Removed, clean_table, keep_common, repair_lengths, repair_values
from utils.data.tables import write_table
from utils.data.validate_data_dir import validate
from utils.step import Step, UserError, log


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--audio", choices=["none", "header", "full"], default="header",
             help="how much of the sound is read (default header; full decodes all, runs pipes)")
    step.add("--clip", action="store_true", help="clip segments at the end of their audio")
    step.add("--non-print", action="store_true", help="keep control characters")
    step.add("data", help="data directory")
    args = step.parse(argv)
    directory = Path(args.data)
    if not directory.is_dir():
        raise UserError(directory, "no such data directory")

    removed, tables, originals, dirty = Removed(), {}, {}, set()
    for path in sorted(directory.iterdir()):
        if table_key(path.name) and path.is_file():
            tables[path.name], clean = clean_table(path, removed, args.non_print)
            originals[path.name] = list(tables[path.name].items())
            if not clean:
                dirty.add(path.name)
    repair_values(tables, removed)
    if not tables.get("utt2spk"):
        raise UserError(directory / "utt2spk", "no such file, or nothing in it",
                        "write `utt speaker` lines, the speaker being the utterance if unknown")
    if "wav.scp" in tables and args.audio != "none":
        repair_lengths(tables, _lengths(tables["wav.scp"], args.audio == "full", removed),
                       args.clip, removed)
    keep_common(tables, removed)

    changed = [name for name in sorted(originals.keys() | tables.keys())
               if name in dirty or name not in tables
               or originals.get(name) != sorted(tables[name].items())]
    if "feats.scp" in originals and "feats.scp" not in tables:
        changed += [name for name in NOT_TABLES if (directory / name).exists()]
    for line in removed.lines():
        log(f"{directory}: {line}")
    backup = _replace(directory, changed, tables)
    return _finish(step, args, tables, changed, backup)


def _lengths(wav_scp, full, removed):
    """{recording: seconds}; 0 where the sound is broken, which is named; pipes only if full"""
    seconds = {}
    for recording, value in wav_scp.items():
        if not full and split_filters(value)[0].endswith("|"):
            continue
        try:
            if full:
                samples, rate = read_audio(value, channel="mix")
                seconds[recording] = len(samples) / rate
            else:
                count, rate, _ = audio_info(value)
                seconds[recording] = count / rate
        except AudioError as error:
            seconds[recording] = 0
            removed.add("recordings without usable sound", f"{recording} ({error.what})")
    return seconds


def _replace(directory, changed, tables):
    """Originals to .backup, or .backup.2 and so on if one is there; then the new files over them.

    returns  the name of that directory
    """
    backup, number = directory / ".backup", 1
    while backup.exists():
        number += 1
        backup = directory / f".backup.{number}"
    for name in changed:
        if (directory / name).exists():
            backup.mkdir(exist_ok=True)
            shutil.copy2(directory / name, backup / name)
    for name in changed:
        if name in tables:
            write_table(directory / name, tables[name])
        else:
            (directory / name).unlink()
    return backup.name


def _finish(step, args, tables, changed, backup):
    args.no_text, args.no_wav = "text" not in tables, "wav.scp" not in tables
    args.no_feats, args.no_spk_sort = "feats.scp" not in tables, False
    args.audio = "none"   # it has just been read
    problems, counts = validate(args.data, args)
    if problems.count:
        for line in problems.lines():
            log(line)
        raise UserError(args.data, f"{problems.count} problems that this cannot repair",
                        "listed above")
    what = f"wrote {', '.join(changed)}; originals in {backup}" if changed else "nothing to repair"
    return step.finish(f"{args.data}: {counts}; {what}")


if __name__ == "__main__":
    raise SystemExit(main())
