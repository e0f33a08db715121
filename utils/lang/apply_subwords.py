#!/usr/bin/env python3
"""Cut the words of a text into subword units, or put the words together again.

in   <model>/bpe.model units.txt   a dict or lang directory of subwords
     text                          utt-id words, or utt-id units with --decode
out  text_out                      utt-id units, or utt-id words; lines in the order of the input

e.g. utils/lang/apply_subwords.py data/lang_bpe data/train/text data/lm_bpe/text
     utils/lang/apply_subwords.py --decode data/lang_bpe hyp.units hyp.words
"""

from pathlib import Path

from utils.data.tables import read_lines
from utils.lang.lexicon import split_fields
from utils.lang.subwords import UNKNOWN, Subwords, decode
from utils.step import Step, check_apart, write_atomic


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--decode", action="store_true", help="from units to words")
    step.add("--plain-text", action="store_true", help="the lines have no utt-ids")
    step.add("model", help="dict or lang directory with bpe.model")
    step.add("text", help="text to read")
    step.add("text_out", help="text to write")
    args = step.parse(argv)
    target = Path(args.text_out)
    step.name += f":{target.name}"   # several texts in one directory, each with its own record
    inputs = [args.text, f"{args.model}/bpe.model", f"{args.model}/units.txt"]
    if step.up_to_date(target.parent, inputs):
        return 0
    check_apart(target, args.text)
    subwords = Subwords(args.model)
    lines, num_units, num_unknown = [], 0, 0
    for line in read_lines(args.text):
        fields = split_fields(line.rstrip("\r"))
        utt = [] if args.plain_text else fields[:1]
        words = fields[len(utt):]
        result = decode(words) if args.decode else subwords.encode(" ".join(words))
        num_units += len(words) if args.decode else len(result)
        num_unknown += result.count(UNKNOWN)
        lines.append(" ".join(utt + result) + "\n")
    with step.output(target.parent) as out:
        write_atomic(out / target.name, "".join(lines))
    return step.finish(f"{target}: {len(lines)} lines, {num_units} units, {num_unknown} {UNKNOWN}")


if __name__ == "__main__":
    raise SystemExit(main())
