#!/usr/bin/env python3
"""Word times and confidences of decoded lattices, as a CTM.

in   <decode>/lat.JOB.gz num_jobs
     <graph>/words.txt phones.txt                            a graph or lang directory; with
             phones/align_lexicon.int optional_silence.int   bpe.model, subwords are joined
     <data>/segments reco2file_and_channel                   if there: times in the recordings
     <model>/final.mdl front_end.json                        <model> is the directory above <decode>
out  <decode>/ctm     recording channel start duration word confidence; seconds, sorted

The words are the best path's at LMWT and WIP. A confidence is the posterior of the word at its
place in the sentence, all of the lattice's sentences aligned with it by edit distance.

e.g. steps/decode/lattice_to_ctm.py --lmwt 12 data/test exp/tri1/graph exp/tri1/decode_test
"""

from pathlib import Path

from utils.option_types import count
from utils.step import Step, UserError, log


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--lmwt", type=float, default=12.0, help="LM weight (default 12)")
    step.add("--wip", type=float, default=0.0, help="word insertion penalty (default 0)")
    step.add("--decimals", type=count, default=2, help="of times and confidences (default 2)")
    step.add("--model", default="", help="model directory (default: the one above <decode>)")
    step.add("data", help="data directory")
    step.add("graph", help="graph or lang directory")
    step.add("decode", help="decode directory")
    args = step.parse(argv)
    from steps.decode.lattice_io import check_decoded_with, check_weights, lattice_files
    from utils.data.datadir import DataDir
    from utils.lang.langdir import LangDir
    check_weights(args.lmwt, args.wip)
    files = lattice_files(args.decode)
    model = Path(args.model) if args.model else Path(args.decode).parent
    graph, data = Path(args.graph), Path(args.data)
    needed = [graph / "words.txt", graph / "phones/align_lexicon.int", model / "final.mdl"]
    for path in needed:
        if not path.is_file():
            raise UserError(path, "no such file", "give the model's own graph or lang directory")
    if step.up_to_date(args.decode, [*files, *needed, model / "front_end.json",
                                     *(graph / name for name in ("bpe.model",
                                                                 "phones/optional_silence.int")),
                                     *(data / name for name in ("segments", "utt2trim",
                                                                "reco2file_and_channel"))]):
        return 0
    check_decoded_with(args.decode, graph / "words.txt", "graph")
    check_decoded_with(args.decode, model / "final.mdl", "model")
    rows, unaligned = ctm_rows(files, DataDir(data), LangDir(graph), model, args)
    if unaligned:
        log(f"{len(unaligned)} utterances do not end after a word; their times are those of the "
            f"graph's labels: {', '.join(unaligned[:20])}")
    with step.output(args.decode) as out:
        (out / "ctm").write_text("".join(row + "\n" for row in rows), "utf-8")
    return step.finish(f"{args.decode}/ctm: {len(rows)} words")


def ctm_rows(files, data, lang, model, args):
    """Lines of the CTM, sorted by recording, channel and time; and utterances without alignment."""
    from steps.decode.lattice import read_lattices
    from steps.decode.word_list import WordList
    from steps.decode.word_times import timed_words
    from steps.hmm.model import read_transitions
    from steps.hmm.timing import frame_shift
    transitions = read_transitions(model / "final.mdl")
    word_list, shift = WordList(lang.path), frame_shift(model)
    rows, unaligned, d = [], [], args.decimals
    for path in files:
        for utt, lattice in read_lattices(path):
            highest = lattice.ilabel.max(initial=0)
            if highest > transitions.num_tids:
                raise UserError(model / "final.mdl", f"no transition-id {highest}, which is in the "
                                f"lattice of {utt}", "give the model it was decoded with")
            words, aligned = timed_words(lattice, args.lmwt, args.wip, transitions, lang)
            if not aligned:
                unaligned.append(utt)
            recording, offset = data.feats_start(utt)
            channel = (data.channel(recording) or 0) + 1
            # Ends are rounded, not durations, so that neighbours still touch.
            rows += [(recording, channel, round(offset + start * shift, d),
                      round(offset + end * shift, d), word, confidence)
                     for word, start, end, confidence in word_list.timed(words, utt)]
    rows.sort(key=lambda row: row[:3])
    return [f"{recording} {channel} {start:.{d}f} {end - start:.{d}f} {word} {confidence:.{d}f}"
            for recording, channel, start, end, word, confidence in rows], unaligned


if __name__ == "__main__":
    raise SystemExit(main())
