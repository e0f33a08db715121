import json
import re
import shutil

import kaldiio
import numpy as np
import pytest

from steps.features.pipeline import FeaturePipeline
from steps.hmm import align, train_deltas, train_lda_mllt
from steps.hmm.ali import read_ali, write_ali
from steps.hmm.model import read_model
from steps.hmm.triphones import front_end_of
from utils.data.datadir import DataDir
from utils.step import UserError, read_done

FAST = ["--nj", "2", "--num-leaves", "40", "--num-iters", "3", "--total-gaussians", "50",
        "--realign-iters", "9", "--dim", "12"]


def test_model_and_matrix_belong_together(speech, tri2b):
    matrix = kaldiio.load_mat(str(tri2b / "final.mat"))
    assert matrix.shape == (20, 7 * 13)
    front_end = json.loads((tri2b / "front_end.json").read_text())
    assert (front_end["deltas"], front_end["splice"]) == (0, [3, 3])
    transitions, model = read_model(tri2b / "final.mdl")
    assert model.dim == 20
    # Aligned frames are likelier under their own pdfs than under those of other frames.
    pipeline = FeaturePipeline(DataDir(speech.train), *front_end_of(tri2b))
    own, other = [], []
    for utt, tids in read_ali(tri2b).items():
        scores = model.log_likes(pipeline.load(utt))
        pdfs = transitions.tid2pdf[tids]
        own.append(scores[np.arange(len(tids)), pdfs].mean())
        other.append(scores[np.arange(len(tids)), np.roll(pdfs, len(tids) // 2)].mean())
    assert np.mean(own) > np.mean(other) + 10


def test_mllt_gains_and_a_second_run_does_nothing(speech, tri1, few, tmp_path, capsys):
    command = [*FAST, "--mllt-iters", "1 2", "--splice", "2 1", few, speech.lang, tri1,
               tmp_path / "tri"]
    train_lda_mllt.main(command)
    shown = capsys.readouterr().err
    gains = [float(x) for x in re.findall(r"MLLT: (-?[\d.]+) nats", shown)]
    assert len(gains) == 2
    assert gains[0] > 0.05
    assert min(gains) >= 0
    assert kaldiio.load_mat(str(tmp_path / "tri/final.mat")).shape == (12, 4 * 13)
    train_lda_mllt.main(command)
    assert "up to date" in capsys.readouterr().err
    # Another system in its place leaves nothing of it.
    train_deltas.main([*FAST[:-2], few, speech.lang, tri1, tmp_path / "tri"])
    assert list(read_done(tmp_path / "tri")) == ["train_deltas"]
    assert not (tmp_path / "tri/final.mat").exists()


def test_bad_options(speech, tri1, few, tmp_path):
    with pytest.raises(UserError, match=r"--splice: expected two numbers of frames, found '3'"):
        train_lda_mllt.main(["--splice", "3", few, speech.lang, tri1, tmp_path / "tri"])
    with pytest.raises(UserError, match=r"LDA: 92 dimensions asked for, .* have 91"):
        train_lda_mllt.main([*FAST, "--dim", "92", few, speech.lang, tri1, tmp_path / "tri"])
    assert not (tmp_path / "tri/final.mdl").exists()


def test_a_job_whose_utterances_are_not_aligned(speech, tri1, few, tmp_path):
    """Of the first job's speakers there is no alignment; they are aligned by the new model."""
    shutil.copytree(tri1, tmp_path / "ali")
    known = {utt for utts in list(DataDir(few).spk2utt.values())[1:] for utt in utts}
    write_ali(tmp_path / "ali/ali.1.gz", [(utt, tids) for utt, tids in read_ali(tri1).items()
                                          if utt in known])
    for path in (tmp_path / "ali").glob("ali.[2-9].gz"):
        path.unlink()
    (tmp_path / "ali/num_jobs").write_text("1\n")
    train_lda_mllt.main([*FAST, "--mllt-iters", "2", "--realign-iters", "3", few, speech.lang,
                         tmp_path / "ali", tmp_path / "tri"])
    assert sorted(read_ali(tmp_path / "tri")) == DataDir(few).utts


def test_nothing_but_silence(speech, mono, few, tmp_path, change):
    change(few / "text", dict.fromkeys(DataDir(few).utts, "!SIL"))
    align.main(["--nj", "1", few, speech.lang, mono, tmp_path / "ali"])
    with pytest.raises(UserError, match=r"ali: has nothing but silence in .*few, and LDA is of"):
        train_lda_mllt.main([*FAST, few, speech.lang, tmp_path / "ali", tmp_path / "tri"])
    assert not (tmp_path / "tri/final.mdl").exists()
