import shutil

import numpy as np
import pytest
import soundfile

from utils.data.validate_data_dir import main
from utils.step import UserError


@pytest.fixture
def data(tiny_copy):
    return tiny_copy / "data" / "train"


def edit(path, number, old, new):
    """Replace in one line (from 1) of a file, in bytes."""
    lines = path.read_bytes().split(b"\n")
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    path.write_bytes(b"\n".join(lines))


def problems(data, capsys, *options):
    """The lines that validation prints of an invalid directory."""
    with pytest.raises(UserError, match=r"\d+ problems"):
        main(["--no-feats", *options, data])
    return capsys.readouterr().err


def test_a_valid_directory_passes(data, capsys):
    assert main(["--no-feats", data]) == 0
    assert main(["--no-feats", "--audio", "full", data]) == 0
    err = capsys.readouterr().err
    assert err.count("valid, 40 utterances of 5 speakers, 0.02 hours") == 2 and "note" not in err


def test_kaldi_s_own_spelling_of_a_directory_passes(data, capsys):
    """Tabs, several spaces, and ids that are in their speakers' order without the speakers' ids."""
    for name in ["text", "utt2spk", "wav.scp", "spk2utt", "utt2accent", "utt2dur"]:
        text = (data / name).read_text()
        for number, spk in enumerate(["ana", "ben", "cem", "dua", "eli"]):
            text = text.replace(f"{spk}-", f"{number}0", 1 if name == "wav.scp" else -1)
        if name == "wav.scp":   # the files keep their names
            rows = zip((data / "text").read_text().splitlines(),
                       (data / name).read_text().splitlines(), strict=True)
            text = "".join(f"{new.split()[0]} {old.split()[1]}\n" for new, old in rows)
        (data / name).write_text(text.replace(" ", "\t", 3).replace(" ", "  ", 3))
    assert main(["--no-feats", data]) == 0
    assert "00001 does not start with its speaker's id ana, as 40 of 40" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "number", "old", "new", "message"), [
    ("text", 1, b"ana", b"\xef\xbb\xbfana", "text:1:1: byte-order mark U+FEFF"),
    ("text", 3, b" ", b" \r", "text:3:9: carriage return U+000D"),
    ("text", 2, b" ", b" \xc3\xa9\xc2\xa0", "text:2:10: U+00A0 NO-BREAK SPACE (use a plain"),
    ("text", 2, b" ", b" x\xe3\x80\x80", "text:2:10: U+3000 IDEOGRAPHIC SPACE"),
    ("text", 2, b" ", b" x\x07", "text:2:10: control character U+0007"),
    ("text", 5, b" ", b" e\xcc\x81", "text:5:9: U+0065 LATIN SMALL LETTER E + U+0301 COMBINING "
     "ACUTE ACCENT is not composed (NFC)"),
    ("text", 4, b" ", b" \xc3\xa9\xe9", "text:4:10: byte 0xe9 is not UTF-8"),
    ("text", 4, b"ana-004", b"ana-009", "text:5: ana-005 comes after ana-009, not in code-point"),
    ("text", 4, b"ana-004", b"ana-009", "utt2spk:4: ana-004 is not in text"),
    ("text", 4, b"ana-004", b"ana-009", "text:4: ana-009 is not in utt2spk"),
    ("text", 4, b"ana-004", b"ana-003", "text:4: ana-003 is here twice, with another value at "
     "line 3"),
    ("text", 4, b"ana-004", b"\nana-004", "text:4: empty line"),
    ("wav.scp", 2, b" ", b"-", "wav.scp:2: ana-002-"),
    ("wav.scp", 2, b" /", b" ~/", "wav.scp:2: ana-002: ~/"),
    ("wav.scp", 2, b".wav", b".wax", "ana-002.wax: no such file"),
    ("wav.scp", 2, b"ana-002", b"ana-00x", "utt2spk:2: ana-002 is not in wav.scp"),
    ("utt2spk", 9, b" ben", b" ana", "utt2spk:9: ben-001 does not start with its speaker's id"),
    ("utt2spk", 9, b" ben", b" ana", "spk2utt:2: ben has ben-001, utt2spk gives it to ana"),
    ("utt2spk", 9, b" ben", b" ana", "utt2spk:9: ana has ben-001, spk2utt does not"),
    ("utt2spk", 9, b" ben", b" ben x", "utt2spk:9: ben-001 has several fields"),
    ("spk2utt", 1, b"ana-001", b"ana-002", "spk2utt:1: ana has an utterance twice"),
    ("spk2gender", 1, b"f", b"F", "spk2gender:1: ana is 'F' (expected m or f)"),
    ("utt2dur", 1, b" ", b" -", "utt2dur:1: ana-001 lasts '-"),
    ("utt2dur", 1, b" ", b" 9", "utt2dur:1: ana-001 lasts 91.8"),
])
def test_what_is_found(data, capsys, name, number, old, new, message):
    edit(data / name, number, old, new)
    assert message in problems(data, capsys)


