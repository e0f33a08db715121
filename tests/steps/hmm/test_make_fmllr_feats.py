import json
import shutil
from types import SimpleNamespace

import kaldiio
import numpy as np
import pytest

from steps.features.pipeline import FeaturePipeline
from steps.hmm import make_fmllr_feats
from steps.hmm.triphones import front_end_of, read_transforms
from utils.data.datadir import DataDir
from utils.step import UserError


def test_features_are_the_pipelines(speech, tri3b, tmp_path, capsys):
    dest = tmp_path / "fmllr"
    command = ["--nj", 2, speech.train, tri3b, tri3b, dest]
    assert make_fmllr_feats.main(command) == 0
    expected = FeaturePipeline(DataDir(speech.train), *front_end_of(tri3b),
                               transforms=read_transforms(tri3b))
    found = FeaturePipeline(DataDir(dest), {
        "cmvn": "none", "feats": json.loads((dest / "feats.json").read_text())})
    assert found.utts == expected.utts and found.dim == expected.dim
    for utt in found.utts:
        np.testing.assert_array_equal(found.load(utt), expected.load(utt))
    assert not (dest / "cmvn.scp").exists()
    before = (dest / ".done").read_text()
    assert make_fmllr_feats.main(command) == 0
    assert "up to date" in capsys.readouterr().err and (dest / ".done").read_text() == before


def test_the_shift_is_of_whole_samples():
    feats = {"frame_shift": 0.01, "frame_length": 0.025, "sample_rate": 22050}
    for found, shift in ((feats, 221 / 22050), ({}, 0.01)):
        pipeline = SimpleNamespace(dim=39, lda=None, front_end={"feats": found})
        assert make_fmllr_feats.description(pipeline)["frame_shift"] == shift


def test_a_speaker_without_a_transform(speech, tri3b, tmp_path):
    empty = tmp_path / "none"
    empty.mkdir()
    for name in ("front_end.json", "final.mat"):
        shutil.copy(tri3b / name, empty / name)
    with pytest.raises(UserError, match="has no transform of"):
        make_fmllr_feats.main([speech.train, tri3b, empty, tmp_path / "fmllr"])
    assert not (tmp_path / "fmllr" / "feats.scp").exists()


def test_transforms_of_another_system_or_shape(speech, tri3b, tmp_path):
    model, other = tmp_path / "model", tmp_path / "other"
    shutil.copytree(tri3b, model)
    lda = kaldiio.load_mat(str(model / "final.mat"))
    kaldiio.save_mat(str(model / "final.mat"), lda + np.float32(1e-3))
    with pytest.raises(UserError, match="model") as error:
        make_fmllr_feats.main([speech.train, model, tri3b, tmp_path / "fmllr"])
    assert error.value.line == (f"{tri3b}: its transforms are of another system than {model} (name "
                                "the system that aligned or decoded this data)")
    other.mkdir()
    kaldiio.save_ark(str(other / "trans.1"), {
        spk: transform[1:] for spk, transform in read_transforms(tri3b).items()})
    with pytest.raises(UserError, match=r"other/trans.\*: \S+ has a matrix of \d+ by \d+, and "):
        make_fmllr_feats.main([speech.train, tri3b, other, tmp_path / "fmllr"])
    assert not (tmp_path / "fmllr" / "feats.scp").exists()


def test_other_transforms_are_seen_by_what_reads_the_features(speech, tri3b, tmp_path):
    dest, transforms = tmp_path / "fmllr", tmp_path / "transforms"
    transforms.mkdir()
    for path in tri3b.glob("trans.*"):
        shutil.copy(path, transforms)
    command = [speech.train, tri3b, transforms, dest]

    def made():
        make_fmllr_feats.main(command)
        told = json.loads((dest / "feats.json").read_text())
        return (dest / "feats.scp").read_bytes(), told["fingerprint"], told["content"]

    before = made()
    first, *_ = transforms.iterdir()
    first.write_bytes(first.read_bytes()[:-4] + np.float32(3).tobytes())
    after = made()
    assert after[:2] == before[:2]       # a network takes them, and its decoding runs again
    assert after[2] != before[2]
