import numpy as np
import pytest
import soundfile

from steps.features import make_fbank
from steps.features.archive import MatrixReader
from steps.features.frontend import FrontEnd
from steps.features.pipeline import read_feats_config
from utils.data.tables import read_table
from utils.step import UserError


def test_log_mel_energies(make_data, capsys):
    directory = make_data(seconds=[0.5, 0.4])
    make_fbank.main(["--nj", 1, "--num-mel-bins=30", "--use-energy=true", directory])
    config = read_feats_config(directory)
    assert (config["kind"], config["feat_dim"]) == ("fbank", 31)
    samples, _ = soundfile.read("wav/train-s000-u000.wav", dtype="float32")
    feats = MatrixReader().read(read_table(f"{directory}/feats.scp")["s000-u000"])
    np.testing.assert_allclose(feats, FrontEnd(config).compute("s000-u000", samples), atol=1e-5)
    make_fbank.main(["--nj", 1, "--num-mel-bins=30", "--use-energy=true", directory])
    assert "up to date" in capsys.readouterr().err


def test_cepstra_are_no_option(make_data):
    with pytest.raises(SystemExit, match="num-ceps"):
        make_fbank.main(["--num-ceps=13", make_data()])
    with pytest.raises(UserError, match="data/none: no such data directory"):
        make_fbank.main(["data/none"])
