"""ELAN's annotation files, .eaf (EAF 2.6 to 3.0, Max Planck Institute for Psycholinguistics)."""

import xml.parsers.expat
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from utils.data.textgrid import Interval, Tier
from utils.step import UserError

SAVE = "open the file in ELAN and save it again"
MAX_DIGITS = 12    # of a time in ms: thirty years


def read_eaf(path):
    """(Tiers, [(name of a media file, s of it that are time 0)]); a tier's speaker is its
    participant.

    Annotations that have no times of their own take their parent's; several of one parent share
    its time evenly. Times in s.
    """
    root = _Elements(path)
    slots = _slots(root.found.get("TIME_SLOT", []), path)
    times, children, tiers = {}, {}, {}
    for line, tier, attributes, label in root.annotations:
        tiers.setdefault(tier, []).append((attributes["ANNOTATION_ID"], label, line))
        if "TIME_SLOT_REF1" in attributes:
            try:
                times[attributes["ANNOTATION_ID"]] = (slots[attributes["TIME_SLOT_REF1"]],
                                                      slots[attributes["TIME_SLOT_REF2"]])
            except KeyError as error:
                raise UserError(f"{path}:{line}", f"time slot {error} is not defined",
                                SAVE) from None
        else:
            tiers_of = children.setdefault(attributes["ANNOTATION_REF"], {})
            tiers_of.setdefault(tier, []).append(attributes)
    _times_of_children(times, children, path)
    result = []
    for _, attributes in root.found.get("TIER", []):
        name = attributes["TIER_ID"]
        intervals = [Interval(*times[key], label, line) for key, label, line in tiers.get(name, [])]
        result.append(Tier(name, sorted(intervals), attributes.get("PARTICIPANT", "")))
    media = [(unquote(PurePosixPath(a.get("RELATIVE_MEDIA_URL") or a.get("MEDIA_URL", "")).name),
              _seconds(a.get("TIME_ORIGIN", "0"), f"{path}:{line}", "TIME_ORIGIN"))
             for line, a in root.found.get("MEDIA_DESCRIPTOR", [])]
    return result, [(name, origin) for name, origin in media if name]


def _slots(found, path):
    """{time slot: s}; slots without a time lie evenly between those around them."""
    known = [(i, _seconds(attributes["TIME_VALUE"], f"{path}:{line}"))
             for i, (line, attributes) in enumerate(found) if "TIME_VALUE" in attributes]
    if not known:
        known = [(0, 0.0)]
    slots, at = {}, 0
    for i, (_, attributes) in enumerate(found):
        while at + 1 < len(known) and known[at + 1][0] <= i:
            at += 1
        (before, value), (after, later) = known[at], known[min(at + 1, len(known) - 1)]
        share = (i - before) / (after - before) if after > before else 0.0
        slots[attributes["TIME_SLOT_ID"]] = value + max(share, 0.0) * (later - value)
    return slots


def _seconds(value, where, name="TIME_VALUE"):
    """Whole milliseconds, as EAF has them, in s."""
    if not value.isascii() or not value.isdigit() or len(value) > MAX_DIGITS:
        raise UserError(where, f"{name} is {value[:20]!r}, no time in ms", SAVE)
    return int(value) / 1000


def _times_of_children(times, children, path):
    """Fills in times, parents before their children; children: {parent: {tier: [attributes]}}"""
    known = list(times)
    while known:
        parent = known.pop()
        start, end = times[parent]
        for group in map(_in_order, children.pop(parent, {}).values()):
            step = (end - start) / len(group)
            for i, attributes in enumerate(group):
                key = attributes["ANNOTATION_ID"]
                times[key] = start + i * step, start + (i + 1) * step
                known.append(key)
    if children:
        raise UserError(path, f"annotations refer to {next(iter(children))!r}, which is not there",
                        SAVE)


def _in_order(group):
    """The children of one annotation by their PREVIOUS_ANNOTATION."""
    after = {a.get("PREVIOUS_ANNOTATION"): a for a in group}
    if len(after) < len(group):
        return group
    ordered, at = [], after.pop(None, None)
    while at is not None:
        ordered.append(at)
        at = after.pop(at["ANNOTATION_ID"], None)
    return ordered if len(ordered) == len(group) else group


class _Elements:
    """found: {element: [(line, attributes)]}; annotations: [(line, tier, attributes, label)]"""

    def __init__(self, path):
        self.found, self.annotations = {}, []
        self._tier, self._open, self._text = "", None, None
        self._parser = xml.parsers.expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._path = path
        try:
            self._parser.Parse(Path(path).read_bytes(), True)
        except OSError as error:
            raise UserError(path, f"cannot be read, {error.strerror.lower()}") from None
        except (LookupError, ValueError) as error:
            if isinstance(error, KeyError):
                raise self._wrong(f"{error} is missing") from None
            raise UserError(f"{path}:1", f"its encoding is not known ({error})", SAVE) from None
        except xml.parsers.expat.ExpatError as error:
            what = xml.parsers.expat.ErrorString(error.code)
            raise UserError(f"{path}:{error.lineno}", f"not an ELAN file, {what}",
                            SAVE) from None
        if "ANNOTATION_DOCUMENT" not in self.found:
            raise UserError(f"{path}:1", "not an ELAN file, it has no ANNOTATION_DOCUMENT")

    def _wrong(self, what):
        return UserError(f"{self._path}:{self._parser.CurrentLineNumber}", what, SAVE)

    def _doctype(self, *_):
        # Entities of a file's own may grow without bounds, or stand for other files.
        raise self._wrong("has a DOCTYPE, which ELAN's files have not")

    def _start(self, name, attributes):
        line = self._parser.CurrentLineNumber
        if self._text is not None and name.endswith("_ANNOTATION"):
            raise self._wrong("an annotation within another")
        if name in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            needed = ("TIME_SLOT_REF1", "TIME_SLOT_REF2") if name[0] == "A" else ("ANNOTATION_REF",)
            for key in ("ANNOTATION_ID", *needed):
                attributes[key]   # a KeyError says what is missing
            self._open, self._text = (line, self._tier, attributes), []
        elif name == "TIER":
            self._tier = attributes["TIER_ID"]
        elif name == "TIME_SLOT":
            attributes["TIME_SLOT_ID"]
        self.found.setdefault(name, []).append((line, attributes))

    def _data(self, text):
        if self._text is not None:
            self._text.append(text)

    def _end(self, name):
        if name in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            self.annotations.append((*self._open, "".join(self._text).strip()))
            self._text = None
