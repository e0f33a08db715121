"""Prune n-gram models by relative entropy (Stolcke 1998)."""

import numpy as np

from utils.lang.arpa import ArpaModel, Level
from utils.lang.lm_mix import TINY, left_over, renormalise
from utils.lang.lm_text import BOS


def prune(model, threshold, min_order=2, histories=None):
    """A model without the n-grams whose removal, each by itself, raises the model's perplexity
    by less than a fraction `threshold`; an n-gram stays as long as a longer one begins with it.

    min_order   n-grams shorter than this stay
    histories   ArpaModel that says how probable histories are, None for the model itself.
                A Kneser-Ney model's lower orders are not made to answer that; a model with other
                smoothing of the same text is the better judge (Chelba et al. 2010)
    returns     ArpaModel, normalised
    """
    levels = [Level(level.context, level.word, level.logprob, level.backoff.copy())
              for level in model.levels]
    pruned = ArpaModel(model.words, levels)
    for order in range(model.order, max(1, min_order - 1), -1):
        keep = perplexity_rise(pruned, order, histories or pruned) >= threshold
        if order < len(levels):
            keep |= np.bincount(levels[order].context, minlength=len(keep)) > 0
            row = np.cumsum(keep, dtype=np.int32) - 1
            above = levels[order]
            levels[order] = Level(row[above.context], above.word, above.logprob, above.backoff)
        level = levels[order - 1]
        levels[order - 1] = Level(level.context[keep], level.word[keep], level.logprob[keep],
                                  level.backoff[keep])
    while not len(levels[-1]):
        levels.pop()
    pruned = ArpaModel(model.words, levels)
    renormalise(pruned)
    return pruned


def perplexity_rise(model, order, histories):
    """How much the perplexity of the model rises, as a fraction, if one n-gram is removed and its
    history's back-off weight made up for it (Stolcke's equation 5).

    returns   float64 (num_ngrams,), for each n-gram of the order
    """
    level, ngrams = model.levels[order - 1], model.ngrams(order)
    left, left_lower = (np.maximum(part, TINY)[level.context] for part in left_over(model, order))
    log_prob = level.logprob * np.log(10)
    log_lower = model.log_probs(ngrams[:, 1:]) * np.log(10)
    prob, lower = np.exp(log_prob), np.exp(log_lower)
    log_weight = np.log(left / left_lower)
    log_new_weight = np.log((left + prob) / (left_lower + lower))
    divergence = -(prob * (log_lower + log_new_weight - log_prob)
                   + left * (log_new_weight - log_weight))
    return np.expm1(_history_prob(model, order, histories)[level.context] * divergence)


def _history_prob(model, order, histories):
    """float64 (num_histories,): probability of each (order - 1)-gram, that of <s> being 1."""
    ids = np.array([histories.ids.get(word, -1) for word in model.words], np.int32)
    contexts = model.ngrams(order - 1)
    result = np.zeros(len(contexts))
    for length in range(1, order):
        log_prob = histories.log_probs(ids[contexts[:, :length]])
        if length == 1 and BOS in model.ids:
            log_prob[contexts[:, 0] == model.ids[BOS]] = 0.0
        result += log_prob
    return 10.0 ** result
