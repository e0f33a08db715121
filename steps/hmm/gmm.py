"""Diagonal-covariance Gaussian mixtures, one per pdf: likelihoods, EM, growing.

All Gaussians of a model lie in one array; pdf p owns rows offsets[p]:offsets[p + 1].
"""

import itertools

import numba
import numpy as np

LOG_2PI = float(np.log(2 * np.pi))
BLOCK = 1024                 # frames whose likelihoods are held at once
MIN_GAUSSIAN_OCCUPANCY = 10.0
MIN_GAUSSIAN_WEIGHT = 1e-5
MIN_VARIANCE = 0.001         # of a feature that does not vary, as Kaldi's
ROUNDING = 1e-8              # what variances below are but rounding, relative to the mean's square
PERTURB = 0.01               # of a standard deviation, when a Gaussian is split


class Gmm:
    """Acoustic model of all pdfs.

    offsets  int32 (num_pdfs + 1,)
    weights  float64 (num_gauss,), summing to 1 over each pdf
    means    float64 (num_gauss, dim)
    vars     float64 (num_gauss, dim)
    """

    def __init__(self, offsets, weights, means, variances):
        self.offsets = np.asarray(offsets, np.int32)
        self.weights = np.asarray(weights, np.float64)
        self.means = np.asarray(means, np.float64)
        self.vars = np.asarray(variances, np.float64)
        self._projection = None

    @property
    def num_pdfs(self):
        return len(self.offsets) - 1

    @property
    def num_gauss(self):
        return len(self.weights)

    @property
    def dim(self):
        return self.means.shape[1]

    def projection(self):
        """Matrix float32 (2 dim + 1, num_gauss): [x, x^2, 1] times it is log w + log N(x)."""
        if self._projection is None:
            inverse = 1 / self.vars
            constant = np.log(self.weights) - 0.5 * (
                self.dim * LOG_2PI + np.log(self.vars).sum(1) + (self.means ** 2 * inverse).sum(1))
            self._projection = np.ascontiguousarray(np.vstack(
                [(self.means * inverse).T, -0.5 * inverse.T, constant]), np.float32)
        return self._projection

    def component_log_likes(self, feats, columns=slice(None)):
        """Weighted log-likelihoods of Gaussians: float32 (num_frames, number of columns)."""
        matrix = self.projection()[:, columns]
        return extend(feats) @ matrix

    def log_likes(self, feats, pdfs=None):
        """Log-likelihood of every frame under every pdf, or under the given ones.

        feats    float32 (num_frames, dim)
        pdfs     int array of the pdfs wanted, in the order wanted; None for all
        returns  float32 (num_frames, number of pdfs), in nats
        """
        if pdfs is None:
            matrix, offsets = self.projection(), self.offsets
        else:
            sizes = np.diff(self.offsets)[pdfs]
            offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
            columns = np.arange(offsets[-1]) + np.repeat(self.offsets[pdfs] - offsets[:-1], sizes)
            matrix = np.take(self.projection(), columns, axis=1)
        result = np.empty((len(feats), len(offsets) - 1), np.float32)
        for start in range(0, len(feats), BLOCK):
            block = slice(start, start + BLOCK)
            _log_sum_groups(extend(feats[block]) @ matrix, offsets, result[block])
        return result

    def log_like_blocks(self, feats):
        """log_likes of all pdfs, BLOCK frames after the other."""
        for start in range(0, len(feats), BLOCK):
            yield self.log_likes(feats[start:start + BLOCK])

    # re-estimation (Rabiner 1989, section IV; frames belong to pdfs by a Viterbi alignment)

    def accumulate(self, feats, pdfs, summed=None):
        """Statistics of frames aligned to pdfs.

        feats    float32 (num_frames, dim);  pdfs  int (num_frames,)
        summed   float32 (num_frames, dim): other features of the same frames to sum, by the
                 posteriors that feats give; feats themselves if None
        returns  {"occ": (num_gauss,), "x": (num_gauss, dim), "x2": the same, "log_like": total}
        """
        stats = {"occ": np.zeros(self.num_gauss), "x": np.zeros((self.num_gauss, self.dim)),
                 "x2": np.zeros((self.num_gauss, self.dim)), "log_like": np.zeros(1)}
        if len(feats) == 0:
            return stats
        for pdf, frames in by_pdf(pdfs):
            span = slice(self.offsets[pdf], self.offsets[pdf + 1])
            x = feats[frames]
            gamma, total = responsibilities(self.component_log_likes(x, span))
            stats["log_like"] += total.sum(dtype=np.float64)
            stats["occ"][span] += gamma.sum(0, dtype=np.float64)
            if summed is not None:
                x = summed[frames]
            stats["x"][span] += gamma.T @ x
            stats["x2"][span] += gamma.T @ (x * x)
        return stats

    def update(self, stats, var_floor, drop=True, smoothing=0.0):
        """One maximum-likelihood step, or maximum a posteriori for the variances.

        stats      sums of accumulate() over the data
        var_floor  float64 (dim,)
        drop       whether Gaussians with next to no frames are dropped
        smoothing  frames as varied as the whole pdf that each variance counts in (Gauvain and Lee
                   1994): a Gaussian of few frames of few speakers is else far too sure of itself
        returns    a new Gmm and the frames of each of its Gaussians, float64 (num_gauss,)
        """
        occ = stats["occ"]
        weights = np.empty_like(occ)
        keep = np.ones(self.num_gauss, bool)
        for pdf in range(self.num_pdfs):
            span = slice(self.offsets[pdf], self.offsets[pdf + 1])
            total = occ[span].sum()
            weights[span] = occ[span] / total if total > 0 else self.weights[span]
            if drop and span.stop - span.start > 1:
                poor = (occ[span] < MIN_GAUSSIAN_OCCUPANCY) | (weights[span] < MIN_GAUSSIAN_WEIGHT)
                poor[np.argmax(weights[span])] = False
                keep[span] = ~poor
        enough = occ >= MIN_GAUSSIAN_OCCUPANCY
        safe = np.where(occ > 0, occ, 1)[:, None]
        means = np.where(enough[:, None], stats["x"] / safe, self.means)
        variances = np.where(enough[:, None], stats["x2"] / safe - means ** 2, self.vars)
        if smoothing:
            variances = self._smoothed(stats, occ, variances, smoothing)
        weights = np.maximum(weights, MIN_GAUSSIAN_WEIGHT)
        return self._rebuilt(keep, weights, means, np.maximum(variances, var_floor)), occ[keep]

    def _smoothed(self, stats, occ, variances, smoothing):
        """Variances, each with `smoothing` frames of its pdf's total variance added."""
        first, sizes = self.offsets[:-1], np.diff(self.offsets)
        total = np.add.reduceat(occ, first)[:, None]
        seen = np.repeat(total >= MIN_GAUSSIAN_OCCUPANCY, sizes, axis=0)
        total = np.maximum(total, MIN_GAUSSIAN_OCCUPANCY)
        means = np.add.reduceat(stats["x"], first) / total
        prior = np.repeat(np.add.reduceat(stats["x2"], first) / total - means ** 2, sizes, axis=0)
        occ = occ[:, None]
        return np.where(seen, (variances * occ + smoothing * prior) / (occ + smoothing), variances)

    def _rebuilt(self, keep, weights, means, variances):
        pdf_of = np.repeat(np.arange(self.num_pdfs), np.diff(self.offsets))[keep]
        weights = weights[keep]
        weights = weights / np.bincount(pdf_of, weights, self.num_pdfs)[pdf_of]
        counts = np.bincount(pdf_of, minlength=self.num_pdfs)
        return Gmm(np.concatenate([[0], np.cumsum(counts)]), weights, means[keep], variances[keep])

    def mix_up(self, occ, target, power, min_count, rng):
        """Split Gaussians until the model has about `target`, shared out by occupancy ** power.

        occ  float64 (num_gauss,): frames of each Gaussian; the heaviest of a pdf is split first,
             into two that differ by PERTURB standard deviations (Young et al., HTK book)
        """
        pdf_occ = np.add.reduceat(occ, self.offsets[:-1])
        targets = split_targets(pdf_occ, target, power, min_count)
        offsets, weights, means, variances = [0], [], [], []
        for pdf in range(self.num_pdfs):
            span = slice(self.offsets[pdf], self.offsets[pdf + 1])
            w, m, v = list(self.weights[span]), list(self.means[span]), list(self.vars[span])
            while len(w) < targets[pdf]:
                heaviest = int(np.argmax(w))
                w[heaviest] /= 2
                step = rng.standard_normal(self.dim) * PERTURB * np.sqrt(v[heaviest])
                w.append(w[heaviest])
                m.append(m[heaviest] + step)
                v.append(v[heaviest])
                m[heaviest] = m[heaviest] - step
            weights += w
            means += m
            variances += v
            offsets.append(len(weights))
        return Gmm(offsets, weights, np.array(means), np.array(variances))

    def to_arrays(self):
        return {"offsets": self.offsets, "weights": self.weights,
                "means": self.means, "vars": self.vars}


