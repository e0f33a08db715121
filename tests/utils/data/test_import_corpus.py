"""From recordings and transcripts to a data directory."""

import re
import shutil

import pytest

from steps.hmm.textgrid import format_textgrid
from tests.utils.data.test_elan import EAF
from utils.data.datadir import DataDir
from utils.data.import_corpus import main, safe
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


@pytest.fixture
def folder(tiny, tmp_path):
    """Six recordings of the tiny corpus: of ana in ana/, of ben in ben/."""
    for spk in ("ana", "ben"):
        (tmp_path / "rec" / spk).mkdir(parents=True)
        for i in (1, 2, 3):
            shutil.copy(tiny / "wav" / f"{spk}-00{i}.wav", tmp_path / "rec" / spk)
    return tmp_path / "rec"


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def run(folder, *options):
    """The DataDir made, which Kaldi's checks pass."""
    out = folder.parent / "data"
    assert main([*options, folder, out]) == 0
    assert validate(["--no-feats", out]) == 0
    return DataDir(out)


def test_a_table_with_speakers(folder, tmp_path, capsys):
    path = write(tmp_path / "t.csv", "file,text,speaker,sex",
                 "ana-001.wav,Fasi  mano!,Ana K.,female", "ben-001,misa,ben,m",
                 "ben/ben-002.wav,,ben,m")
    data = run(folder, "--table", path)
    assert data.text == {"Ana_K.-ana_001": "Fasi mano!", "ben-001": "misa", "ben-002": ""}
    assert data.spk2gender == {"Ana_K.": "f", "ben": "m"}
    assert not data.segments and data.wav_scp["ben-001"] == str(folder / "ben/ben-001.wav")
    capsys.readouterr()
    run(folder, "--table", path)
    assert "up to date" in capsys.readouterr().err


def test_a_table_with_times(folder, tmp_path):
    path = write(tmp_path / "t.tsv", "audio\tbegin_ms\tend_ms\ttranscript",
                 "ana-001\t100\t500\tfasi", "ana-001\t500\t900\tmano", "ben-001\t0\t600\tmisa")
    data = run(folder, "--table", path, "--speaker-from", "folder")
    assert data.segments == {"ana-001-0000010": ("ana_001", 0.1, 0.5),
                             "ana-001-0000050": ("ana_001", 0.5, 0.9),
                             "ben-001-0000000": ("ben_001", 0.0, 0.6)}


def test_a_row_without_a_start(folder, tmp_path, capsys):
    path = write(tmp_path / "t.csv", "path,start,end,text", "ana-001,0,0.3,fasi",
                 "ana-001,,0.6,mano", "ben-001,,,misa")
    data = run(folder, "--table", path, "--max-bad", "0.9", "--speaker-from", "folder")
    assert list(data.text.values()) == ["fasi", "misa"]        # ben-001 is whole
    assert "t.csv:3: no start, so it is not known where to cut" in capsys.readouterr().err


def test_a_table_with_offsets_and_durations(folder, tmp_path):
    path = write(tmp_path / "t.csv", "audio,offset,duration,text", "ana-001,0.1,0.4,fasi",
                 "ana-001,0.5,0.4,mano")
    data = run(folder, "--table", path, "--speaker-from", "folder")
    assert [(start, round(end, 3)) for _, start, end in data.segments.values()] == [
        (0.1, 0.5), (0.5, 0.9)]


def test_times_that_nearly_meet(folder, tmp_path):
    path = write(tmp_path / "t.csv", "path,start,end,text", "ana-001,0.101,0.5,fasi",
                 "ana-001,0.104,0.5,mano", "ben-001,0.1,0.5,misa", "ben-001,0.5001,0.5004,misa")
    data = run(folder, "--table", path, "--speaker-from", "folder", "--max-bad", "0.5")
    assert data.segments == {"ana-001-0000101": ("ana_001", 0.101, 0.5),
                             "ana-001-0000104": ("ana_001", 0.104, 0.5),
                             "ben-001-0000010": ("ben_001", 0.1, 0.5)}


