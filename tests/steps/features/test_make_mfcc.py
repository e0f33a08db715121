import json
import re

import numpy as np
import pytest
import soundfile

from steps.features import compute_cmvn, make_fbank, make_mfcc
from steps.features.archive import MatrixReader
from steps.features.frontend import FrontEnd
from steps.features.pipeline import read_feats_config
from utils.data import perturb_speed
from utils.data.tables import read_table
from utils.step import UserError


def load(directory):
    reader = MatrixReader()
    return {utt: reader.read(spec) for utt, spec in read_table(f"{directory}/feats.scp").items()}


def test_features_of_a_data_directory(make_data, tmp_path, capsys):
    directory = make_data(seconds=[0.5, 0.7, 0.6, 0.4, 0.5])
    assert make_mfcc.main(["--nj", 2, directory]) == 0
    feats = load(directory)
    front_end = FrontEnd(read_feats_config(directory))
    for utt, path in read_table(f"{directory}/wav.scp").items():
        samples, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_allclose(feats[utt], front_end.compute(utt, samples), atol=1e-5)
    assert read_table(f"{directory}/utt2num_frames") == {u: str(len(f)) for u, f in feats.items()}
    assert float(read_table(f"{directory}/utt2dur")["s000-u001"]) == 0.7
    assert (tmp_path / directory / "frame_shift").read_text() == "0.01\n"
    # paths are relative to the recipe's folder, and nothing is left beside the results
    assert all(spec.startswith("data/train/feats/mfcc.")
               for spec in read_table(f"{directory}/feats.scp").values())
    assert sorted(p.name for p in (tmp_path / directory).iterdir()) == [
        ".done", "feats", "feats.json", "feats.scp", "frame_shift", "log", "utt2dur",
        "utt2num_frames", "utt2spk", "wav.scp"]
    assert "5 utterances, 260 frames of 13" in capsys.readouterr().err

    make_mfcc.main(["--nj", 1, directory])
    assert "up to date" in capsys.readouterr().err


def test_jobs_and_compression_change_little_or_nothing(make_data):
    plain, other, small = (make_data(f"data/{name}") for name in ["a", "b", "c"])
    make_mfcc.main(["--nj", 1, plain])
    make_mfcc.main(["--nj", 3, other])
    make_mfcc.main(["--nj", 1, "--compress=true", small])
    plain_feats, other_feats, small_feats = map(load, [plain, other, small])
    for utt, feats in plain_feats.items():
        np.testing.assert_array_equal(other_feats[utt], feats)
        np.testing.assert_allclose(small_feats[utt], feats, atol=0.02 * np.ptp(feats))
    assert read_feats_config(plain) == read_feats_config(other) == read_feats_config(small)


def test_new_features_replace_the_old_and_what_was_made_of_them(make_data, tmp_path, capsys):
    directory = make_data()
    make_mfcc.main(["--nj", 3, directory])
    compute_cmvn.main([directory])
    feats = tmp_path / directory / "feats"
    (feats / "ivectors.ark").write_bytes(b"of another step")
    (feats / "old.ark").write_bytes((feats / "mfcc.1.ark").read_bytes())    # named by the table
    scp = tmp_path / directory / "feats.scp"
    scp.write_text(scp.read_text().replace("feats/mfcc.1.ark", "feats/old.ark"))
    make_fbank.main(["--nj", 2, directory])
    assert load(directory)["s000-u000"].shape[1] == 40
    assert {p.name for p in feats.iterdir()} == {"fbank.1.ark", "fbank.2.ark", "ivectors.ark"}
    assert not (tmp_path / directory / "cmvn.scp").exists()
    capsys.readouterr()
    make_mfcc.main(["--nj", 1, directory])
    assert "up to date" not in capsys.readouterr().err
    assert load(directory)["s000-u000"].shape[1] == 13


def test_changed_sound_is_noticed(make_data, sound, tmp_path, capsys):
    directory = make_data()
    make_mfcc.main(["--nj", 1, directory])
    before = read_feats_config(directory)
    soundfile.write(tmp_path / "wav/train-s000-u000.wav", sound(0.5, 99), 16000)
    capsys.readouterr()
    make_mfcc.main(["--nj", 1, directory])
    assert "up to date" not in capsys.readouterr().err
    after = read_feats_config(directory)
    assert after["fingerprint"] == before["fingerprint"]
    assert after["content"] != before["content"]


def test_conf_file_and_another_rate(make_data, tmp_path, capsys):
    directory = make_data(rate=8000)
    (tmp_path / "mfcc.conf").write_text("# narrow band\n--sample-frequency=16000\n--num-ceps=20\n")
    make_mfcc.main(["--config", "mfcc.conf", "--nj", 1, directory])
    assert load(directory)["s000-u000"].shape == (48, 20)
    assert "resampling 8000 Hz to 16000 Hz" in (
        tmp_path / directory / "log/make_mfcc.1.log").read_text()