def test_missing_files(data, capsys):
    for name in ["text", "wav.scp", "spk2utt"]:
        (data / name).unlink()
    with pytest.raises(UserError, match="4 problems"):
        main([data])
    err = capsys.readouterr().err
    for name in ["text", "wav.scp", "feats.scp"]:
        option = f"--no-{name.removesuffix('.scp')}"
        assert f"{name}: no such file (if it is meant, say {option})" in err
    assert "spk2utt: no such file" in err
    with pytest.raises(UserError, match="no such data directory"):
        main([data / "nothing"])


def test_all_problems_are_listed_ten_of_a_kind(data, capsys):
    (data / "text").write_bytes((data / "text").read_bytes().replace(b"\n", b"\r\n"))
    err = problems(data, capsys)
    assert err.count("carriage return") == 10 and "text: and 30 more: CR" in err


def test_broken_audio(data, capsys):
    sound = data / "a.wav"
    soundfile.write(sound, np.zeros(16000), 16000)
    for content, message in [(sound.read_bytes()[:9000], "truncated, 8956 of 32000 bytes"),
                             (b"", "empty file, 0 bytes"), (b"hello" * 99, "not readable")]:
        sound.write_bytes(content)
        lines = (data / "wav.scp").read_text().splitlines()
        (data / "wav.scp").write_text("\n".join([f"ana-001 {sound}", *lines[1:]]) + "\n")
        assert f"wav.scp:1: ana-001: {sound}: {message}" in problems(data, capsys)
    assert main(["--no-feats", "--audio", "none", data]) == 0


def test_pipes_and_stereo_are_notes(data, capsys):
    soundfile.write(data / "a.wav", np.zeros((29272, 2)), 16000)
    lines = (data / "wav.scp").read_text().splitlines()
    lines[0] = f"ana-001 {data}/a.wav"
    lines[2] = lines[2].replace(" ", " cat ") + " |"
    (data / "wav.scp").write_text("\n".join(lines) + "\n")
    assert main(["--no-feats", data]) == 0
    err = capsys.readouterr().err
    assert "wav.scp:1: ana-001 has 2 channels" in err and "1 pipes not run, such as ana-003" in err
    lines[2] = lines[2].replace(" cat ", " false; cat ").replace(" |", "; exit 2 |")
    (data / "wav.scp").write_text("\n".join(lines) + "\n")
    assert "the command ended with status 2" in problems(data, capsys, "--audio", "full")


def test_segments(data, capsys):
    shutil.copy(data / "utt2spk", data / "segments")
    utts = [line.split()[0] for line in (data / "segments").read_text().splitlines()]
    rows = [f"{utt} {utt} 0.1 {end}" for utt, end in zip(utts, ["0.9", "-1"] * 20, strict=True)]
    (data / "segments").write_text("\n".join(rows) + "\n")
    (data / "utt2dur").unlink()
    assert main(["--no-feats", data]) == 0
    rows[0], rows[1], rows[2] = "ana-001 ana-001 0.1 7", "ana-002 ana-002 0.1 2", "ana-003 rx 1 2"
    rows[3] = "ana-004 ana-004 2 1"
    (data / "segments").write_text("\n".join(rows) + "\n")
    err = problems(data, capsys)
    assert "segments:1: ana-001 ends at 7 s, ana-001 at 1.8" in err
    assert "note: " in err and "segments:2: ana-002 ends at 2 s, ana-002 at 1.7" in err
    assert "rx is not in wav.scp" in err
    assert "segments:4: ana-004 is from 2 s to 1 s" in err


def test_features(data, capsys):
    ark = data / "f.ark"
    ark.write_bytes(bytes(1000))
    utts = [line.split()[0] for line in (data / "utt2spk").read_text().splitlines()]
    (data / "feats.scp").write_text("".join(f"{utt} {ark}:{n}\n" for n, utt in enumerate(utts)))
    (data / "cmvn.scp").write_text("".join(
        f"{spk} {ark}:0\n" for spk in ["ana", "ben", "cem", "dua"]))
    err = problems(data, capsys)
    assert "eli is not in cmvn.scp" in err and "1 problems" not in err
    edit(data / "feats.scp", 3, b"f.ark:2", b"f.ark:2000")
    edit(data / "feats.scp", 4, b"f.ark", b"g.ark")
    err = problems(data, capsys)
    assert "feats.scp:3: " in err and "f.ark ends before 2000" in err
    assert "feats.scp:4: " in err and "g.ark does not exist" in err


def test_order_and_ids_are_notes_where_kaldi_does_not_look(data, capsys):
    (data / "spk2age").write_text("ben 9\nana 10\n")
    assert main(["--no-feats", data]) == 0
    err = capsys.readouterr().err
    assert "note: " in err and "spk2age:2: ana comes after ben" in err and "cem is not in" in err
