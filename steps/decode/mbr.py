"""Minimum Bayes risk: the words of which the fewest are expected to be wrong, and how sure each is.

All sentences of a lattice are aligned with a hypothesis by edit distance. A word's confidence is
the posterior of the sentences that have this word at its place; where another word, or none, has a
higher posterior there, it is the better one, until no place changes (Xu, Povey, Mangu and Zhu
2011, "Minimum Bayes risk decoding and system combination based on a recursion for edit distance",
figures 4 and 5; Kaldi's lattice-mbr-decode).
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from steps.decode.determinize import determinize
from steps.decode.posteriors import posteriors_of

DELTA = 1e-5       # a little against insertions, so that ties go to the word
UNLIKELY = 1e-7    # posteriors of arcs that are left out
ROUNDING = 1e-9    # distances that differ by less are the same
SPREAD = 1.5       # between LM weights that share a determinized lattice
MAX_ROUNDS = 50    # risk falls in each round, and the second or third is the last as a rule


class Sentences(NamedTuple):
    """The sentences of a lattice, each once, as arcs of an acceptor with one state at the end.

    src, dst     int32 (num_arcs,), states; 0 the first, num_states - 1 the last
    word         int64 (num_arcs,), place in ids
    posterior    float64 (num_arcs,)
    ids          int32 (num_words,), word ids, sorted; 0, no word, is the first
    best         word ids of the likeliest sentence, a list
    """

    src: np.ndarray
    dst: np.ndarray
    word: np.ndarray
    posterior: np.ndarray
    num_states: int
    ids: np.ndarray
    best: list

    def places(self, words):
        """Place of each of some word ids in ids, and whether it is there."""
        place = np.minimum(np.searchsorted(self.ids, words), len(self.ids) - 1)
        return place, self.ids[place] == words


def word_confidences(lattice, words, lmwt=1.0, wip=0.0):
    """Confidence of each word of a hypothesis, float64 (num_words,), 0 to 1.

    words      word ids, e.g. the best path's
    lmwt, wip  LM weight and cost of each word, as of the best path
    """
    sentences = sentences_of(lattice, lmwt, wip) if len(words) else None
    if sentences is None:
        return np.zeros(len(words))
    gamma, _ = _at_places(sentences, words)
    place, known = sentences.places(words)
    found = gamma[np.arange(1, len(gamma), 2), np.where(known, place, 0)]
    return np.clip(np.where(known, found, 0.0), 0.0, 1.0)


def least_risk(lattice, settings):
    """The words with the least expected edit distance to what was said, as the lattice has it.

    The search begins with the best path and goes down from there, to a minimum nearby. Which path
    of a word sequence is the best one is asked at some of the LM weights only, and said of those
    near them.

    settings  [(LM weight, cost of each word)]
    returns   a list of word ids for each of them
    """
    found = {}
    for group in _near(settings):
        lmwts = [lmwt for lmwt, _ in group]
        compact = determinize(lattice, math.sqrt(min(lmwts) * max(lmwts)), group[0][1])
        found.update((setting, _least_risk(compact, *setting)) for setting in group)
    return [found[setting] for setting in settings]


def _near(settings):
    """Groups of settings of one penalty, the LM weights of each within SPREAD of each other."""
    groups = []
    for lmwt, wip in sorted(settings, key=lambda setting: setting[::-1]):
        if groups and groups[-1][0][1] == wip and lmwt <= SPREAD * groups[-1][0][0]:
            groups[-1].append((lmwt, wip))
        else:
            groups.append([(lmwt, wip)])
    return groups


def _least_risk(compact, lmwt, wip):
    return least_risk_together([_sentences(compact, lmwt, wip)], [1]) if compact.num_states else []


def least_risk_together(several, weights):
    """The words with the least expected edit distance to the sentences of several lattices.

    several   Sentences of the same utterance by several systems
    weights   of each: probability that it is the one to go by; they need not sum to 1
    returns   a list of word ids
    """
    ids = several[0].ids
    for sentences in several[1:]:
        ids = np.union1d(ids, sentences.ids)
    weights = np.divide(weights, np.sum(weights))

    def at(words):
        total, risk = np.zeros((2 * len(words) + 1, len(ids))), 0.0
        for sentences, weight in zip(several, weights, strict=True):
            gamma, own = _at_places(sentences, words)
            total[:, np.searchsorted(ids, sentences.ids)] += weight * gamma
            risk += weight * own
        return total, risk

    words = several[int(np.argmax(weights))].best
    gamma, least = at(words)
    for _ in range(MAX_ROUNDS):
        better = ids[gamma.argmax(1)]
        better = better[better > 0].tolist()
        if better == words:
            break
        gamma, risk = at(better)
        if risk > least - ROUNDING:
            break
        words, least = better, risk
    return words


def sentences_of(lattice, lmwt=1.0, wip=0.0):
    """The Sentences of a lattice, or None if it has no path."""
    compact = determinize(lattice, lmwt, wip)
    return _sentences(compact, lmwt, wip) if compact.num_states else None


def _sentences(compact, lmwt, wip):
    """The Sentences of a lattice of determinize()."""
    posteriors, finals, _ = posteriors_of(compact, *compact.costs(lmwt, wip))
    ends = np.flatnonzero(finals > UNLIKELY)
    src = np.concatenate([compact.src, ends]).astype(np.int32)
    dst = np.concatenate([compact.dst, np.full(len(ends), compact.num_states)]).astype(np.int32)
    words = np.concatenate([compact.olabel, np.zeros(len(ends), np.int32)])
    posteriors = np.concatenate([posteriors, finals[ends]])
    keep = posteriors > UNLIKELY
    ids, place = np.unique(np.append(words[keep], np.int32(0)), return_inverse=True)
    return Sentences(src[keep], dst[keep], place[:-1], posteriors[keep], compact.num_states + 1,
                     ids, compact.best_path(lmwt, wip)[0])


def _at_places(sentences, words):
    """Posteriors of words at the places of a hypothesis, and its expected edit distance.

    Between the words stand places without one, so that what is inserted there takes no word's.

    returns  float64 (2 * num_words + 1, number of ids), float
    """
    places = np.zeros(2 * len(words) + 1, np.int64)
    place, known = sentences.places(words)
    places[1::2] = np.where(known, place, len(sentences.ids))    # beyond: none of theirs
    return _gamma(sentences.src, sentences.dst, sentences.word, sentences.posterior,
                  sentences.num_states, places, len(sentences.ids))


@numba.njit(cache=True)
def _loss(a, b):
    return 0.0 if a == b else 1.0


@numba.njit(cache=True)
def _align_arc(word, places, before, distance, choice):
    """Expected edit distance of all paths up to and with an arc, to each prefix of the places.

    before    that of the arc's source;  distance, choice  filled: float (num_places + 1,) and
              1 for word against place, 2 for the word inserted, 3 for the place left out
    """
    insertion = 0.0 if word == 0 else 1.0 + DELTA
    distance[0] = before[0] + insertion
    choice[0] = 2
    for q in range(1, len(places) + 1):
        together = before[q - 1] + _loss(word, places[q - 1])
        inserted = before[q] + insertion
        left_out = distance[q - 1] + _loss(0, places[q - 1])
        if together <= inserted + ROUNDING and together <= left_out + ROUNDING:
            distance[q], choice[q] = together, 1
        elif inserted <= left_out + ROUNDING:
            distance[q], choice[q] = inserted, 2
        else:
            distance[q], choice[q] = left_out, 3


@numba.njit(cache=True)
def _gamma(src, dst, word, posterior, num_states, places, num_words):
    """As _at_places(), with words and places by their place in ids."""
    count = len(places)
    occupied = np.zeros(num_states)   # posterior of passing through each state
    occupied[0] = 1.0
    for a in range(len(src)):
        occupied[dst[a]] += posterior[a]
    ahead = np.zeros((num_states, count + 1))
    for q in range(count):
        ahead[0, q + 1] = ahead[0, q] + _loss(0, places[q])
    distance, choice = np.empty(count + 1), np.empty(count + 1, np.int8)
    for a in range(len(src)):
        _align_arc(word[a], places, ahead[src[a]], distance, choice)
        share = posterior[a] / occupied[dst[a]]
        for q in range(count + 1):
            ahead[dst[a], q] += share * distance[q]
    behind = np.zeros((num_states, count + 1))
    behind[num_states - 1, count] = 1.0
    gamma = np.zeros((count, num_words))
    passed = np.empty(count + 1)
    for a in range(len(src) - 1, -1, -1):
        _align_arc(word[a], places, ahead[src[a]], distance, choice)
        share = posterior[a] / occupied[dst[a]]
        for q in range(count + 1):
            passed[q] = share * behind[dst[a], q]
        for q in range(count, -1, -1):
            if choice[q] == 1:
                behind[src[a], q - 1] += passed[q]
                gamma[q - 1, word[a]] += passed[q]
            elif choice[q] == 2:
                behind[src[a], q] += passed[q]
            else:
                passed[q - 1] += passed[q]
                gamma[q - 1, 0] += passed[q]
    left_out = 0.0                    # before the first word
    for q in range(count, 0, -1):
        left_out += behind[0, q]
        gamma[q - 1, 0] += left_out
    return gamma, ahead[num_states - 1, count]