def test_trimming_is_recorded(make_data, tmp_path):
    directory = make_data(seconds=[0.5])
    samples, rate = soundfile.read("wav/train-s000-u000.wav")
    soundfile.write("wav/train-s000-u000.wav",
                    np.concatenate([np.zeros(rate), samples]), rate)
    make_mfcc.main(["--nj", 1, "--trim-silence=40", directory])
    first, last = map(float, read_table(f"{directory}/utt2trim")["s000-u000"].split())
    assert 0.85 < first < 1.2
    frames = int(read_table(f"{directory}/utt2num_frames")["s000-u000"])
    assert frames == 1 + int(round((last - first) * 16000) - 400) // 160
    assert read_table(f"{directory}/utt2dur")["s000-u000"] == "1.5000"


def test_a_few_broken_utterances_are_skipped_and_named(make_data, tmp_path, capsys):
    directory = make_data(seconds=[0.1] * 40)
    (tmp_path / "wav/train-s001-u003.wav").write_bytes(b"RIFF nonsense")
    soundfile.write(tmp_path / "wav/train-s004-u009.wav", np.zeros(100), 16000)
    make_mfcc.main(["--nj", 4, directory])   # 2 are over 5 % of one job's 10, but not of all 40
    assert len(load(directory)) == 38
    error = capsys.readouterr().err
    assert "2 of 40 utterances have no features" in error
    assert "s001-u003 s004-u009" in error
    log = "".join(p.read_text() for p in (tmp_path / directory / "log").iterdir())
    assert "skipped s004-u009: 100 samples are less than one frame of 400" in log
    assert "s001-u003: wav/train-s001-u003.wav" in log


def test_many_broken_utterances_are_an_error_and_leave_nothing(make_data, tmp_path):
    directory = make_data(seconds=[0.1] * 10)
    for i in [2, 3]:
        soundfile.write(tmp_path / f"wav/train-s001-u00{i}.wav", np.zeros(100), 16000)
    with pytest.raises(UserError, match="2 of 10 utterances have no features, more than 5%"):
        make_mfcc.main(["--nj", 2, directory])
    assert sorted(p.name for p in (tmp_path / directory).iterdir()) == ["log", "utt2spk", "wav.scp"]


def test_bad_input_is_named(make_data, tmp_path):
    with pytest.raises(UserError, match="data/none: no such data directory"):
        make_mfcc.main(["data/none"])
    directory = make_data()
    (tmp_path / directory / "wav.scp").unlink()
    with pytest.raises(UserError, match=r"data/train/wav.scp: no such file"):
        make_mfcc.main([directory])


def test_feats_json_tells_everything(make_data, tmp_path):
    directory = make_data(seconds=[0.3])
    make_mfcc.main(["--nj", 1, directory])
    found = json.loads((tmp_path / directory / "feats.json").read_text())
    assert found["kind"] == "mfcc"
    assert (found["feat_dim"], found["sample_rate"], found["frame_shift"]) == (13, 16000, 0.01)
    assert len(found["fingerprint"]) == len(found["content"]) == 16


def test_samples_that_are_no_numbers(make_data, tmp_path):
    directory = make_data(seconds=[0.3] * 40)
    path = tmp_path / "wav/train-s001-u003.wav"
    samples, rate = soundfile.read(path, dtype="float32")
    samples[100] = np.nan
    soundfile.write(path, samples, rate, subtype="FLOAT")
    make_mfcc.main(["--nj", 1, directory])
    assert len(read_table(f"{directory}/feats.scp")) == 39
    told = (tmp_path / directory / "log/make_mfcc.1.log").read_text()
    assert re.search("skipped s001-u003: .*u003.wav: has samples that are no numbers", told)


def test_sound_below_a_filter_has_changed(make_data, sound, tmp_path, capsys):
    make_data()
    perturb_speed.main(["0.9", "data/train", "data/slow"])
    make_mfcc.main(["--nj", 1, "data/slow"])
    soundfile.write(tmp_path / "wav/train-s000-u000.wav", sound(0.5, 99), 16000)
    capsys.readouterr()
    make_mfcc.main(["--nj", 1, "data/slow"])
    assert "up to date" not in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--num-ceps=0"], ["--num-mel-bins=0"]])
def test_numbers_of_nothing(make_data, options):
    with pytest.raises(SystemExit):
        make_mfcc.main([*options, make_data()])


def test_a_shift_of_no_sample(make_data):
    with pytest.raises(UserError, match="--frame-shift=2e-05: is less than a sample"):
        make_mfcc.main(["--frame-shift=0.00002", make_data()])
