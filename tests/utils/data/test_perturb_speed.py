import pytest

from utils.data.audio import read_audio
from utils.data.datadir import DataDir
from utils.data.perturb_speed import main
from utils.data.validate_data_dir import main as validate
from utils.step import UserError


def test_speed(tiny, tmp_path, capsys):
    source = DataDir(tiny / "data" / "test")
    arguments = ["0.9,1.0,1.1", source.path, tmp_path / "sp"]
    assert main(arguments) == 0
    assert validate(["--no-feats", "--audio", "full", tmp_path / "sp"]) == 0
    data = DataDir(tmp_path / "sp")
    assert list(data.spk2utt) == ["fay", "gus", "sp0.9-fay", "sp0.9-gus", "sp1.1-fay", "sp1.1-gus"]
    assert len(data.utts) == 30 and data.spk2gender["sp1.1-gus"] == "m"
    assert data.text["sp0.9-fay-001"] == source.text["fay-001"] == data.text["fay-001"]
    assert data.table("utt2uniq")["sp1.1-gus-003"] == "gus-003"
    assert abs(data.utt2dur["sp0.9-fay-001"] - source.utt2dur["fay-001"] / 0.9) < 1e-3
    samples, rate = read_audio(data.wav_scp["sp1.1-fay-001"])
    assert rate == 16000 and abs(len(samples) / rate - data.utt2dur["sp1.1-fay-001"]) < 1e-3
    assert main(arguments) == 0
    assert "up to date" in capsys.readouterr().err


def test_speed_of_segments(tiny_copy, tmp_path):
    source = tiny_copy / "data" / "test"
    (source / "utt2dur").unlink()
    (source / "feats.scp").write_text("".join(f"{u} x:3\n" for u in DataDir(source).utts))
    (source / "segments").write_text("".join(
        f"{utt} gus-001 0.3 {end}\n"
        for utt, end in zip(DataDir(source).utts, [0.6, -1] * 5, strict=True)))
    assert main(["0.5", source, tmp_path / "sp"]) == 0
    data = DataDir(tmp_path / "sp")
    assert data.segments["sp0.5-fay-001"] == ("sp0.5-gus-001", 0.6, 1.2)
    assert data.segments["sp0.5-fay-002"] == ("sp0.5-gus-001", 0.6, -1)
    assert data.utt2dur["sp0.5-fay-001"] == 0.6
    assert data.feats_scp == {} and "gus-001" not in data.wav_scp


@pytest.mark.parametrize("factors", ["fast", "0", "1,1", "", "nan", "0.9,inf"])
def test_bad_factors(tiny, tmp_path, factors):
    with pytest.raises(UserError, match="no list of different factors"):
        main([factors, tiny / "data" / "test", tmp_path / "sp"])
    assert not (tmp_path / "sp").exists()
