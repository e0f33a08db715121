"""Transcripts as text, CTM, TextGrid, SRT and JSON.

    text = format_as("srt", "talk", transcript)       # of one file
"""

import json

from steps.hmm.textgrid import format_textgrid, without_overlap

SUFFIXES = {"text": ".txt", "ctm": ".ctm", "textgrid": ".TextGrid", "srt": ".srt", "json": ".json"}
# What stands in one file one after the other for several recordings.
MANY = {"text", "ctm", "json"}
CUE_LETTERS, CUE_SECONDS, CUE_PAUSE = 84, 6.0, 0.7   # of subtitles: two lines of 42, s, s


def format_as(kind, name, transcript):
    """The file's text, which ends in a newline.

    kind  of SUFFIXES;  name  of the recording, without spaces;  transcript  of recogniser.py
    """
    return {"text": _text, "ctm": _ctm, "textgrid": _textgrid, "srt": _srt, "json": _json}[kind](
        name, transcript)


def _text(name, transcript):
    """As Kaldi's: the name and all words."""
    return " ".join([name, *(word.word for word in transcript.words)]) + "\n"


def _ctm(name, transcript):
    return "".join(f"{name} 1 {w.start:.2f} {w.end - w.start:.2f} {w.word} {w.confidence:.2f}\n"
                   for w in transcript.words)


def _textgrid(_, transcript):
    words, _ = without_overlap([(w.word, w.start, w.end) for w in transcript.words])
    segments, _ = without_overlap([(" ".join(w.word for w in s.words), s.start, s.end)
                                   for s in transcript.segments])
    length = max([transcript.seconds, *(end for _, _, end in words[-1:] + segments[-1:])])
    return format_textgrid({"words": words, "segments": segments}, length)


def _srt(_, transcript):
    return "".join(f"{number}\n{_clock(cue[0].start)} --> {_clock(cue[-1].end)}\n"
                   f"{_two_lines([w.word for w in cue])}\n\n"
                   for number, cue in enumerate(cues(transcript), 1))


def _json(name, transcript):
    """One line, so that several are JSON lines."""
    return json.dumps({
        "name": name, "seconds": round(transcript.seconds, 3),
        "text": " ".join(word.word for word in transcript.words),
        "segments": [{"start": round(s.start, 3), "end": round(s.end, 3),
                      "words": [{"word": w.word, "start": round(w.start, 3),
                                 "end": round(w.end, 3), "confidence": round(w.confidence, 3)}
                                for w in s.words]}
                     for s in transcript.segments]}, ensure_ascii=False) + "\n"


def cues(transcript):
    """Lists of words that stand on the screen together."""
    result = []
    for segment in transcript.segments:
        cue = []
        for word in segment.words:
            letters = sum(len(w.word) + 1 for w in cue) + len(word.word)
            if cue and (letters > CUE_LETTERS or word.end - cue[0].start > CUE_SECONDS
                        or word.start - cue[-1].end > CUE_PAUSE):
                result.append(cue)
                cue = []
            cue.append(word)
        if cue:
            result.append(cue)
    return result


def _two_lines(words):
    """Broken where the two lines are nearest to alike in length, if one would be too long."""
    text = " ".join(words)
    if len(text) <= CUE_LETTERS // 2 or len(words) < 2:
        return text
    cut = min(range(1, len(words)),
              key=lambda i: abs(len(" ".join(words[:i])) - len(" ".join(words[i:]))))
    return " ".join(words[:cut]) + "\n" + " ".join(words[cut:])


def _clock(seconds):
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60000)
    return (f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d},"
            f"{milliseconds % 1000:03d}")
