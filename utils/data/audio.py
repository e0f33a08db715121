"""Sound into float32: wav, flac, ogg, opus, mp3 and all else that libsndfile reads, and pipes.

    samples, rate = read_audio("rec1.flac")
    for utt, samples, rate in for_each_utt(data, data.utts, rate=16000): ...

An rxfilename is what stands in wav.scp: a file, relative to the current directory as in Kaldi, or
a command ending in `|` that writes a sound file. Commands of our own audio_filter.py are not
started but computed here, sample for sample the same.
"""

import contextlib
import hashlib
import io
import math
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr

from utils.data import noise, reverb
from utils.data.filters import COLOURS, Room, split_filters
from utils.step import UserError, log

SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au",
                  ".snd", ".w64", ".rf64", ".caf", ".sph", ".nist"}
MAX_BROKEN = 0.05       # share of utterances that may be skipped
MAX_OVERSHOOT = 0.5     # s that a segment may end after its recording, as in extract-segments
LOUDEST = 1e12          # full scale is 1, or 2 ** 31 where whole numbers were written as floats
MIN_RATE = 1000         # Hz, below which a header tells no truth
MAX_FRAMES = 1 << 32    # beyond which it does not know the length, as FLAC's written to a pipe
_SHORT = re.compile(r"^\s*data : (\d+) \(should be (\d+)\)", re.MULTILINE)
_NO_SIZE = b"data\xff\xff\xff\xff"
_STREAM = 0x7FFFF000    # sizes from here on say that a pipe's writer did not know the length


class AudioError(UserError):
    """A sound file that cannot be used; for_each_utt skips it as long as there are few."""


def read_audio(rxfilename, channel=None):
    """float32 (num_samples,) in [-1, 1], and the rate in Hz.

    channel  0, 1, ... or "mix" for the mean of all; needed only where there are several
    raises   AudioError: absent, empty, truncated, unreadable; UserError: several channels
    """
    samples, rate = load(rxfilename.strip())
    return pick_channel(samples, channel, rxfilename), rate


def pick_channel(samples, channel, where):
    """(num_samples, num_channels) to (num_samples,); mono is mono, whatever the channel."""
    count = samples.shape[1]
    if count == 1:
        return samples[:, 0]
    if channel == "mix":
        return samples.mean(axis=1)
    if channel is None:
        raise UserError(where, f"has {count} channels",
                        "say --channel 0, 1, ... or --channel mix, or add reco2file_and_channel")
    if not 0 <= channel < count:
        raise UserError(where, f"has {count} channels and no channel {channel}", "0 is the first")
    return np.ascontiguousarray(samples[:, channel])


def parse_channel(text):
    """The value of a --channel option: a number from 0, or "mix"."""
    return text if text == "mix" else int(text)


def audio_info(rxfilename):
    """(num_samples, rate in Hz, num_channels) by the header; a pipe other than ours is run.

    raises AudioError as read_audio, as far as a header can tell
    """
    source, filters = split_filters(rxfilename.strip())
    if source.endswith("|"):
        samples, rate = load(source)
        count, channels = samples.shape
    else:
        with open_sound(source) as file:
            count, rate, channels = file.frames, file.samplerate, file.channels
    for name, value in filters:
        count = speed_length(count, value) if name == "speed" else count
    return count, rate, channels


def sound_stamp(data):
    """A hash of the sizes and times of wav.scp's files, to see whether they have changed."""
    stamp = hashlib.blake2b(digest_size=8)
    for path in data.wav_scp.values():
        path = split_filters(path)[0]
        with contextlib.suppress(OSError, ValueError):   # a pipe, or absent: the job will tell
            status = os.stat(path)   # noqa: PTH116 (a pipe may be no valid Path)
            stamp.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
    return stamp.hexdigest()


def for_each_utt(data, utts, rate=None, channel=None, limit=None):
    """Yields (utt, float32 (num_samples,), rate); each recording is read once.

    data     DataDir; utts: of it, which come ordered by their recordings' first appearance
    rate     Hz to resample to, None to leave as it is
    channel  as for read_audio; reco2file_and_channel goes before it
    limit    broken utterances allowed, 5 % of utts if None; a job gives that of all the jobs'
    Broken utterances are named and skipped; UserError if they are more than the limit,
    or if one has several channels and nothing says which.
    """
    segments = {}
    for utt in utts:
        recording, start, end = data.segment(utt)
        segments.setdefault(recording, []).append((utt, start, end))
    limit = MAX_BROKEN * len(utts) if limit is None else limit
    broken, noted = 0, False
    for recording, parts in segments.items():
        try:
            if recording not in data.wav_scp:
                raise AudioError(data.path / "wav.scp", f"{recording} is not here")
            side = data.channel(recording)
            samples, found = read_audio(data.wav_scp[recording], channel if side is None else side)
        except AudioError as error:
            broken += _skip([utt for utt, _, _ in parts], error, broken, data, utts, limit)
            continue
        if rate and found != rate:
            if not noted:
                less = f", nothing above {found / 2:g} Hz" if found < rate else ""
                log(f"{data.path}: resampling {found} Hz to {rate} Hz{less}")
            noted = True
            samples = resample(samples, found, rate)
        for utt, start, end in parts:
            try:
                yield utt, cut(samples, rate or found, start, end, f"{data.path}/segments"), \
                    rate or found
            except AudioError as error:
                broken += _skip([utt], error, broken, data, utts, limit)


