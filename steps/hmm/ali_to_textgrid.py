#!/usr/bin/env python3
"""Alignments as Praat TextGrids, with tiers of words and phones.

in   <data>/text utt2spk             words
     <data>/segments                 if there: one TextGrid a recording, else one an utterance
     <data>/utt2dur reco2dur         if there: lengths, else those of the alignments
     <lang>/phones.txt words.txt phones/align_lexicon.int
     <alidir>/ali.JOB.gz final.mdl front_end.json
out  <dir>/ID.TextGrid               UTF-8, Praat's long text form; a / in ID becomes %2F

Tiers are `words` and `phones`; where several speakers share a recording, `SPK - words` and so on.
What is not speech is an empty interval among the words; phones keep their names for silence.

e.g. steps/hmm/ali_to_textgrid.py data/train data/lang exp/tri3b_ali exp/tri3b_ali/textgrid
"""

from steps.hmm import textgrid
from utils.step import Step, log


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("data", help="data directory")
    step.add("lang", help="lang directory")
    step.add("alidir", help="directory of alignments")
    step.add("dir", help="directory of TextGrids to make")
    args = step.parse(argv)
    from steps.hmm.timing import read_timed, timing_inputs
    from utils.data.datadir import DataDir
    from utils.lang.langdir import LangDir
    if step.up_to_date(args.dir, timing_inputs(args.data, args.alidir, args.lang)):
        return 0
    data = DataDir(args.data)
    recordings = {}
    for utt in read_timed(data, LangDir(args.lang), args.alidir):
        recordings.setdefault(utt.recording, []).append(utt)
    with step.output(args.dir) as out:
        for recording, utts in recordings.items():
            path = out / f"{recording.replace('/', '%2F')}.TextGrid"
            grid = tiers(utts, data.utt2spk)
            path.write_text(textgrid.format_textgrid(grid, length(recording, utts, data)), "utf-8")
    return step.finish(f"{args.dir}: {len(recordings)} TextGrids")


def tiers(utts, utt2spk):
    """{tier: [(label, start, end)]} of the utterances of one recording; intervals do not overlap.

    utts  Timed
    """
    speakers = sorted({utt2spk[utt.utt] for utt in utts})
    result = {}
    for spk in speakers:
        own = sorted((utt for utt in utts if utt2spk[utt.utt] == spk), key=lambda utt: utt.start)
        for name in ("words", "phones"):
            tier = name if len(speakers) == 1 else f"{spk} - {name}"
            result[tier], lost = textgrid.without_overlap(
                [interval for utt in own for interval in getattr(utt, name)])
            if lost:
                log(f"{utts[0].recording}: segments of {spk} overlap, {lost} {name} left out")
    return result


def length(recording, utts, data):
    """Seconds of a recording; at least up to the end of its last utterance."""
    end = max(utt.end for utt in utts)
    if not data.segments:
        return max(end, data.utt2dur.get(recording, 0.0))
    return max(end, data.reco2dur.get(recording, 0.0),
               *(data.segment(utt.utt)[2] for utt in utts))


if __name__ == "__main__":
    raise SystemExit(main())
