#!/usr/bin/env python3
"""Copies of a data directory with noise.

in   <src>/*    a data directory with wav.scp
     --noise    recordings of noise, any rate: a data directory, a wav.scp or a folder of sound
                files; without it noise is generated
out  <dest>/*   noise<n>-<utt> of speaker noise<n>-<spk> for n from 1 to --copies; wav.scp with
                commands of utils/data/audio_filter.py, utt2uniq with the utterance each is a
                copy of; all lengths as they were, so that alignments of the clean ones hold

Noise of --noise goes on all the time, from a random place of one recording on (Kaldi's background
noise), or with --foreground now and then: recordings are heard once, one after another. Generated
noise is white, pink, brown, or babble: --voices other speakers of <src> at once, all equally loud.
The SNR is that of a recording's mean power to the noise's; the sum is as loud as the recording was.
What a recording gets depends on its id and --seed alone, but for babble, which needs the others.

feats.scp and cmvn.scp do not go along.

e.g. utils/data/perturb_noise.py --noise data/cafe --snrs 20:15:10:5 data/train data/train_noise
"""

from utils.data.augment import copies, draws, parse_range, sound_files, sound_list
from utils.data.datadir import DataDir
from utils.data.filters import Noise
from utils.data.noise_sources import KINDS, background, foreground, generated
from utils.data.transform import check_target, data_files, drop_stale, write_data
from utils.step import Step, UserError, positive


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--noise", default="", help="recordings of noise (default: generated)")
    step.add("--foreground", action="store_true", help="noises of --noise are heard once")
    step.add("--interval", type=parse_range, default=(0.5, 3.0), metavar="LOW:HIGH",
             help="s between foreground noises (default 0.5:3)")
    step.add("--kinds", default=":".join(KINDS), help=f"of generated noise ({':'.join(KINDS)})")
    step.add("--voices", type=positive, default=5, help="speakers of a babble, at most (default 5)")
    step.add("--snrs", default="20:15:10:5", help="dB, one is drawn (default 20:15:10:5)")
    step.add("--copies", type=positive, default=1, help="of each utterance (default 1)")
    step.add("--include-original", action="store_true", help="<dest> has what <src> has, too")
    step.add("--prefix", default="noise", help="of the copies' ids (default noise)")
    step.add("--seed", type=int, default=0)
    step.add("src", help="data directory")
    step.add("dest", help="its copies")
    args = step.parse(argv)
    snrs, kinds = _snrs(args.snrs), args.kinds.split(":")
    if set(kinds) - set(KINDS):
        raise UserError("--kinds", f"{args.kinds} is not of {':'.join(KINDS)}")
    if args.foreground and not args.noise:
        raise UserError("--foreground", "needs recordings", "name them with --noise")

    data = DataDir(args.src)
    noise_files = sound_files(args.noise) if args.noise else []
    if step.up_to_date(args.dest, [*data_files(data), *noise_files]):
        return 0
    check_target(step, [args.src], args.dest)
    data.require("wav.scp")
    if args.foreground:
        sources = foreground(data, sound_list(args.noise), args.interval)
    elif args.noise:
        sources = background(sound_list(args.noise))
    else:
        sources = generated(data, kinds, args.voices)

    def filter_of(recording, copy):
        rng = draws(args.seed, args.prefix, copy, recording)
        return "noise", Noise(rng.choice(snrs), sources(rng, recording))

    tables = copies(data, args.copies, args.prefix, filter_of, args.include_original)
    with step.output(args.dest) as out:
        write_data(out, tables)
        drop_stale(args.dest, tables)
    return step.finish(f"{args.dest}: {len(tables['utt2spk'])} utterances at {args.snrs} dB, "
                       f"{sum(map(float, tables['utt2dur'].values())) / 3600:.2f} hours")


def _snrs(text):
    try:
        snrs = [float(snr) for snr in text.split(":")]
    except ValueError:
        snrs = []
    if not snrs or not all(abs(snr) <= 100 for snr in snrs):
        raise UserError("--snrs", f"{text!r} is no list of dB", "expected such as 20:15:10:5")
    return snrs


if __name__ == "__main__":
    raise SystemExit(main())