def from_arrays(arrays):
    """The Gmm of to_arrays(); LookupError or ValueError if these are none."""
    made = Gmm(arrays["offsets"], arrays["weights"], arrays["means"], arrays["vars"])
    if made.offsets.ndim != 1 or made.offsets[:1].tolist() != [0] \
            or (np.diff(made.offsets) < 1).any() or made.offsets[-1] != made.weights.size \
            or made.weights.ndim != 1:
        raise ValueError(f"{made.weights.shape} weights, of which not every pdf has its own")
    if made.means.ndim != 2 or not made.means.shape == made.vars.shape \
            or len(made.means) != made.num_gauss:
        raise ValueError(f"{made.num_gauss} Gaussians, means of {made.means.shape}, variances of "
                         f"{made.vars.shape}")
    if not (np.isfinite(made.means).all() and made.vars.min(initial=1) > 0
            and np.isfinite(made.vars).all() and 0 <= made.weights.min() < np.inf):
        raise ValueError("means, variances or weights that are no numbers, or below 0")
    return made


def single_gaussians(occ, x, x2, var_floor):
    """One Gaussian per pdf from its frames' sums; a pdf with none gets the global one.

    occ float64 (num_pdfs,), x and x2 float64 (num_pdfs, dim)
    """
    mean = x.sum(0) / occ.sum()
    variance = x2.sum(0) / occ.sum() - mean ** 2
    enough = (occ >= MIN_GAUSSIAN_OCCUPANCY)[:, None]
    safe = np.maximum(occ, 1)[:, None]
    means = np.where(enough, x / safe, mean)
    variances = np.where(enough, x2 / safe - means ** 2, variance)
    return Gmm(np.arange(len(occ) + 1), np.ones(len(occ)), means,
               np.maximum(variances, var_floor))


