"""Tables of transcripts: delimiters, headers, columns by name and by content, bad rows."""

import numpy as np
import pytest
import soundfile

from utils.data.corpus_table import Table, guess_columns, seconds
from utils.data.recordings import Recordings
from utils.step import UserError


@pytest.fixture
def recordings(tmp_path):
    (tmp_path / "rec/b").mkdir(parents=True)
    for name in ("one.wav", "two.WAV", "b/one.flac", "b/three.wav"):
        soundfile.write(tmp_path / "rec" / name, np.zeros(800), 8000)
    return Recordings(tmp_path / "rec")


def table(tmp_path, text, name="t.csv", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Table(path, **options)


@pytest.mark.parametrize(("name", "text"), [
    ("t.csv", 'file,sentence\none.wav,"Hello, ""you"""\ntwo.wav,Bye\n'),
    ("t.csv", 'file;sentence\none.wav;"Hello, ""you"""\ntwo.wav;Bye\n'),
    ("t.tsv", 'file\tsentence\none.wav\tHello, "you"\ntwo.wav\tBye\n'),
    ("t.tsv", 'file\tsentence\r\none.wav\t"Hello, ""you"""\r\n\r\ntwo.wav\tBye\r\n'),
    ("t.txt", 'file|sentence\none.wav|Hello, "you"\ntwo.wav|Bye\n'),
])
def test_delimiters_and_quotes(tmp_path, name, text):
    for data in (text.encode(), text.encode("utf-16"), text.encode("utf-8-sig")):
        found = table(tmp_path, data, name)
        assert found.names == ["file", "sentence"]
        assert [row.cells for row in found.rows] == [["one.wav", 'Hello, "you"'],
                                                     ["two.wav", "Bye"]]
        assert not found.problems


def test_columns_by_their_names(tmp_path, recordings):
    found = table(tmp_path, "client_id\tpath\tsentence_id\tsentence\tage\taccents\n"
                            "ab\tone.wav\t77\tHello\t30\tnorth\n", "validated.tsv")
    names = {role: found.names[i] for role, i in guess_columns(found, recordings, {}).items()}
    assert names == {"path": "path", "text": "sentence", "speaker": "client_id",
                     "accent": "accents"}
    chosen = guess_columns(found, recordings, {"text": "sentence_id", "speaker": "none",
                                               "accent": "5"})
    assert (chosen["text"], chosen["accent"], "speaker" in chosen) == (2, 4, False)
    with pytest.raises(UserError, match=r"no column nom \(columns: client_id, path"):
        guess_columns(found, recordings, {"text": "nom"})


def test_columns_by_what_stands_in_them(tmp_path, recordings):
    found = table(tmp_path, "3|Hello there you|one\n4|Bye now|three\n", "t.txt")
    assert found.names == ["1", "2", "3"]
    assert guess_columns(found, recordings, {}) == {"path": 2, "text": 1}
    kaldi = table(tmp_path, "two bye now\nthree and then\n", "text")
    assert [row.cells for row in kaldi.rows] == [["two", "bye now"], ["three", "and then"]]
    assert guess_columns(kaldi, recordings, {}) == {"path": 0, "text": 1}
    words = table(tmp_path, "one.wav,stop\ntwo.wav,go on\n")     # a header's word is no header
    assert not words.has_header and [row.cells[1] for row in words.rows] == ["stop", "go on"]
    strange = table(tmp_path, "x,y\nfour.wav,bye\n")
    with pytest.raises(UserError, match=r"which column is the path\? \(--path-column, one of: 1"):
        guess_columns(strange, recordings, {})


def test_rows_that_are_none_are_told_with_their_line(tmp_path):
    found = table(tmp_path, 'file,text\na.wav,one\nb.wav,two, three\nc.wav\nd.wav,"open\n'
                  + "e.wav,x\n" * 9)
    assert [row.line for row in found.rows] == [2, 4]
    assert [(line, what) for line, what, _ in found.problems] == [
        (3, "3 columns and not 2"), (5, "a quote that begins here is not closed")]
    with pytest.raises(UserError, match=r"t\.csv: is empty"):
        table(tmp_path, "\n\n")
    with pytest.raises(UserError, match="no rows below its header"):
        table(tmp_path, "file,text\n")
    with pytest.raises(UserError, match=r"t\.csv:2: not UTF-8"):
        table(tmp_path, "file,text\na.wav,\xe9\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"t\.csv:2: has a zero byte"):
        table(tmp_path, "\nfile,text\n".encode("utf-16-le"))


@pytest.mark.parametrize("delimiter", ["", ",;", '"', "\n"])
def test_delimiters_that_are_none(tmp_path, delimiter):
    with pytest.raises(UserError, match="--delimiter: is "):
        table(tmp_path, "file,text\na.wav,x\n", delimiter=delimiter)


def test_times():
    assert [seconds(t) for t in ("1.5", "0:02", "1:00:01,25")] == [1.5, 2.0, 3601.25]
    for wrong in ("", "x", "-1", "nan", "1_0"):
        with pytest.raises(ValueError):
            seconds(wrong)


def test_recordings_are_found_by_any_name(recordings, tmp_path):
    def name(text, beside=None):
        path, why = recordings.find(text, beside)
        return why or str(path.relative_to(recordings.folder))

    assert name("two.wav") == name("TWO") == name(r"C:\old\two.mp3") == "two.WAV"
    assert name("b/one") == name("b/one.flac") == name("rec/b/one.wav") == "b/one.flac"
    assert name("one.wav") == "one.wav"
    assert "may be one.wav or b/one.flac" in name("one.mp3")
    assert "no recording four" in name("four")
    assert name("rec/b/three.wav", tmp_path) == "b/three.wav"
    assert "no recording aaaa" in name("a" * 300 + ".wav")
    with pytest.raises(UserError, match=r"1 such as v\.m4a, which cannot be read"):
        (tmp_path / "other").mkdir()
        (tmp_path / "other/v.m4a").touch()
        Recordings(tmp_path / "other").check()


def test_links_in_circles_come_to_an_end(recordings):
    for link in ("b/up", "b/again", "loop", "other"):
        (recordings.folder / link).symlink_to(recordings.folder)
    assert Recordings(recordings.folder).paths == recordings.paths
