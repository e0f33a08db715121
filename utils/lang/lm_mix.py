"""Interpolate n-gram models and give models back-off weights that normalise them."""

import numpy as np

from utils.lang.arpa import NEVER, ArpaModel, Level
from utils.lang.lm_score import encode, score_tokens
from utils.lang.lm_text import BOS, EOS
from utils.lang.ngram import DECIMALS

TINY = 10.0 ** -DECIMALS   # mass that is only the rounding of the probabilities
WEIGHT_RANGE = (1e-4, 1 - 1e-4)


def renormalise(model):
    """Set all back-off weights so that the probabilities after each history sum to 1:
    (1 - the sum of p(w | h)) / (1 - the sum of p(w | h')), over the words listed after h."""
    for order in range(2, model.order + 1):
        level, below = model.levels[order - 1], model.levels[order - 2]
        left, left_lower = left_over(model, order)
        weight = np.maximum(left, TINY) / np.maximum(left_lower, TINY)
        # Where every word is listed, nothing is left on either side and the weight is never used.
        used = (np.bincount(level.context, minlength=len(below)) > 0) & (left_lower > TINY)
        below.backoff[:] = np.round(np.log10(weight, out=np.zeros(len(below)), where=used),
                                    DECIMALS) + 0.0
    model.levels[-1].backoff[:] = 0.0


def left_over(model, order):
    """What the n-grams of `order` leave of their histories' probability, and what they would
    leave if each were backed off.

    returns   two float64 (number of n-grams one order below,)
    """
    level, count = model.levels[order - 1], len(model.levels[order - 2])
    prob = 10.0 ** level.logprob
    lower = 10.0 ** model.log_probs(model.ngrams(order)[:, 1:])
    return (1 - np.bincount(level.context, weights=prob, minlength=count),
            1 - np.bincount(level.context, weights=lower, minlength=count))


def mix(first, second, weight):
    """One model of all n-grams of either, weight * p_first + (1 - weight) * p_second.

    A word that one of the models lacks has probability 0 in it.
    """
    special = [first.unk or second.unk, BOS, EOS]
    rest = sorted((set(first.words) | set(second.words)) - set(special))
    words = [word for word in special if word in first.ids or word in second.ids] + rest
    models = [(first, _ids_in(first, words), weight), (second, _ids_in(second, words), 1 - weight)]
    mixed = ArpaModel(words, [])
    for order in range(1, max(first.order, second.order) + 1):
        ngrams = np.concatenate([_ids_in(mixed, model.words)[model.ngrams(order)]
                                 for model, _, _ in models if order <= model.order])
        context = mixed.rows(ngrams[:, :-1]) if order > 1 else np.zeros(len(ngrams), np.int64)
        key, where = np.unique(context * len(words) + ngrams[:, -1], return_index=True)
        ngrams = ngrams[where]
        prob = sum(share * 10.0 ** model.log_probs(ids[ngrams]) for model, ids, share in models)
        mixed.add_level(Level((key // len(words)).astype(np.int32), ngrams[:, -1],
                              np.round(np.log10(prob), DECIMALS) + 0.0, np.zeros(len(key))))
    if BOS in mixed.ids:
        mixed.levels[0].logprob[mixed.ids[BOS]] = NEVER
    renormalise(mixed)
    return mixed


def _ids_in(model, words):
    """int32 (num_words,): a model's ids of words, -1 where it has none."""
    return np.array([model.ids.get(word, -1) for word in words], np.int32)


def token_probs(model, path, utt_ids=False):
    """float64 (num_tokens,): p of each word and </s> of a text, 0 where the model lacks it."""
    tokens, begins, _ = encode(path, model, utt_ids)
    return 10.0 ** score_tokens(model, tokens, begins)[~begins]


def tune_weight(first, second, max_iterations=200):
    """The weight of the first of two models under which a text is most probable, by EM.

    first, second   float64 (num_tokens,), the text's probabilities; tokens of probability 0 in
                    both are left out
    returns         weight within WEIGHT_RANGE; perplexity
    """
    known = (first > 0) | (second > 0)
    first, second = first[known], second[known]
    if not len(first):
        return 0.5, float("inf")
    weight = 0.5
    for _ in range(max_iterations):
        posterior = weight * first / (weight * first + (1 - weight) * second)
        previous, weight = weight, float(np.clip(posterior.mean(), *WEIGHT_RANGE))
        if abs(weight - previous) < 1e-6:
            break
    mean = np.mean(np.log(weight * first + (1 - weight) * second))
    return weight, float(np.exp(-mean))
