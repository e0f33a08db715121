import random
import shutil

import numpy as np
import pytest
import soundfile

from utils.data.datadir import DataDir
from utils.data.fix_data_dir import main
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


@pytest.fixture
def data(tiny_copy):
    return tiny_copy / "data" / "train"


def contents(data):
    return {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}


def lines(path):
    return path.read_text().splitlines()


def test_nothing_to_repair(data, capsys):
    before = contents(data)
    assert main([data]) == 0
    assert contents(data) == before and not (data / ".backup").exists()
    assert "nothing to repair" in capsys.readouterr().err


def test_repairs_all_at_once_and_only_once(data, capsys):
    before = contents(data)
    text = lines(data / "text")
    text[1] = text[1].replace(" ", "\u00a0x ", 1)          # a no-break space after the id
    text[2] += " e\u0301\u200b\u3000fin\ufeff\x07"
    text[3] += "\r"
    text += [text[8], "ana-008 again", "", "zoe-001 nobody"]
    random.Random(0).shuffle(text)
    (data / "text").write_text("\ufeff" + "\n".join(text) + "\n")
    wav = lines(data / "wav.scp")
    del wav[4]
    (data / "wav.scp").write_text("\n".join([*wav[:-1], wav[-1] + "x"]) + "\n")
    (data / "spk2utt").write_text("ana ana-001\n")
    broken = contents(data)

    assert main([data]) == 0
    err = capsys.readouterr().err
    for message in ["text: ids with two values: 1: ana-008", "text: of no utterance: 1: zoe-001",
                    "utterances not in wav.scp: 2: ana-005, eli-008",
                    "recordings without usable sound: 1: eli-008 (no such file)",
                    "utterances not in text: 1: ana-008"]:
        assert message in err
    fixed = DataDir(data)
    assert len(fixed.utts) == 37 == len(fixed.text) == len(fixed.wav_scp) == len(fixed.utt2dur)
    assert fixed.text["ana-002"].startswith("x ")
    assert fixed.text["ana-003"].endswith(" \u00e9  fin")
    assert (data / ".backup" / "text").read_bytes() == broken["text"]
    assert (data / "spk2gender").read_bytes() == before["spk2gender"]
    assert validate(["--no-feats", data]) == 0

    after, backup = contents(data), (data / ".backup" / "text").stat().st_mtime_ns
    assert main([data]) == 0
    assert contents(data) == after and (data / ".backup" / "text").stat().st_mtime_ns == backup


def test_segments_are_dropped_or_clipped(data, capsys):
    utts = DataDir(data).utts
    (data / "segments").write_text("".join(f"{utt} {utt} 0 0.5\n" for utt in utts[3:])
                                   + "ana-001 ana-001 0.5 9\nana-002 ana-002 9 10\n")
    (data / "utt2dur").unlink()
    shutil.copytree(data, data.parent / "other")
    assert main([data]) == 0
    err = capsys.readouterr().err
    assert "segments beyond the audio's end" in err and "2: ana-001, ana-002" in err
    assert len(DataDir(data).utts) == 37
    assert main(["--clip", data.parent / "other"]) == 0
    other = DataDir(data.parent / "other")
    assert len(other.utts) == 38 and 1 < other.segments["ana-001"][2] < 2
    assert validate(["--no-feats", data.parent / "other"]) == 0


def test_files_that_can_be_made_again_go_whole(data, capsys):
    utts = DataDir(data).utts
    (data / "feats.scp").write_text("".join(f"{utt} {data}/gone.ark:7\n" for utt in utts))
    (data / "feats.json").write_text("{}")
    (data / "utt2dur").write_text("ana-001 1.83\n")
    assert main([data]) == 0
    assert not any((data / name).exists() for name in ["feats.scp", "feats.json", "utt2dur"])
    assert (data / ".backup" / "feats.json").exists() and len(DataDir(data).utts) == 40
    assert "feats.scp (archives are gone)" in capsys.readouterr().err


def test_utt2spk_from_spk2utt(data):
    before = (data / "utt2spk").read_bytes()
    (data / "utt2spk").unlink()
    assert main([data]) == 0
    assert (data / "utt2spk").read_bytes() == before


