#!/usr/bin/env python3
"""Write how long each utterance is.

in   <data>/segments, or <data>/wav.scp and the headers of its sound; pipes are run
out  <data>/utt2dur   utt-id seconds

e.g. utils/data/get_utt2dur.py data/train
"""

from utils.data.audio import sound_stamp
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.data.transform import durations
from utils.step import Step, UserError


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("data", help="data directory")
    args = step.parse(argv)
    data = DataDir(args.data)
    args.sound = sound_stamp(data)
    if step.up_to_date(data.path, [data.path / n for n in ["wav.scp", "segments", "utt2spk"]]):
        return 0
    if not data.utts:
        raise UserError(data.path / "utt2spk", "is empty")
    lengths = durations(data, measure=True)
    with step.output(data.path) as out:
        write_table(out / "utt2dur", {utt: f"{s:.4f}" for utt, s in lengths.items()})
    return step.finish(f"{data.path}: {len(lengths)} utterances, "
                       f"{sum(lengths.values()) / 3600:.2f} hours")


if __name__ == "__main__":
    raise SystemExit(main())