def variance_floor(occ, x, x2):
    """The least variance of any Gaussian: 0.01 of that of all frames, float64 (dim,).

    A feature that does not vary at all, as of a filter above what was recorded, has MIN_VARIANCE.

    occ float64 (n,), x and x2 float64 (n, dim), as of single_gaussians()
    """
    mean = x.sum(0) / occ.sum()
    variance = x2.sum(0) / occ.sum() - mean ** 2
    varies = variance > ROUNDING * (1 + mean ** 2)
    return np.where(varies, 0.01 * variance, MIN_VARIANCE)


def split_targets(occ, target, power, min_count):
    """How many Gaussians each pdf gets: the next always goes where occ ** power / count is largest.

    occ float64 (num_pdfs,);  no pdf gets more than occ / min_count;  returns int (num_pdfs,)
    """
    occ = np.asarray(occ, float)
    counts = np.ones(len(occ), int)
    limit = np.maximum(1, occ // min_count)
    smoothed = np.maximum(occ, 1e-3) ** power
    while counts.sum() < target:
        score = np.where(counts + 1 <= limit, smoothed / counts, -1.0)
        # Many at a time: all whose share is within reach of the best's next share.
        best = np.argmax(score)
        if score[best] < 0:
            break
        ready = np.flatnonzero(score >= score[best] * 0.999)[:target - counts.sum()]
        counts[ready] += 1
    return counts


def by_pdf(pdfs):
    """Pairs (pdf, indices of its frames), in the order of the pdfs."""
    order = np.argsort(pdfs, kind="stable")
    ordered = pdfs[order]
    bounds = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1, append=ordered[-1] + 1))
    return [(int(ordered[a]), order[a:b]) for a, b in itertools.pairwise(bounds)]


def responsibilities(log_likes):
    """Posteriors of the Gaussians of one pdf and the frames' log-likelihoods.

    log_likes float32 (num_frames, num_gauss)  ->  float32 of the same shape, (num_frames,)
    """
    peak = log_likes.max(1, keepdims=True)
    gamma = np.exp(log_likes - peak)
    total = gamma.sum(1, keepdims=True)
    gamma /= total
    return gamma, (peak + np.log(total))[:, 0]


def extend(feats):
    """[x, x^2, 1] of each frame: float32 (num_frames, 2 dim + 1)."""
    dim = feats.shape[1]
    extended = np.empty((len(feats), 2 * dim + 1), np.float32)
    extended[:, :dim] = feats
    np.multiply(extended[:, :dim], extended[:, :dim], out=extended[:, dim:2 * dim])
    extended[:, -1] = 1
    return extended


@numba.njit(cache=True, nogil=True)
def _subtract_peaks(values, offsets, peaks):
    """values[t, g] -= peaks[t, p], the largest of group p = offsets[p]:offsets[p + 1]."""
    for t in range(values.shape[0]):
        for p in range(len(offsets) - 1):
            peak = values[t, offsets[p]]
            for g in range(offsets[p] + 1, offsets[p + 1]):
                peak = max(peak, values[t, g])
            for g in range(offsets[p], offsets[p + 1]):
                values[t, g] -= peak
            peaks[t, p] = peak


@numba.njit(cache=True, nogil=True)
def _sum_groups(values, offsets, sums):
    for t in range(values.shape[0]):
        for p in range(len(offsets) - 1):
            total = np.float32(0)
            for g in range(offsets[p], offsets[p + 1]):
                total += values[t, g]
            sums[t, p] = total


def _log_sum_groups(values, offsets, result):
    """result[t, p] = log sum exp of values[t, offsets[p]:offsets[p + 1]]; values are overwritten.

    The exponentials are numpy's, whose vectorised ones are several times faster than numba's.
    """
    sums = np.empty_like(result)
    _subtract_peaks(values, offsets, result)
    np.exp(values, out=values)
    _sum_groups(values, offsets, sums)
    result += np.log(sums)
