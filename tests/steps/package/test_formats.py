"""Formats of transcripts, by hand."""

import json

import pytest

from steps.package.formats import cues, format_as
from steps.package.recogniser import Segment, Transcript
from steps.package.words import Word

ONE = Transcript(4.0, [Segment(0.0, 4.0, [Word("bon", 0.5, 0.75, 0.991),
                                          Word("jour\"s", 0.75, 1.2, 0.5)])])


def test_text_and_ctm():
    assert format_as("text", "a/b", ONE) == 'a/b bon jour"s\n'
    assert format_as("ctm", "a/b", ONE) == ('a/b 1 0.50 0.25 bon 0.99\n'
                                            'a/b 1 0.75 0.45 jour"s 0.50\n')
    assert format_as("text", "x", Transcript(1.0, [])) == "x\n"


def test_srt():
    assert format_as("srt", "x", ONE) == '1\n00:00:00,500 --> 00:00:01,200\nbon jour"s\n\n'
    late = Transcript(4000.0, [Segment(3700.0, 3704.0, [Word("w", 3723.0045, 3723.9996, 1)])])
    assert "01:02:03,004 --> 01:02:04,000" in format_as("srt", "x", late)


def test_json():
    row = json.loads(format_as("json", "x", ONE))
    assert row["text"] == 'bon jour"s' and row["seconds"] == 4
    assert row["segments"][0]["words"][0] == {"word": "bon", "start": 0.5, "end": 0.75,
                                              "confidence": 0.991}


def test_textgrid_covers_the_file():
    text = format_as("textgrid", "x", ONE)
    assert "xmax = 4\n" in text and 'text = "jour""s"' in text and 'name = "segments"' in text


@pytest.mark.parametrize("gap, count", [(0.1, 3), (1.0, 20)])
def test_subtitles_are_short(gap, count):
    words = [Word("abcdefghij", i * (0.4 + gap), i * (0.4 + gap) + 0.4, 1) for i in range(20)]
    found = cues(Transcript(60.0, [Segment(0.0, 60.0, words)]))
    assert [w for cue in found for w in cue] == words and len(found) >= count
    for cue in found:
        assert cue[-1].end - cue[0].start <= 6 and len(" ".join(w.word for w in cue)) <= 84
    shown = format_as("srt", "x", Transcript(60.0, [Segment(0.0, 60.0, words)]))
    assert all(len(line) <= 54 for line in shown.splitlines())