def test_a_text_for_each_recording(folder):
    for path in folder.rglob("*.wav"):
        write(path.with_suffix(".txt"), "fasi", "mano")
    write(folder / "README.txt", "read me")
    write(folder / "other.txt", "misa")
    with pytest.raises(UserError, match="1 of 7 rows cannot be used"):
        run(folder)
    data = run(folder, "--max-bad", "0.2")
    assert set(data.text.values()) == {"fasi mano"}
    assert data.utts == [f"{spk}-00{i}" for spk in ("ana", "ben") for i in (1, 2, 3)]
    assert list(run(folder, "--max-bad", "0.2", "--speaker-from", "one").spk2utt) == ["speaker"]


def test_textgrids_with_a_tier_for_each_speaker(folder):
    for i, spk in enumerate(("ana", "ben")):
        text = format_textgrid({"interviewer": [("nemo", 0.1, 0.4)],
                                "narrator": [("fasi mano", 0.4, 0.8 + i / 10)]}, 1.0)
        (folder / spk / f"{spk}-001.TextGrid").write_text(text)
    with pytest.raises(UserError, match=r"which tier is the transcript\? interviewer \(2 labels\), "
                                        r"narrator \(2 labels\) \(--tier NAME"):
        run(folder)
    data = run(folder, "--tier", "narrator")
    assert data.segments["ben-001-0000040"] == ("ben_001", 0.4, 0.9)
    both = run(folder, "--tier", "narrator", "--tier", "interviewer")
    assert len(both.utts) == 4 and set(both.spk2utt) == {"interviewer", "narrator"}
    for path in folder.rglob("*.TextGrid"):   # a space that nobody sees
        path.write_text(path.read_text().replace('"narrator"', '"narrator "'))
    assert len(run(folder, "--tier", "narrator").utts) == 2
    with pytest.raises(UserError, match="no labels in the tiers narator"):
        run(folder, "--tier", "narator")


def test_elan_finds_its_media_and_speakers(folder):
    (folder / "session 1.eaf").write_text(EAF.replace("a%20b.wav", "ana-001.wav")
                                          .replace('VALUE="1500"', 'VALUE="900"'), "utf-8")
    data = run(folder, "--tier", "tx@A")
    assert data.segments == {"Ana-ana_001-0000050": ("ana_001", 0.5, 0.7),
                             "Ana-ana_001-0000070": ("ana_001", 0.7, 0.9)}
    assert list(data.text.values()) == ["fasi & mano", "misa"]
    eaf = folder / "session 1.eaf"   # ELAN's time 0 is 0.05 s of the recording
    eaf.write_text(eaf.read_text().replace("MIME_TYPE", 'TIME_ORIGIN="50" MIME_TYPE'))
    assert list(run(folder, "--tier", "tx@A").segments.values()) == [("ana_001", 0.55, 0.75),
                                                                     ("ana_001", 0.75, 0.95)]


def test_a_channel_that_is_none(folder, tmp_path):
    path = write(tmp_path / "t.csv", "path,text,channel", "ana-001,fasi,left", "ben-001,misa,tv b")
    with pytest.raises(UserError, match=r"t.csv:2: channel is 'left' \(1, 2, .*t.csv:3: channel "
                                        r"is 'tv b' .*--channel-column none"):
        main(["--table", path, folder, tmp_path / "data"])
    assert len(run(folder, "--table", str(path), "--channel-column", "none").utts) == 2


def test_bad_rows_are_named_and_left_out(folder, tmp_path, capsys):
    (folder / "ana/ana-003.wav").write_bytes(b"RIFF")
    rows = ["ana-001,0,0.5,fasi", "nobody,0,1,mano", "ana-002,5,99,mano", "ana-003,0,1,mano",
            "ben-001,one,2,mano", "ben-002,2,1,mano", "ana-001,0,0.5,fasi"]
    path = write(tmp_path / "t.csv", "path,start,end,text", *rows)
    with pytest.raises(UserError, match=r"t.csv: 6 of 7 rows cannot be used, more than 5%"):
        main(["--table", path, folder, tmp_path / "data"])
    assert not (tmp_path / "data").exists()
    told = capsys.readouterr().err
    for line, what in ((3, "no recording nobody"), (4, "5 s to 99 s of ana-002.wav, which has"),
                       (5, "ana-003.wav: not readable as sound"), (6, "start is 'one', no time"),
                       (7, "from 2 s to 1 s"), (8, "is at .*t.csv:2 already")):
        assert f"t.csv:{line}: " in told
        row = next(row for row in told.splitlines() if f"t.csv:{line}: " in row)
        assert re.search(what, row), row
    data = run(folder, "--table", path, "--max-bad", "0.9")
    assert data.utts == ["speaker-ana_001-0000000"]