def _skip(skipped, error, broken, data, utts, limit):
    names = ", ".join(skipped[:3]) + (f" and {len(skipped) - 3} more" if len(skipped) > 3 else "")
    log(f"skipped {names}: {error.line}")
    if broken + len(skipped) > limit:
        raise UserError(data.path, f"{broken + len(skipped)} of {len(utts)} utterances are broken, "
                        f"more than {MAX_BROKEN:.0%}", "run fix_data_dir.py --audio full")
    return len(skipped)


def cut(samples, rate, start, end, where):
    """The samples from start to end in s; end -1, or a little too late, is the recording's."""
    length = len(samples) / rate
    if end > length + MAX_OVERSHOOT or start >= length:
        raise AudioError(where, f"{start:g} s to {end:g} s of a recording of {length:.2f} s",
                         "run fix_data_dir.py --clip")
    return samples[round(start * rate):len(samples) if end == -1 else round(end * rate)]


def resample(samples, from_rate, to_rate):
    """float32 (num_samples, ...) at another rate"""
    return soxr.resample(samples, from_rate, to_rate).astype(np.float32, copy=False)


# our own filters

def apply_filters(samples, rate, filters):
    """float32 (num_samples, num_channels) as audio_filter.py writes it, 16 bits a sample."""
    for name, value in filters:
        if name == "speed":   # as sox's speed: tempo and pitch
            count = speed_length(len(samples), value)
            samples = resample(samples, rate * value, rate)[:count]
            samples = np.pad(samples, [(0, count - len(samples)), (0, 0)])
        elif name == "volume":
            samples = samples * np.float32(value)
        elif name == "noise":
            samples = noise.mix(samples, value.snr, [_noise_source(source, len(samples), rate)
                                                     for source in value.sources])
        else:
            samples = reverb.reverberate(samples, *_response(value, rate))
        samples = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.float32) / 32768
    return samples


def speed_length(count, factor):
    return round(count / factor)


def _noise_source(source, count, rate):
    """(first sample, float32 (at most count,)) of a filters.Source"""
    if source.kind in COLOURS:
        return 0, noise.coloured(source.kind, source.value, count, rate)
    first = min(round(source.value * rate), count) if source.kind == "once" else 0
    samples, found = read_part(source.rxfilename, source.value, count / rate) \
        if source.kind == "loop" else read_audio(source.rxfilename, channel=0)
    if found != rate:
        samples = resample(samples, found, rate)
    return first, samples[:count - first]


def _response(value, rate):
    """float32 (num_taps,) of a filters.Room or an impulse response's rxfilename; its time 0"""
    if isinstance(value, Room):
        return reverb.image_response(*value, rate), 0
    samples, found = read_audio(value, channel=0)
    if not samples.any():
        raise _broken(value, "is silent, and no impulse response", "take it out of the list")
    samples = samples if found == rate else resample(samples, found, rate)
    return samples, reverb.direct_path(samples)


def read_part(rxfilename, start, seconds):
    """(num_samples,) of the first channel from start s on, over and over if too short; the rate.

    Of a file only this part is read, of a pipe everything.
    """
    source, filters = split_filters(rxfilename.strip())
    if filters or source.endswith("|"):
        samples, rate = load(rxfilename.strip())
        at, count = round(start * rate), math.ceil(seconds * rate) + 1
    else:
        with open_sound(source) as file:
            rate, count = file.samplerate, math.ceil(seconds * file.samplerate) + 1
            at = round(start * rate) % file.frames
            if at + count <= file.frames:
                file.seek(at)
                samples, at = _decode(file, source, count), 0
            else:
                samples = _decode(file, source)
    return np.take(samples[:, 0], np.arange(at, at + count), mode="wrap"), rate


# reading

def load(rxfilename, stdin=subprocess.DEVNULL):
    """float32 (num_samples, num_channels) and the rate; stdin is for the command of a pipe"""
    source, filters = split_filters(rxfilename)
    file = open_sound(io.BytesIO(_run(source, stdin)) if source.endswith("|") else source, source)
    with file:
        samples, rate = _decode(file, source), file.samplerate
    return apply_filters(samples, rate, filters), rate


