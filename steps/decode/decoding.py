"""Decoding one utterance after the other: scores in, lattices out.

    for utt, lattice, words, log_like in decode_utts(graph, scorer_of(model, data), utts, options):
"""

import json
import time

import numpy as np

from steps.decode.lattice_decoder import LatticeDecoder
from utils.step import UserError, log


def decode_utts(graph, scorer, utts, options, tally=None):
    """Decode utterances one after the other.

    graph    DecodingGraph
    scorer   utt -> float32 (num_frames, num_pdfs), log-likelihoods, unscaled; or an iterator of
             such blocks, of which one at a time is in memory
    options  DecodeOptions
    tally    Tally that is filled
    yields   (utt, Lattice, best words as ids, log-likelihood a frame of graph and scaled scores);
             the lattice is empty if the search came to nothing
    """
    decoder = LatticeDecoder(graph, options)
    tally = tally or Tally()
    for utt in utts:
        start, search = time.time(), 0.0
        decoder.init()
        scores = scorer(utt)
        for block in [scores] if isinstance(scores, np.ndarray) else scores:
            if not np.isfinite(block).all():
                raise UserError(utt, "the acoustic model gives scores that are no numbers",
                                "look at the utterance's features")
            search -= time.time()
            decoder.advance(block)
            search += time.time()
        search -= time.time()
        lattice = decoder.finalise()
        words, _, (graph_cost, acoustic_cost) = lattice.best_path(1.0 / options.acwt)
        frames = decoder.num_frames
        total = -(graph_cost + options.acwt * acoustic_cost)
        if not lattice.num_states:
            tally.failed.append(utt)
            log(f"{utt}: no path through the graph ({frames} frames)")
        else:
            tally.utts, tally.frames = tally.utts + 1, tally.frames + frames
            tally.log_like, tally.arcs = tally.log_like + total, tally.arcs + lattice.num_arcs
            if not decoder.reached_final:
                tally.not_final.append(utt)
                log(f"{utt}: did not reach a final state")
        tally.last_frames = frames
        tally.seconds += time.time() - start
        tally.decoder_seconds += time.time() + search
        yield utt, lattice, words, total / max(frames, 1)


class Tally:
    """What was decoded: utterances, frames, seconds, log-likelihood, and what went wrong."""

    def __init__(self):
        self.utts = self.frames = self.last_frames = self.arcs = 0
        self.log_like = self.seconds = self.decoder_seconds = 0.0
        self.not_final, self.failed = [], []

    def write(self, path, frame_shift):
        audio = max(self.frames * frame_shift, 1e-9)
        log(f"{self.utts} utterances, {audio:.1f} s of sound in {self.seconds:.1f} s: "
            f"RTF {self.seconds / audio:.4f}, {self.decoder_seconds / audio:.4f} of it the search")
        path.write_text(json.dumps({**vars(self), "audio": self.frames * frame_shift}))
