import json

import numpy as np
import pytest

from steps.features import compute_cmvn, make_fbank, make_mfcc, paste_feats
from steps.features.archive import MatrixReader
from utils.data.datadir import DataDir
from utils.step import UserError


@pytest.fixture
def sides(make_data):
    """Two data directories of the same sound: 13 MFCC, 20 log mel energies."""
    first, second = make_data(), make_data("fbank")
    make_mfcc.main(["--nj", 1, first])
    make_fbank.main(["--nj", 1, "--num-mel-bins", 20, second])
    return first, second


def read(directory):
    reader = MatrixReader()
    return {utt: reader.read(spec) for utt, spec in DataDir(directory).feats_scp.items()}


def test_columns_of_one_and_then_of_the_other(sides, capsys):
    first, second = sides
    assert paste_feats.main([first, second, "joined"]) == 0
    mfcc, fbank, joined = read(first), read(second), read("joined")
    assert list(joined) == list(mfcc)
    for utt, feats in joined.items():
        assert feats.dtype == np.float32
        np.testing.assert_array_equal(feats, np.hstack([mfcc[utt], fbank[utt]]))
    assert DataDir("joined").utt2spk == DataDir(first).utt2spk
    compute_cmvn.main(["joined"])
    capsys.readouterr()
    paste_feats.main([first, second, "joined"])
    assert "up to date" in capsys.readouterr().err


def test_other_features_are_another_fingerprint(sides, tmp_path):
    first, second = sides

    def description():
        paste_feats.main([first, second, "joined"])
        return json.loads((tmp_path / "joined/feats.json").read_text())

    before = description()
    assert (before["kind"], before["feat_dim"], before["frame_shift"]) == ("mfcc+fbank", 33, 0.01)
    assert [(part["kind"], part["feat_dim"]) for part in before["parts"]] == [
        ("mfcc", 13), ("fbank", 20)]
    assert before["parts"][0]["fingerprint"] == json.loads(
        (tmp_path / first / "feats.json").read_text())["fingerprint"]
    make_fbank.main(["--nj", 1, "--num-mel-bins", 20, "--preemphasis-coefficient", 0.9, second])
    assert description()["fingerprint"] != before["fingerprint"]


def test_utterances_that_one_has_not_are_left_out(sides, tmp_path, monkeypatch, capsys):
    first, second = sides
    monkeypatch.setattr(paste_feats, "MAX_LEFT_OUT", 0.3)     # one of the four
    scp = tmp_path / second / "feats.scp"
    lines, utts = scp.read_text().splitlines(keepends=True), DataDir(first).utts
    scp.write_text("".join(lines[1:]))
    paste_feats.main([first, second, "joined"])
    assert list(read("joined")) == list(DataDir("joined").utt2spk) == utts[1:]
    assert (f"fbank/feats.scp: has no {utts[0]}, and 1 of {len(utts)} utterances of {first} are "
            "not in all of the others: left out") in capsys.readouterr().err
    for left, told in ((lines[2:], f"has no {utts[0]}, and 2 of "), ([], "is empty")):
        scp.write_text("".join(left))
        with pytest.raises(UserError, match=f"fbank/feats.scp: {told}"):
            paste_feats.main([first, second, "none"])
        assert not (tmp_path / "none/feats.scp").exists()


def test_the_first_one_has_features_of_others_alone(sides, tmp_path):
    first, second = sides
    scp = tmp_path / first / "feats.scp"
    scp.write_text("".join(f"other-{line}" for line in scp.read_text().splitlines(keepends=True)))
    with pytest.raises(UserError, match=rf"{first}/feats.scp: no features of any utterance"):
        paste_feats.main([first, second, "joined"])
    assert not (tmp_path / "joined").exists()


def test_frames_that_one_has_not(sides, tmp_path):
    first, second = sides
    make_fbank.main(["--nj", 1, "--num-mel-bins", 20, "--snip-edges", "false", second])
    mfcc, fbank = read(first), read(second)
    more = max(len(fbank[utt]) - len(mfcc[utt]) for utt in mfcc)
    assert more > 0
    with pytest.raises(UserError, match=r"fbank/feats.scp: s000-u000 has \d+ frames, and in \S+ "):
        paste_feats.main([first, second, "joined"])
    assert not (tmp_path / "joined").exists() or not list((tmp_path / "joined").glob("feats*"))
    paste_feats.main(["--length-tolerance", more, first, second, "joined"])
    assert all(len(feats) == len(mfcc[utt]) for utt, feats in read("joined").items())


def test_one_directory_and_an_input_as_destination(sides):
    first, second = sides
    with pytest.raises(UserError, match="name two or more"):
        paste_feats.main([first, "joined"])
    with pytest.raises(UserError, match="is both source and destination"):
        paste_feats.main([first, second, second])


def test_the_shift_is_of_whole_samples(make_data, tmp_path):
    """At 22050 Hz 0.01 s is 221 samples."""
    first, second = make_data(), make_data("second")
    for directory in (first, second):
        make_mfcc.main(["--nj", 1, "--sample-rate", 22050, directory])
    paste_feats.main([first, second, "joined"])
    told = json.loads((tmp_path / "joined/feats.json").read_text())
    assert told["frame_shift"] == 221 / 22050
