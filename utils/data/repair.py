"""Repair the tables of a data directory in memory; fix_data_dir.py reads, backs up and writes.

`tables` is {file name: {key: value}}; every function changes it and tells a Removed what went.
"""

import math
import re
import unicodedata
from pathlib import Path

from utils.data.audio import MAX_OVERSHOOT
from utils.data.check import number
from utils.data.datadir import channel_number, invert, parse_segment, table_key
from utils.data.scan import CONTROL, ODD_SPACE
from utils.step import UserError, archive_of

MAX_NOT_UTF8 = 0.05   # of a file's lines; more is an encoding to convert, not a few bad lines
MADE_AGAIN = ("utt2dur", "utt2num_frames", "vad.scp", "cmvn.scp")   # better absent than incomplete


class Removed:
    """{cause: ids}, in the order of the causes' first appearance"""

    def __init__(self):
        self.causes = {}

    def add(self, cause, *ids):
        if ids:
            self.causes.setdefault(cause, []).extend(ids)

    def lines(self, shown=5):
        for cause, ids in self.causes.items():
            more = f" and {len(ids) - shown} more" if len(ids) > shown else ""
            yield f"{cause}: {len(ids)}: {', '.join(ids[:shown])}{more}"


def clean_table(path, removed, non_print=False):
    """({key: value} in order, or not, of a file however bad; whether it was clean)

    Byte-order marks, CR, empty lines and control characters go, odd spaces become spaces, text
    becomes NFC; lines there twice are merged, and a key with two values goes with all its lines.
    """
    data = path.read_bytes()
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    texts = list(map(_decode, lines))
    bad = [f"line {number}" for number, text in enumerate(texts, 1) if text is None]
    if len(bad) > max(1, MAX_NOT_UTF8 * len(lines)):
        raise UserError(path, f"{len(bad)} of {len(lines)} lines are not UTF-8",
                        "convert the file with iconv; validate_data_dir.py shows them")
    removed.add(f"{path.name}: lines that are not UTF-8", *bad)
    clean = not bad and not data.startswith(b"\xef\xbb\xbf")
    table, conflicts, valueless = {}, {}, []
    for text in texts:
        line = None if text is None else _clean_line(text, path.name.endswith(".scp"), non_print)
        clean &= line == text
        key, _, value = (line or "").replace("\t", " ").partition(" ")
        value = value.lstrip(" ")
        if key and not value and path.name != "text":
            valueless.append(key)
        elif key and table.setdefault(key, value) != value:
            conflicts[key] = True
    for key in conflicts:
        del table[key]
    removed.add(f"{path.name}: lines without a value", *valueless)
    removed.add(f"{path.name}: ids with two values", *conflicts)
    return table, clean and len(table) == len(lines)


def _decode(line):
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _clean_line(text, paths, non_print):
    """paths: only the key of this line may be touched, the value is a file's name as it stands"""
    if text.isascii() and "\r" not in text and (non_print or not CONTROL.search(text)):
        return text.strip(" \t")
    text = text.replace("\r", " ").strip(" \t\ufeff")
    if paths:
        key = re.match(f"[^ \t]*?(?=[ \t]|{ODD_SPACE.pattern}|$)", text)[0]
        value = ODD_SPACE.sub(" ", text[len(key):len(key) + 1]) + text[len(key) + 1:]
        return (CONTROL.sub("", unicodedata.normalize("NFC", key)) + value).strip(" \t")
    text = ODD_SPACE.sub(" ", text.replace("\ufeff", ""))
    if not non_print:
        text = CONTROL.sub("", re.sub("[\x0b\x0c]", " ", text))
    return unicodedata.normalize("NFC", text).strip(" \t")


