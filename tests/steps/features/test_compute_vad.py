import numpy as np
import pytest
import soundfile

from steps.features import compute_vad, make_mfcc
from steps.features.archive import MatrixReader
from utils.data.tables import read_table
from utils.step import UserError


def test_speech_between_silences(make_data, capsys):
    directory = make_data(seconds=[0.5])
    rng = np.random.default_rng(0)
    hush, loud = 1e-4 * rng.normal(size=16000), 0.1 * rng.normal(size=16000)
    soundfile.write("wav/train-s000-u000.wav", np.concatenate([hush, loud, hush]), 16000)
    for options in [[], ["--use-energy=true"]]:
        make_mfcc.main(["--nj", 1, *options, directory])
        assert compute_vad.main(["--vad-frames-context=2", directory]) == 0
        vad = MatrixReader().read(read_table(f"{directory}/vad.scp")["s000-u000"])
        assert vad.dtype == np.float32
        assert vad.shape == (298,)
        assert set(vad[:95]) == {0}
        assert set(vad[101:195]) == {1}
        assert set(vad[203:]) == {0}
    compute_vad.main(["--vad-frames-context=2", directory])
    assert "up to date" in capsys.readouterr().err


def test_bad_input_is_named(make_data):
    directory = make_data()
    with pytest.raises(UserError, match=r"data/train/feats.scp: no such file"):
        compute_vad.main([directory])
    with pytest.raises(UserError, match="proportion-threshold"):
        compute_vad.main(["--vad-proportion-threshold=2", directory])
