"""Word confidences: how sure the lattice is of each word of a hypothesis.

Each path of the lattice is aligned with the hypothesis by edit distance, and a word's confidence is
the posterior of the paths that have this word at its place: the statistics of minimum Bayes risk
decoding (Xu, Povey, Mangu and Zhu 2011, "Minimum Bayes risk decoding and system combination based
on a recursion for edit distance", figures 4 and 5; Kaldi's lattice-mbr-decode without a search).
"""

import numba
import numpy as np

from steps.decode.posteriors import arc_posteriors

DELTA = 1e-5       # a little against insertions, so that ties go to the word
ROUNDING = 1e-9    # distances that differ by less are the same


def word_confidences(lattice, words, acwt, lm_scale=1.0, wip=0.0):
    """Confidence of each word of a hypothesis, float64 (num_words,), 0 to 1.

    words           word ids, e.g. the best path's
    acwt, lm_scale  scales of acoustic and graph costs
    wip             cost of each word beside them, as of the best path
    """
    if not lattice.num_states or not len(words):
        return np.zeros(len(words))
    posteriors, finals, _ = arc_posteriors(lattice, acwt, lm_scale, wip)
    # Between the words stand epsilons, so that what is inserted there takes no word's place.
    places = np.zeros(2 * len(words) + 1, np.int32)
    places[1::2] = words
    # A state of its own after all final states.
    ends = np.flatnonzero(finals > 0)
    src = np.concatenate([lattice.src, ends]).astype(np.int32)
    dst = np.concatenate([lattice.dst, np.full(len(ends), lattice.num_states)]).astype(np.int32)
    olabel = np.concatenate([lattice.olabel, np.zeros(len(ends), np.int32)])
    posteriors = np.concatenate([posteriors, finals[ends]])
    keep = posteriors > 0
    gamma = _gamma(src[keep], dst[keep], olabel[keep], posteriors[keep], places,
                   lattice.num_states + 1)
    return np.clip(gamma[1::2], 0.0, 1.0)


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
def _gamma(src, dst, olabel, posteriors, places, num_states):
    """The posterior of each place's own word there."""
    count = len(places)
    occupied = np.zeros(num_states)   # posterior of passing through each state
    occupied[0] = 1.0
    for a in range(len(src)):
        occupied[dst[a]] += posteriors[a]
    ahead = np.zeros((num_states, count + 1))
    for q in range(count):
        ahead[0, q + 1] = ahead[0, q] + _loss(0, places[q])
    distance, choice = np.empty(count + 1), np.empty(count + 1, np.int8)
    for a in range(len(src)):
        _align_arc(olabel[a], places, ahead[src[a]], distance, choice)
        share = posteriors[a] / occupied[dst[a]]
        for q in range(count + 1):
            ahead[dst[a], q] += share * distance[q]
    behind = np.zeros((num_states, count + 1))
    behind[num_states - 1, count] = 1.0
    gamma = np.zeros(count)
    passed = np.empty(count + 1)
    for a in range(len(src) - 1, -1, -1):
        _align_arc(olabel[a], places, ahead[src[a]], distance, choice)
        share = posteriors[a] / occupied[dst[a]]
        for q in range(count + 1):
            passed[q] = share * behind[dst[a], q]
        for q in range(count, -1, -1):
            if choice[q] == 1:
                behind[src[a], q - 1] += passed[q]
                if olabel[a] == places[q - 1]:
                    gamma[q - 1] += passed[q]
            elif choice[q] == 2:
                behind[src[a], q] += passed[q]
            else:
                passed[q - 1] += passed[q]
    return gamma
