#!/usr/bin/env python3
"""Times of words or phones of alignments, as a CTM.

in   <data>/text utt2spk                       words
     <data>/segments reco2file_and_channel     if there: times in the recordings, channels
     <lang>/phones.txt words.txt phones/align_lexicon.int
     <alidir>/ali.JOB.gz final.mdl front_end.json
out  <ctm>    recording channel start duration word; seconds, sorted. The recording is the
              utterance where there are no segments. Silence is a phone, but not a word

e.g. steps/hmm/ali_to_ctm.py --level phone data/train data/lang exp/tri3b_ali phones.ctm
"""

from pathlib import Path

from utils.option_types import count
from utils.step import Step, UserError, check_apart


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--level", choices=("word", "phone"), default="word", help="(default word)")
    step.add("--decimals", type=count, default=2, help="of seconds (default 2)")
    step.add("data", help="data directory")
    step.add("lang", help="lang directory")
    step.add("alidir", help="directory of alignments")
    step.add("ctm", help="file to make")
    args = step.parse(argv)
    from steps.hmm.timing import read_timed, timing_inputs
    from utils.data.datadir import DataDir
    from utils.lang.langdir import LangDir
    ctm = Path(args.ctm)
    # A directory may hold several: each has its own record in .done.
    step.name += f":{ctm.name}"
    inputs = timing_inputs(args.data, args.alidir, args.lang)
    if ctm.is_dir():
        raise UserError(args.ctm, "is a directory", "name a file for the CTM")
    check_apart(ctm, *inputs)
    if step.up_to_date(ctm.parent, inputs):
        return 0
    data = DataDir(args.data)
    utts = read_timed(data, LangDir(args.lang), args.alidir)
    rows = ctm_rows(utts, data.channel, args.level, args.decimals)
    with step.output(ctm.parent) as out:
        (out / ctm.name).write_text("".join(f"{row}\n" for row in rows), "utf-8")
    return step.finish(f"{ctm}: {len(rows)} {args.level}s of {len(utts)} utterances")


def ctm_rows(utts, channel, level="word", decimals=2):
    """Lines of a CTM.

    utts     Timed;  channel  function(recording) -> 0, 1, ... or None
    """
    rows = []
    for utt in utts:
        for token, start, end in utt.words if level == "word" else utt.phones:
            # Ends are rounded, not durations, so that neighbours still touch.
            start, end = round(start, decimals), round(end, decimals)
            rows.append((utt.recording, (channel(utt.recording) or 0) + 1, start, end - start,
                         token))
    rows.sort(key=lambda row: row[:3])
    d = decimals
    return [f"{recording} {side} {start:.{d}f} {length:.{d}f} {token}"
            for recording, side, start, length, token in rows]


if __name__ == "__main__":
    raise SystemExit(main())
