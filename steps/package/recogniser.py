"""A package at work: sound files in, words with times and confidences out.

    recogniser = Recogniser(open_package("fr.zip"))
    transcript = recogniser.transcribe("talk.mp3")

Features, network and search take turns on windows of a minute or two, so that memory is bounded
whatever the length. CMVN by speaker takes a file's speaker for one: its statistics are those of the
file up to the end of the window, of short files of all of it. Those of several files of a speaker
add up to better ones:

    stats = sum(recogniser.statistics(path) for path in files)
    transcripts = [recogniser.transcribe(path, stats=stats) for path in files]
"""

import json
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from steps.features.cmvn import accumulate, apply_cmvn
from steps.features.frontend import FrontEnd
from steps.features.transform import in_context
from steps.hmm.model import read_transitions
from steps.nnet.litert import LiteRtNetwork, read_litert_model
from steps.nnet.network import log_of_priors, read_priors
from steps.package.search import Search, SearchOptions
from steps.package.sound import PAUSE, energies, quietest_frame, windows
from steps.package.whole import AGAIN, check_graph, check_whole
from steps.package.words import WordTimes
from utils.lang.langdir import LangDir
from utils.step import UserError

SEGMENT = 30.0     # s: longer sound is cut at pauses
SILENT = 2.0 ** -15      # nothing is said where no sample is beyond the last of 16 bits
SHORTEST = 8.0     # s of a segment, but for the last


class Segment(NamedTuple):
    """What was decoded at once: start, end in s; words are words.Word"""

    start: float
    end: float
    words: list


class Transcript(NamedTuple):
    """Of one file: its length in s, and its segments in order."""

    seconds: float
    segments: list

    @property
    def words(self):
        return [word for segment in self.segments for word in segment.words]


