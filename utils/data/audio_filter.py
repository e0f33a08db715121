#!/usr/bin/env python3
"""Change the speed or the volume of a sound; for pipes in wav.scp.

in   a sound file, or - for standard input
out  standard output: WAV, 16 bits a sample, the same rate and channels

utils/data/perturb_speed.py and perturb_volume.py write these commands into wav.scp. Kaldi's tools
run them; our own steps compute the same samples without starting a process (utils/data/audio.py).

e.g. utils/data/audio_filter.py --speed 0.9 --volume 1.2 rec1.flac > rec1.wav
"""

import argparse
import io
import sys

import soundfile

from utils.data.audio import apply_filters, load


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # Applied in the order of the command line.
    for name in ["speed", "volume"]:
        parser.add_argument(f"--{name}", dest="filters", action="append", default=[], metavar="F",
                            type=lambda text, name=name: (name, positive(text)),
                            help=f"multiply the {name} by F")
    parser.add_argument("input")
    args = parser.parse_args(argv)
    samples, rate = load("cat |" if args.input == "-" else args.input, stdin=sys.stdin)
    wav = io.BytesIO()
    soundfile.write(wav, apply_filters(samples, rate, args.filters), rate, "PCM_16", format="WAV")
    sys.stdout.buffer.write(wav.getvalue())
    return 0


def positive(text):
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
