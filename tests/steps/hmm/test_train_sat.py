import pickle
import re
import shutil

import kaldiio
import numpy as np
import pytest

from steps.features.pipeline import FeaturePipeline
from steps.hmm import align, make_fmllr_feats, train_sat
from steps.hmm.ali import read_ali
from steps.hmm.model import read_model
from steps.hmm.triphones import front_end_of
from tests.steps.hmm.conftest import keep
from utils.data.datadir import DataDir
from utils.step import UserError

FAST = ["--num-leaves", "40", "--num-iters", "2", "--total-gaussians", "50",
        "--realign-iters", "9", "--fmllr-iters", "1", "--fmllr-min-count", "100"]


def transforms_of(directory):
    return {spk: np.array(matrix) for path in sorted(directory.glob("trans.*"))
            for spk, matrix in kaldiio.load_ark(str(path))}


def path_log_like(model, transitions, alignments, pipeline):
    """Mean log-likelihood a frame of the alignments' pdfs, per speaker."""
    result = {}
    for utt, tids in alignments.items():
        scores = model.log_likes(pipeline.load(utt), transitions.tid2pdf[tids])
        result.setdefault(pipeline.data.utt2spk[utt], []).append(np.diag(scores).mean())
    return {spk: np.mean(values) for spk, values in result.items()}


def test_transforms_make_the_data_likelier(speech, tri3b):
    data = DataDir(speech.train)
    transforms = transforms_of(tri3b)
    assert sorted(transforms) == sorted(data.spk2utt)
    front_end, lda = front_end_of(tri3b)
    transitions, model = read_model(tri3b / "final.mdl")
    alignments = read_ali(tri3b)
    plain = path_log_like(model, transitions, alignments, FeaturePipeline(data, front_end, lda))
    adapted = path_log_like(model, transitions, alignments,
                            FeaturePipeline(data, front_end, lda, transforms))
    for spk in transforms:
        # The determinant is the density's share of stretching the space.
        stretch = np.linalg.slogdet(transforms[spk][:, :-1].astype(float))[1]
        assert transforms[spk].shape == (20, 21)
        assert adapted[spk] + stretch > plain[spk] + 0.1
    unadapted = read_model(tri3b / "final.alimdl")[1]
    assert np.array_equal(unadapted.offsets, model.offsets)
    first_pass = path_log_like(unadapted, transitions, alignments,
                               FeaturePipeline(data, front_end, lda))
    assert np.mean(list(first_pass.values())) > np.mean(list(plain.values()))


def test_gain_is_positive_and_jobs_are_capped_by_speakers(speech, tri2b, few, tmp_path, capsys):
    command = ["--nj", "7", *FAST, few, speech.lang, tri2b, tmp_path / "sat"]
    train_sat.main(command)
    shown = capsys.readouterr().err
    assert "3 speakers, so 3 jobs and not 7" in shown
    gains = [float(x) for x in re.findall(r"fMLLR: (-?[\d.]+) nats", shown)]
    assert len(gains) == 2
    assert gains[0] > 0.1
    assert gains[1] >= 0
    # The third speaker has one utterance, of fewer frames of speech than it takes.
    spk = list(DataDir(few).spk2utt)[2]
    found = transforms_of(tmp_path / "sat")
    assert len(found) == 3
    frames = len(read_ali(tmp_path / "sat")[DataDir(few).spk2utt[spk][0]])
    assert frames < 200
    train_sat.main(command)
    assert "up to date" in capsys.readouterr().err


def test_one_speaker_on_deltas_and_too_little_speech(speech, tri1, few, tmp_path, change):
    data = DataDir(few)
    keep(data, data.utts[:4], tmp_path / "one")
    train_sat.main(["--nj", "4", *FAST[:-1], "100000", tmp_path / "one", speech.lang, tri1,
                    tmp_path / "sat"])
    [(spk, matrix)] = transforms_of(tmp_path / "sat").items()
    assert spk == data.utt2spk[data.utts[0]]
    assert np.array_equal(matrix, np.eye(39, 40, dtype=np.float32))
    assert not (tmp_path / "sat/final.mat").exists()
    plain, adapted = (read_model(tmp_path / "sat" / name)[1]
                      for name in ("final.alimdl", "final.mdl"))
    assert plain.num_gauss == adapted.num_gauss


def test_training_goes_on_from_the_transforms_of_an_adapted_alignment(
        speech, tri3b_ali, few, tmp_path, capsys):
    """They fit already, so that little is gained at the start."""
    train_sat.main(["--nj", "1", *FAST, few, speech.lang, tri3b_ali, tmp_path / "sat"])
    gain = float(re.search(r"fMLLR: (-?[\d.]+) nats", capsys.readouterr().err).group(1))
    assert 0 <= gain < 0.3


def test_bad_input_names_the_file(speech, few, tmp_path, tri2b):
    with pytest.raises(UserError, match=r"nothere/front_end.json: no such file|nothere/final.mdl"):
        train_sat.main([*FAST, few, speech.lang, tmp_path / "nothere", tmp_path / "sat"])
    text = (few / "feats.json").read_text()
    (few / "feats.json").write_text(re.sub(r'"fingerprint": "[^"]+"', '"fingerprint": "x"', text))
    with pytest.raises(UserError, match=r"few/feats.json: features x are not those"):
        train_sat.main([*FAST, few, speech.lang, tri2b, tmp_path / "sat"])


def test_transforms_of_an_adapted_alignment_are_the_new_ones_of_all_speakers(speech, tri3b, few,
                                                                          tmp_path):
    align.main(["--nj", "1", few, speech.lang, tri3b, tmp_path / "ali"])
    for jobs in ("1", "3"):
        train_sat.main(["--nj", jobs, *FAST, few, speech.lang, tmp_path / "ali", tmp_path / jobs])
    old, one, three = (transforms_of(tmp_path / name) for name in ("ali", "1", "3"))
    assert list(one) == list(three) == sorted(DataDir(few).spk2utt)
    assert sum(np.abs(one[spk] - old[spk]).max() > 1e-2 for spk in one) == 2   # one says too little
    for spk in one:
        np.testing.assert_allclose(one[spk], three[spk], atol=0.05)


def test_a_damaged_matrix_or_transform_is_named(speech, tri3b, few, tmp_path):
    shutil.copytree(tri3b, tmp_path / "sat")
    for name, start in (("final.mat", b""), ("trans.1", b"ana ")):
        whole = (tmp_path / "sat" / name).read_bytes()
        (tmp_path / "sat" / name).write_bytes(start + b"PKL" + pickle.dumps([1]))
        with pytest.raises(UserError, match=f"sat/{name}: holds a Python pickle"):
            make_fmllr_feats.main([few, tmp_path / "sat", tmp_path / "sat", tmp_path / "fmllr"])
        (tmp_path / "sat" / name).write_bytes(whole[:-9])
        with pytest.raises(UserError, match=f"sat/{name}: is "):
            make_fmllr_feats.main([few, tmp_path / "sat", tmp_path / "sat", tmp_path / "fmllr"])
        (tmp_path / "sat" / name).write_bytes(whole)


def test_features_of_another_dimension(speech, narrow, tmp_path):
    data, model = narrow
    with pytest.raises(UserError, match=r"few/feats.scp: makes 36 values a frame, .* has 39"):
        train_sat.main([*FAST, data, speech.lang, model, tmp_path / "sat"])
    assert not (tmp_path / "sat").exists()
