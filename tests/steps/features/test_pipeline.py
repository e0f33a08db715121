import json

import numpy as np
import pytest

from steps.features import compute_cmvn, make_mfcc
from steps.features.archive import MatrixReader, MatrixWriter
from steps.features.cmvn import sliding_cmvn
from steps.features.pipeline import FeaturePipeline, make_front_end, read_feats_config
from steps.features.transform import add_deltas
from steps.features.transform import splice as spliced
from utils.data.datadir import DataDir
from utils.data.tables import read_table, write_table
from utils.step import UserError


@pytest.fixture
def data(make_data):
    directory = make_data()
    make_mfcc.main(["--nj", 1, directory])
    compute_cmvn.main([directory])
    return directory


def pipeline(directory, front_end=None, **options):
    return FeaturePipeline(DataDir(directory), front_end or make_front_end(directory), **options)


def test_speaker_cmvn_and_deltas(data):
    feats = pipeline(data)
    assert feats.utts == ["s000-u000", "s000-u001", "s001-u002", "s001-u003"]
    assert (feats.raw_dim, feats.dim) == (13, 39)
    speaker = np.concatenate([feats.raw("s000-u000"), feats.raw("s000-u001")])
    loaded = feats.load("s000-u001")
    assert loaded.dtype == np.float32
    assert loaded.flags.c_contiguous
    expected = add_deltas(feats.raw("s000-u001") - speaker.mean(axis=0))
    np.testing.assert_allclose(loaded, expected, atol=1e-3)


@pytest.mark.parametrize("norm_vars", [False, True])
def test_other_cmvn(data, norm_vars):
    def load(cmvn):
        front_end = make_front_end(data, cmvn, norm_vars=norm_vars, deltas=0)
        return pipeline(data, front_end).load("s001-u003")

    raw = load("none")
    expected = raw - raw.mean(axis=0)
    if norm_vars:
        expected /= raw.std(axis=0)
    np.testing.assert_allclose(load("utterance"), expected, atol=1e-3)
    np.testing.assert_allclose(load("sliding"), sliding_cmvn(raw, norm_vars=norm_vars))


def test_splice_lda_and_transforms_in_this_order(data):
    rng = np.random.default_rng(0)
    lda = rng.normal(size=(10, 7 * 13 + 1)).astype(np.float32)
    fmllr = {spk: rng.normal(size=(10, 11)).astype(np.float32) for spk in ["s000", "s001"]}
    front_end = make_front_end(data, deltas=0, splice=(3, 3))
    feats = pipeline(data, front_end, lda=lda, transforms=fmllr)
    assert feats.dim == 10
    base = spliced(pipeline(data, make_front_end(data, deltas=0)).load("s001-u002"), 3, 3)
    reduced = base @ lda[:, :-1].T + lda[:, -1]
    expected = reduced @ fmllr["s001"][:, :-1].T + fmllr["s001"][:, -1]
    loaded = feats.load("s001-u002")
    assert loaded.flags.c_contiguous
    np.testing.assert_allclose(loaded, expected, rtol=1e-3, atol=1e-2)
    with pytest.raises(UserError, match="no transform of speaker s001"):
        pipeline(data, front_end, lda=lda, transforms={"s000": fmllr["s000"]}).load("s001-u002")


def test_other_features_than_in_training_are_refused_with_both_named(data, make_data):
    trained = make_front_end(data)
    other = make_data("data/test")
    make_mfcc.main(["--nj", 1, "--low-freq", 100, other])
    compute_cmvn.main([other])
    ours, theirs = (read_feats_config(d)["fingerprint"] for d in (other, data))
    with pytest.raises(UserError, match=rf"data/test/feats.json: features {ours} .*{theirs}: "
                       "low_freq is 100.0, and was 20.0 in training"):
        pipeline(other, trained)
    # a front_end.json goes through JSON unharmed
    assert pipeline(data, json.loads(json.dumps(trained))).dim == 39


def test_features_of_kaldi_have_no_feats_json(data, tmp_path):
    trained = make_front_end(data)
    (tmp_path / data / "feats.json").unlink()
    assert pipeline(data, trained).dim == 39
    assert pipeline(data).dim == 39
    trained["feats"]["feat_dim"] = 40
    with pytest.raises(UserError, match=r"feats.scp: has 13 values a frame.* with 40"):
        pipeline(data, trained)


def test_what_is_missing_is_named(data, tmp_path):
    (tmp_path / data / "cmvn.scp").unlink()
    with pytest.raises(UserError, match=r"data/train/cmvn.scp: has no speaker s000"):
        pipeline(data)
    (tmp_path / data / "feats.scp").unlink()
    with pytest.raises(UserError, match=r"data/train/feats.scp: no features"):
        pipeline(data)


def rewrite(directory, name, key, change):
    """An archive of its own for one entry of a table of matrices."""
    table = read_table(f"{directory}/{name}")
    matrix = change(np.array(MatrixReader().read(table[key])))
    with MatrixWriter(f"{directory}/odd.ark") as archive:
        archive.write(key, matrix)
    write_table(f"{directory}/{name}", {**table, **archive.index})


@pytest.mark.parametrize(("name", "key", "change", "message"), [
    ("feats.scp", "s000-u001", lambda m: m * np.nan, "s000-u001 have values that are no numbers"),
    ("feats.scp", "s000-u001", lambda m: m[:, :5].copy(), "s000-u001 has 5 values a frame, s000-"),
    ("feats.scp", "s000-u001", lambda m: m[0].copy(), "what s000-u001 has are no features"),
    ("cmvn.scp", "s000", lambda m: m[:, :5].copy(), "what s000 has are no statistics of 13"),
    ("cmvn.scp", "s000", lambda m: m * 0, "what s000 has are no statistics of 13"),
])
def test_what_cannot_be_features_is_named(data, name, key, change, message):
    rewrite(data, name, key, change)
    with pytest.raises(UserError, match=message):
        feats = pipeline(data)
        [feats.load(utt) for utt in feats.utts]


def test_transforms_of_other_features(data):
    with pytest.raises(UserError, match="data/train: a matrix of 7 columns cannot transform 39"):
        pipeline(data, transforms=dict.fromkeys(("s000", "s001"), np.zeros((6, 7))))
