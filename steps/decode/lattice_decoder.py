"""Token-passing lattice decoder with beam, lattice beam and max-active, chunk by chunk.

The algorithm of Kaldi's LatticeFasterDecoder (Povey et al. 2012, "Generating exact lattices in
the WFST framework") on arrays: tokens and links are appended frame by frame, and what the lattice
beam leaves is moved together whenever they have become many, so that memory is bounded by the
lattice and not by the search.

    decoder = LatticeDecoder(graph, DecodeOptions(beam=13))
    lattice = decoder.decode(scores)                  # or:
    decoder.init(); decoder.advance(chunk); decoder.advance(chunk); lattice = decoder.finalise()
"""

from typing import NamedTuple

import numpy as np

from steps.decode.lattice import Lattice
from steps.decode.token_passing import advance, prune, start

ROOM = 1 << 14   # tokens and links that there is room for at first


class DecodeOptions(NamedTuple):
    """As Kaldi's: beams in scaled costs, max_active and min_active in tokens a frame.

    prune_links   new links, of 20 bytes each, that are pruned together; Kaldi prunes every 25
                  frames, which takes as long as the search itself
    """

    beam: float = 13.0
    lattice_beam: float = 6.0
    max_active: int = 7000
    min_active: int = 200
    acwt: float = 0.0833
    prune_links: int = 1 << 20
    beam_delta: float = 0.5


class LatticeDecoder:
    """Decodes one utterance at a time.

    graph          DecodingGraph
    num_frames     frames decoded so far
    reached_final  after finalise(): whether a final state was reached at the end; where not,
                   every state at the end counts as final, as in Kaldi
    """

    def __init__(self, graph, options):
        if options.max_active < 2 or options.beam <= 0 or options.lattice_beam <= 0:
            raise ValueError("beams must be positive and max-active at least 2")
        self.graph = graph
        self.options = options
        self._graph_arrays = (graph.states, graph.arcs)
        # Scratch: token of each graph state, -1 between frames; a stack of tokens, and which
        # graph states are on it.
        self._scratch = (np.full(graph.num_states, -1, np.int32),
                         np.empty(graph.num_states, np.int32),
                         np.zeros(graph.num_states, np.bool_))
        self._tokens = tuple(np.empty(ROOM, t) for t in (np.int32, np.float64, np.float64))
        self._links = tuple(np.empty(ROOM, t) for t in (np.int32, np.int32, np.int32, np.float32,
                                                         np.float32))
        self.init()

    def init(self):
        """Forget what was decoded and stand before the first frame of a new utterance."""
        self.num_frames = 0
        self.reached_final = False
        self._prune_at = self.options.prune_links
        self._tokens, self._links, *self._frames = start(
            self._graph_arrays, self.graph.start, self.options.beam, self._scratch,
            self._tokens, self._links)

    def advance(self, scores):
        """Decode further frames.

        scores  float32 (num_frames, num_pdfs), log-likelihoods, unscaled
        """
        scores = np.ascontiguousarray(scores, np.float32)
        if scores.ndim != 2 or scores.shape[1] < self.graph.num_pdfs:
            raise ValueError(f"scores of shape {scores.shape}, but the graph has "
                             f"{self.graph.num_pdfs} pdfs")
        options = self.options
        self._prune_at, self._tokens, self._links, *self._frames = advance(
            self._graph_arrays, scores, options.acwt, options.beam, options.lattice_beam,
            options.max_active,
            min(options.min_active, options.max_active), options.beam_delta, options.prune_links,
            self._prune_at, self._scratch, self._tokens, self._links, *self._frames)
        self.num_frames += len(scores)

    def finalise(self):
        """The Lattice of what was decoded, pruned to the lattice beam."""
        graph, options = self.graph, self.options
        frame_token, frame_link = self._frames
        final = graph.final[self._tokens[0][frame_token[-2]:frame_token[-1]]]
        self.reached_final = bool(np.isfinite(final).any())
        if not self.reached_final:
            final = np.zeros_like(final)
        prune(options.acwt, options.lattice_beam, 0.0, True, final.astype(float), self._tokens,
              self._links, frame_token, frame_link)
        return self._lattice()

    def decode(self, scores):
        """A whole utterance: scores float32 (num_frames, num_pdfs) -> Lattice."""
        self.init()
        self.advance(scores)
        return self.finalise()

    def _lattice(self):
        graph = self.graph
        frame_token, frame_link = self._frames
        states = self._tokens[0][:frame_token[-1]]
        src, dst, arc, weight, acoustic = (a[:frame_link[-1, 0]] for a in self._links)
        frames = np.repeat(np.arange(len(frame_token) - 1), np.diff(frame_token))
        order = np.lexsort((graph.rank[states], frames))
        new = np.empty(len(order), np.int32)
        new[order] = np.arange(len(order), dtype=np.int32)
        final = np.full(len(states), np.inf, np.float32)
        last = slice(frame_token[-2], frame_token[-1])
        final[last] = graph.final[states[last]] if self.reached_final else 0.0
        final = final[order]
        by_source = np.argsort(new[src], kind="stable")
        src, dst, arc = new[src[by_source]], new[dst[by_source]], arc[by_source]
        return Lattice(src, dst, graph.ilabel[arc], graph.olabel[arc], weight[by_source],
                       acoustic[by_source], final, np.where(np.isfinite(final), 0.0, np.inf))
