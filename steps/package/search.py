"""The search for words by kaldi-decoder: FasterDecoder, block by block.

    search = Search("graph/HCLG.fst", transitions, SearchOptions(acwt=1 / 11))
    search.init()
    search.advance(scores)           # float32 (some frames, num_pdfs), log-likelihoods
    words, tids, path = search.best()
"""

from pathlib import Path
from typing import NamedTuple

import kaldi_decoder
import kaldifst
import numpy as np

from utils.step import UserError

BLOCK = 200    # frames whose scores are spread over the transition-ids at once


class SearchOptions(NamedTuple):
    """As Kaldi's; wip, the word insertion penalty, is in the graph already."""

    acwt: float = 0.1
    beam: float = 10.0
    max_active: int = 1000
    min_active: int = 200


class Search:
    """Decodes one utterance after the other.

    graph        path of an OpenFst file from transition-ids to words, of type const
    transitions  TransitionModel
    """

    def __init__(self, graph, transitions, options):
        self._graph = _read_graph(graph)
        self._columns = transitions.tid2pdf[1:]   # column i is read for transition-id i + 1
        self.options = options
        self._options = kaldi_decoder.FasterDecoderOptions(
            beam=options.beam, max_active=options.max_active, min_active=options.min_active)
        self._decoder = None

    def init(self):
        """Stand before the first frame of a new utterance."""
        self._decoder = kaldi_decoder.FasterDecoder(self._graph, self._options)
        self._decoder.init_decoding()
        self._scaled = []

    def advance(self, scores):
        """Decode further frames: float32 (num_frames, num_pdfs), log-likelihoods, unscaled."""
        scores = scores * np.float32(self.options.acwt)
        for start in range(0, len(scores), BLOCK):
            block = np.take(scores[start:start + BLOCK], self._columns, axis=1)
            self._decoder.advance_decoding(
                kaldi_decoder.DecodableCtc(block, self._decoder.num_frames_decoded()))
        self._scaled.append(scores)

    @property
    def scaled(self):
        """The utterance's scores so far, float32 (num_frames, num_pdfs), scaled."""
        return np.concatenate(self._scaled)

    def best(self):
        """Words and transition-ids of the best path, and () -> [(tid, word)] along its arcs.

        Where no final state was reached, the path ends anywhere, as in Kaldi; None without a path.
        """
        found, lattice = self._decoder.get_best_path(self._decoder.reached_final())
        if not found:
            return None
        _, tids, words, _ = kaldifst.get_linear_symbol_sequence(lattice)
        return words, tids, lambda: _arcs(lattice)


def _read_graph(path):
    with Path(path).open("rb") as file:
        kind = file.read(13)[8:]
    fst = (kaldifst.StdConstFst if kind == b"const" else kaldifst.StdVectorFst).read(str(path))
    if fst is None:
        raise UserError(path, "cannot be read as a graph", "make the package again")
    return fst


def _arcs(lattice):
    """[(tid, word)] of a path, from its text: lines `source destination tid word weight`."""
    arcs = {}
    for line in lattice.to_str().splitlines():
        fields = line.split()
        if len(fields) >= 4:
            arcs[int(fields[0])] = tuple(map(int, fields[1:4]))
    state, result = lattice.start, []
    while state in arcs:
        state, tid, word = arcs[state]
        result.append((tid, word))
    return result