def _decode(file, name, count=-1):
    """float32 (num_samples, num_channels), up to count of them, from where the file stands."""
    expected = file.frames if count < 0 else count
    try:
        samples = file.read(count, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _broken(name, f"cannot be decoded, {_reason(error)}") from None
    # An MP3's own count may be off by its encoder's delay.
    if len(samples) < expected - 0.02 * expected - 2000 or not len(samples):
        raise _broken(name, f"truncated, {len(samples)} of {expected} samples")
    check_samples(samples, name)
    return samples


def check_samples(samples, name):
    """AudioError of a file so named if some are no numbers, or no sound's."""
    if not (np.abs(samples) < LOUDEST).all():   # false of no numbers, too
        raise _broken(name, "has samples that are no numbers, or beyond all measure")


def open_sound(source, name=None):
    """soundfile.SoundFile of a file's path or of bytes; AudioError if it is none, or a broken one.

    name  what an error calls it, by default the path; commands are not run here
    """
    name = source if name is None else name
    if isinstance(source, str) and not os.path.isfile(source):  # noqa: PTH113 (\0 is no error)
        raise _broken(name, *_why(name, source))
    try:
        file = soundfile.SoundFile(source)
    except (soundfile.LibsndfileError, RuntimeError, OSError, ValueError) as error:
        raise _broken(name, *_why(name, source, error)) from None
    short = _SHORT.search(file.extra_info) if "should be" in file.extra_info else None
    if short and _STREAM > int(short[1]) > int(short[2]):
        raise _broken(name, f"truncated, {int(short[2])} of {int(short[1])} bytes of samples")
    if file.frames == 0:
        if isinstance(source, str) and file.format.startswith("WAV"):
            filled = _fill_in_size(Path(source).read_bytes())
            if filled.find(_NO_SIZE, 12, 4096) > 0:
                return open_sound(io.BytesIO(filled), name)
        raise _broken(name, "has no samples")
    if file.samplerate < MIN_RATE:
        raise _broken(name, f"its header says {file.samplerate} Hz, which holds no speech")
    if file.format == "OGG" and not isinstance(source, io.BytesIO) and _ogg_ends_early(source):
        raise _broken(name, "truncated, the Ogg stream has no last page")
    if file.seekable() and file.frames <= MAX_FRAMES:
        return file
    file.close()
    return _decoded(source, name)


class _Stream(soundfile.SoundFile):
    """Read from its beginning to its end, without the seeking that fails where the end is unknown.
    """

    def seekable(self):
        return False


def _decoded(source, name, block=1 << 20):
    """A soundfile.SoundFile in memory, of a file that does not tell its length or cannot seek."""
    if isinstance(source, io.BytesIO):
        source.seek(0)
    copy = io.BytesIO()
    with _Stream(source) as file, soundfile.SoundFile(
            copy, "w", file.samplerate, file.channels, "FLOAT", format="W64") as target:
        try:
            while len(samples := file.read(block, dtype="float32", always_2d=True)):
                target.write(samples)
        except soundfile.LibsndfileError as error:
            raise _broken(name, f"cannot be decoded, {_reason(error)}") from None
        if not target.frames:
            raise _broken(name, "has no samples")
    copy.seek(0)
    return soundfile.SoundFile(copy)


def _why(name, source, error=None):
    """(what, what to do) of a file that soundfile does not open."""
    if isinstance(source, io.BytesIO):
        if not source.getbuffer().nbytes:
            return "the command wrote nothing", "try it in a shell"
        return f"the command's output is no sound file, {_reason(error)}", "try it in a shell"
    path = Path(name)
    if not name or "\0" in name:
        return "not a file name", None
    if not os.path.isfile(path):  # noqa: PTH113
        relative = f", relative to {Path.cwd()}" if not path.is_absolute() else ""
        return f"no such file{relative}", None
    if not path.stat().st_size:
        return "empty file, 0 bytes", "fetch it again, or run fix_data_dir.py"
    return f"not readable as sound, {_reason(error)}", "convert it, or run fix_data_dir.py"


def _reason(error):
    return getattr(error, "error_string", str(error)).removeprefix("Error : ").rstrip(".")


def _broken(name, what, do="fetch it again, or run fix_data_dir.py"):
    return AudioError(name, what, do)


def _ogg_ends_early(path):
    """Whether the last page of an Ogg file lacks the mark of a stream's end."""
    with Path(path).open("rb") as file:
        file.seek(max(0, Path(path).stat().st_size - 70000))
        tail = file.read()
    page = tail.rfind(b"OggS")
    return page < 0 or len(tail) <= page + 5 or not tail[page + 5] & 4


def _run(rxfilename, stdin):
    """What the command of a pipe writes."""
    # A reader that stops early, such as head, ends its upstream by SIGPIPE: that is no failure.
    done = subprocess.run(["bash", "-c", "set -o pipefail; " + rxfilename[:-1]],
                          stdin=stdin, capture_output=True, check=False)
    if done.returncode not in (0, 128 + 13):
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _broken(rxfilename, f"the command ended with status {done.returncode}"
                      + (f": {lines[-1]}" if lines else ""), "try it in a shell")
    return _fill_in_size(done.stdout)


def _fill_in_size(wav):
    """A WAV whose writer left the data chunk's size 0 because it wrote to a pipe, or was stopped.
    """
    at = wav.find(b"data", 12, 4096) + 4
    if wav[:4] == b"RIFF" and at > 4 and wav[at:at + 4] == bytes(4) and len(wav) > at + 4:
        return wav[:at - 4] + _NO_SIZE + wav[at + 4:]
    return wav
