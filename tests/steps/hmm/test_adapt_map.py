import shutil

import numpy as np
import pytest

from steps.features.pipeline import FeaturePipeline
from steps.hmm import adapt_map
from steps.hmm.ali import read_ali, write_ali
from steps.hmm.gmm import Gmm
from steps.hmm.model import read_model
from steps.hmm.triphones import front_end_of
from utils.data.datadir import DataDir
from utils.step import UserError


def test_means_between_old_and_new():
    model = Gmm([0, 2, 3], [0.5, 0.5, 1], [[0.0], [4], [9]], [[1.0], [1], [1]])
    stats = {"occ": np.array([10.0, 0, 30]), "x": np.array([[10.0], [0], [300]])}
    adapted = adapt_map.adapt_means(model, stats, tau=10)
    assert adapted.means.ravel() == pytest.approx([0.5, 4, 9.75])
    assert np.array_equal(adapted.vars, model.vars) and np.array_equal(adapted.weights,
                                                                       model.weights)
    assert adapt_map.adapt_means(model, stats, tau=0).means.ravel() == pytest.approx([1, 4, 10])


def log_like(model_dir, alidir, data):
    """Mean log-likelihood a frame of aligned data."""
    transitions, model = read_model(model_dir / "final.mdl")
    pipeline = FeaturePipeline(DataDir(data), *front_end_of(model_dir))
    total = [model.accumulate(pipeline.load(utt), transitions.tid2pdf[tids])["log_like"][0]
             / len(tids) for utt, tids in read_ali(alidir).items()]
    return np.mean(total)


def test_the_data_become_more_likely_the_less_the_old_means_count(speech, mono_ali, tmp_path,
                                                                  capsys):
    source, found = mono_ali, []
    for tau in (0.5, 20, 1e9):
        out = tmp_path / str(tau)
        command = ["--tau", tau, speech.train, mono_ali, source, out]
        assert adapt_map.main(command) == 0
        found.append(log_like(out, mono_ali, speech.train))
    before = log_like(source, mono_ali, speech.train)
    assert found[0] >= found[1] >= found[2] == pytest.approx(before, abs=1e-4)
    assert (out / "tree").read_bytes() == (source / "tree").read_bytes()
    capsys.readouterr()
    adapt_map.main(command)
    assert "up to date" in capsys.readouterr().err


def test_mistakes(speech, mono_ali, tri3b, tmp_path):
    with pytest.raises(UserError, match="is not the model of"):
        adapt_map.main([speech.train, tri3b, mono_ali, tmp_path / "x"])
    with pytest.raises(UserError, match=r"none/final.mdl: no such file"):
        adapt_map.main([speech.train, tmp_path / "none", mono_ali, tmp_path / "x"])
    with pytest.raises(UserError, match="--tau: is -1"):
        adapt_map.main(["--tau", "-1", speech.train, mono_ali, mono_ali, tmp_path / "x"])
    for own in (mono_ali, tri3b):
        with pytest.raises(UserError, match=f"{own}: is both source and destination"):
            adapt_map.main([speech.train, mono_ali, tri3b, own])
    assert not (tmp_path / "x/final.mdl").exists()


def test_alignments_of_another_model(speech, mono_ali, tmp_path):
    shutil.copytree(mono_ali, tmp_path / "ali")
    write_ali(tmp_path / "ali/ali.1.gz",
              [(utt, np.roll(tids, 9)) for utt, tids in read_ali(mono_ali).items()])
    with pytest.raises(UserError, match=r"ali/ali.*: ana-001 is no path through the HMMs of .*/ali"
                                        r"/final.mdl \(align anew"):
        adapt_map.main([speech.train, tmp_path / "ali", mono_ali, tmp_path / "x"])
    assert not (tmp_path / "x").exists()


def test_features_of_another_dimension(narrow, tmp_path):
    data, model = narrow
    with pytest.raises(UserError, match=r"few/feats.scp: makes 36 values a frame, .* has 39"):
        adapt_map.main([data, model, model, tmp_path / "x"])
