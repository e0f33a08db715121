"""One job's share of the training data, in memory, and what the training steps ask of it.

The steps start one worker per job through utils/parallel/pool.py; each holds a Share and answers
tasks: align, accumulate, and so on. Memory grows with the share's features, 58 MB an hour of speech
at 40 dimensions, twice that with fMLLR: with more hours, more jobs.
"""

import functools

import numpy as np

from steps.features.transform import apply_affine
from steps.hmm import ali, gmm
from steps.hmm.fmllr import FmllrStats, compose, estimate_fmllr, identity
from steps.hmm.mllt import MlltStats
from steps.hmm.train_graph import GraphBuilder, read_lexicon
from steps.hmm.transitions import TransitionModel
from steps.hmm.viterbi import align_utt, why_hopeless

MOST_FRAMES = 100_000     # of a phone, whose Gaussians are held against all of them at once


class Share:
    """Features, transcripts and alignments of one job's utterances.

    data       DataDir;  lang  LangDir;  utts  list of this job's utterances
    pipeline   FeaturePipeline without speaker transforms; None to set it later

    .feats     float32 (num_frames, dim), all utterances one after the other
    .tids      {utt: int32 (num_frames of utt,)} of those that are aligned
    """

    def __init__(self, data, lang, utts, pipeline):
        self.data, self.lang = data, lang
        self.utts = [utt for utt in utts if utt in data.feats_scp and utt in data.text]
        self.tids, self.graphs = {}, {}
        self.transforms = {}
        if pipeline is not None:
            self.set_pipeline(pipeline)

    def set_pipeline(self, pipeline):
        """Load the features anew, e.g. through another LDA matrix."""
        self.pipeline = pipeline
        self.base = self.feats = None      # these go before the new ones come
        parts = [pipeline.load(utt) for utt in self.utts]
        ends = np.cumsum([0] + [len(part) for part in parts])
        self.span = {utt: slice(a, b) for utt, a, b in
                     zip(self.utts, ends[:-1].tolist(), ends[1:].tolist(), strict=True)}
        self.base = np.empty((ends[-1], pipeline.dim), np.float32)
        for number, span in enumerate(self.span.values()):
            self.base[span], parts[number] = parts[number], None
        self.feats = self.base
        if self.transforms:
            self._apply_transforms()

    def set_model(self, tree, topo):
        """Transition-ids and training graphs of a tree; returns L.fst."""
        transitions = TransitionModel.from_tree(topo, tree)
        self.transitions = transitions
        lexicon = read_lexicon(self.lang)
        builder = GraphBuilder(lexicon, transitions, tree)
        self.graphs = {utt: builder.build(self.word_ids(utt)) for utt in self.utts}
        self.silence = np.isin(transitions.tid2phone, self.lang.silence_phones)
        return lexicon

    def word_ids(self, utt):
        """The transcript in word ids, words that the lang directory lacks as its OOV word."""
        return self.lang.word_ids(self.data.text[utt].split())

    def align(self, model, log_probs, beams):
        """Align every utterance; those that fail at one beam are tried at the next.

        model      Gmm;  log_probs  float32 (num_tids + 1,), scaled as graphs count them
        beams      increasing, in nats of the scaled scores
        returns    {"log_like", "frames", "retried", "counts" (num_tids + 1,), "failed": lines}
        """
        self.tids = {}
        log_like, retried, failed = 0.0, 0, []
        for utt in self.utts:
            feats = self.feats[self.span[utt]]
            found = align_utt(self.graphs[utt], self.transitions, len(feats),
                              functools.partial(model.log_likes, feats), log_probs, beams)
            if found.tids is None:
                failed.append(f"{utt} {found.why}")
            else:
                self.tids[utt] = found.tids
                log_like += found.log_like
                retried += found.attempt > 0
        return {"log_like": np.array(log_like), "frames": np.array(len(self.frames())),
                "retried": np.array(retried), "counts": self.tid_counts(),
                "failed": np.array(failed, str)}

    def hopeless(self):
        """Lines `utt why` of the utterances that no model can align, array of str."""
        whys = {utt: why_hopeless(self.graphs[utt], span.stop - span.start)
                for utt, span in self.span.items()}
        return np.array([f"{utt} {why}" for utt, why in whys.items() if why], str)

    def set_alignments(self, alignments, old=None, tree=None):
        """Take alignments as they are, or convert them from another model's transition-ids."""
        self.tids = {utt: alignments[utt] for utt in self.utts if utt in alignments
                     and len(alignments[utt]) == self.span[utt].stop - self.span[utt].start}
        if old is not None:
            self.tids = {utt: ali.convert(tids, old, self.transitions, tree)
                         for utt, tids in self.tids.items()}

    def write_ali(self, path):
        ali.write_ali(path, self.tids.items())

    def frames(self):
        """Indices of the aligned utterances' frames, in the order of aligned()."""
        spans = [self.span[utt] for utt in self.tids]
        if not spans:
            return np.zeros(0, np.int64)
        return np.concatenate([np.arange(s.start, s.stop) for s in spans])

    def aligned(self):
        """Transition-ids of all aligned frames, int32 (num_frames,)."""
        return np.concatenate([np.zeros(0, np.int32), *self.tids.values()])

    def tid_counts(self):
        return np.bincount(self.aligned(), minlength=self.transitions.num_tids + 1).astype(float)

    def pdfs(self):
        return self.transitions.tid2pdf[self.aligned()]

    def accumulate(self, model):
        """Gmm statistics of the aligned frames."""
        return model.accumulate(self.aligned_feats(), self.pdfs())

    def accumulate_two(self, model):
        """Posteriors from the adapted features, statistics from the unadapted ones."""
        return model.accumulate(self.aligned_feats(), self.pdfs(), self._aligned_of(self.base))

    def single_gaussian_stats(self, labels, num_labels):
        """Sums of frames by label int (num_frames,): occ, x, x2."""
        feats = self.aligned_feats()
        occ = np.bincount(labels, minlength=num_labels).astype(float)
        x, x2 = np.zeros((2, num_labels, feats.shape[1]))
        if len(feats):
            for label, rows in gmm.by_pdf(labels):
                mine = feats[rows].astype(np.float64)
                x[label], x2[label] = mine.sum(0), (mine ** 2).sum(0)
        return {"occ": occ, "x": x, "x2": x2}

    def segment_stats(self, model, hmms):
        """hmmlearn's sums over the segments of each phone: Gmm statistics, but by forward-backward.

        hmms  one PhoneHmm per set of the lang directory's phones, together the Gmm `model`
        """
        bounds, owners, start = [], [], 0
        phone2set = np.zeros(max(self.lang.phones.values()) + 1, np.int32)
        for index, phones in enumerate(self.lang.sets):
            phone2set[phones] = index
        frames = self.frames()
        for tids in self.tids.values():
            phones, ends = ali.phones_of(tids, self.transitions)
            bounds.append(np.stack([ends[:-1], ends[1:]], 1) + start)
            owners.append(phone2set[phones])
            start += len(tids)
        stats = {"occ": np.zeros(model.num_gauss), "x": np.zeros(model.means.shape),
                 "x2": np.zeros(model.means.shape), "log_like": np.zeros(1)}
        if not bounds:
            return stats
        bounds, owners = np.concatenate(bounds), np.concatenate(owners)
        first = np.cumsum([0] + [h.n_components * h.n_mix for h in hmms])
        for index, rows in gmm.by_pdf(owners):
            lengths = bounds[rows, 1] - bounds[rows, 0]
            span = slice(first[index], first[index + 1])
            for part in np.split(rows, _few_frames(lengths)):
                segments = bounds[part]
                places = frames[np.concatenate([np.arange(a, b) for a, b in segments.tolist()])]
                found, log_like = hmms[index]._do_estep(
                    self.feats[places].astype(np.float64), segments[:, 1] - segments[:, 0])
                stats["occ"][span] += found["post_mix_sum"].ravel()
                stats["x"][span] += found["m_n"].reshape(-1, model.dim)
                stats["x2"][span] += found["x2"].reshape(-1, model.dim)
                stats["log_like"] += log_like
        return stats

    def mllt_stats(self, model):
        """MlltStats of the aligned frames that are not silence."""
        stats = MlltStats.zeros(model.dim)
        tids, feats = self.aligned(), self.aligned_feats()
        speech = np.flatnonzero(~self.silence[tids])
        if len(speech):
            for pdf, rows in gmm.by_pdf(self.transitions.tid2pdf[tids[speech]]):
                span, mine = slice(model.offsets[pdf], model.offsets[pdf + 1]), feats[speech[rows]]
                gamma, _ = gmm.responsibilities(model.component_log_likes(mine, span))
                stats.add(mine, gamma, model.means[span], 1 / model.vars[span])
        return stats

    def windows(self):
        """Phone window and pdf class of all aligned frames."""
        parts = [ali.frame_windows(tids, self.transitions) for tids in self.tids.values()]
        if not parts:
            return np.zeros((0, 3), np.int32), np.zeros(0, np.int32)
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def estimate_transforms(self, model, min_count, unadapted=None):
        """One more fMLLR transform per speaker, composed with those there are.

        unadapted  Gmm to take the posteriors of the Gaussians from, with those of model one by one
        returns {"gain": log-likelihood gained, "frames": frames counted, "as_they_are": speakers
                whose transform stayed as it was}
        """
        by_speaker = {}
        for utt in self.tids:
            by_speaker.setdefault(self.data.utt2spk[utt], []).append(utt)
        gain, count, as_they_are = 0.0, 0.0, 0
        for spk, utts in by_speaker.items():
            tids = np.concatenate([self.tids[utt] for utt in utts])
            feats = np.concatenate([self.feats[self.span[utt]] for utt in utts])
            speech = ~self.silence[tids]
            stats = fmllr_stats(model, feats[speech], self.transitions.tid2pdf[tids[speech]],
                                unadapted)
            transform, improvement = estimate_fmllr(stats, min_count)
            gain += improvement * stats.beta
            count += stats.beta
            as_they_are += improvement == 0
            previous = self.transforms.get(spk)
            self.transforms[spk] = transform if previous is None else compose(transform, previous)
        for utt in self.utts:     # speakers of whom nothing is aligned
            self.transforms.setdefault(self.data.utt2spk[utt], identity(model.dim))
        self._apply_transforms()
        return {"gain": np.array(gain), "frames": np.array(count),
                "as_they_are": np.array(as_they_are)}

    def _apply_transforms(self):
        self.feats = self.base.copy()
        for utt in self.utts:
            transform = self.transforms.get(self.data.utt2spk[utt])
            if transform is not None:
                self.feats[self.span[utt]] = apply_affine(self.base[self.span[utt]], transform)

    def aligned_feats(self):
        """Features of all aligned frames, float32 (num_frames, dim); not to be written into."""
        return self._aligned_of(self.feats)

    def _aligned_of(self, feats):
        """The aligned frames of these features; no copy where all utterances are aligned."""
        return feats if list(self.tids) == self.utts else feats[self.frames()]


