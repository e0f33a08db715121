"""N-gram models in ARPA format.

    model = ArpaModel.read("data/lm/3gram.arpa.gz")
    model.score(("<s>", "call"), "me")        # log10 p(me | <s> call), backing off as need be
    model.state(("please", "call"))           # the part of a history that the model can tell apart
    model.write("copy.arpa")                  # the same numbers

Level n of a model is a table of its n-grams, sorted: each is the row of its history (its first
n - 1 words) in level n - 1, and its last word. So a whole text is looked up with searchsorted.
"""

import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from utils.gzip_file import gzip_writer

NEVER = -99.0   # the log10 probability of <s>, as in SRILM and Kaldi


@dataclass
class Level:
    """The n-grams of one order, sorted by (context, word).

    context   int32 (num_ngrams,), row of the first n - 1 words in the level below; 0 for unigrams
    word      int32 (num_ngrams,), id of the last word
    logprob   float64 (num_ngrams,), log10 p(word | context)
    backoff   float64 (num_ngrams,), log10 weight of the lower order where this is the history
    """

    context: np.ndarray
    word: np.ndarray
    logprob: np.ndarray
    backoff: np.ndarray

    def __len__(self):
        return len(self.word)


class ArpaModel:
    """A back-off model.

    words    list of words; a word's id is its row in levels[0]
    levels   list of Level, levels[n - 1] for order n
    skipped  number of n-grams left out on reading because their history is no n-gram, as in Kaldi
    """

    def __init__(self, words, levels, skipped=0):
        self.words = list(words)
        self.ids = {word: ident for ident, word in enumerate(self.words)}
        self.levels, self.keys = [], []
        self.skipped = skipped
        for level in levels:
            self.add_level(level)

    def add_level(self, level):
        """Make the model one order higher."""
        self.levels.append(level)
        self.keys.append(self._key(level.context, level.word))

    @cached_property
    def _is_history(self):
        return [self.num_children(order) > 0 for order in range(1, self.order)]

    def num_children(self, order):
        """int64 (num_ngrams,): how many n-grams of order + 1 have each n-gram as their history."""
        level = self.levels[order - 1]
        if order == self.order:
            return np.zeros(len(level), np.int64)
        return np.bincount(self.levels[order].context, minlength=len(level))

    @property
    def order(self):
        return len(self.levels)

    @property
    def unk(self):
        """The word that stands for unknown words, or None."""
        return next((word for word in ("<unk>", "<UNK>") if word in self.ids), None)

    def _key(self, context, word):
        return np.asarray(context, np.int64) * len(self.words) + word

    # looking up

    def find(self, order, context, word):
        """Rows in level `order` of n-grams given as (row of the history, word); -1 where not there.

        context, word   int arrays (n,); entries of -1 are found nowhere
        returns         int64 (n,)
        """
        context, word = np.asarray(context), np.asarray(word)
        keys = self.keys[order - 1]
        if not len(keys):
            return np.full(word.shape, -1, np.int64)
        key = self._key(context, word)
        row = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        return np.where((keys[row] == key) & (context >= 0) & (word >= 0), row, -1)

    def rows(self, ngrams):
        """Rows of n-grams given as ids.

        ngrams    int array (num_ngrams, n)
        returns   int64 (num_ngrams,), -1 where the model has no such n-gram
        """
        row = ngrams[:, 0].astype(np.int64)
        for order in range(2, ngrams.shape[1] + 1):
            row = self.find(order, row, ngrams[:, order - 1])
        return row

    def ngrams(self, order):
        """int32 (num_ngrams, order): the words of each n-gram."""
        result = np.empty((len(self.levels[order - 1]), order), np.int32)
        row = np.arange(len(result))
        for level in range(order, 0, -1):
            result[:, level - 1] = self.levels[level - 1].word[row]
            row = self.levels[level - 1].context[row]
        return result

    def log_probs(self, ngrams):
        """log10 p(last word | the words before it), backing off.

        ngrams    int array (num_ngrams, n); a last word of -1 is impossible (-inf), another -1
                  breaks the history
        returns   float64 (num_ngrams,)
        """
        if ngrams.shape[1] > self.order:
            ngrams = ngrams[:, -self.order:]
        order = ngrams.shape[1]
        if order == 1:
            word = ngrams[:, 0]
            return np.where(word >= 0, self.levels[0].logprob[word], -np.inf)
        history = self.rows(ngrams[:, :-1])
        row = self.find(order, history, ngrams[:, -1])
        result = np.where(row >= 0, self.levels[order - 1].logprob[row], 0.0) \
            if len(self.levels[order - 1]) else np.zeros(len(ngrams))
        missing = np.flatnonzero(row < 0)
        if len(missing):
            history = history[missing]
            backoff = self.levels[order - 2].backoff
            weight = np.where(history >= 0, backoff[history], 0.0) if len(backoff) else 0.0
            result[missing] = weight + self.log_probs(ngrams[missing, 1:])
        return result

    def score(self, history, word):
        """log10 p(word | history); a word the model lacks scores as <unk>, or -inf without one.

        history   tuple of words, oldest first, "<s>" before the first
        """
        ident = self._id(word)
        if ident < 0:
            return -math.inf
        history = [self._id(other) for other in history[max(0, len(history) - self.order + 1):]]
        weight = 0.0
        for first in range(len(history)):
            order = len(history) - first + 1
            context = self._row(history[first:])
            row = self._child(order, context, ident)
            if row >= 0:
                return weight + float(self.levels[order - 1].logprob[row])
            if context >= 0:
                weight += float(self.levels[order - 2].backoff[context])
        return weight + float(self.levels[0].logprob[ident])

    def state(self, history):
        """The shortest end of a history that gives every next word the same probability.

        history   tuple of words; returns a tuple of at most order - 1 of them
        """
        history = tuple(history)[max(0, len(history) - self.order + 1):]
        ids = [self._id(word) for word in history]
        for first in range(len(history)):
            row = self._row(ids[first:])
            level = len(history) - first - 1
            if row >= 0 and (self._is_history[level][row] or self.levels[level].backoff[row] != 0):
                return history[first:]
        return ()

    def _id(self, word):
        ident = self.ids.get(word, -1)
        return ident if ident >= 0 else self.ids.get(self.unk, -1)

    def _row(self, ids):
        row = ids[0] if ids else -1
        for order, ident in enumerate(ids[1:], 2):
            row = self._child(order, row, ident)
        return row

    def _child(self, order, context, ident):
        if context < 0 or ident < 0:
            return -1
        keys, key = self.keys[order - 1], context * len(self.words) + ident
        row = int(keys.searchsorted(key))
        return row if row < len(keys) and keys[row] == key else -1

    # files

    @staticmethod
    def read(path):
        """Read ARPA, gzip if the name ends in .gz; UserError with file and line if malformed."""
        from utils.lang.arpa_reader import read_arpa
        return read_arpa(path)

    def write(self, path):
        """Write ARPA whole or not at all, gzip if the name ends in .gz."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with (gzip_writer(temporary, 5) if path.suffix == ".gz"
                  else temporary.open("wb")) as file:
                self._write(file)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _write(self, file, chunk=1 << 17):
        counts = "".join(f"ngram {n}={len(level)}\n" for n, level in enumerate(self.levels, 1))
        file.write(f"\\data\\\n{counts}".encode())
        histories = [""]
        for order, level in enumerate(self.levels, 1):
            file.write(f"\n\\{order}-grams:\n".encode())
            names = self.words if order == 1 else [" " + word for word in self.words]
            texts = []
            for first in range(0, len(level), chunk):
                part = slice(first, first + chunk)
                text = [histories[c] + names[w] for c, w in zip(
                    level.context[part].tolist(), level.word[part].tolist(), strict=True)]
                file.write(_lines(text, level.logprob[part], level.backoff[part]))
                if order < self.order:
                    texts += text
            histories = texts
        file.write(b"\n\\end\\\n")


def _lines(texts, log_probs, backoffs):
    """ARPA lines of n-grams; repr gives a number back exactly. Weights of 1 are omitted."""
    rows = zip(log_probs.tolist(), texts, backoffs.tolist(), strict=True)
    return "".join([f"{p!r}\t{text}\t{b!r}\n" if b else f"{p!r}\t{text}\n"
                    for p, text, b in rows]).encode()