def test_a_truncated_mp3_is_found_by_full_reading(data, capsys):
    t = np.random.default_rng(0).standard_normal(48000) * 0.1
    soundfile.write(data / "a.mp3", t, 16000)
    content = (data / "a.mp3").read_bytes()
    (data / "a.mp3").write_bytes(content[:len(content) // 2])
    wav = lines(data / "wav.scp")
    (data / "wav.scp").write_text("\n".join([f"ana-001 {data}/a.mp3", *wav[1:]]) + "\n")
    (data / "utt2dur").unlink()
    assert main(["--audio", "full", data]) == 0
    assert "ana-001 (truncated, " in capsys.readouterr().err and len(DataDir(data).utts) == 39


def test_what_cannot_be_repaired_changes_nothing(data):
    text = (data / "text").read_text().replace("\n", " \u00e9t\u00e9\n")
    (data / "text").write_bytes(text.encode("latin-1"))
    before = contents(data)
    with pytest.raises(UserError, match=r"text: 40 of 40 lines are not UTF-8"):
        main([data])
    assert contents(data) == before
    (data / "text").write_text("nobody said anything\n")
    before = contents(data)
    with pytest.raises(UserError, match=r"no utterance would be left: .*nothing was changed"):
        main([data])
    assert contents(data) == before
    with pytest.raises(UserError, match="no such data directory"):
        main([data / "nothing"])


def test_ids_in_another_order_than_speakers_remain(data):
    utt2spk = (data / "utt2spk").read_text().replace("ben-001 ben", "ben-001 z")
    (data / "utt2spk").write_text(utt2spk)
    (data / "spk2gender").unlink()
    with pytest.raises(UserError, match="1 problems that this cannot repair"):
        main([data])


PIECES = [b"\xef\xbb\xbf", b"\r\n", b"\xc2\xa0", b"\xe3\x80\x80", b"\xff", b"\xc3", b"e\xcc\x81",
          b"\0", b"\t", b"\n", b" ", b"-1", b"nan", b"|", b"~/x", b"'", b"ana-001", b"\x0b",
          b"\x85", b"\xed\xa0\x80", b"_", b"ana", b":999999999999", b"[", b"\xd9\xa3", b"1e999"]


def mutated(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at = rng.randrange(len(content) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            content[at:at] = rng.choice(PIECES)
        elif kind == 1:
            content[at:at + rng.choice([1, 1, 5, 50])] = b""
        elif kind == 2:
            content[at:at + 1] = rng.randbytes(1)
        else:
            rows = bytes(content).split(b"\n")
            rows.append(rng.choice(rows))
            content = bytearray(b"\n".join(rows))
    return bytes(content)


@pytest.mark.parametrize("seed", range(25))
def test_bytes_at_random_never_end_in_a_traceback(tiny, tmp_path, seed):
    """Whatever is in the files: one line, or a directory that is valid and stays as it is."""
    rng = random.Random(seed)
    data = tmp_path / "data"
    shutil.copytree(tiny / "data" / "train", data)
    utts = DataDir(data).utts
    if seed % 2:
        (data / "segments").write_text("".join(
            f"{utt} {utt} 0.1 {rng.choice(['0.9', '-1', '9'])}\n" for utt in utts))
    for path in rng.sample(sorted(data.iterdir()), rng.choice([1, 2, 4])):
        path.write_bytes(mutated(path.read_bytes(), rng))
    try:
        validate(["--no-feats", data])
        valid = True
    except UserError:
        valid = False
    try:
        main([data])
    except UserError as error:
        assert not valid and "\n" not in str(error)
        return
    assert validate(["--no-feats", data]) == 0
    after = contents(data)
    assert main([data]) == 0
    assert contents(data) == after


def test_originals_of_each_repair_are_kept(data, capsys):
    whole = (data / "text").read_text()
    for number, utt in enumerate(("ana-001", "ana-002"), 1):
        lines = (data / "wav.scp").read_text().splitlines(keepends=True)
        (data / "wav.scp").write_text("".join(x for x in lines if not x.startswith(utt)))
        assert main([data]) == 0
        told = ".backup" if number == 1 else ".backup.2"
        assert f"originals in {told} " in capsys.readouterr().err + " "
    assert (data / ".backup/text").read_text() == whole
    assert "ana-001" not in (data / ".backup.2/text").read_text()
    assert "ana-002 " in (data / ".backup.2/text").read_text()
