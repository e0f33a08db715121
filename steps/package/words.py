"""From a decoded path of transition-ids to words with times and confidences.

A word's confidence compares its phones with all others in their places: exp of SHARPNESS times the
sum over its phones of

    score of the phone's frames - best score that any phone has in the same HMM states and frames

where scores are scaled as in decoding. This is the goodness of pronunciation (Witt and Young
2000, "Phone-level pronunciation scoring and assessment") without its division by the length, so
that a word is as sure as its least sure phones; 1 where no phone would fit better anywhere. The
search keeps no lattice, of which steps/decode has posteriors: that takes several times as long.
"""

from typing import NamedTuple

import numpy as np

from steps.decode.word_times import phone_segments, word_segments
from utils.lang.subwords import word_spans

# Fitted to two development sets, 1199 words of which 37 are wrong: normalised cross entropy 0.30
# and 0.20, where lattices' posteriors have 0.30 and 0.56; areas under the ROC 0.90 and 0.96, theirs
# 0.90 and 0.99.
SHARPNESS = 0.1


class Word(NamedTuple):
    """start, end in s; confidence 0 to 1"""

    word: str
    start: float
    end: float
    confidence: float


class WordTimes:
    """Times and confidences in the terms of one model.

    transitions  TransitionModel
    lang         LangDir; with bpe.model its words are subwords, which are joined
    """

    def __init__(self, transitions, lang):
        self.transitions, self.lang = transitions, lang
        self._subwords = (lang.path / "bpe.model").is_file()
        phones = np.array([lang.phone(p) for p in range(len(lang.phone_symbols))])
        _, base = np.unique(phones, return_inverse=True)   # without positions in words
        tids = np.arange(1, transitions.num_tids + 1)
        states = transitions.tid2hmm_state[tids]
        keys = np.unique(np.stack([states, base[transitions.tid2phone[tids]],
                                   transitions.tid2pdf[tids]]), axis=1)
        # Pdfs by HMM state and phone: where the pdfs of each phone begin, where each state's phones
        self._pdfs = keys[2]
        starts = np.flatnonzero(np.any(np.diff(keys[:2], axis=1, prepend=-1), axis=0))
        self._starts, self._state_of = starts, keys[0, starts]
        self._base_of, self._num_base = keys[1, starts], base.max() + 1

    def words(self, words, tids, path, scores, offset, shift):
        """Word of each word of a decoded utterance.

        words, tids  ids, of tids one a frame
        path         () -> [(tid, word)] along the arcs of the path; asked for only where the words
                     do not yield the phones, as when the sound ends within a word
        scores       float32 (num_frames, num_pdfs), scaled
        offset       s, of the first frame;  shift  s a frame
        """
        phones, _ = phone_segments(tids, self.transitions)
        segments = word_segments(words, tids, self.transitions, self.lang)
        if segments is None:
            segments = _label_segments(path(), len(tids))
        sureness = self._sureness(np.asarray(tids), phones, scores)
        starts = np.array([start for _, start, _ in phones])
        result = []
        for word, start, end in segments:
            sum_inside = sureness[(starts >= start) & (starts < end)].sum()
            result.append(Word(self.lang.word_symbols[word], offset + start * shift,
                               offset + end * shift, float(np.exp(SHARPNESS * sum_inside))))
        return joined(result) if self._subwords else result

    def _sureness(self, tids, phones, scores):
        """Of each phone, own score less the best of any phone; float64 (num_phones,), at most 0."""
        states = self.transitions.tid2hmm_state[tids]
        best = np.maximum.reduceat(scores[:, self._pdfs], self._starts, axis=1)
        own = scores[np.arange(len(tids)), self.transitions.tid2pdf[tids]]
        # Phones with fewer states than the decoded one, if there are any, do not compete.
        rivals = np.full((len(tids), self._num_base), -np.inf)
        for state in np.unique(states):
            rows, columns = np.flatnonzero(states == state), self._state_of == state
            rivals[rows[:, None], self._base_of[columns]] = best[rows][:, columns]
        starts = [start for _, start, _ in phones]
        if not starts:
            return np.zeros(0)
        return np.minimum(np.add.reduceat(own.astype(np.float64), starts)
                          - np.add.reduceat(rivals, starts, axis=0).max(axis=1), 0.0)


def joined(units):
    """The Words that subwords make up, as sure as all their parts together."""
    return [Word(word, units[first].start, units[end - 1].end,
                 float(np.prod([unit.confidence for unit in units[first:end]])))
            for word, first, end in word_spans([unit.word for unit in units])]


def _label_segments(path, num_frames):
    """[(word, first frame, end frame)]: each word from its label until the next one's."""
    frame, marks = 0, []
    for tid, word in path:
        if word:
            marks.append((word, min(frame, num_frames - 1)))
        frame += tid > 0
    ends = [start for _, start in marks[1:]] + [num_frames] * bool(marks)
    return [(word, start, max(end, start + 1))
            for (word, start), end in zip(marks, ends, strict=True)]
