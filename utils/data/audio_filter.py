#!/usr/bin/env python3
"""Change the speed or the volume of a sound, add noise or reverberation; for pipes in wav.scp.

in   a sound file, or - for standard input
out  standard output: WAV, 16 bits a sample, the same rate, channels and, but for --speed, length

utils/data/perturb_speed.py, perturb_volume.py, perturb_noise.py and perturb_reverb.py write these
commands into wav.scp. Kaldi's tools run them; our own steps compute the same samples without
starting a process (utils/data/audio.py).

  --noise 'SNR SOURCE...'  in dB; a SOURCE is white:SEED, pink:SEED or brown:SEED; START:RXFILENAME,
                           a recording from START s on, over and over; or @START:RXFILENAME, once,
                           START s after the sound's beginning
  --reverb RXFILENAME      of an impulse response, or a room in s and m:
  --reverb 't60=0.4 size=5,4,2.7 source=1,2,1.5 mic=3,2,1.2'

e.g. utils/data/audio_filter.py --speed 0.9 --noise '10 3.5:cafe.flac' rec1.flac > rec1.wav
"""

import argparse
import io
import sys

import soundfile

from utils.data.audio import apply_filters, load
from utils.data.filters import parse_filter


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # Applied in the order of the command line.
    for name, metavar, what in [("speed", "F", "multiply the speed by F"),
                                ("volume", "F", "multiply the volume by F"),
                                ("noise", "NOISE", "add noise at an SNR"),
                                ("reverb", "ROOM", "as heard in a room")]:
        parser.add_argument(f"--{name}", dest="filters", action="append", default=[],
                            metavar=metavar, type=_value(name), help=what)
    parser.add_argument("input")
    args = parser.parse_args(argv)
    samples, rate = load("cat |" if args.input == "-" else args.input, stdin=sys.stdin)
    wav = io.BytesIO()
    soundfile.write(wav, apply_filters(samples, rate, args.filters), rate, "PCM_16", format="WAV")
    sys.stdout.buffer.write(wav.getvalue())
    return 0


def _value(name):
    def parse(text):
        try:
            return name, parse_filter(name, text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} will not do, see --help") from None
    return parse


if __name__ == "__main__":
    raise SystemExit(main())
