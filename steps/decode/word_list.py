"""The words of a graph or lang directory, for those who read lattices.

    words = WordList("exp/tri1/graph")
    words.text([17, 4], utt)       # ["kyéma", "yeé"], subwords joined
"""

import math
from pathlib import Path

import numpy as np

from utils.lang.langdir import read_symbols, symbol_list
from utils.lang.subwords import word_spans
from utils.step import UserError


class WordList:
    """Symbols by id; where there is a bpe.model they are subwords, to be joined to words.

    graph    directory with words.txt
    utt      of the methods: whose word ids they are, for the UserError where words.txt is not
             the one that the utterance was decoded with
    """

    def __init__(self, graph):
        self.path = Path(graph) / "words.txt"
        self.symbols = symbol_list(read_symbols(self.path))
        self._subwords = (Path(graph) / "bpe.model").is_file()

    def check(self, ids, utt):
        """UserError if an id is not in words.txt."""
        highest = int(np.max(ids, initial=0))     # of a lattice there are many
        if highest >= len(self.symbols):
            raise UserError(self.path, f"no word {highest}, which is in the lattice of {utt}",
                            "give the graph it was decoded with")

    def spans(self, ids, utt):
        """[(word, its first id's place, its last id's place exclusive)]"""
        self.check(ids, utt)
        symbols = [self.symbols[i] for i in ids]
        if self._subwords:
            return word_spans(symbols)
        return [(symbol, place, place + 1) for place, symbol in enumerate(symbols)]

    def text(self, ids, utt):
        """The words as a list."""
        return [word for word, _, _ in self.spans(ids, utt)]

    def timed(self, segments, utt):
        """Timed word ids as timed words; one of several subwords is as sure as all together.

        segments, result   [(word, first frame, end frame, confidence)]
        """
        result = []
        for word, first, end in self.spans([segment[0] for segment in segments], utt):
            parts = segments[first:end]
            result.append((word, parts[0][1], parts[-1][2], math.prod(part[3] for part in parts)))
        return result
