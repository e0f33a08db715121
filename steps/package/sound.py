"""Sound files of any length as windows that fit into memory, cut at quiet places.

    for window in windows("talk.mp3", rate=16000):
        ...                                  # float32 (num_samples,), mono, at most LONGEST s
"""

import numpy as np
import soundfile
import soxr

from utils.data.audio import AudioError, check_samples, open_sound, pick_channel

BLOCK = 10.0          # s that are read at once
SHORTEST, LONGEST = 60.0, 120.0   # s of a window, but for a file's last
PAUSE = 0.3           # s: a window ends in the middle of the quietest stretch of this length
FRAME = 0.01          # s


def windows(path, rate, channel="mix", shortest=SHORTEST, longest=LONGEST):
    """Yields float32 (num_samples,) in [-1, 1]; together they are the whole file.

    path     file, never a command
    rate     Hz to resample to
    channel  0, 1, ... or "mix" for the mean of all
    raises   AudioError: absent, empty, broken; also when part has been yielded already
    """
    kept, count = [], 0
    for block in _blocks(path, rate, channel):
        kept.append(block)
        count += len(block)
        if count > longest * rate:
            samples = np.concatenate(kept)
            cut = quietest(samples, rate, shortest, longest)
            yield samples[:cut]
            kept, count = [samples[cut:]], len(samples) - cut
    if count:
        yield np.concatenate(kept)


def seconds_of(path):
    """Length in s by the file's header."""
    with open_sound(str(path)) as file:
        return file.frames / file.samplerate


def quietest(samples, rate, earliest, latest, pause=PAUSE):
    """The sample in the middle of the quietest stretch between two times in s."""
    shift = round(FRAME * rate)
    first, last = int(earliest / FRAME), min(int(latest / FRAME), len(samples) // shift)
    part = samples[first * shift:last * shift].reshape(-1, shift)
    return (first + quietest_frame(energies(part), round(pause / FRAME))) * shift


def energies(frames):
    """Mean square of each row; (num_frames, num_samples) -> float64 (num_frames,)"""
    return np.square(frames, dtype=np.float64).mean(axis=1)


def quietest_frame(energy, width):
    """The frame in the middle of the `width` frames with least energy."""
    width = max(1, min(width, len(energy)))
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    return int(np.argmin(sums[width:] - sums[:-width])) + width // 2


def _blocks(path, rate, channel):
    """The file's samples at another rate, some seconds at a time."""
    path = str(path)
    with open_sound(path) as file:
        found, read, expected = file.samplerate, 0, file.frames
        stream = soxr.ResampleStream(found, rate, 1, dtype="float32") if found != rate else None
        while True:
            try:
                block = file.read(round(BLOCK * found), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise AudioError(path, f"cannot be decoded after {read / found:.1f} s, "
                                 f"{error.error_string.rstrip('.')}") from None
            read += len(block)
            # An MP3's own count may be off by its encoder's delay.
            if not len(block) and read < expected - 0.02 * expected - 2000:
                raise AudioError(path, f"truncated, {read} of {expected} samples")
            samples = pick_channel(block, channel, path)
            check_samples(samples, path)
            if stream:
                samples = stream.resample_chunk(samples, last=not len(block))
            if len(samples):
                yield samples
            if not len(block):
                return