class Recogniser:
    """Made of an opened package; options override those of its recogniser.json.

    max_segment   s
    num_threads   of the network
    spent         Counter of CPU seconds by "features", "network", "search", "words"
    """

    def __init__(self, package, num_threads=1, max_segment=SEGMENT, channel="mix", **options):
        self.package = package   # a zip is unpacked as long as it is open
        model = package.path / "model"
        self.config, self.front_end, found = check_whole(package)
        self.transitions = read_transitions(model / "final.mdl")
        priors = read_priors(model / "priors")
        _check_sizes(package, self.config, self.transitions, priors)
        lang = LangDir(package.path / "graph")
        _check_phones(package, lang, self.transitions)
        # Read now, so that what is wrong with them is not told of each sound file.
        check_graph(package.path / "graph/HCLG.fst", self.transitions.num_tids,
                    len(lang.word_symbols))
        lang.align_lexicon, lang.optional_silence  # noqa: B018
        self.network = LiteRtNetwork(
            read_litert_model(model / "model.tflite", num_threads), self.config,
            log_of_priors(priors))
        found |= {k: v for k, v in options.items() if v is not None}
        found["min_active"] = min(found["min_active"], found["max_active"] - 1)
        self.search = Search(package.path / "graph/HCLG.fst", self.transitions,
                             SearchOptions(**found))
        self.word_times = WordTimes(self.transitions, lang)
        self.rate = self.front_end["feats"]["sample_rate"]
        self.max_segment, self.channel = max_segment, channel
        self.spent = Counter()
        self.features = self._tried_out()
        self.shift = self.features.shift / self.rate     # s, of whole samples

    def transcribe(self, path, progress=None, stats=None):
        """The Transcript of a sound file; progress(seconds) is called after each window.

        stats   of the file's speaker, of statistics(); None: the file is all there is of him or her
        raises  AudioError for a file that cannot be used
        """
        segments, at, known = [], 0, 0.0
        for samples, first, feats, heard in self._windows(path):
            before = time.process_time()
            if heard:
                known = known + accumulate(feats) if stats is None else stats
                feats = apply_cmvn(feats, self.front_end, known)
                feats = in_context(feats, self.front_end)
            self._spend("features", before)
            if len(feats) and not heard:     # dither alone, which CMVN would make as loud as speech
                start = (at + first) / self.rate
                segments.append(Segment(start, start + len(feats) * self.shift, []))
            elif heard:
                segments += self._decode(feats, self._cuts(samples[first:], len(feats)),
                                         (at + first) / self.rate)
            at += len(samples)
            if progress:
                progress(len(samples) / self.rate)
        return Transcript(at / self.rate, segments)

    def statistics(self, path):
        """CMVN statistics of a sound file, float64 (2, dim + 1); they add up over files.

        raises  AudioError for a file that cannot be used
        """
        stats = np.zeros((2, self.front_end["feats"]["feat_dim"] + 1))
        for _, _, feats, heard in self._windows(path):
            if heard:
                stats += accumulate(feats)
        return stats

    def _windows(self, path):
        """Yields a file's windows: samples, the first one that is in a frame, features, and whether
        there is more than digital silence.
        """
        name = Path(path).stem
        for number, samples in enumerate(windows(path, self.rate, self.channel)):
            before = time.process_time()
            first, _ = self.features.trim(samples)
            # The noise of dither depends on the name, as in training on the utterance's id.
            feats = self.features.compute(f"{name}-{number}" if number else name, samples)
            self._spend("features", before)
            yield samples, first, feats, len(feats) and np.abs(samples[first:]).max() > SILENT

    def _tried_out(self):
        """The FrontEnd; UserError unless with it and the network some noise becomes scores."""
        noise = np.random.default_rng(0).normal(0, 0.01, 2 * self.rate).astype(np.float32)
        try:
            features = FrontEnd(self.front_end["feats"])
            feats = features.compute("noise", noise)
            feats = in_context(apply_cmvn(feats, self.front_end, accumulate(feats)), self.front_end)
            dims = {feats.shape[1], self.config["feat_dim"], int(self.network.model.input_dim)}
            if len(dims) > 1:
                raise ValueError(f"values a frame: {sorted(dims)}")
            found = self.network.log_likes(feats).shape
            if found != (len(feats), self.config["num_pdfs"]):
                raise ValueError(f"scores {found} of features {feats.shape}")
        except (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError,
                ValueError) as error:
            told = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(self.package.source, "features and network do not go together "
                            f"({told})", AGAIN) from None
        return features

    def _cuts(self, samples, num_frames):
        """Frames where segments end, the last one's num_frames."""
        longest = max(1, round(self.max_segment / self.shift))
        shift, cuts = self.features.shift, []
        if num_frames > longest:
            whole = samples[:len(samples) // shift * shift].reshape(-1, shift)
            energy = energies(whole)[:num_frames]
            shortest = round(min(SHORTEST, self.max_segment / 2) / self.shift)
            at = 0
            while num_frames - at > longest:
                at += shortest + quietest_frame(energy[at + shortest:at + longest],
                                                round(PAUSE / self.shift))
                cuts.append(at)
        return [*cuts, num_frames]

    def _decode(self, feats, cuts, offset):
        """Segments of a window: features float32 (num_frames, dim), frames where they end, s."""
        frame, start, segments, cuts = 0, 0, [], list(cuts)
        self.search.init()
        blocks = self.network.log_like_blocks(feats)
        while cuts:
            before = time.process_time()
            scores = next(blocks)
            self._spend("network", before)
            while len(scores):
                before = time.process_time()
                part, scores = scores[:cuts[0] - frame], scores[cuts[0] - frame:]
                self.search.advance(part)
                self._spend("search", before)
                frame += len(part)
                if frame == cuts[0]:
                    segments.append(self._finish(offset + start * self.shift, frame - start))
                    start = cuts.pop(0)
                    self.search.init()
        return segments

    def _finish(self, offset, num_frames):
        """The Segment that the search has come to the end of."""
        before = time.process_time()
        found = self.search.best()
        words = self.word_times.words(*found, self.search.scaled, offset, self.shift) \
            if found else []
        self._spend("words", before)
        return Segment(offset, offset + num_frames * self.shift, words)

    def _spend(self, what, before):
        self.spent[what] += time.process_time() - before


def _check_phones(package, lang, transitions):
    """UserError unless each phone of the model has its symbol in the graph's phones.txt."""
    highest = int(transitions.tid2phone.max())
    if highest >= len(lang.phone_symbols):
        raise UserError(package.path / "graph/phones.txt", f"has no phone {highest}, final.mdl has",
                        "the files are of different systems; make the package again")


def _check_sizes(package, config, transitions, priors):
    """UserError unless the parts are of one size, as they are in every package as it was made."""
    sizes = {"config.json": config["num_pdfs"], "final.mdl": transitions.num_pdfs,
             "priors": len(priors)}
    if len(set(sizes.values())) > 1:
        raise UserError(package.path / "model", f"pdfs: {json.dumps(sizes)}",
                        "the files are of different networks; make the package again")
