import json
import shutil

import pytest

from utils.data.combine_data import main
from utils.data.copy_data_dir import main as copy
from utils.data.datadir import DataDir
from utils.data.perturb_speed import main as perturb_speed
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


def test_combine(tiny, tmp_path, capsys):
    arguments = [tmp_path / "all", tiny / "data" / "train", tiny / "data" / "test"]
    assert main(arguments) == 0
    assert validate(["--no-feats", tmp_path / "all"]) == 0
    data = DataDir(tmp_path / "all")
    assert len(data.utts) == 50 and len(data.spk2utt) == 7 and len(data.utt2accent) == 50
    assert main(arguments) == 0
    assert "up to date" in capsys.readouterr().err


def test_combine_leaves_out_what_one_lacks_and_makes_segments(tiny_copy, tmp_path, capsys):
    train, test = tiny_copy / "data" / "train", tiny_copy / "data" / "test"
    (test / "utt2accent").unlink()
    (test / "segments").write_text("".join(
        f"{utt} fay-001 0 0.5\n" for utt in DataDir(test).utts))
    assert main([tmp_path / "all", train, test]) == 0
    assert "utt2accent is left out, not every directory has it" in capsys.readouterr().err
    data = DataDir(tmp_path / "all")
    assert data.utt2accent == {} and data.segments["fay-002"] == ("fay-001", 0, 0.5)
    recording, start, end = data.segments["ana-001"]
    assert (recording, start) == ("ana-001", 0) and abs(end - data.utt2dur["ana-001"]) < 1e-3


def test_channels_stay_where_one_has_them(tiny_copy, tmp_path):
    train, test = tiny_copy / "data" / "train", tiny_copy / "data" / "test"
    (test / "reco2file_and_channel").write_text("fay-001 fay-001 B\n")
    assert main([tmp_path / "all", train, test]) == 0
    assert validate(["--no-feats", tmp_path / "all"]) == 0
    data = DataDir(tmp_path / "all")
    assert data.channel("fay-001") == 1 and data.channel("ana-001") is None


def test_a_speaker_in_two_directories_loses_cmvn(tiny_copy, tmp_path):
    test = tiny_copy / "data" / "test"
    (test / "cmvn.scp").write_text("fay x.ark:4\ngus x.ark:9\n")
    shutil.copytree(test, tiny_copy / "again")
    assert copy(["--utt-suffix", "b", test, tmp_path / "b"]) == 0
    assert main([tmp_path / "all", test, tmp_path / "b"]) == 0
    assert not (tmp_path / "all" / "cmvn.scp").exists()
    assert len(DataDir(tmp_path / "all").spk2utt["fay"]) == 10


def test_conflicts_are_named(tiny_copy, tmp_path):
    test, other = tiny_copy / "data" / "test", tiny_copy / "other"
    shutil.copytree(test, other)
    assert main([tmp_path / "same", test, other]) == 0
    (other / "text").write_text((other / "text").read_text().replace("fay-002 ", "fay-002 oh "))
    with pytest.raises(UserError, match=r"other/text: fay-002 differs from that in .*test"):
        main([tmp_path / "all", test, other])
    assert not (tmp_path / "all").exists()


def test_features_must_be_alike(tiny_copy, tmp_path):
    train, test = tiny_copy / "data" / "train", tiny_copy / "data" / "test"
    for number, path in enumerate([train, test]):
        (path / "feats.scp").write_text("".join(f"{u} x.ark:3\n" for u in DataDir(path).utts))
        (path / "feats.json").write_text(f'{{"fingerprint": "{number}"}}')
    with pytest.raises(UserError, match=r"test/feats.json: other features than .*train"):
        main([tmp_path / "all", train, test])
    (test / "feats.json").write_text('{"fingerprint": "0"}')
    assert main([tmp_path / "all", train, test]) == 0
    before = json.loads((tmp_path / "all" / "feats.json").read_text())
    assert before["fingerprint"] == "0"
    (test / "feats.json").write_text('{"fingerprint": "0", "content": "another sound"}')
    assert main([tmp_path / "all", train, test]) == 0
    after = json.loads((tmp_path / "all" / "feats.json").read_text())
    assert after["fingerprint"] == "0" and after["content"] != before["content"]


def test_what_is_no_copy_is_its_own_original(tiny_copy, tmp_path):
    test = tiny_copy / "data/test"
    perturb_speed(["0.9", test, tmp_path / "slow"])
    assert main([tmp_path / "all", test, tmp_path / "slow"]) == 0
    uniq, slow = (DataDir(path).table("utt2uniq") for path in (tmp_path / "all", tmp_path / "slow"))
    assert uniq == {**{utt: utt for utt in DataDir(test).utts}, **slow}
