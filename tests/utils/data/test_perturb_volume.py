import numpy as np
import pytest

from utils.data.audio import read_audio
from utils.data.datadir import DataDir
from utils.data.perturb_speed import main as perturb_speed
from utils.data.perturb_volume import main
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


def test_volume_depends_on_the_recording_and_the_seed(tiny, tmp_path):
    train = tiny / "data" / "train"
    for target, options in [("a", []), ("b", []), ("c", ["--seed", 1])]:
        assert main([*options, train, tmp_path / target]) == 0
    scps = [DataDir(tmp_path / name).wav_scp for name in "abc"]
    assert scps[0] == scps[1] != scps[2]
    assert validate(["--no-feats", tmp_path / "a"]) == 0
    factor = float(scps[0]["ana-001"].split()[2])
    assert 0.125 <= factor <= 2
    before, after = read_audio(DataDir(train).wav_scp["ana-001"])[0], read_audio(
        scps[0]["ana-001"])[0]
    np.testing.assert_allclose(after, np.clip(before * factor, -1, 1), atol=5e-5)


def test_both_together(tiny, tmp_path):
    assert perturb_speed(["1.1", tiny / "data" / "test", tmp_path / "sp"]) == 0
    assert main([tmp_path / "sp", tmp_path / "spvp"]) == 0
    data = DataDir(tmp_path / "spvp")
    assert data.wav_scp["sp1.1-fay-001"].count("audio_filter.py") == 2
    assert len(read_audio(data.wav_scp["sp1.1-fay-001"])[0]) == round(data.utt2dur[
        "sp1.1-fay-001"] * 16000)


def test_a_second_run_does_nothing(tiny, tmp_path, capsys):
    for _ in range(2):
        assert main([tiny / "data" / "test", tmp_path / "v"]) == 0
    assert capsys.readouterr().err.count("up to date") == 1


def test_bad_limits(tiny, tmp_path):
    with pytest.raises(UserError, match="--scale-low"):
        main(["--scale-low", 3, tiny / "data" / "test", tmp_path / "sp"])
    assert not (tmp_path / "sp").exists()