def repair_values(tables, removed):
    """Lines whose values cannot be meant; utt2spk of spk2utt if that is all there is."""
    if "utt2spk" not in tables and "spk2utt" in tables:
        tables["utt2spk"] = {utt: spk for spk, utts in tables["spk2utt"].items()
                             for utt in utts.split()}
    good = {
        "utt2spk": lambda key, value: " " not in value,
        "segments": _is_segment,
        "spk2gender": lambda key, value: value in ("m", "f"),
        "wav.scp": lambda key, value: not value.startswith("~"),
        "reco2file_and_channel": lambda key, value: channel_number(value) is not None,
    }
    for name, is_good in good.items():
        if name in tables:
            bad = [key for key, value in tables[name].items() if not is_good(key, value)]
            removed.add(f"{name}: lines that are wrong", *bad)
            for key in bad:
                del tables[name][key]
    if not all(number(value) > 0 for value in tables.get("utt2dur", {}).values()):
        _drop_table(tables, "utt2dur", "bad durations", removed)
    sizes = {}
    for name in ["feats.scp", "vad.scp", "cmvn.scp"]:
        for path, offset in map(archive_of, tables.get(name, {}).values()):
            if path and path not in sizes:
                sizes[path] = Path(path).stat().st_size if Path(path).is_file() else -1
            if path and sizes[path] <= offset:
                _drop_table(tables, name, "archives are gone", removed)
                break


def _is_segment(utt, value):
    try:
        return bool(parse_segment(value, "", utt))
    except UserError:
        return False


def repair_lengths(tables, seconds, clip, removed):
    """Utterances without sound, segments beyond the end, durations that are not the sound's.

    seconds: {recording: length}, 0 where it is broken, absent where it is not known
    """
    for recording in [r for r in tables["wav.scp"] if seconds.get(r) == 0]:
        del tables["wav.scp"][recording]
    for utt, value in list(tables.get("segments", {}).items()):
        recording, start, end = parse_segment(value, "", utt)
        length = seconds.get(recording)
        if not length or (start < length and end <= length + 0.005):
            continue
        clipped = math.floor(1000 * length + 1e-6) / 1000
        if start < clipped and clip:
            tables["segments"][utt] = f"{recording} {value.split()[1]} {clipped:.3f}"
            tables.get("utt2dur", {}).pop(utt, None)
            removed.add("segments clipped at the audio's end", utt)
        elif start >= clipped or end > length + MAX_OVERSHOOT:
            del tables["segments"][utt]
            removed.add("segments beyond the audio's end (kept if they begin before it, with "
                        "--clip)", utt)
    if "segments" not in tables:
        for utt, value in tables.get("utt2dur", {}).items():
            if seconds.get(utt) and abs(number(value) - seconds[utt]) > 0.05 + 0.01 * seconds[utt]:
                _drop_table(tables, "utt2dur", "durations are not the audio's", removed)
                break


def keep_common(tables, removed):
    """Filter everything to the utterances that all of utt2spk, text, sound and feats.scp have."""
    utts = set(tables["utt2spk"])
    known = utts | set(tables["utt2spk"].values())
    if "segments" in tables and "wav.scp" in tables:
        lost = [u for u, v in tables["segments"].items() if v.split()[0] not in tables["wav.scp"]]
        removed.add("segments: recordings not in wav.scp", *lost)
        for utt in lost:
            del tables["segments"][utt]
    sound = "segments" if "segments" in tables else "wav.scp"
    for name in ["text", sound, "feats.scp"]:
        if name in tables:
            removed.add(f"utterances not in {name}", *sorted(utts - tables[name].keys()))
            utts &= tables[name].keys()
    if not utts:
        raise UserError("utt2spk", "no utterance would be left: " + "; ".join(removed.lines(2)),
                        "nothing was changed")
    ids = {"utt": utts, "spk": {tables["utt2spk"][utt] for utt in utts},
           "reco": {v.split()[0] for u, v in tables["segments"].items() if u in utts}
           if "segments" in tables else utts}
    for name in sorted(tables.keys() - {"spk2utt"}):
        keep = ids[table_key(name)]
        # Those of utt2spk have been named above.
        removed.add(f"{name}: of no utterance", *sorted(tables[name].keys() - keep - known))
        tables[name] = {key: value for key, value in tables[name].items() if key in keep}
        if name in MADE_AGAIN and len(tables[name]) < len(keep):
            _drop_table(tables, name, f"has {len(tables[name])} of {len(keep)} ids", removed)
        elif not tables[name]:
            _drop_table(tables, name, "is empty", removed)
    tables["spk2utt"] = {spk: " ".join(utts) for spk, utts in invert(tables["utt2spk"]).items()}


def _drop_table(tables, name, why, removed):
    del tables[name]
    removed.add("files set aside, to be made again", f"{name} ({why})")
