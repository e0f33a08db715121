"""Bootstrap confidence of word error rates (Bisani & Ney, ICASSP 2004).

The units resampled are utterances or, as utterances of one voice are not independent, speakers.
"""

import numpy as np

NUM_REPLICATES = 10000
CHUNK = 2_000_000   # indices drawn at a time


def interval(errors, words, level=0.95, seed=0, num_replicates=NUM_REPLICATES):
    """The percentile interval of 100 * sum(errors) / sum(words).

    errors, words   (num_units,) counts of each unit
    returns         low, high in percent, of the replicates that have words; nan of nothing
    """
    if not np.sum(words):
        return float("nan"), float("nan")
    sums = resampled_sums(np.stack([errors, words], 1), seed, num_replicates)
    return _percentiles(*sums.T, level)


def paired_comparison(errors_a, errors_b, words, level=0.95, seed=0,
                      num_replicates=NUM_REPLICATES):
    """B's word error rate minus A's, with the same units in each replicate for both.

    errors_a, errors_b, words   (num_units,) counts of each unit
    returns   {"difference": in percent points, negative where B is better, "low", "high": its
              interval, "better": share of the replicates in which B has fewer errors, "equal":
              share in which both have as many, "p": two-sided, twice the share in which the other
              of the two is ahead or both are equal, what was measured counted as one replicate
              more (Davison & Hinkley 1997, 4.2.5), so never 0}
    """
    sums = resampled_sums(np.stack([errors_b, errors_a, words], 1), seed, num_replicates)
    fewer = sums[:, 0] - sums[:, 1]
    low, high = _percentiles(fewer, sums[:, 2], level)
    better, equal = float(np.mean(fewer < 0)), float(np.mean(fewer == 0))
    against = num_replicates * min(better + equal, 1 - better)
    return {"difference": 100 * float(np.sum(errors_b) - np.sum(errors_a)) / float(np.sum(words)),
            "low": low, "high": high,
            "better": better, "equal": equal,
            "p": min(1.0, 2 * (against + 1) / (num_replicates + 1))}


def resampled_sums(values, seed=0, num_replicates=NUM_REPLICATES):
    """Sums over as many units as there are, drawn with replacement.

    values    (num_units, num_columns) counts
    returns   int64 (num_replicates, num_columns)
    """
    values = np.asarray(values, np.int64)
    num_units = len(values)
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK // num_units)
    sums = []
    for start in range(0, num_replicates, chunk):
        size = (min(chunk, num_replicates - start), num_units)
        sums.append(values[rng.integers(num_units, size=size)].sum(1))
    return np.concatenate(sums)


def sums_by(labels, values):
    """Sums of rows with the same label: the labels, sorted, and int64 (num_labels, num_columns)."""
    names, index = np.unique(np.asarray(labels), return_inverse=True)
    sums = np.zeros((len(names), np.shape(values)[1]), np.int64)
    np.add.at(sums, index, np.asarray(values, np.int64))
    return names.tolist(), sums


def _percentiles(errors, words, level):
    """Of 100 errors / words, of those replicates that have words."""
    drawn = words > 0
    if not drawn.any():
        return float("nan"), float("nan")
    low, high = np.quantile(100 * errors[drawn] / words[drawn], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
