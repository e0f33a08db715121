"""Chunks held against whole utterances.

The made-up features say where they are from: value 0 of a frame is its number, value 1 that of its
utterance; its label is 1000 * utterance + frame.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from steps.features.archive import MatrixWriter
from steps.features.cmvn import accumulate
from steps.features.pipeline import FeaturePipeline
from steps.hmm.ali import write_ali
from steps.nnet.chunks import ChunkReader, cut, prefetch
from steps.nnet.labels import write_labels
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.step import UserError

FRONT_END = {"cmvn": "none", "norm_vars": True, "deltas": 0, "splice": None, "feats": {}}
LENGTHS = [1, 2, 3, 4, 7, 29, 30, 31, 45, 59, 60, 61, 90, 200, 333, 34, 35, 36, 77, 150]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """20 utterances of 3 speakers with labels and soft targets (of every frame, of every third)."""
    root = tmp_path_factory.mktemp("chunks")
    utts = {f"s{n % 3}-{n:02d}": count for n, count in enumerate(LENGTHS)}
    write_table(root / "utt2spk", {utt: utt[:2] for utt in utts})
    rng, stats, soft = np.random.default_rng(0), {}, {1: {}, 3: {}}
    with MatrixWriter(root / "feats.ark") as feats, MatrixWriter(root / "soft.ark") as targets:
        for utt, count in utts.items():
            matrix = rng.normal(size=(count, 5)).astype(np.float32)
            matrix[:, 0], matrix[:, 1] = np.arange(count), int(utt[3:])
            feats.write(utt, matrix)
            stats[utt[:2]] = stats.get(utt[:2], 0) + accumulate(matrix)
            for every in soft:
                targets.write(f"{utt}-{every}", matrix[::every, :2])
                soft[every][utt] = targets.index[f"{utt}-{every}"]
    with MatrixWriter(root / "cmvn.ark") as cmvn:
        for spk, value in stats.items():
            cmvn.write(spk, value)
    write_table(root / "feats.scp", feats.index)
    write_table(root / "cmvn.scp", cmvn.index)
    data = DataDir(root)
    write_ali(root / "ali.1.gz", [(utt, 1000 * int(utt[3:]) + np.arange(count) + 1)
                                  for utt, count in utts.items()])
    transitions = SimpleNamespace(num_tids=10**5, tid2pdf=np.arange(10**5 + 1, dtype=np.int32) - 1)
    labels = write_labels(root / "labels", data, [root], transitions, utts)
    return SimpleNamespace(root=root, data=data, labels=labels, lengths=utts, soft=soft)


def make_reader(corpus, front_end=FRONT_END, **changes):
    options = {"left": 4, "right": 6, "subsampling": 3, "chunk_out": 10, "batch_size": 7,
               "seed": 5} | changes
    return ChunkReader(corpus.data, front_end, sorted(corpus.lengths), corpus.labels, **options)


def epoch_of(reader, epoch):
    """The arrays of an epoch, without the chunks that fill up the last batch."""
    batches = [reader.batch(epoch, i) for i in range(reader.num_batches(epoch))]
    return [np.concatenate(part)[:reader.num_chunks] for part in zip(*batches, strict=True)]


# where utterances are cut

@pytest.mark.parametrize("subsampling", [1, 2, 3])
@pytest.mark.parametrize("chunk_out", [1, 10, 33])
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_every_frame_is_owned_once(subsampling, chunk_out, seed):
    lengths = np.random.default_rng(2).integers(1, 500, 300)
    rng = None if seed is None else np.random.default_rng(seed)
    chunks = cut(lengths, chunk_out, subsampling, rng)
    size = chunk_out * subsampling
    assert chunks.dtype == np.int32
    assert np.bincount(chunks[0]).tolist() == [-(-n // size) for n in lengths.tolist()]
    seen = [np.zeros(n, int) for n in lengths]
    for utt, start, first, last in chunks.T.tolist():
        assert 0 <= first < last <= chunk_out
        begin, end = start + first * subsampling, start + last * subsampling
        assert -subsampling < begin < end < lengths[utt] + subsampling
        seen[utt][max(begin, 0):end] += 1
        if lengths[utt] >= size:      # nothing but what completes an output frame is padding
            assert start > -subsampling and start + size < lengths[utt] + subsampling
        if rng is None:
            assert start >= 0 and start % subsampling == 0
    assert all((counts == 1).all() for counts in seen)


def test_cuts_move_from_epoch_to_epoch():
    rng = np.random.default_rng(0)
    found = {tuple(map(tuple, cut([100], 20, 3, rng))) for _ in range(200)}
    starts = {cuts[1][0] for cuts in found}
    ends = {cuts[3][0] * 3 + cuts[1][0] for cuts in found}
    assert starts == {0, -1, -2}
    assert len(ends) > 15          # where the second chunk takes over
    assert cut([120], 20, 3, rng).tolist() == cut([120], 20, 3).tolist()   # no room to move


# batches

@pytest.mark.parametrize("subsampling, left, right", [(3, 4, 6), (1, 0, 0), (1, 15, 2),
                                                      (2, 50, 40)])
@pytest.mark.parametrize("epoch", [0, 1, "valid"])
def test_what_chunks_hold(corpus, subsampling, left, right, epoch):
    reader = make_reader(corpus, subsampling=subsampling, left=left, right=right)
    if epoch == "valid":
        feats, pdfs, weights = map(np.concatenate, zip(*reader.valid_batches(), strict=True))
        assert (weights[reader.num_chunks:] == 0).all()
        assert weights.sum() == sum(-(-n // subsampling) for n in LENGTHS)
    else:
        feats, pdfs, weights = epoch_of(reader, epoch)
    assert feats.dtype == np.float32 and pdfs.dtype == np.int32 and weights.dtype == np.float32
    assert feats.shape[1:] == (left + 10 * subsampling + right, 5)
    assert pdfs.shape == weights.shape == (len(feats), 10)
    utt2count = {int(utt[3:]): count for utt, count in corpus.lengths.items()}
    seen = {utt: np.zeros(count, int) for utt, count in utt2count.items()}
    for chunk, pdf, weight in zip(feats, pdfs, weights, strict=True):
        utt, count = int(chunk[0, 1]), utt2count[int(chunk[0, 1])]
        frames = chunk[:, 0].astype(int)
        assert (chunk[:, 1] == utt).all() and set(weight) <= {0, 1}
        # the frames follow one another, but for edges that are repeated
        steps = np.diff(frames)
        assert set(steps) <= {0, 1}
        assert (frames[:-1][steps == 0] % (count - 1 or 1) == 0).all()
        middle = left + subsampling // 2 + subsampling * np.arange(10)
        assert np.array_equal(pdf, 1000 * utt + frames[middle])
        for k in np.flatnonzero(weight):
            first = left + k * subsampling
            for frame in set(frames[first:first + subsampling].tolist()):
                seen[utt][frame] += 1
    assert all((counts == 1).all() for counts in seen.values())


@pytest.mark.parametrize("cmvn", ["none", "speaker", "utterance", "sliding"])
@pytest.mark.parametrize("norm_vars", [False, True])
def test_features_are_the_pipelines(corpus, cmvn, norm_vars):
    front_end = FRONT_END | {"cmvn": cmvn, "norm_vars": norm_vars}
    pipeline = FeaturePipeline(corpus.data, front_end)
    plain = epoch_of(make_reader(corpus), 2)[0]
    for chunk, where in zip(epoch_of(make_reader(corpus, front_end), 2)[0], plain, strict=True):
        utt = next(u for u in corpus.lengths if int(u[3:]) == where[0, 1])
        assert np.array_equal(chunk, pipeline.load(utt)[where[:, 0].astype(int)])


def test_a_batch_depends_on_seed_epoch_and_index_alone(corpus):
    options = {"spec_augment": {"freq_mask_bins": 2}}
    one, two = make_reader(corpus, **options), make_reader(corpus, **options)
    for epoch in (0, 3):
        for index in range(one.num_batches(epoch)):
            one.batch(epoch, index)
    for epoch, index in [(3, 2), (0, 0), (3, 1)]:
        for first, second in zip(one.batch(epoch, index), two.batch(epoch, index), strict=True):
            assert np.array_equal(first, second)
    first = one.batch(0, 0)[1]
    assert not np.array_equal(first, one.batch(1, 0)[1])
    assert not np.array_equal(first, make_reader(corpus, seed=6).batch(0, 0)[1])


def test_the_last_batch_is_filled_up(corpus):
    reader = make_reader(corpus, batch_size=16)
    assert reader.num_chunks % 16 and reader.num_batches(4) == -(-reader.num_chunks // 16)
    first, last = reader.batch(4, 0), reader.batch(4, reader.num_batches(4) - 1)
    own = reader.num_chunks % 16
    for part, other in zip(first, last, strict=True):
        assert np.array_equal(part[:16 - own], other[own:])
    with pytest.raises(IndexError, match="batch"):
        reader.batch(4, reader.num_batches(4))
    few = make_reader(corpus, batch_size=1000)     # more than there are chunks
    assert few.num_batches(0) == 1 and len(few.batch(0, 0)[0]) == 1000


def test_spec_augment_is_for_training_alone(corpus):
    options = {"num_time_masks": 1, "time_mask_frames": 8, "num_freq_masks": 0}
    plain, erasing = make_reader(corpus), make_reader(corpus, spec_augment=options)
    changed = False
    for index in range(plain.num_batches(0)):
        before, after = plain.batch(0, index), erasing.batch(0, index)
        erased = (after[0] == 0).all(2)
        changed |= erased.any()
        assert np.array_equal(np.where(erased[:, :, None], 0, before[0]), after[0])
        assert np.array_equal(before[1], after[1]) and np.array_equal(before[2], after[2])
    assert changed
    for before, after in zip(plain.valid_batches(), erasing.valid_batches(), strict=True):
        assert np.array_equal(before[0], after[0])


@pytest.mark.parametrize("subsampling", [1, 3])
def test_soft_targets_go_with_the_labels(corpus, subsampling):
    reader = make_reader(corpus, subsampling=subsampling, soft_targets=corpus.soft[subsampling])
    for arrays in [epoch_of(reader, 1), *reader.valid_batches()]:
        _, pdfs, weights, soft = arrays
        assert soft.dtype == np.float32 and soft.shape == (*pdfs.shape, 2)
        utts, frames = np.divmod(pdfs, 1000)
        assert np.array_equal(soft[..., 1], utts)
        assert np.array_equal(soft[..., 0], frames // subsampling * subsampling)
        assert weights.any()
    wrong = make_reader(corpus, subsampling=2, soft_targets=corpus.soft[1])
    with pytest.raises(UserError, match=r"rows of soft targets and .* output frames"):
        epoch_of(wrong, 0)


def test_threads_get_the_same_batches(corpus):
    one, two = make_reader(corpus), make_reader(corpus)
    places = [(epoch, i) for epoch in range(4) for i in range(one.num_batches(epoch))] * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: one.batch(*place), places))
    for place, batch in zip(places, found, strict=True):
        assert all(map(np.array_equal, batch, two.batch(*place)))


# what is wrong

def test_front_ends_that_are_not_for_networks(corpus):
    for change in ({"deltas": 2}, {"splice": [3, 3]}):
        with pytest.raises(UserError, match="deltas or splicing"):
            make_reader(corpus, FRONT_END | change)


def test_no_utterance_with_labels(corpus):
    with pytest.raises(UserError, match="none of the utterances"):
        ChunkReader(corpus.data, FRONT_END, ["x"], corpus.labels, 0, 0, 1, 10, 4, 0)


def changed_data(corpus, path, name, table):
    path.mkdir()
    for other in ("utt2spk", "feats.scp", "cmvn.scp"):
        write_table(path / other, table if other == name else corpus.data.table(other))
    return SimpleNamespace(**vars(corpus) | {"data": DataDir(path)})


def test_features_made_anew_of_another_length(corpus, tmp_path):
    table = corpus.data.feats_scp | {"s1-13": corpus.data.feats_scp["s2-14"]}
    with pytest.raises(UserError, match=r"feats.scp: s1-13 is 333 x 5, expected 200 x 5"):
        make_reader(changed_data(corpus, tmp_path / "x", "feats.scp", table))


def test_a_speaker_without_cmvn(corpus, tmp_path):
    table = {spk: v for spk, v in corpus.data.cmvn_scp.items() if spk != "s1"}
    with pytest.raises(UserError, match=r"cmvn.scp: has no speaker s1"):
        make_reader(changed_data(corpus, tmp_path / "x", "cmvn.scp", table),
                    FRONT_END | {"cmvn": "speaker"})


@pytest.mark.parametrize("stats", [np.ones((2, 4)), np.ones(6), np.zeros((2, 6)),
                                   np.full((2, 6), np.nan),
                                   np.array([[np.nan] * 5 + [9], [1] * 6])])
def test_a_speaker_whose_cmvn_is_no_statistics(corpus, tmp_path, stats):
    with MatrixWriter(tmp_path / "bad.ark") as archive:
        archive.write("s1", stats)
    data = changed_data(corpus, tmp_path / "x", "cmvn.scp", corpus.data.cmvn_scp | archive.index)
    with pytest.raises(UserError, match=r"cmvn.scp: what s1 has are no statistics of 5 values"):
        make_reader(data, FRONT_END | {"cmvn": "speaker"})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers(corpus, tmp_path, value):
    bad = np.ones((200, 5), np.float32)
    bad[70, 2] = value
    with MatrixWriter(tmp_path / "bad.ark") as archive:
        archive.write("s1-13", bad)
    data = changed_data(corpus, tmp_path / "x", "feats.scp",
                        corpus.data.feats_scp | archive.index)
    with pytest.raises(UserError, match=r"feats.scp: s1-13 has values that are no numbers"):
        epoch_of(make_reader(data), 0)


# prefetch

def running():
    return {t for t in threading.enumerate() if t.is_alive()}


def test_prefetch_keeps_the_order_and_ends():
    before = running()
    assert list(prefetch(iter(range(100)), depth=3)) == list(range(100))
    assert list(prefetch([None])) == [None] and list(prefetch([])) == []
    assert running() == before


@pytest.mark.parametrize("error", [UserError("x", "is broken"), ValueError("x: is broken")])
def test_prefetch_hands_over_what_goes_wrong(error):
    def items():
        yield 1
        yield 2
        raise error

    before, found = running(), []
    with pytest.raises(type(error), match="is broken"):
        for item in prefetch(items()):
            found.append(item)
    assert found == [1, 2] and running() == before


def test_prefetch_makes_no_more_than_asked_for_and_stops_when_left():
    before, made = running(), []

    def items():
        for n in range(10**6):
            made.append(n)
            yield n

    ahead = prefetch(items(), depth=2)
    assert made == []
    assert next(ahead) == 0
    time.sleep(0.2)
    assert len(made) <= 1 + 2 + 1      # taken, waiting, and the one in the thread's hand
    ahead.close()
    assert running() == before and len(made) < 10
