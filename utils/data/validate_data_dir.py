#!/usr/bin/env python3
"""Check a data directory: every file, every id, and that the sound is there.

in   <data>/utt2spk spk2utt wav.scp text feats.scp   needed, unless an option says no
     <data>/segments cmvn.scp vad.scp utt2* spk2* reco2*   checked where they are
out  what is wrong, all of it, on stderr: `file:line: what (what to do)`, the first ten of a kind;
     exit status 1 if there is anything, notes excepted

The checks are those of Kaldi's validate_data_dir.sh, and order by code point, ids twice, byte-order
marks, CR, odd spaces, text that is not UTF-8 or not NFC, audio that is empty or truncated, segments
beyond the audio's end.

e.g. utils/data/validate_data_dir.py --no-feats data/train
"""

from pathlib import Path

from utils.data.check import (
    check_audio,
    check_files,
    check_ids,
    check_speakers,
    check_values,
    scan_tables,
)
from utils.data.scan import Problems
from utils.step import Step, UserError, log


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--no-text", action="store_true", help="there need be no text")
    step.add("--no-feats", action="store_true", help="there need be no feats.scp")
    step.add("--no-wav", action="store_true", help="there need be no wav.scp")
    step.add("--non-print", action="store_true", help="control characters are meant")
    step.add("--no-spk-sort", action="store_true",
             help="utterances need not be in the order of their speakers")
    step.add("--audio", choices=["none", "header", "full"], default="header",
             help="how much of the sound is read (default header; full decodes all, runs pipes)")
    step.add("data", help="data directory")
    args = step.parse(argv)
    problems, counts = validate(args.data, args)
    for line in problems.lines():
        log(line)
    if problems.count:
        raise UserError(args.data, f"{problems.count} problems", "listed above; fix_data_dir.py "
                        "repairs most of them")
    return step.finish(f"{args.data}: valid, {counts}"
                       + (f", {problems.notes} notes" if problems.notes else ""))


def validate(directory, options):
    """(Problems, a line of counts) of a data directory; options: those of this script"""
    if not Path(directory).is_dir():
        raise UserError(directory, "no such data directory")
    problems = Problems()
    tables = scan_tables(directory, problems, options.non_print)
    need = {"utt2spk": "", "spk2utt": ""}
    need |= {} if options.no_text else {"text": "--no-text"}
    need |= {} if options.no_wav else {"wav.scp": "--no-wav"}
    need |= {} if options.no_feats else {"feats.scp": "--no-feats"}
    check_files(directory, tables, problems, need)
    check_speakers(tables, problems, not options.no_spk_sort)
    check_ids(tables, problems)
    check_values(tables, problems)
    seconds = {}
    if options.audio != "none" and "wav.scp" in tables:
        seconds = check_audio(tables, problems, full=options.audio == "full")
    utts = tables["utt2spk"].table if "utt2spk" in tables else {}
    counts = f"{len(utts)} utterances of {len(set(utts.values()))} speakers"
    return problems, counts + (f", {sum(seconds.values()) / 3600:.2f} hours of sound"
                               if seconds else "")


if __name__ == "__main__":
    raise SystemExit(main())
