"""Batches of chunks of utterances, cut from the archives on disk as they are asked for.

    reader = ChunkReader(data, front_end, utts, labels, left=12, right=12, subsampling=3,
                         chunk_out=50, batch_size=64, seed=1)
    for index in range(reader.num_batches(epoch)):
        feats, pdfs, weights = reader.batch(epoch, index)

An output frame stands for `subsampling` input frames. A chunk has chunk_out output frames, and
around them the left and right input frames that the network looks at beyond.
"""

import queue
import threading

import numpy as np

from steps.features.cmvn import affine
from steps.features.pipeline import FeaturePipeline
from steps.nnet.mapped_archive import MappedMatrices
from steps.nnet.spec_augment import spec_augment
from utils.step import UserError


def cut(lengths, chunk_out, subsampling, rng=None):
    """Chunks that own each frame of each utterance exactly once.

    Where an utterance is no multiple of a chunk, neighbours overlap and the frames in common are
    owned by one of them; only an utterance shorter than a chunk is padded. Without rng, output
    frames begin at the first input frame and chunks are owned from their beginning; with it, both
    are shifted at random, as far as the number of chunks stays the same.

    lengths  int (num_utts,), input frames, at least 1
    returns  int32 (4, num_chunks), utterance by utterance: utt, an index into lengths; start, the
             first output frame's first input frame, of which the first few may lie before 0;
             first, last: output frames [first, last) of the chunk are its own
    """
    lengths = np.asarray(lengths, np.int64)
    counts = -(-lengths // (chunk_out * subsampling))
    shift = np.zeros_like(lengths)
    if rng:
        spare = counts * chunk_out * subsampling - lengths
        shift = rng.integers(0, np.minimum(spare, subsampling - 1) + 1)
    num_out = -(-(lengths + shift) // subsampling)
    spare = counts * chunk_out - num_out
    before = rng.integers(0, spare + 1) if rng else np.zeros_like(lengths)

    utt = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(len(utt)) - np.repeat(np.cumsum(counts) - counts, counts)
    nominal = number * chunk_out - before[utt]
    room = num_out[utt] - chunk_out
    begin = np.where(room < 0, nominal, np.clip(nominal, 0, np.maximum(room, 0)))
    first = np.maximum(nominal, 0) - begin
    last = np.minimum(nominal + chunk_out, num_out[utt]) - begin
    return np.stack([utt, begin * subsampling - shift[utt], first, last]).astype(np.int32)


class ChunkReader:
    """Batches of one data directory; each depends on seed, epoch and index alone.

    data, front_end   as of FeaturePipeline; deltas and splicing are left to the network
    utts              the utterances to take, of which those without labels are left out
    labels            Labels
    left, right       input frames of context
    spec_augment      keyword arguments of spec_augment(), {} for its defaults; None for none
    soft_targets      {utt: "path:offset"} of float matrices (output frames of utt, num_pdfs)

    .utts .feat_dim .num_chunks; .num_frames, input frames of all utterances
    """

    def __init__(self, data, front_end, utts, labels, left, right, subsampling, chunk_out,
                 batch_size, seed, spec_augment=None, soft_targets=None):
        if front_end.get("deltas") or front_end.get("splice"):
            raise UserError("front_end.json", "has deltas or splicing",
                            "a network is trained on plain features")
        self.utts = [utt for utt in utts if utt in labels.index]
        if not self.utts:
            raise UserError(data.path, "none of the utterances to train with is aligned")
        self.left, self.right, self.subsampling = left, right, subsampling
        self.chunk_out, self.batch_size, self.seed = chunk_out, batch_size, seed
        self.spec_augment = spec_augment
        self.rows = slice(None)      # of each batch, that are read here
        self._labels = labels
        self._pipeline = FeaturePipeline(data, front_end)
        self._feats = MappedMatrices(data.feats_scp, f"{data.path}/feats.scp")
        self._soft = None
        if soft_targets is not None:
            self._soft = MappedMatrices(soft_targets, "soft targets")
        self._first, self._lengths = np.array([labels.index[utt] for utt in self.utts]).T
        self.feat_dim = self._pipeline.raw_dim
        self.num_frames = int(self._lengths.sum())
        self._check_lengths()
        self._set_cmvn()
        self._plan = None
        self._fixed = cut(self._lengths, chunk_out, subsampling)
        self.num_chunks = self._fixed.shape[1]

    def take_rows(self, worker, num_workers):
        """Read no more than one worker's rows of each batch; worker is from 0."""
        first, last = (self.batch_size * w // num_workers for w in (worker, worker + 1))
        if first == last:
            raise UserError("--num-workers", f"is {num_workers} for {self.batch_size} chunks in a "
                            "batch", "at least a chunk of each language for each worker")
        self.rows = slice(first, last)

    def num_batches(self, epoch=0):
        """The same in all epochs."""
        return -(-self.num_chunks // self.batch_size)

    def batch(self, epoch, index):
        """One batch of training data; the last of an epoch is filled up with its first chunks.

        returns  feats    float32 (batch, left + chunk_out * subsampling + right, feat_dim)
                 pdfs     int32 (batch, chunk_out), of the middle frame of each output frame
                 weights  float32 (batch, chunk_out), 1 for a chunk's own frames, else 0
                 soft     float32 (batch, chunk_out, num_pdfs), only with soft_targets
        """
        if not 0 <= index < self.num_batches(epoch):
            raise IndexError(f"batch {index} of {self.num_batches(epoch)}")
        chunks, order = self._epoch(epoch)
        places = np.arange(index * self.batch_size, (index + 1) * self.batch_size)[self.rows]
        arrays = self._assemble(chunks[:, order[places % self.num_chunks]])
        if self.spec_augment is not None:
            rng = np.random.default_rng([self.seed, epoch, index])
            spec_augment(arrays[0], rng, **self.spec_augment, batch_size=self.batch_size,
                         rows=self.rows)
        return arrays

    def valid_batches(self):
        """All chunks once in a fixed order, nothing erased; the last batch is filled up with
        chunks of weight 0.
        """
        for begin in range(0, self.num_chunks, self.batch_size):
            places = np.arange(begin, begin + self.batch_size)[self.rows]
            arrays = self._assemble(self._fixed[:, places % self.num_chunks])
            arrays[2][places >= self.num_chunks] = 0
            yield arrays

    def _epoch(self, epoch):
        plan = self._plan
        if plan is None or plan[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch])
            chunks = cut(self._lengths, self.chunk_out, self.subsampling, rng)
            plan = self._plan = epoch, chunks, rng.permutation(self.num_chunks).astype(np.int32)
        return plan[1:]

    def _assemble(self, chunks):
        utts, starts, first, last = chunks
        width = self.left + self.chunk_out * self.subsampling + self.right
        feats = np.empty((len(utts), width, self.feat_dim), np.float32)
        for chunk, utt, start in zip(feats, utts.tolist(), (starts - self.left).tolist(),
                                     strict=True):
            self._fill(chunk, utt, start)
        if self._scale is not None:
            feats *= self._scale[self._spk[utts]][:, None]
        if self._offset is not None:
            feats += self._offset[self._spk[utts]][:, None]
        self._check_finite(feats, utts)

        out = np.arange(self.chunk_out)
        middle = starts[:, None] + out * self.subsampling + self.subsampling // 2
        middle = np.clip(middle, 0, self._lengths[utts][:, None] - 1)      # (batch, chunk_out)
        pdfs = self._labels.at(self._first[utts][:, None] + middle)
        weights = ((out >= first[:, None]) & (out < last[:, None])).astype(np.float32)
        if self._soft is None:
            return feats, pdfs, weights
        soft = [self._soft_targets(utt, frames // self.subsampling)
                for utt, frames in zip(utts.tolist(), middle, strict=True)]
        return feats, pdfs, weights, np.stack(soft)

    def _fill(self, chunk, utt, start):
        """Frames from `start` on of an utterance; beyond its edges the edge frame is repeated."""
        first, last = max(start, 0), min(start + len(chunk), int(self._lengths[utt]))
        chunk[first - start:last - start] = self._rows(self.utts[utt], first, last)
        chunk[:first - start] = chunk[first - start]
        chunk[last - start:] = chunk[last - start - 1]

    def _soft_targets(self, utt, frames):
        """Rows `frames`, ascending, of an utterance's soft targets."""
        utt, expected = self.utts[utt], -(-int(self._lengths[utt]) // self.subsampling)
        if self._soft.num_frames(utt) != expected:
            raise UserError(utt, f"has {self._soft.num_frames(utt)} rows of soft targets and "
                            f"{expected} output frames", "compute them with the same subsampling")
        rows = self._soft.rows(utt, int(frames[0]), int(frames[-1]) + 1)
        return rows[frames - frames[0]]

    def _rows(self, utt, first, last):
        if self._whole:
            return self._pipeline.load(utt)[first:last]
        return self._feats.rows(utt, first, last)

    def _set_cmvn(self):
        """What _assemble() adds and multiplies: float32 (num_spks, feat_dim), or None."""
        data, front_end = self._pipeline.data, self._pipeline.front_end
        self._whole = front_end["cmvn"] in ("utterance", "sliding")
        self._scale = self._offset = None
        if front_end["cmvn"] != "speaker":
            return
        speakers = sorted({data.utt2spk[utt] for utt in self.utts})
        number = {spk: n for n, spk in enumerate(speakers)}
        self._spk = np.array([number[data.utt2spk[utt]] for utt in self.utts], np.int32)
        found = [affine(self._pipeline.stats(spk), front_end.get("norm_vars")) for spk in speakers]
        self._offset = np.stack([offset for offset, _ in found])
        if front_end.get("norm_vars"):
            self._scale = np.stack([scale for _, scale in found])

    def _check_lengths(self):
        for utt, count in zip(self.utts, self._lengths.tolist(), strict=True):
            found = self._feats.num_frames(utt), self._feats.dim(utt)
            if found != (count, self.feat_dim):
                raise UserError(f"{self._pipeline.data.path}/feats.scp", f"{utt} is {found[0]} x "
                                f"{found[1]}, expected {count} x {self.feat_dim}",
                                "make features and labels anew")

    def _check_finite(self, feats, utts):
        with np.errstate(invalid="ignore", over="ignore"):
            if np.isfinite(feats.sum()):
                return
        bad = utts[~np.isfinite(feats).all((1, 2))].tolist()
        if bad:
            raise UserError(f"{self._pipeline.data.path}/feats.scp", f"{self.utts[bad[0]]} has "
                            "values that are no numbers", "make the features again")


def prefetch(iterable, depth=2):
    """Yield what iterable gives, of which up to depth items are made ahead by a thread.

    An exception there is raised here. The thread ends with the generator, also if that is closed
    before its end.
    """
    items, stop = queue.Queue(depth), threading.Event()

    def hand_over(item):
        while not stop.is_set():
            try:
                return items.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work():
        try:
            for item in iterable:
                hand_over((item, None))
                if stop.is_set():
                    return
            hand_over((None, StopIteration()))
        except BaseException as error:   # UserError is a SystemExit
            hand_over((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = items.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stop.set()
        thread.join()
