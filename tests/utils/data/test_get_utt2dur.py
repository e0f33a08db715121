import numpy as np
import pytest
import soundfile

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


def test_sound_that_has_changed_is_measured_again(tiny_copy):
    data = tiny_copy / "data/test"
    (data / "utt2dur").unlink()
    main([data])
    path = DataDir(data).wav_scp["gus-002"]
    samples, rate = soundfile.read(path)
    copy = tiny_copy / "gus-002.wav"
    soundfile.write(copy, samples, rate)
    (data / "wav.scp").write_text((data / "wav.scp").read_text().replace(path, str(copy)))
    main([data])
    before = DataDir(data).utt2dur
    soundfile.write(copy, np.concatenate([samples, samples]), rate)
    main([data])
    after = DataDir(data).utt2dur
    assert after["gus-002"] == pytest.approx(2 * before["gus-002"], abs=1e-3)
    assert {**after, "gus-002": 0} == {**before, "gus-002": 0}
