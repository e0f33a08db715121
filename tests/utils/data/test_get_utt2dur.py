import pytest

from utils.data.datadir import DataDir
from utils.data.get_utt2dur import main
from utils.step import UserError


def test_durations(tiny_copy, capsys):
    data = tiny_copy / "data" / "test"
    before = DataDir(data).utt2dur
    (data / "utt2dur").unlink()
    assert main([data]) == 0
    assert DataDir(data).utt2dur == before
    assert main([data]) == 0
    assert "up to date" in capsys.readouterr().err
    (data / "wav.scp").write_text((data / "wav.scp").read_text().replace("gus-002.wav", "x.wav"))
    with pytest.raises(UserError, match=r"x\.wav: no such file"):
        main([data])
    assert DataDir(data).utt2dur == before
