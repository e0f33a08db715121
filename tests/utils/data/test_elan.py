"""ELAN's files."""

import time

import pytest

from utils.data.elan import read_eaf
from utils.step import UserError

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0">
 <HEADER TIME_UNITS="milliseconds">
  <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/field/a%20b.wav" MIME_TYPE="audio/x-wav"/>
 </HEADER>
 <TIME_ORDER>
  <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/>
  <TIME_SLOT TIME_SLOT_ID="ts2"/>
  <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1500"/>
 </TIME_ORDER>
 <TIER TIER_ID="tx@A" PARTICIPANT="Ana" LINGUISTIC_TYPE_REF="utt">
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
   <ANNOTATION_VALUE>fasi &amp; mano</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
   <ANNOTATION_VALUE>misa</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
 </TIER>
 <TIER TIER_ID="words" PARENT_REF="tx@A">
  <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a3">
   <ANNOTATION_VALUE>mano</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
  <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
   <ANNOTATION_VALUE>fasi</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
 </TIER>
 <TIER TIER_ID="gloss" PARENT_REF="words">
  <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a4">
   <ANNOTATION_VALUE>hand</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
 </TIER>
</ANNOTATION_DOCUMENT>
"""


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def test_times_of_open_slots_and_of_dependent_tiers(tmp_path):
    tiers, media = read_eaf(write(tmp_path / "a.eaf", EAF))
    assert media == [("a b.wav", 0.0)]
    told = {t.name: [(round(i.start, 3), round(i.end, 3), i.label) for i in t.intervals]
            for t in tiers}
    assert told == {"tx@A": [(0.5, 1.0, "fasi & mano"), (1.0, 1.5, "misa")],
                    "words": [(0.5, 0.75, "fasi"), (0.75, 1.0, "mano")],
                    "gloss": [(0.75, 1.0, "hand")]}
    assert [t.speaker for t in tiers] == ["Ana", "", ""]
    assert tiers[0].intervals[1].line == 14


@pytest.mark.parametrize(("old", "new", "message"), [
    ("</TIER>", "", ":27: not an ELAN file, mismatched tag"),
    ('TIME_SLOT_REF2="ts3"', 'TIME_SLOT_REF2="ts9"', ":14: time slot 'ts9' is not defined"),
    ('ANNOTATION_REF="a4"', 'ANNOTATION_REF="a9"', "refer to 'a9', which is not there"),
    ('ANNOTATION_ID="a2" ', "", ":14: 'ANNOTATION_ID' is missing"),
    ("ANNOTATION_DOCUMENT", "HTML", ":1: not an ELAN file"),
    ('TIME_SLOT_ID="ts2"', "", ":8: 'TIME_SLOT_ID' is missing"),
    ('TIME_VALUE="1500"', 'TIME_VALUE="1.5"', ":9: TIME_VALUE is '1.5', no time in ms"),
    ('TIME_VALUE="1500"', f'TIME_VALUE="{"9" * 400}"', ":9: TIME_VALUE is '9999"),
    ("MIME_TYPE", 'TIME_ORIGIN="x" MIME_TYPE', ":4: TIME_ORIGIN is 'x', no time in ms"),
    ("misa", '<REF_ANNOTATION ANNOTATION_ID="b" ANNOTATION_REF="a1"/>',
     ":15: an annotation within another"),
    ("UTF-8", "foo", r":1: its encoding is not known \(unknown encoding: foo\)"),
    ("<ANNOTATION_DOCUMENT", "<!DOCTYPE x [<!ENTITY a SYSTEM 'a.eaf'>]><ANNOTATION_DOCUMENT",
     ":2: has a DOCTYPE"),
])
def test_files_that_cannot_be_are_named(tmp_path, old, new, message):
    assert old in EAF
    with pytest.raises(UserError, match=message):
        read_eaf(write(tmp_path / "a.eaf", EAF.replace(old, new)))


def test_long_chains_take_no_longer_than_others(tmp_path):
    """Each annotation the parent of the next one, the last first."""
    chain = "".join(f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="r{i + 1}" ANNOTATION_REF="r{i}">'
                    "</REF_ANNOTATION></ANNOTATION>" for i in reversed(range(20000)))
    chain = chain.replace('"r0"', '"a2"')
    text = EAF.replace("</ANNOTATION_DOCUMENT>", f'<TIER TIER_ID="c">{chain}</TIER>'
                       "</ANNOTATION_DOCUMENT>")
    started = time.process_time()
    tiers, _ = read_eaf(write(tmp_path / "a.eaf", text))
    assert {(i.start, i.end) for i in tiers[3].intervals} == {(1.0, 1.5)}
    assert time.process_time() - started < 5