def test_an_id_of_two_recordings_is_no_repetition(folder, tmp_path, capsys):
    path = write(tmp_path / "t.csv", "path,text,id", "ana-001,fasi,p1", "ana-002,mano,p1")
    with pytest.raises(UserError, match="1 of 2 rows cannot be used"):
        main(["--table", path, folder, tmp_path / "data"])
    assert re.search(r"t.csv:2 already, of another recording \(mend the ids, or do without them: "
                     "--id-column none", capsys.readouterr().err)
    assert len(run(folder, "--table", path, "--id-column", "none").utts) == 2


def test_names_that_cannot_stand_in_a_table_are_left_out(folder, tmp_path, capsys):
    (folder / "a\nutt2 touch pwned |\nb").mkdir()
    shutil.copy(folder / "ana/ana-001.wav", folder / "a\nutt2 touch pwned |\nb/x.wav")
    path = write(tmp_path / "t.csv", "path,text", "x,fasi", "ana-001,mano")
    data = run(folder, "--table", path, "--max-bad", "0.5")
    assert list(data.wav_scp.values()) == [str(folder / "ana/ana-001.wav")]
    assert r"t.csv:2: x.wav: " in (told := capsys.readouterr().err)
    assert "is a name with a line end" in told


def test_a_label_before_the_start_is_left_out(folder, capsys):
    grid = format_textgrid({"words": [("fasi", 0.1, 0.4), ("mano", 0.4, 0.6)]}, 0.7)
    (folder / "ana/ana-001.TextGrid").write_text(grid.replace("xmin = 0.1", "xmin = -0.1"), "utf-8")
    data = run(folder, "--max-bad", "0.5")
    assert list(data.text.values()) == ["mano"]
    assert "-0.1 s to 0.4 s of ana-001.wav" in capsys.readouterr().err


def test_what_to_read_is_asked_where_it_is_not_clear(folder, tmp_path):
    with pytest.raises(UserError, match=r"no transcripts here \(--table FILE; or a TextGrid"):
        main([folder, tmp_path / "data"])
    write(folder / "a.csv", "file,text", "ana-001,x")
    write(folder / "b.csv", "file,text", "ana-001,x")
    with pytest.raises(UserError, match=r"2 tables: a\.csv, b\.csv"):
        main([folder, tmp_path / "data"])
    write(folder / "ana/ana-001.txt", "x")
    with pytest.raises(UserError, match="several kinds of transcripts: 1 text, 2 table"):
        main([folder, tmp_path / "data"])
    with pytest.raises(UserError, match="no such folder of recordings"):
        main(["--table", folder / "a.csv", tmp_path / "nowhere", tmp_path / "data"])


def test_long_speakers_are_cut_while_they_stay_apart(folder, tmp_path):
    a, b = "a" * 40 + "x", "b" * 40
    path = write(tmp_path / "t.csv", "path,text,client_id", f"ana-001,x,{a}", f"ben-001,y,{b}")
    assert list(run(folder, "--table", path).spk2utt) == ["aaaaaaaa", "bbbbbbbb"]


def test_ids_keep_letters_of_any_script():
    assert safe(" María José/2-b ") == "María_José_2_b"
    assert safe("अनु") == "अनु" and safe("!?") == "_"


def test_recordings_of_one_name_stay_apart(folder, tmp_path):
    rec, lines = tmp_path / "rec2", ["file,begin_ms,end_ms,text,speaker"]
    for spk, place in (("ana", "ana/one/day"), ("ben", "ben/one/day")):
        (rec / place).mkdir(parents=True)
        for name in ("01.wav", "0-2.wav", "0_2.wav"):
            shutil.copy(folder / spk / f"{spk}-001.wav", rec / place / name)
            lines.append(f"{place}/{name},0,500,fasi,{spk}")
    data = run(rec, "--table", write(tmp_path / "t.csv", *lines))
    assert len(data.utts) == len(data.wav_scp) == 6
    assert len(data.segments) == 6
    for utt, (recording, _, _) in data.segments.items():
        assert f"/{data.utt2spk[utt]}/one/" in data.wav_scp[recording]


