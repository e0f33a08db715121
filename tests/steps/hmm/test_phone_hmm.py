"""PhoneHmm against hmmlearn's own GMMHMM, unchanged."""

import numpy as np
import pytest
from hmmlearn.hmm import GMMHMM

from steps.hmm.phone_hmm import PhoneHmm

STATES, MIX, DIM = 3, 2, 4
TRANSMAT = np.array([[0.7, 0.3, 0], [0, 0.6, 0.4], [0, 0, 1.0]])
FLOOR = np.full(DIM, 1e-6)


def parameters(seed):
    rng = np.random.default_rng(seed)
    return (rng.dirichlet(np.ones(MIX), STATES), rng.normal(size=(STATES, MIX, DIM)),
            rng.uniform(0.5, 2, (STATES, MIX, DIM)))


def phone(seed=0, exits=(True, True, True)):
    return PhoneHmm(TRANSMAT, np.array(exits), *parameters(seed))


def stock(seed=0):
    hmm = GMMHMM(STATES, MIX, covariance_type="diag", init_params="", params="wmc", n_iter=1)
    hmm.startprob_, hmm.transmat_ = np.eye(STATES)[0], TRANSMAT
    hmm.weights_, hmm.means_, hmm.covars_ = parameters(seed)
    hmm.n_features = DIM
    return hmm


def segments(seed=1, count=30):
    """Runs of frames that start in the first state and pass through all three."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 12, count)
    means = np.array([[0, 1, 2, 3], [3, 0, 1, -1], [-2, 2, 0, 0]])
    parts = []
    for length in lengths:
        state = np.minimum(np.arange(length) * 3 // length, 2)
        parts.append(means[state] + rng.normal(size=(length, DIM)))
    return np.concatenate(parts), lengths


def step(hmm, feats, lengths):
    stats, log_prob = hmm._do_estep(feats, lengths)
    hmm.update(stats["post_mix_sum"], stats["m_n"], stats["x2"], FLOOR)
    return log_prob


def test_one_step_is_hmmlearns():
    feats, lengths = segments()
    ours, theirs = phone(), stock()
    old_means = theirs.means_.copy()
    expected = theirs.score(feats, lengths)
    assert step(ours, feats, lengths) == pytest.approx(expected, rel=1e-8)
    theirs.fit(feats, lengths)
    assert ours.weights_ == pytest.approx(theirs.weights_, abs=1e-6)
    assert ours.means_ == pytest.approx(theirs.means_, rel=1e-7)
    # hmmlearn takes the squares about the old means; ours are about the new ones.
    shift = (theirs.means_ - old_means) ** 2
    assert ours.covars_ == pytest.approx(theirs.covars_ - shift, rel=1e-6)


def test_jobs_sums_are_one_passs():
    feats, lengths = segments()
    whole, parts = phone(), phone()
    step(whole, feats, lengths)
    cut = lengths[:11].sum()
    first, _ = parts._do_estep(feats[:cut], lengths[:11])
    second, _ = parts._do_estep(feats[cut:], lengths[11:])
    parts.update(*(first[k] + second[k] for k in ("post_mix_sum", "m_n", "x2")), FLOOR)
    assert parts.means_ == pytest.approx(whole.means_, rel=1e-9)
    assert parts.covars_ == pytest.approx(whole.covars_, rel=1e-7)
    assert parts.weights_ == pytest.approx(whole.weights_, rel=1e-9)


def test_likelihood_rises():
    feats, lengths = segments()
    hmm = phone(seed=3)
    likes = [step(hmm, feats, lengths) for _ in range(12)]
    assert np.all(np.diff(likes) > -1e-6)
    assert likes[-1] > likes[0] + 10


def test_segments_end_where_the_hmm_can_be_left():
    feats, lengths = segments(count=3)
    total = 0.0
    hmm, start = phone(exits=(False, False, True)), 0
    for length in lengths:
        total += best_of_all_paths(hmm, feats[start:start + length])
        start += length
    stats, log_prob = hmm._do_estep(feats, lengths)
    assert log_prob == pytest.approx(total, rel=1e-8)
    assert stats["post_sum"].sum() == pytest.approx(len(feats))
    free = phone()._do_estep(feats, lengths)[1]
    assert log_prob < free


def best_of_all_paths(hmm, feats):
    """Log of the sum over all paths that end in the last state (Rabiner 1989, eq. 18)."""
    likes = hmm._compute_log_likelihood(feats)
    alpha = np.log(np.maximum(hmm.startprob_, 1e-300)) + likes[0]
    for frame in likes[1:]:
        with np.errstate(divide="ignore"):
            alpha = np.logaddexp.reduce(alpha[:, None] + np.log(hmm.transmat_), axis=0) + frame
    return alpha[-1]


def test_a_component_without_frames_stays_and_a_state_without_keeps_all():
    hmm = phone()
    occ = np.array([[5.0, 0.0], [3, 4], [2, 2]])
    x, x2 = occ[:, :, None] * 2.0, occ[:, :, None] * 5.0
    x, x2 = np.broadcast_to(x, (3, 2, DIM)), np.broadcast_to(x2, (3, 2, DIM))
    before = hmm.means_.copy(), hmm.covars_.copy()
    hmm.update(occ, x, x2, FLOOR)
    assert hmm.means_[0, 1] == pytest.approx(before[0][0, 1])
    assert hmm.covars_[0, 1] == pytest.approx(before[1][0, 1])
    assert hmm.means_[1, 0] == pytest.approx(np.full(DIM, 2.0))
    assert hmm.covars_[1, 0] == pytest.approx(np.full(DIM, 1.0))
    assert hmm.weights_[1] == pytest.approx([3 / 7, 4 / 7])
    assert hmm.weights_.sum(1) == pytest.approx(np.ones(3))
    untouched = phone()
    occ[2] = 0
    untouched.update(occ, x, x2, FLOOR)
    assert np.array_equal(untouched.means_, phone().means_)


def test_variances_are_floored():
    hmm = phone()
    ones = np.ones((3, 2, DIM))
    hmm.update(ones[:, :, 0], ones, ones, np.full(DIM, 0.3))
    assert hmm.covars_ == pytest.approx(np.full((3, 2, DIM), 0.3))


def test_grow_splits_the_heaviest_of_each_state():
    hmm = phone()
    grown = hmm.grow(4, np.random.default_rng(0), 0.2)
    assert grown.means_.shape == (3, 4, DIM)
    assert grown.weights_.sum(1) == pytest.approx(np.ones(3))
    assert np.einsum("sm,smd->sd", grown.weights_, grown.means_) == pytest.approx(
        np.einsum("sm,smd->sd", hmm.weights_, hmm.means_))
    assert hmm.means_.shape == (3, 2, DIM)
    feats, lengths = segments()
    before = hmm._do_estep(feats, lengths)[1]
    assert grown._do_estep(feats, lengths)[1] == pytest.approx(before, rel=0.05)
    first = step(grown, feats, lengths)
    assert step(grown, feats, lengths) > first


def test_frames_far_from_all_means():
    feats, lengths = segments(count=4)
    stats, log_prob = phone()._do_estep(feats + 300, lengths)
    assert np.isfinite(log_prob)
    assert np.isfinite(stats["m_n"]).all()
    assert stats["post_sum"].sum() == pytest.approx(len(feats))
