"""A Kaldi data directory, its files read when they are asked for.

    data = DataDir("data/train")
    for utt in data.utts_by_job(1, 8):
        print(utt, data.utt2spk[utt], data.text[utt])
"""

import re
from functools import cached_property
from pathlib import Path

from utils.data.tables import read_table
from utils.step import UserError, share

# Files that are neither utt2*, spk2* nor reco2*, and what their keys are.
KEYS = {"text": "utt", "segments": "utt", "feats.scp": "utt", "vad.scp": "utt",
        "cmvn.scp": "spk", "wav.scp": "reco"}
NOT_TABLES = ("feats.json", "frame_shift")   # go with feats.scp


class DataDir:
    """Every table is a dict in code-point order of its keys; {} where an optional file is absent.

    .wav_scp .text .utt2spk .spk2gender .utt2accent .feats_scp .cmvn_scp   {id: str}
    .segments   {utt: (recording, start in s, end in s)}, end -1 for the recording's end
    .utt2dur    {utt: s};  .reco2dur  {recording: s}
    .spk2utt    {spk: [utts]}, always made from utt2spk
    .utts       sorted list of utt2spk's keys
    """

    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.name
        self._tables = {}
        if not self.path.is_dir():
            raise UserError(path, "no such data directory")

    def table(self, name):
        """{key: str} of any file of the directory; {} if there is none."""
        if name not in self._tables:
            path = self.path / name
            self._tables[name] = read_table(path, empty_ok=name == "text") if path.exists() else {}
        return self._tables[name]

    def require(self, *names):
        """UserError for the first of these files that is absent or empty."""
        for name in names:
            if not self.table(name):
                what = "is empty" if (self.path / name).exists() else "no such file"
                raise UserError(self.path / name, what, "see validate_data_dir.py")

    @property
    def names(self):
        """The tables that are there, sorted: wav.scp, text, utt2*, spk2*, reco2* and so on."""
        return sorted(p.name for p in self.path.iterdir() if p.is_file() and table_key(p.name))

    wav_scp = property(lambda self: self.table("wav.scp"))
    text = property(lambda self: self.table("text"))
    spk2gender = property(lambda self: self.table("spk2gender"))
    utt2accent = property(lambda self: self.table("utt2accent"))
    feats_scp = property(lambda self: self.table("feats.scp"))
    cmvn_scp = property(lambda self: self.table("cmvn.scp"))

    @property
    def utt2spk(self):
        self.require("utt2spk")
        return self.table("utt2spk")

    @cached_property
    def spk2utt(self):
        return invert(self.utt2spk)

    @cached_property
    def utts(self):
        return list(self.utt2spk)

    @cached_property
    def segments(self):
        return {utt: parse_segment(value, self.path / "segments", utt)
                for utt, value in self.table("segments").items()}

    @cached_property
    def utt2dur(self):
        return {utt: _seconds(value, self.path / "utt2dur", utt)
                for utt, value in self.table("utt2dur").items()}

    @cached_property
    def reco2dur(self):
        return {recording: _seconds(value, self.path / "reco2dur", recording)
                for recording, value in self.table("reco2dur").items()}

    def segment(self, utt):
        """(recording, start, end) of an utterance; the whole recording if there are no segments."""
        if not self.table("segments"):
            return utt, 0.0, -1.0
        try:
            return self.segments[utt]
        except KeyError:
            raise UserError(self.path / "segments", f"{utt} of utt2spk is not here",
                            "run fix_data_dir.py") from None

    def feats_start(self, utt):
        """(recording, s in it at which the utterance's features begin): after what was trimmed."""
        recording, start, _ = self.segment(utt)
        trim = self.table("utt2trim").get(utt)
        if trim is not None:
            start += _seconds(trim.split()[0], self.path / "utt2trim", utt)
        return recording, start

    def channel(self, recording):
        """The recording's channel (0, 1, ...) by reco2file_and_channel; None if it has none."""
        value = self.table("reco2file_and_channel").get(recording)
        if value is None:
            return None
        if channel_number(value) is None:
            raise UserError(self.path / "reco2file_and_channel",
                            f"{recording} is {value!r}", "expected a file and A, B or 1, 2, ...")
        return channel_number(value)

    def utts_by_job(self, job, num_jobs):
        """Job's part (1-based) of the utterances; a speaker's stay together if speakers suffice."""
        return split_utts(self.spk2utt, num_jobs)[job - 1]


def split_utts(spk2utt, count):
    """count lists of utterances of nearly equal length, cut between speakers where there are at
    least count of them, else anywhere; lists are empty only if there are too few utterances.
    """
    if len(spk2utt) < count:
        utts = sorted(utt for utts in spk2utt.values() for utt in utts)
        return [share(utts, job, count) for job in range(1, count + 1)]
    speakers = [spk2utt[spk] for spk in sorted(spk2utt)]
    parts, left = [], sum(map(len, speakers))
    for remaining in range(count, 0, -1):
        part, target = [], left / remaining
        while speakers and (not part or len(part) + len(speakers[0]) / 2 <= target) \
                and (not part or len(speakers) >= remaining):
            part += speakers.pop(0)
        if remaining == 1:
            part += [utt for utts in speakers for utt in utts]
        left -= len(part)
        parts.append(sorted(part))
    return parts


def table_key(name):
    """What a data directory's file is keyed by: "utt", "spk", "reco", or None for no table."""
    if name in KEYS:
        return KEYS[name]
    for key in ["utt", "spk", "reco"]:
        if name.startswith(f"{key}2") and "." not in name:
            return key
    return None


def invert(utt2spk):
    """{utt: spk} to {spk: [utts]}, both sorted."""
    result = {}
    for key, value in utt2spk.items():
        result.setdefault(value, []).append(key)
    return {spk: sorted(utts) for spk, utts in sorted(result.items())}


def channel_number(value):
    """0, 1, ... of `file side`, where Kaldi's sides are A, B, ... or 1, 2, ...; None if wrong"""
    side = value.split(" ")[-1]
    if side.isascii() and side.isdigit():
        return int(side) - 1 if int(side) else None
    return ord(side.upper()) - ord("A") if re.fullmatch("[A-Ha-h]", side) else None


def parse_segment(value, path, utt):
    """`recording start end` to (recording, start in s, end in s)."""
    fields = value.split()
    if len(fields) != 3:
        raise UserError(path, f"{utt} has {len(fields)} fields after its id",
                        "expected `utt recording start end`")
    start, end = (_seconds(field, path, utt) for field in fields[1:])
    if start < 0 or (end <= start and end != -1):
        raise UserError(path, f"{utt} is from {start:g} s to {end:g} s",
                        "expected 0 <= start < end in seconds, or end -1 for the recording's end")
    return fields[0], start, end


def _seconds(text, path, utt):
    try:
        value = float(text) if "_" not in text else float("nan")
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise UserError(path, f"{utt} has {text!r} for a number of seconds")
    return value