@pytest.mark.parametrize("sides", [("0", "1"), ("1", "2"), ("A", "B")])
def test_two_sides_of_one_recording(folder, tmp_path, sides):
    table = write(tmp_path / "t.csv", "file,begin_ms,end_ms,text,speaker,channel",
                  f"ana-001.wav,0,500,fasi,ana,{sides[0]}",
                  f"ana-001.wav,0,500,misa,ben,{sides[1]}")
    assert main(["--table", table, folder, tmp_path / "data"]) == 0
    data = DataDir(tmp_path / "data")
    assert len(data.wav_scp) == 2 and len(set(data.wav_scp.values())) == 1
    assert {data.utt2spk[utt]: data.channel(recording)
            for utt, (recording, _, _) in data.segments.items()} == {"ana": 0, "ben": 1}


@pytest.mark.parametrize("times", ["0,500", ","])
def test_two_sides_of_which_nothing_tells_who_speaks(folder, tmp_path, times):
    table = write(tmp_path / "t.csv", "file,begin_ms,end_ms,text,channel",
                  f"ana-001.wav,{times},fasi,1", f"ana-001.wav,{times},misa,2")
    data = run(folder, "--table", table)
    assert sorted(data.text.values()) == ["fasi", "misa"]
    assert {data.text[utt]: data.channel(data.segment(utt)[0]) for utt in data.utts} == \
        {"fasi": 0, "misa": 1}


@pytest.mark.parametrize("share", ["nan", "5", "-0.1"])
def test_a_share_that_is_none(folder, tmp_path, share):
    with pytest.raises(SystemExit, match=r"--max-bad: must be from 0 to 1"):
        main(["--max-bad", share, folder, tmp_path / "data"])


def test_speakers_of_folders_of_links(folder, tmp_path):
    (tmp_path / "annex").mkdir()
    for path in sorted(folder.rglob("*.wav")):
        target = tmp_path / "annex" / f"KEY-{path.stem}.wav"
        path.rename(target)
        path.symlink_to(target)
        path.with_suffix(".txt").write_text("fasi\n")
    data = run(folder, "--speaker-from", "folder")
    assert set(data.utt2spk.values()) == {"ana", "ben"}


def test_recordings_that_came_or_changed(folder, tmp_path, capsys):
    table = write(tmp_path / "t.csv", "file,text,speaker", "ana-001.wav,fasi,ana",
                  "new.wav,misa,ben")
    run(folder, "--table", table, "--max-bad", "0.5")
    shutil.copy(folder / "ben/ben-001.wav", folder / "new.wav")
    assert len(run(folder, "--table", table, "--max-bad", "0.5").utts) == 2
    capsys.readouterr()
    run(folder, "--table", table, "--max-bad", "0.5")
    assert "up to date" in capsys.readouterr().err


def test_a_directory_made_by_hand_is_not_written_over(folder, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/utt2spk").write_text("a a\n")
    table = write(tmp_path / "t.csv", "file,text,speaker", "ana-001.wav,fasi,ana")
    with pytest.raises(UserError, match="is there, and not made by import_corpus"):
        main(["--table", table, folder, tmp_path / "data"])
    assert (tmp_path / "data/utt2spk").read_text() == "a a\n"


def test_a_recording_that_is_missing_is_not_another_folders(folder, tmp_path):
    for spk in ("ana", "ben"):
        (folder / f"{spk}/{spk}-002.wav").rename(folder / f"{spk}/u2.wav")
    (folder / "ana/u2.wav").unlink()
    table = write(tmp_path / "t.csv", "file,text,speaker", "ana/u2.wav,fasi,ana",
                  "ben/u2.wav,misa,ben", "elsewhere/ana-001.wav,mano,ana")
    data = run(folder, "--table", table, "--max-bad", "0.5")
    assert sorted(data.text.values()) == ["mano", "misa"]   # the table's own folders may be others
    assert list(data.spk2utt) == ["ana", "ben"]


def test_speakers_whose_names_differ_by_a_sign(folder, tmp_path):
    table = write(tmp_path / "t.csv", "file,text,speaker", "ana-001.wav,fasi,A+",
                  "ana-002.wav,misa,A-", "ana-003.wav,mano,A  +", "ben-001.wav,mano,A+ ")
    data = run(folder, "--table", table)
    assert len(data.spk2utt) == 3 and sorted(map(len, data.spk2utt.values())) == [1, 1, 2]
