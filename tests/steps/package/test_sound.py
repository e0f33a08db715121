"""Windows of long sound: the whole of it, cut where it is quiet."""

import numpy as np
import pytest
import soundfile

from steps.package.sound import quietest_frame, seconds_of, windows
from utils.data.audio import AudioError, read_audio, resample


@pytest.fixture
def speech(tmp_path):
    """40 s of noise with pauses at 9, 14.5 and 27 s."""
    rng = np.random.default_rng(0)
    samples = 0.1 * rng.standard_normal(40 * 8000).astype(np.float32)
    for at in (9.0, 14.5, 27.0):
        samples[round((at - 0.25) * 8000):round((at + 0.25) * 8000)] *= 0.01
    soundfile.write(tmp_path / "x.wav", samples, 8000, subtype="FLOAT")
    return tmp_path / "x.wav", samples


def test_windows_are_cut_in_pauses_and_are_the_whole_file(speech):
    path, samples = speech
    found = list(windows(path, 8000, shortest=6, longest=20))
    np.testing.assert_array_equal(np.concatenate(found), samples)
    ends = np.cumsum([len(w) for w in found]) / 8000
    assert any(abs(ends[0] - at) < 0.2 for at in (9.0, 14.5))
    assert all(len(w) <= 20 * 8000 for w in found)


def test_resampled_as_in_training(speech):
    path, _ = speech
    whole, = windows(path, 16000, longest=100)
    np.testing.assert_allclose(whole, resample(*read_audio(str(path)), 16000), atol=1e-6)


def test_channels(tmp_path):
    both = np.stack([np.full(800, 0.5), np.full(800, 0.25)], 1)
    soundfile.write(tmp_path / "x.flac", both, 8000)
    assert next(windows(tmp_path / "x.flac", 8000))[0] == 0.375
    assert next(windows(tmp_path / "x.flac", 8000, channel=1))[0] == 0.25
    assert seconds_of(tmp_path / "x.flac") == 0.1


def test_broken_files(tmp_path):
    soundfile.write(tmp_path / "x.flac", np.random.default_rng(0).normal(0, 0.1, 80000), 8000)
    data = (tmp_path / "x.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[:len(data) // 2])
    with pytest.raises(AudioError, match=r"cut\.flac: (truncated|cannot be decoded)"):
        list(windows(tmp_path / "cut.flac", 8000))
    soundfile.write(tmp_path / "nan.wav", np.full(800, np.nan), 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match="no numbers"):
        list(windows(tmp_path / "nan.wav", 8000))
    soundfile.write(tmp_path / "loud.wav", np.full(800, 1e30), 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match="beyond all measure"):
        list(windows(tmp_path / "loud.wav", 8000))
    command = f"touch {tmp_path}/run |"
    with pytest.raises(AudioError, match="no such file"):
        list(windows(command, 8000))
    assert not (tmp_path / "run").exists()


def test_quietest_frame():
    energy = np.ones(50)
    energy[20:25] = 0
    energy[40] = 0
    assert quietest_frame(energy, 5) == 22
    assert 0 <= quietest_frame(np.ones(2), 30) < 2
