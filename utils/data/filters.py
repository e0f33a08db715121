"""Our own filters as wav.scp has them: commands of audio_filter.py, to and from Python values.

A rxfilename is a sound below and a list of filters to apply to it in order, ("speed", 0.9),
("volume", 1.2), ("noise", Noise), ("reverb", Room or the rxfilename of an impulse response).
utils/data/audio.py computes them.

    add_filter("a.wav", "noise", Noise(10, (Source("pink", 7),)))
    "utils/data/audio_filter.py --noise '10 pink:7' a.wav |"
"""

import math
import re
import shlex
from pathlib import Path
from typing import NamedTuple

COLOURS = ("white", "pink", "brown")
# Where our command begins: after the last | that is not in quotes, as quoted ones are of noises.
_FILTER = re.compile(r"^(?:(?P<upstream>.*)\|)?\s*[^\s|'\"]*\baudio_filter\.py\s+"
                     r"(?P<arguments>(?:[^|'\"]|'[^']*'|\"[^\"]*\")*)$")
_SHELL = re.compile(r"[$`;&<>*?~(){}\[\]#!\\\n]")


class Source(NamedTuple):
    """One sound of a noise, as text KIND:VALUE, VALUE:RXFILENAME or @VALUE:RXFILENAME.

    kind   "white", "pink", "brown": generated, value is the seed
           "loop": a recording from value s on, and from its beginning again where it ends
           "once": a recording, heard once, value s after the beginning of what it is added to
    """

    kind: str
    value: float
    rxfilename: str = ""

    def __str__(self):
        if self.kind in COLOURS:
            return f"{self.kind}:{self.value}"
        return f"{'@' * (self.kind == 'once')}{self.value:g}:{self.rxfilename}"

    @classmethod
    def parse(cls, text):
        head, _, tail = text.partition(":")
        if head in COLOURS and tail.isascii() and tail.isdigit():
            return cls(head, int(tail))
        kind, value = ("once", head[1:]) if head.startswith("@") else ("loop", head)
        if not tail or not 0 <= float(value) < math.inf:
            raise ValueError(text)
        return cls(kind, float(value), tail)


class Noise(NamedTuple):
    """What is added to a sound: SNR in dB and sources of equal power, as text `SNR SOURCE...`"""

    snr: float
    sources: tuple

    def __str__(self):
        return shlex.join([f"{self.snr:g}", *map(str, self.sources)])

    @classmethod
    def parse(cls, text):
        snr, *sources = shlex.split(text)
        if not sources or not math.isfinite(float(snr)):
            raise ValueError(text)
        return cls(float(snr), tuple(map(Source.parse, sources)))


class Room(NamedTuple):
    """A shoebox room, as text `t60=0.4 size=5,4,2.7 source=1,2,1.5 mic=3,2,1.2`; s and m"""

    t60: float
    size: tuple
    source: tuple
    mic: tuple

    def __str__(self):
        points = zip(self._fields[1:], self[1:], strict=True)
        return f"t60={self.t60:g} " + " ".join(
            f"{name}={','.join(f'{x:g}' for x in point)}" for name, point in points)

    @classmethod
    def parse(cls, text):
        fields = dict(word.split("=") for word in text.split())
        points = {name: tuple(map(float, fields.pop(name).split(","))) for name in cls._fields[1:]
                  if name in fields}
        room = cls(float(fields.pop("t60")), **points)
        inside = all(len(point) == 3 and all(0 < x < side <= 1000
                                             for x, side in zip(point, room.size, strict=False))
                     for point in room[2:])
        if fields or len(room.size) != 3 or not 0.01 <= room.t60 <= 10 or not inside \
                or math.dist(room.source, room.mic) < 0.01:
            raise ValueError(text)
        return room


def parse_filter(name, text):
    """A filter's value; ValueError if there is no such filter, or the text is wrong"""
    try:
        if name in ("speed", "volume"):
            value = float(text)
            if not 0 < value < math.inf:
                raise ValueError(text)
            return value
        if name == "noise":
            return Noise.parse(text)
        if name == "reverb" and text:
            return Room.parse(text) if text.startswith("t60=") else text
    except TypeError:   # a room without some of its fields
        pass
    raise ValueError(f"{name} {text}")


def split_filters(rxfilename):
    """(the rxfilename below, [(name, value), ...] to apply to it in this order)"""
    if not rxfilename.endswith("|"):
        return rxfilename, []
    match = _FILTER.match(rxfilename[:-1].rstrip())
    if not match:
        return rxfilename, []
    try:
        *options, source = words = shlex.split(match["arguments"])
        if not all(option.startswith("--") for option in options[::2]):
            return rxfilename, []
        filters = [(name[2:], parse_filter(name[2:], value))
                   for name, value in zip(options[::2], options[1::2], strict=True)]
    except ValueError:
        return rxfilename, []
    upstream = (match["upstream"] or "").strip()
    if _SHELL.search(match["arguments"]) and shlex.join(words) != match["arguments"]:
        return rxfilename, []   # bash would do more than split it into words
    if (source == "-") != bool(upstream):
        return rxfilename, []
    below, earlier = split_filters(f"{upstream} |" if upstream else source)
    return below, [*earlier, *filters]


def add_filter(rxfilename, name, value):
    """The rxfilename of a sound with one more filter."""
    text = shlex.quote(str(value))
    if isinstance(value, float | int):
        text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
    command = f"utils/data/audio_filter.py --{name} {text}"
    if not rxfilename.endswith("|"):
        return f"{command} {shlex.quote(rxfilename)} |"
    upstream = rxfilename[:-1].strip()
    if re.search(r"[;&\n]", upstream) and not split_filters(rxfilename)[1]:
        upstream = f"({' ' * upstream.startswith('(')}{upstream})"   # (( is arithmetic to bash
    return f"{upstream} | {command} - |"


def from_here(rxfilename, folder):
    """A rxfilename whose relative paths begin in a folder, as it is from where that path begins.

    A pipe that is not of our filters alone is started in that folder.
    """
    source, filters = split_filters(rxfilename)
    if source.endswith("|"):
        result = f"cd -- {shlex.quote(str(folder))} >/dev/null || exit; {source}"
    else:
        result = str(Path(folder) / source)
    for name, value in filters:
        if name == "noise":
            value = value._replace(sources=tuple(
                sound._replace(rxfilename=from_here(sound.rxfilename, folder))
                if sound.rxfilename else sound for sound in value.sources))
        elif name == "reverb" and isinstance(value, str):
            value = from_here(value, folder)
        result = add_filter(result, name, value)
    return result
