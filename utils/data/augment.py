"""What perturb_noise.py and perturb_reverb.py share: copies of a data directory, sounds to use."""

import random
from pathlib import Path

from utils.data.audio import SOUND_SUFFIXES, audio_info
from utils.data.filters import add_filter
from utils.data.tables import read_table
from utils.data.transform import all_tables, durations, rename
from utils.step import UserError

# Of another sound these would be wrong; vad.scp, utt2num_frames and the like hold.
MADE_AGAIN = ("feats.scp", "cmvn.scp")


def copies(data, count, prefix, filter_of, include_original=False):
    """tables of a DataDir's copies <prefix><n>-<id>, n from 1 to count, with one more filter each.

    filter_of  recording and copy n -> (name, value) of a filter
    """
    source = {name: table for name, table in all_tables(data).items() if name not in MADE_AGAIN}
    source["utt2dur"] = {utt: f"{s:.4f}" for utt, s in durations(data).items()}
    source["utt2uniq"] = {utt: source.get("utt2uniq", {}).get(utt, utt) for utt in data.utts}
    tables = {name: dict(table) if include_original else {} for name, table in source.items()}
    for copy in range(1, count + 1):
        scp = {recording: add_filter(value, *filter_of(recording, copy))
               for recording, value in recordings(data).items()}
        new = _prefix(f"{prefix}{copy}-")
        for name, table in rename(source | {"wav.scp": scp}, new, new, new).items():
            if tables[name].keys() & table.keys():
                raise UserError(data.path / name, f"has ids that begin with {new('')}",
                                "choose another --prefix")
            tables[name] |= table
    return tables


def recordings(data):
    """{recording: rxfilename} of those that a DataDir's utterances are of"""
    result = {}
    for utt in data.utts:
        recording = data.segment(utt)[0]
        if recording not in data.wav_scp:
            raise UserError(data.path / "wav.scp", f"{recording} is not here",
                            "run fix_data_dir.py")
        result[recording] = data.wav_scp[recording]
    return result


def _prefix(text):
    return lambda name: text + name


def draws(seed, *ids):
    """Random numbers that depend on the seed and these ids alone."""
    return random.Random(" ".join(map(str, [seed, *ids])))


def sound_files(path):
    """The files that say which sounds a list of them has: wav.scp, or the sound files themselves"""
    path = Path(path)
    if path.is_file():
        return [path]
    if (path / "wav.scp").is_file():
        return [path / "wav.scp"]
    if not path.is_dir():
        raise UserError(path, "no such file or directory", "name a wav.scp, a data directory or "
                        "a folder of sound files")
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in SOUND_SUFFIXES)


def sound_list(path):
    """{rxfilename: s} of a wav.scp, a data directory, or a folder of sound files, ordered by id"""
    files = sound_files(path)
    named = files[0].suffix.lower() not in SOUND_SUFFIXES if files else False
    names = read_table(files[0]).values() if named else map(str, files)
    result = {}
    for name in names:
        count, rate, _ = audio_info(name)
        result[name] = count / rate
    if not result:
        raise UserError(path, "has no sounds", "expected a wav.scp, or "
                        + " ".join(sorted(SOUND_SUFFIXES)))
    return result


def parse_range(text):
    """The value of an option LOW:HIGH, or of one number for both; above 0"""
    low, _, high = text.partition(":")
    result = float(low), float(high or low)
    if not 0 < result[0] <= result[1] < float("inf"):
        raise ValueError(text)
    return result


def draw(rng, limits, digits=3):
    """A number between the limits, uniformly, rounded"""
    return round(rng.uniform(*limits), digits)
