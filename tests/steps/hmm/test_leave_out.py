import numpy as np
import pytest

from steps.hmm.fmllr import estimate_fmllr, identity
from steps.hmm.gmm import Gmm
from steps.hmm.leave_out import leave_one_out
from steps.hmm.share import fmllr_stats


@pytest.fixture
def model():
    rng = np.random.default_rng(1)
    return Gmm(np.arange(5), np.ones(4), rng.normal(0, 3, (4, 3)), np.ones((4, 3)))


@pytest.fixture
def spoken(model):
    """Utterances of a speaker whose voice is an affine change of the model's."""
    rng = np.random.default_rng(2)
    feats, pdfs = {}, {}
    for utt in ("a", "b", "c"):
        pdfs[utt] = rng.integers(-1, 4, 200)
        clean = model.means[np.maximum(pdfs[utt], 0)] + rng.normal(0, 0.5, (200, 3))
        feats[utt] = (clean * [1.5, 0.7, 1.1] + [1, -2, 0.5]).astype(np.float32)
    return feats, pdfs


def test_a_transform_is_that_of_the_other_utterances(model, spoken):
    feats, pdfs = spoken
    found = leave_one_out(model, feats, pdfs, identity(3), min_count=10)
    for utt in feats:
        others = [other for other in feats if other != utt]
        labels = np.concatenate([pdfs[other] for other in others])
        heard = np.concatenate([feats[other] for other in others])[labels >= 0]
        expected, _ = estimate_fmllr(fmllr_stats(model, heard, labels[labels >= 0]), 10)
        np.testing.assert_allclose(found[utt], expected, atol=1e-4)
    assert abs(found["a"] - found["b"]).max() > 1e-3


def test_with_too_few_frames_the_speakers_own_stays(model, spoken):
    start = identity(3) + 0.01
    found = leave_one_out(model, *spoken, start, min_count=1e6)
    for transform in found.values():
        np.testing.assert_array_equal(transform, start)
