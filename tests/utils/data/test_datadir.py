import pytest

from utils.data.datadir import DataDir, invert, split_utts, table_key
from utils.step import UserError


def test_tables_of_the_tiny_corpus(tiny):
    data = DataDir(tiny / "data" / "train")
    assert data.name == "train" and len(data.utts) == 40 == len(data.wav_scp)
    assert data.utts == sorted(data.utts)
    assert data.spk2utt["ben"] == [f"ben-00{n}" for n in range(1, 9)]
    assert data.utt2accent["ben-001"] == "south" and data.spk2gender["ana"] == "f"
    assert all(1 <= seconds <= 2 for seconds in data.utt2dur.values())
    assert data.feats_scp == {} == data.segments
    assert data.segment("ana-001") == ("ana-001", 0.0, -1.0)
    assert data.names == ["spk2gender", "spk2utt", "text", "utt2accent", "utt2dur", "utt2spk",
                          "wav.scp"]


def test_segments(tiny_copy):
    path = tiny_copy / "data" / "test"
    (path / "segments").write_text("fay-001 rec1 0.5 1.25\nfay-002 rec1 2 -1\n")
    data = DataDir(path)
    assert data.segment("fay-001") == ("rec1", 0.5, 1.25)
    assert data.segments["fay-002"] == ("rec1", 2.0, -1.0)
    with pytest.raises(UserError, match=r"segments: fay-003 of utt2spk is not here"):
        data.segment("fay-003")


@pytest.mark.parametrize("value", ["rec 1", "rec 1 2 3", "rec a 2", "rec 2 1", "rec -2 1",
                                   "rec 0 nan", "rec 0 inf", "rec 0 1_0"])
def test_bad_segments_are_named(tiny_copy, value):
    path = tiny_copy / "data" / "test"
    (path / "segments").write_text(f"fay-001 {value}\n")
    with pytest.raises(UserError, match="segments: fay-001"):
        DataDir(path).segments  # noqa: B018


def test_channels(tiny_copy):
    path = tiny_copy / "data" / "test"
    (path / "reco2file_and_channel").write_text("r1 f A\nr2 f B\nr3 f 1\nr4 f 2\nr5 f x9\n")
    data = DataDir(path)
    assert [data.channel(r) for r in ["r1", "r2", "r3", "r4", "r0"]] == [0, 1, 0, 1, None]
    with pytest.raises(UserError, match="r5 is 'f x9'"):
        data.channel("r5")


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 40])
def test_parts_hold_every_utterance_once(tiny, count):
    data = DataDir(tiny / "data" / "train")
    parts = [data.utts_by_job(job, count) for job in range(1, count + 1)]
    assert sorted(utt for part in parts for utt in part) == data.utts
    assert all(parts)
    if count <= 5:
        speakers = [{data.utt2spk[utt] for utt in part} for part in parts]
        assert sum(map(len, speakers)) == 5


def test_parts_are_even_and_never_empty():
    spk2utt = {f"s{n}": [f"s{n}-{i}" for i in range(size)]
               for n, size in enumerate([100, 1, 1, 1, 50, 50, 2])}
    sizes = [len(part) for part in split_utts(spk2utt, 4)]
    assert sum(sizes) == 205 and min(sizes) > 0 and max(sizes) <= 103
    assert [len(part) for part in split_utts({"a": ["a1"], "b": ["b1", "b2"]}, 2)] == [1, 2]


def test_missing_directory_and_files(tmp_path):
    with pytest.raises(UserError, match="no such data directory"):
        DataDir(tmp_path / "nothing")
    with pytest.raises(UserError, match="utt2spk: no such file"):
        DataDir(tmp_path).utts  # noqa: B018


def test_kinds_of_files():
    names = ["text", "utt2accent", "spk2gender", "cmvn.scp", "wav.scp", "reco2dur", "feats.json",
             "text.bak", "utt2dur.old"]
    assert [table_key(name) for name in names] == [
        "utt", "utt", "spk", "spk", "reco", "reco", None, None, None]
    assert invert({"u2": "a", "u1": "a", "u3": "b"}) == {"a": ["u1", "u2"], "b": ["u3"]}
