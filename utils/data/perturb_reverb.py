#!/usr/bin/env python3
"""Copies of a data directory as heard in rooms.

in   <src>/*    a data directory with wav.scp
     --rirs     impulse responses, any rate: a data directory, a wav.scp or a folder of sound files,
                of which one is drawn; without it rooms are drawn
out  <dest>/*   reverb<n>-<utt> of speaker reverb<n>-<spk> for n from 1 to --copies; wav.scp with
                commands of utils/data/audio_filter.py, utt2uniq with the utterance each is a
                copy of; all lengths as they were

Rooms are shoeboxes by the image method (Allen & Berkley 1979), source and microphone half a metre
or more from the walls, if there is room. Nothing is delayed: the direct path arrives at time 0, and
what comes after the recording's end is cut off, so that alignments of the clean utterances hold.
Copies are as loud as the recording. Its room depends on the recording's id and --seed alone.

feats.scp and cmvn.scp do not go along. For noise in the room, run perturb_noise.py on the copies.

e.g. utils/data/perturb_reverb.py --t60 0.2:0.8 --copies 2 data/train data/train_reverb
"""

import math

from utils.data.augment import copies, draw, draws, parse_range, sound_files, sound_list
from utils.data.datadir import DataDir
from utils.data.filters import Room
from utils.data.transform import check_target, data_files, drop_stale, write_data
from utils.step import Step, UserError, positive

FROM_WALL = 0.5      # m, or a quarter of the room where that is less
TRIES = 100          # of placing the source at a distance from the microphone


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--rirs", default="", help="impulse responses (default: rooms by the image method)")
    for name, default, what in [
            ("t60", "0.2:0.8", "s in which a room's sound decays by 60 dB"),
            ("room-size", "3:10", "m, a room's length and width"),
            ("room-height", "2.4:4", "m"),
            ("distance", "0.5:4", "m from source to microphone, as far as the room allows")]:
        step.add(f"--{name}", type=parse_range, default=parse_range(default), metavar="LOW:HIGH",
                 help=f"{what} (default {default})")
    step.add("--copies", type=positive, default=1, help="of each utterance (default 1)")
    step.add("--include-original", action="store_true", help="<dest> has what <src> has, too")
    step.add("--prefix", default="reverb", help="of the copies' ids (default reverb)")
    step.add("--seed", type=int, default=0)
    step.add("src", help="data directory")
    step.add("dest", help="its copies")
    args = step.parse(argv)
    for name, low, high in [("t60", 0.05, 5), ("room_size", 1, 100), ("room_height", 1, 100),
                            ("distance", 0.05, 100)]:
        if not low <= getattr(args, name)[0] <= getattr(args, name)[1] <= high:
            raise UserError(f"--{name.replace('_', '-')}", f"is not from {low} to {high}")

    data = DataDir(args.src)
    rir_files = sound_files(args.rirs) if args.rirs else []
    if step.up_to_date(args.dest, [*data_files(data), *rir_files]):
        return 0
    check_target(step, [args.src], args.dest)
    data.require("wav.scp")
    rirs = list(sound_list(args.rirs)) if args.rirs else []

    def filter_of(recording, copy):
        rng = draws(args.seed, args.prefix, copy, recording)
        return "reverb", rng.choice(rirs) if rirs else draw_room(rng, args)

    tables = copies(data, args.copies, args.prefix, filter_of, args.include_original)
    with step.output(args.dest) as out:
        write_data(out, tables)
        drop_stale(args.dest, tables)
    return step.finish(f"{args.dest}: {len(tables['utt2spk'])} utterances, "
                       f"{sum(map(float, tables['utt2dur'].values())) / 3600:.2f} hours")


def draw_room(rng, args):
    """A filters.Room within the limits of the options; of its distance as far as it allows."""
    t60 = draw(rng, args.t60)
    size = (draw(rng, args.room_size, 2), draw(rng, args.room_size, 2),
            draw(rng, args.room_height, 2))
    walls = [min(FROM_WALL, side / 4) for side in size]
    distance, farthest = rng.uniform(*args.distance), []
    for _ in range(TRIES):
        mic, other = (tuple(draw(rng, (wall, side - wall), 2)
                            for side, wall in zip(size, walls, strict=True)) for _ in range(2))
        apart = math.dist(mic, other)
        farthest = max(farthest, [apart, mic, other])
        # Towards the other point, as far as was drawn.
        source = tuple(round(m + (o - m) * distance / max(apart, 0.01), 2)
                       for m, o in zip(mic, other, strict=True))
        if all(wall <= x <= side - wall
               for x, side, wall in zip(source, size, walls, strict=True)):
            return Room(t60, size, source, mic)
    return Room(t60, size, farthest[2], farthest[1])


if __name__ == "__main__":
    raise SystemExit(main())
