"""Count n-grams and estimate interpolated modified Kneser-Ney models (Chen and Goodman 1998).

Everything is arrays: an n-gram is the number of its history among the (n - 1)-grams and its last
word, packed into one integer, and counting is sorting.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from utils.lang.arpa import NEVER, ArpaModel, Level

DEFAULT_DISCOUNTS = (0.5, 1.0, 1.5)   # where no order of a tiny text gives any; as KenLM's fallback
DECIMALS = 7                          # of the log10 probabilities


@dataclass
class Counts:
    """The n-grams of one order in a text, sorted by (context, word).

    context     int32 (num_ngrams,), number of the history among the counts one order below
    word        int32 (num_ngrams,)
    suffix      int32 (num_ngrams,), number of the n-gram without its first word, one order below
    count       int64 (num_ngrams,), occurrences
    from_start  bool (num_ngrams,), whether the first word is <s>
    """

    context: np.ndarray
    word: np.ndarray
    suffix: np.ndarray
    count: np.ndarray
    from_start: np.ndarray


def count_ngrams(tokens, num_words, order, bos):
    """Counts of every order from 1; fewer orders if no sentence is that long.

    tokens   int32 (num_tokens,): sentences, each beginning with the id bos; -1 breaks n-grams
    returns  list of Counts; the unigrams are the whole vocabulary, seen or not
    """
    position = np.arange(len(tokens), dtype=np.int32)
    # n-grams that end at t may begin no earlier than at earliest[t].
    earliest = np.maximum.accumulate(np.where(tokens < 0, position + 1,
                                              np.where(tokens == bos, position, 0)))
    vocabulary = np.arange(num_words, dtype=np.int32)
    zeros = np.zeros(num_words, np.int32)
    levels = [Counts(zeros, vocabulary, zeros,
                     np.bincount(tokens[tokens >= 0], minlength=num_words), vocabulary == bos)]
    number = tokens       # of the n-gram of this order that ends at each position
    for n in range(2, order + 1):
        ends = np.flatnonzero(earliest <= position - (n - 1))
        if not len(ends):
            break
        keys = number[ends - 1].astype(np.int64) * num_words + tokens[ends]
        unique, first, inverse, count = _group(keys)
        context = (unique // num_words).astype(np.int32)
        levels.append(Counts(context, (unique % num_words).astype(np.int32), number[ends[first]],
                             count, levels[-1].from_start[context]))
        number = np.full(len(tokens), -1, np.int32)
        number[ends] = inverse
    return levels


def _group(keys):
    """np.unique with index, inverse (int32) and counts, in less memory."""
    rank = np.argsort(keys, kind="stable")
    keys = keys[rank]
    new = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    inverse = np.empty(len(keys), np.int32)
    inverse[rank] = np.cumsum(new, dtype=np.int32) - 1
    starts = np.flatnonzero(new)
    return keys[starts], rank[starts], inverse, np.diff(starts, append=len(keys))


def adjusted_counts(levels):
    """Kneser-Ney's counts: occurrences at the highest order, below it how many different words
    come before an n-gram; occurrences again where it begins with <s>, before which nothing comes.

    returns   list of int64 (num_ngrams,)
    """
    result = []
    for level, above in pairwise(levels):
        different = np.bincount(above.suffix, minlength=len(level.word))
        # 0 only after a skipped word, which counts as one.
        different = np.maximum(different, level.count > 0)
        result.append(np.where(level.from_start, level.count, different))
    result.append(levels[-1].count.copy())
    result[0][levels[0].from_start] = 0     # <s> is never predicted
    return result


def find_discounts(counts_of_orders):
    """Discounts of n-grams seen once, twice, and three or more times, for every order.

    Modified Kneser-Ney's where the numbers of n-grams seen one to four times are all there and
    give discounts in range; else, as in small texts, one absolute discount for all counts; else
    those of the next higher order, the next lower one, or DEFAULT_DISCOUNTS.

    counts_of_orders   list of int64 (num_ngrams,)
    returns            list of (d1, d2, d3+), list of how each was found
    """
    found = []
    for counts in counts_of_orders:
        n = np.bincount(np.minimum(counts, 5), minlength=6).tolist()
        if min(n[1:5]) > 0:
            y = n[1] / (n[1] + 2 * n[2])
            values = tuple(c - (c + 1) * y * n[c + 1] / n[c] for c in (1, 2, 3))
            if all(value > 0 for value in values):
                found.append((values, "modified Kneser-Ney"))
                continue
        if n[1] and n[2]:
            found.append(((n[1] / (n[1] + 2 * n[2]),) * 3, "absolute"))
        else:
            found.append(None)
    for order in (*range(len(found) - 2, -1, -1), *range(1, len(found))):
        for other in (order + 1, order - 1):
            if found[order] is None and 0 <= other < len(found) and found[other]:
                found[order] = (found[other][0], f"of order {other + 1}")
    found = [entry or (DEFAULT_DISCOUNTS, "default") for entry in found]
    return [values for values, _ in found], [how for _, how in found]


def estimate(levels, words, bos, discounts, min_counts=()):
    """Interpolated modified Kneser-Ney, as back-off model.

    p(w | h) = (c(hw) - D(c(hw))) / c(h.) + g(h) p(w | h'), where h' is h without its first word,
    and the unigrams' p(w | h') is uniform over the vocabulary without <s>.

    levels      list of Counts; words their vocabulary, bos the id of <s>
    discounts   those of find_discounts
    min_counts  n-grams of order n seen fewer than min_counts[n - 1] times are left out, and their
                mass goes to the lower order; not decreasing; the unigrams' is not looked at
    returns     ArpaModel
    """
    prob = np.full(len(words), 1.0 / (len(words) - 1))    # of each n-gram one order below
    row = np.zeros(len(words), np.int32)                  # its row in the model
    kept = np.zeros(0, np.intp)                           # those that have a row
    result = []
    for level, count, values in zip(levels, adjusted_counts(levels), discounts, strict=True):
        order = len(result) + 1
        least = min_counts[order - 1] if order > 1 and len(min_counts) >= order else 0
        keep = level.count >= least
        discount = np.array([0.0, *values])[np.minimum(count, 3)]
        total = np.bincount(level.context, weights=count, minlength=len(row))
        freed = np.bincount(level.context, weights=np.where(keep, discount, count),
                            minlength=len(row))
        weight = np.divide(freed, total, out=np.ones(len(row)), where=total > 0)
        lower = prob[level.suffix] if order > 1 else prob
        prob = (count - discount) / np.maximum(total, 1)[level.context] \
            + weight[level.context] * lower
        if order > 1:
            result[-1].backoff[:] = _log10(weight[kept])
        # What is kept has its history and its suffix kept: both were seen as often or more.
        kept = np.flatnonzero(keep)
        result.append(Level(row[level.context[kept]], level.word[kept], _log10(prob[kept]),
                            np.zeros(len(kept))))
        row = (np.cumsum(keep) - 1).astype(np.int32)
    result[0].logprob[bos] = NEVER
    return ArpaModel(words, [level for level in result if len(level)])


def _log10(prob):
    return np.round(np.log10(prob), DECIMALS) + 0.0
