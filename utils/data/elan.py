"""ELAN's annotation files, .eaf (EAF 2.6 to 3.0, Max Planck Institute for Psycholinguistics)."""

import xml.parsers.expat
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from utils.data.textgrid import Interval, Tier
from utils.step import UserError


def read_eaf(path):
    """(Tiers, names of the media files) of a file; a tier's speaker is its participant.

    Annotations that have no times of their own take their parent's; several of one parent share
    its time evenly. Times in s.
    """
    root = _Elements(path)
    slots = _slots(root.found.get("TIME_SLOT", []))
    times, children, tiers = {}, {}, {}
    for line, tier, attributes, label in root.annotations:
        tiers.setdefault(tier, []).append((attributes["ANNOTATION_ID"], label, line))
        if "TIME_SLOT_REF1" in attributes:
            try:
                times[attributes["ANNOTATION_ID"]] = (slots[attributes["TIME_SLOT_REF1"]],
                                                      slots[attributes["TIME_SLOT_REF2"]])
            except KeyError as error:
                raise UserError(f"{path}:{line}", f"time slot {error} is not defined",
                                "open the file in ELAN and save it again") from None
        else:
            key = attributes["ANNOTATION_REF"], tier
            children.setdefault(key, []).append(attributes)
    _times_of_children(times, children, path)
    result = []
    for _, attributes in root.found.get("TIER", []):
        name = attributes["TIER_ID"]
        intervals = [Interval(*times[key], label, line) for key, label, line in tiers.get(name, [])]
        result.append(Tier(name, sorted(intervals), attributes.get("PARTICIPANT", "")))
    media = [unquote(PurePosixPath(a.get("RELATIVE_MEDIA_URL") or a.get("MEDIA_URL", "")).name)
             for _, a in root.found.get("MEDIA_DESCRIPTOR", [])]
    return result, [name for name in media if name]


def _slots(found):
    """{time slot: s}; slots without a time lie evenly between those around them."""
    values = [attributes.get("TIME_VALUE") for _, attributes in found]
    known = [(i, int(value) / 1000) for i, value in enumerate(values) if value is not None]
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


def _times_of_children(times, children, path):
    """Fills in times, parents before their children."""
    while children:
        ready = [key for key in children if key[0] in times]
        if not ready:
            raise UserError(path, "annotations refer to others that are not there",
                            "open the file in ELAN and save it again")
        for key in ready:
            (start, end), group = times[key[0]], _in_order(children.pop(key))
            step = (end - start) / len(group)
            for i, attributes in enumerate(group):
                times[attributes["ANNOTATION_ID"]] = start + i * step, start + (i + 1) * step


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
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        try:
            self._parser.Parse(Path(path).read_bytes(), True)
        except xml.parsers.expat.ExpatError as error:
            what = xml.parsers.expat.ErrorString(error.code)
            raise UserError(f"{path}:{error.lineno}", f"not an ELAN file, {what}",
                            "open the file in ELAN and save it again") from None
        except KeyError as error:
            raise UserError(f"{path}:{self._parser.CurrentLineNumber}", f"{error} is missing",
                            "open the file in ELAN and save it again") from None
        if "ANNOTATION_DOCUMENT" not in self.found:
            raise UserError(f"{path}:1", "not an ELAN file, it has no ANNOTATION_DOCUMENT")

    def _start(self, name, attributes):
        line = self._parser.CurrentLineNumber
        if name in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            needed = ("TIME_SLOT_REF1", "TIME_SLOT_REF2") if name[0] == "A" else ("ANNOTATION_REF",)
            for key in ("ANNOTATION_ID", *needed):
                attributes[key]   # a KeyError says what is missing
            self._open, self._text = (line, self._tier, attributes), []
        elif name == "TIER":
            self._tier = attributes["TIER_ID"]
        self.found.setdefault(name, []).append((line, attributes))

    def _data(self, text):
        if self._text is not None:
            self._text.append(text)

    def _end(self, name):
        if name in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            self.annotations.append((*self._open, "".join(self._text).strip()))
            self._text = None
