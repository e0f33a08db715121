import json
import shutil

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


def test_a_speaker_without_a_transform(speech, tri3b, tmp_path):
    empty = tmp_path / "none"
    empty.mkdir()
    for name in ("front_end.json", "final.mat"):
        shutil.copy(tri3b / name, empty / name)
    with pytest.raises(UserError, match="has no transform of"):
        make_fmllr_feats.main([speech.train, tri3b, empty, tmp_path / "fmllr"])
    assert not (tmp_path / "fmllr" / "feats.scp").exists()


def test_leave_out_adapts_by_the_others_utterances(speech, tri3b, tmp_path):
    options = ["--leave-out", tri3b, "--lang", speech.lang, "--fmllr-min-count", 50]
    assert make_fmllr_feats.main([*options, speech.train, tri3b, tri3b, tmp_path / "out"]) == 0
    make_fmllr_feats.main([speech.train, tri3b, tri3b, tmp_path / "all"])
    front_end = {"cmvn": "none", "feats": json.loads((tmp_path / "out/feats.json").read_text())}
    out, whole = (FeaturePipeline(DataDir(tmp_path / name), front_end) for name in ("out", "all"))
    assert out.utts == whole.utts
    alike = [np.corrcoef(out.load(utt).ravel(), whole.load(utt).ravel())[0, 1] for utt in out.utts]
    assert min(alike) > 0.8 and max(alike) < 0.99999

    # Of speakers with too little else, all is as with the speaker's transform.
    options[-1] = 1e9
    make_fmllr_feats.main([*options, speech.train, tri3b, tri3b, tmp_path / "few"])
    few = FeaturePipeline(DataDir(tmp_path / "few"), front_end)
    for utt in few.utts:
        np.testing.assert_allclose(few.load(utt), whole.load(utt), atol=1e-4)


def test_leave_out_needs_a_lang(speech, tri3b, tmp_path):
    with pytest.raises(UserError, match="--leave-out: needs --lang"):
        make_fmllr_feats.main(["--leave-out", tri3b, speech.train, tri3b, tri3b, tmp_path / "x"])
    assert not (tmp_path / "x/feats.scp").exists()
