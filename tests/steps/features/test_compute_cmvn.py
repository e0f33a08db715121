import numpy as np
import pytest
import soundfile

from steps.features import compute_cmvn, make_mfcc
from steps.features.archive import MatrixReader
from tests.steps.features.test_archive import parse_archive
from utils.data.tables import read_table
from utils.step import UserError


@pytest.fixture
def data(make_data):
    directory = make_data()
    make_mfcc.main(["--nj", 1, directory])
    return directory


def test_statistics_of_each_speaker(data, tmp_path, capsys):
    assert compute_cmvn.main([data]) == 0
    reader = MatrixReader()
    feats = {u: reader.read(s) for u, s in read_table(f"{data}/feats.scp").items()}
    table = read_table(f"{data}/cmvn.scp")
    assert list(table) == ["s000", "s001"]
    parsed = parse_archive(tmp_path / data / "feats/cmvn.ark")
    for spk, spec in table.items():
        frames = np.concatenate([f for u, f in feats.items() if u.startswith(spk)]).astype(float)
        stats = reader.read(spec)
        assert stats.dtype == np.float64
        np.testing.assert_allclose(stats[0], [*frames.sum(axis=0), len(frames)])
        np.testing.assert_allclose(stats[1], [*(frames ** 2).sum(axis=0), 0])
        np.testing.assert_array_equal(parsed[spk], stats)
    compute_cmvn.main([data])
    assert "up to date" in capsys.readouterr().err
    assert (tmp_path / data / "feats/mfcc.1.ark").exists()


def test_it_runs_again_when_the_sound_has_changed(data, make_data, sound, tmp_path, capsys):
    compute_cmvn.main([data])
    soundfile.write(tmp_path / "wav/train-s000-u000.wav", sound(0.5, 99), 16000)
    make_mfcc.main(["--nj", 1, data])
    capsys.readouterr()
    compute_cmvn.main([data])
    assert "up to date" not in capsys.readouterr().err


def test_damaged_features_leave_nothing(data, tmp_path):
    archive = tmp_path / data / "feats/mfcc.1.ark"
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"mfcc.1.ark:\d+: no Kaldi matrix"):
        compute_cmvn.main([data])
    assert not (tmp_path / data / "cmvn.scp").exists()
    assert not (tmp_path / data / "feats/cmvn.ark").exists()


def test_no_features_is_an_error(make_data):
    with pytest.raises(UserError, match=r"data/train/feats.scp: no such file"):
        compute_cmvn.main([make_data()])
