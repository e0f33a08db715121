"""Left-to-right GMM-HMMs of single phones, trained by hmmlearn on the phones' segments.

A segment is a run of frames that an alignment gives to one phone. hmmlearn's GMMHMM re-estimates
the mixtures by forward-backward within the segments; a segment begins in the first HMM state and
ends in one that can be left. Sums over segments from several jobs are added before the M-step.
"""

import numpy as np
from hmmlearn import _hmmc
from hmmlearn.hmm import GMMHMM

TINY = 1e-10      # occupancy and weight that count as none


class PhoneHmm(GMMHMM):
    """One phone's HMM; its topology's transitions are given and stay as they are.

    transmat  float64 (num_states, num_states), rows summing to 1, without the way out
    exits     bool (num_states,): states that a segment may end in
    weights   float64 (num_states, n_mix);  means, covars  float64 (num_states, n_mix, dim)
    """

    def __init__(self, transmat, exits, weights, means, covars):
        num_states, n_mix, dim = means.shape
        super().__init__(n_components=num_states, n_mix=n_mix, covariance_type="diag",
                         params="wmc", init_params="")
        self.n_features = dim
        self.startprob_ = np.eye(num_states)[0]
        self.transmat_, self.exits = transmat, exits
        self.weights_, self.means_, self.covars_ = weights, means, covars
        self._init_covar_priors()
        self._fix_priors_shape()

    def _compute_component_log_likes(self, X):
        """log w + log N of every frame: float64 (num_frames, num_states, n_mix)."""
        inverse = 1 / self.covars_.reshape(-1, self.n_features)
        means = self.means_.reshape(-1, self.n_features)
        constant = -0.5 * (self.n_features * np.log(2 * np.pi) - np.log(inverse).sum(1)
                           + (means ** 2 * inverse).sum(1))
        log_likes = X @ (means * inverse).T - 0.5 * (X * X) @ inverse.T + constant
        with np.errstate(divide="ignore"):
            log_likes += np.log(self.weights_.ravel())
        return log_likes.reshape(-1, self.n_components, self.n_mix)

    def _do_estep(self, X, lengths):
        """hmmlearn's E-step, with the likelihoods of all segments computed at once.

        X        float64 (num_frames, dim), the segments one after the other
        lengths  int (num_segments,)
        returns  stats as GMMHMM._do_mstep takes them, with sums of squares ("x2") in place of
                 squares about the old means, and the total log-likelihood
        """
        stats = self._initialize_sufficient_statistics()
        components = self._compute_component_log_likes(X)
        peak = components.max(2, keepdims=True)
        likes = np.exp(components - peak)
        total = likes.sum(2, keepdims=True)
        likes /= total
        frame_log_likes = (peak + np.log(total))[:, :, 0]
        ends = np.cumsum(lengths)
        masked = frame_log_likes[ends - 1]
        masked[:, ~self.exits] = -np.inf
        frame_log_likes[ends - 1] = masked
        posteriors = np.empty_like(frame_log_likes)
        log_prob = 0.0
        for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True):
            block = frame_log_likes[start:end]
            score, forward = _hmmc.forward_log(self.startprob_, self.transmat_, block)
            posteriors[start:end] = forward
            posteriors[start:end] += _hmmc.backward_log(self.startprob_, self.transmat_, block)
            posteriors[start:end] -= score
            log_prob += score
        np.exp(posteriors, out=posteriors)
        np.nan_to_num(posteriors, copy=False)
        likes *= posteriors[:, :, None]
        flat = likes.reshape(len(X), -1)
        shape = self.n_components, self.n_mix, self.n_features
        stats["nobs"] += len(lengths)
        stats["post_sum"] = posteriors.sum(0)
        stats["post_mix_sum"] = likes.sum(0)
        stats["m_n"] = (flat.T @ X).reshape(shape)
        stats["x2"] = (flat.T @ (X * X)).reshape(shape)
        return stats, log_prob

    def update(self, occ, x, x2, var_floor):
        """hmmlearn's M-step on sums over all jobs, variances about the new means and floored.

        occ  float64 (num_states, n_mix);  x, x2  float64 (num_states, n_mix, dim)
        A mixture component that saw no frames keeps its mean and variance.
        """
        seen = occ > TINY
        if not seen.any(1).all():
            return
        old_means, old_covars = self.means_, self.covars_
        safe = np.where(seen, occ, 1.0)[:, :, None]
        stats = self._initialize_sufficient_statistics()
        stats.update(post_sum=occ.sum(1), post_mix_sum=np.where(seen, occ, 0.0),
                     m_n=x, c_n=np.where(seen[:, :, None], x2 - x * x / safe, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            self._do_mstep(stats)
        self.means_ = np.where(seen[:, :, None], self.means_, old_means)
        self.covars_ = np.maximum(np.where(seen[:, :, None], self.covars_, old_covars), var_floor)
        self.weights_ = np.maximum(self.weights_, 1e-6)
        self.weights_ /= self.weights_.sum(1, keepdims=True)

    def grow(self, n_mix, rng, perturb):
        """The same HMM with n_mix components a state: the heaviest are split, one by one."""
        weights, means, covars = self.weights_, self.means_, self.covars_
        while means.shape[1] < n_mix:
            rows = np.arange(self.n_components)
            heaviest = weights.argmax(1)
            step = perturb * rng.standard_normal(means[rows, heaviest].shape) \
                * np.sqrt(covars[rows, heaviest])
            weights = weights.copy()
            weights[rows, heaviest] /= 2
            means = np.concatenate([means, (means[rows, heaviest] + step)[:, None]], 1)
            means[rows, heaviest] -= step
            covars = np.concatenate([covars, covars[rows, heaviest][:, None]], 1)
            weights = np.concatenate([weights, weights[rows, heaviest][:, None]], 1)
        return PhoneHmm(self.transmat_, self.exits, weights, means, covars)