def _few_frames(lengths):
    """Where to divide segments of these lengths, so that a part has few more than MOST_FRAMES."""
    return np.flatnonzero(np.diff(np.cumsum(lengths) // MOST_FRAMES)) + 1


def fmllr_stats(model, feats, pdfs, unadapted=None, frames=None, weights=None):
    """FmllrStats of frames that belong to pdfs.

    feats      float32 (num_frames, dim)
    pdfs       int (n,): of each frame; or, with frames int (n,) and weights float32 (n,), of
               frames that belong to several pdfs by posteriors; no pair of both is there twice
    unadapted  Gmm that gives the posteriors in place of model, Gaussian by Gaussian
    """
    chooser = unadapted or model
    stats = FmllrStats.zeros(model.dim)
    if not len(pdfs):
        return stats
    inverse = (1 / model.vars).astype(np.float32)
    scaled = (model.means / model.vars).astype(np.float32)
    sums, targets = np.zeros_like(feats), np.zeros_like(feats)
    for pdf, rows in gmm.by_pdf(pdfs):
        span = slice(model.offsets[pdf], model.offsets[pdf + 1])
        here = rows if frames is None else frames[rows]
        gamma, _ = gmm.responsibilities(chooser.component_log_likes(feats[here], span))
        if weights is not None:
            gamma *= weights[rows, None]
        sums[here] += gamma @ inverse[span]
        targets[here] += gamma @ scaled[span]
    stats.add(feats, sums, targets, len(pdfs) if weights is None else weights.sum())
    return stats
