import numpy as np
import pytest
import soundfile

RATE = 16000


def speechlike(seconds, seed, rate=RATE):
    """float32 (num_samples,): bursts of a harmonic tone in faint noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 2 * np.pi * (110 + 40 * rng.random()) * time
    voice = sum(np.sin(k * pitch + rng.random()) / k for k in range(1, 20))
    bursts = np.clip(np.sin(2 * np.pi * 3 * time + rng.random()), 0, 1)
    return (0.1 * voice * bursts + 0.001 * rng.normal(size=len(time))).astype(np.float32)


@pytest.fixture
def make_data(tmp_path, monkeypatch):
    """make_data(name, seconds=[...]): a data directory, relative to the current one, with its wavs.

    Two utterances a speaker; the current directory is tmp_path.
    """
    monkeypatch.chdir(tmp_path)

    def make(name="data/train", seconds=(0.5, 0.7, 0.6, 0.4), rate=RATE):
        directory = tmp_path / name
        directory.mkdir(parents=True)
        (tmp_path / "wav").mkdir(exist_ok=True)
        scp, spk = [], []
        for i, length in enumerate(seconds):
            utt = f"s{i // 2:03d}-u{i:03d}"
            path = f"wav/{directory.name}-{utt}.wav"
            soundfile.write(tmp_path / path, speechlike(length, i, rate), rate)
            scp.append(f"{utt} {path}\n")
            spk.append(f"{utt} s{i // 2:03d}\n")
        (directory / "wav.scp").write_text("".join(scp))
        (directory / "utt2spk").write_text("".join(spk))
        return name

    return make


@pytest.fixture
def sound():
    return speechlike
