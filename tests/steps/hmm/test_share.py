import numpy as np
import pytest

from steps.features.pipeline import FeaturePipeline
from steps.features.transform import apply_affine
from steps.hmm.ali import read_ali
from steps.hmm.fmllr import gain_line, identity
from steps.hmm.model import read_model
from steps.hmm.share import Share, fmllr_stats
from steps.hmm.tree import Tree
from steps.hmm.triphones import front_end_of
from utils.data.datadir import DataDir
from utils.lang.langdir import LangDir


def share_of(speech, directory, utts):
    data = DataDir(speech.train)
    share = Share(data, LangDir(speech.lang), utts,
                  FeaturePipeline(data, *front_end_of(directory)))
    transitions, model = read_model(directory / "final.mdl")
    share.set_model(Tree.read(directory / "tree"), transitions.topo)
    share.set_alignments(read_ali(directory))
    return share, model


@pytest.fixture(scope="module")
def shares(speech, tri1):
    utts = DataDir(speech.train).utts
    return [share_of(speech, tri1, part) for part in (utts, utts[:13], utts[13:], [])]


@pytest.mark.parametrize("task", ["accumulate", "accumulate_two", "tid_counts", "mllt_stats"])
def test_sums_over_jobs_are_the_sum_over_all(shares, task):
    """The last job has no utterances at all."""
    def answer(share, model):
        result = getattr(share, task)(*[model] * (task != "tid_counts"))
        return result if isinstance(result, dict) else {
            "all": result} if isinstance(result, np.ndarray) else vars(result)

    whole, *parts = [answer(share, model) for share, model in shares]
    for key, value in whole.items():
        assert np.abs(value).sum() > 0
        assert np.allclose(sum(part[key] for part in parts), value, rtol=2e-3, atol=1e-2)


def test_gmm_statistics_are_of_the_aligned_pdfs(shares):
    share, model = shares[1]
    stats = share.accumulate(model)
    occ = np.add.reduceat(stats["occ"], model.offsets[:-1])
    assert occ == pytest.approx(np.bincount(share.pdfs(), minlength=model.num_pdfs), abs=0.01)
    scores = [model.log_likes(share.feats[share.span[utt]])[
        np.arange(len(tids)), share.transitions.tid2pdf[tids]].sum()
        for utt, tids in share.tids.items()]
    assert stats["log_like"][0] == pytest.approx(sum(scores), rel=1e-5)


def test_a_longer_or_shorter_alignment_is_not_taken(speech, tri1):
    utts = DataDir(speech.train).utts[:3]
    share, _ = share_of(speech, tri1, utts)
    tids = dict(share.tids)
    share.set_alignments({utts[0]: tids[utts[0]], utts[1]: tids[utts[1]][:-1], "other": tids[
        utts[2]]})
    assert list(share.tids) == utts[:1]


def test_transforms_add_up_and_speakers_without_alignments_get_one(speech, tri2b):
    data = DataDir(speech.train)
    spk, other = list(data.spk2utt)[:2]
    share, model = share_of(speech, tri2b, data.spk2utt[spk] + data.spk2utt[other])
    for utt in data.spk2utt[other]:
        del share.tids[utt]
    before = share.accumulate(model)["log_like"]
    answers = [share.estimate_transforms(model, 100) for _ in range(3)]
    gains = [float(answer["gain"]) for answer in answers]
    assert answers[0]["as_they_are"] == 0
    assert gains[0] > 20
    assert all(gain >= 0 for gain in gains)
    assert gains[2] < gains[0]
    assert np.array_equal(share.transforms[other], identity(model.dim))
    stretch = np.linalg.slogdet(share.transforms[spk][:, :-1])[1] * len(share.aligned())
    assert share.accumulate(model)["log_like"] + stretch > before
    utt = data.spk2utt[spk][0]
    expected = apply_affine(share.base[share.span[utt]], share.transforms[spk])
    assert np.allclose(share.feats[share.span[utt]], expected)
    answer = share.estimate_transforms(model, 1e9)
    assert (answer["gain"], answer["as_they_are"]) == (0, 1)
    assert gain_line(answer, 2, 1e9).endswith(
        "frames of 2 speakers, 1 of whom stay as they are, with less than --fmllr-min-count 1e+09 "
        "frames or nothing to gain")


def test_posteriors_of_nought_and_one_are_an_alignment(shares):
    share, model = shares[1]
    utt, tids = next(iter(share.tids.items()))
    feats, pdfs = share.feats[share.span[utt]], share.transitions.tid2pdf[tids]
    aligned = fmllr_stats(model, feats, pdfs)
    order = np.random.default_rng(0).permutation(len(pdfs))
    certain = fmllr_stats(model, feats, pdfs[order], None, order,
                          np.ones(len(pdfs), np.float32))
    assert certain.beta == aligned.beta == len(pdfs)
    assert np.allclose(certain.K, aligned.K, rtol=1e-4, atol=1e-3)
    assert np.allclose(certain.packed, aligned.packed, rtol=1e-4, atol=1e-2)


def test_posteriors_weigh(shares):
    """Two halves of a frame in two pdfs are half of each frame's statistics."""
    share, model = shares[1]
    feats = share.feats[:50]
    first, second = np.full(50, 3), np.full(50, 7)
    both = fmllr_stats(model, feats, np.concatenate([first, second]), None,
                       np.tile(np.arange(50), 2), np.repeat([0.25, 0.75], 50).astype(np.float32))
    parts = [fmllr_stats(model, feats, pdfs) for pdfs in (first, second)]
    assert both.beta == pytest.approx(50)
    assert np.allclose(both.K, 0.25 * parts[0].K + 0.75 * parts[1].K, rtol=1e-4, atol=1e-2)
    assert np.allclose(both.packed, 0.25 * parts[0].packed + 0.75 * parts[1].packed, rtol=1e-4,
                       atol=0.1)
    assert fmllr_stats(model, feats, np.zeros(0, int)).beta == 0
