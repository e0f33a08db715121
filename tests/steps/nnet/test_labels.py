"""Labels held against alignments that are made up here, and against those of the tiny corpus."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from steps.hmm.ali import read_ali, write_ali
from steps.hmm.model import read_transitions, write_transitions
from steps.hmm.transitions import TransitionModel
from steps.nnet.labels import (
    Labels,
    fit,
    lengths_of,
    split_held_out,
    transitions_of,
    write_labels,
)
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.step import UserError

NUM_TIDS = 40
TRANSITIONS = SimpleNamespace(num_tids=NUM_TIDS, tid2pdf=np.arange(-1, NUM_TIDS, dtype=np.int32))


def make_data(path, utt2spk, uniq=None, durations=None):
    path.mkdir()
    write_table(path / "utt2spk", utt2spk)
    if uniq:
        write_table(path / "utt2uniq", uniq)
    if durations:
        write_table(path / "utt2dur", {utt: str(s) for utt, s in durations.items()})
    return DataDir(path)


def make_ali(directory, *jobs):
    directory.mkdir(exist_ok=True)
    for number, job in enumerate(jobs, 1):
        write_ali(directory / f"ali.{number}.gz", [(u, np.array(t)) for u, t in job.items()])
    (directory / "num_jobs").write_text(f"{len(jobs)}\n")
    return directory


def random_tids(count, seed=0):
    return np.random.default_rng(seed).integers(1, NUM_TIDS + 1, count)


def test_pdfs_of_the_tiny_corpus(speech, mono_ali, tmp_path):
    data = DataDir(speech.train)
    lengths, transitions = lengths_of(data), transitions_of([mono_ali])
    assert lengths == {u: int(n) for u, n in data.table("utt2num_frames").items()}
    labels = write_labels(tmp_path / "new/labels", data, [mono_ali], transitions, lengths)
    alignments = read_ali(mono_ali)
    assert set(labels.index) == set(alignments) and len(alignments) > 30
    for utt, tids in alignments.items():
        pdfs = transitions.tid2pdf[tids]
        assert np.array_equal(labels.of(utt), pdfs)
        first, count = labels.index[utt]
        places = np.random.default_rng(1).integers(0, count, (3, 4))
        assert np.array_equal(labels.at(first + places), pdfs[places])
    stored = np.load(tmp_path / "new/labels.npy")
    assert stored.dtype == np.int32 and len(stored) == sum(lengths.values())
    assert Labels(tmp_path / "new/labels").index == labels.index
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["labels.index", "labels.npy"]


def test_copies_take_the_alignment_of_their_original(tmp_path):
    data = make_data(
        tmp_path / "data", {"s-a": "s", "sp0.9-s-a": "sp0.9-s", "noisy-s-a": "s", "x-b": "x"},
        {"sp0.9-s-a": "s-a", "noisy-s-a": "s-a", "s-a": "s-a", "x-b": "gone"},
        {"s-a": 3.0, "sp0.9-s-a": 3.0 / 0.9, "noisy-s-a": 3.0})
    tids, other = random_tids(298), random_tids(100, 1)
    ali = make_ali(tmp_path / "ali", {"s-a": tids, "not-asked-for": tids}, {"gone": other})
    lengths = {"s-a": 298, "sp0.9-s-a": 331, "noisy-s-a": 298, "x-b": 91}
    labels = write_labels(tmp_path / "labels", data, [ali], TRANSITIONS, lengths)
    assert np.array_equal(labels.of("s-a"), tids - 1)
    assert np.array_equal(labels.of("noisy-s-a"), tids - 1)
    assert np.array_equal(labels.of("x-b"), fit(other - 1, 91, stretch=True))
    # each frame of the slow copy has the label of the original's frame at 0.9 of its middle
    for frame, pdf in enumerate(labels.of("sp0.9-s-a").tolist()):
        assert pdf == tids[int((frame + 0.5) * 298 / 331)] - 1


@pytest.mark.parametrize("order", [["s-a", "sp-s-a"], ["sp-s-a", "s-a"]])
def test_a_copys_own_alignment_wins(tmp_path, order):
    data = make_data(tmp_path / "data", {"s-a": "s", "sp-s-a": "sp-s"}, {"sp-s-a": "s-a"})
    tids = {"s-a": random_tids(50), "sp-s-a": random_tids(60, 1)}
    dirs = [make_ali(tmp_path / utt, {utt: tids[utt]}) for utt in order]
    lengths = {utt: len(t) for utt, t in tids.items()}
    labels = write_labels(tmp_path / "labels", data, dirs, TRANSITIONS, lengths)
    for utt in order:
        assert np.array_equal(labels.of(utt), tids[utt] - 1)


def test_a_frame_or_two_more_or_less(tmp_path):
    data = make_data(tmp_path / "data", {"s-a": "s", "s-b": "s", "s-c": "s"})
    ali = make_ali(tmp_path / "ali", {u: [1, 2, 3, 4, 5] for u in data.utts})
    labels = write_labels(tmp_path / "labels", data, [ali], TRANSITIONS,
                          {"s-a": 7, "s-b": 3, "s-c": 5})
    assert labels.of("s-a").tolist() == [0, 1, 2, 3, 4, 4, 4]
    assert labels.of("s-b").tolist() == [0, 1, 2]
    assert labels.of("s-c").tolist() == [0, 1, 2, 3, 4]


def test_some_without_a_fitting_alignment_are_named(tmp_path, capsys):
    utts = {f"s-{n:02d}": "s" for n in range(60)}
    data = make_data(tmp_path / "data", utts | {"t-long": "t", "t-none": "t"},
                     {"t-fast": "s-00"}, {"s-00": 1.0, "t-fast": 0.5})
    tids = random_tids(50)
    ali = make_ali(tmp_path / "ali", dict.fromkeys([*utts, "t-long"], tids))
    lengths = dict.fromkeys(utts, 50) | {"t-long": 53, "t-none": 50, "t-fast": 40, "t-0": 0}
    labels = write_labels(tmp_path / "labels", data, [ali], TRANSITIONS, lengths)
    assert set(labels.index) == set(utts)
    told = capsys.readouterr().err
    assert "3 of 63 utterances" in told and "t-long (53 frames, its alignment 50)" in told
    assert "t-none" in told and "t-fast (40 frames, its alignment 25)" in told


def test_many_without_an_alignment_are_an_error(tmp_path):
    data = make_data(tmp_path / "data", {"s-a": "s", "s-b": "s"})
    ali = make_ali(tmp_path / "ali", {"s-a": [1, 2]})
    with pytest.raises(UserError, match=r"ali: 1 of 2 utterances have no alignment.*s-b"):
        write_labels(tmp_path / "out/labels", data, [ali], TRANSITIONS, {"s-a": 2, "s-b": 2})
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("tids", [[1, NUM_TIDS + 1], [0, 1]])
def test_alignments_of_another_model(tmp_path, tids):
    data = make_data(tmp_path / "data", {"s-a": "s"})
    ali = make_ali(tmp_path / "ali", {"s-a": tids})
    with pytest.raises(UserError, match=r"s-a: its alignment has .*another model"):
        write_labels(tmp_path / "labels", data, [ali], TRANSITIONS, {"s-a": 2})


def test_where_nothing_can_be_written(tmp_path):
    data = make_data(tmp_path / "data", {"s-a": "s"})
    ali = make_ali(tmp_path / "ali", {"s-a": [1, 2]})
    with pytest.raises(UserError, match="/proc/none: cannot be written to, no such file"):
        write_labels("/proc/none/labels", data, [ali], TRANSITIONS, {"s-a": 2})


def test_alignments_of_two_trees(mono_ali, tmp_path):
    model = read_transitions(mono_ali / "final.mdl")
    for name, tuples in [("same", model.tuples), ("other", model.tuples[:-3])]:
        (tmp_path / name).mkdir()
        write_transitions(tmp_path / name / "final.mdl",
                          TransitionModel(model.topo, tuples, model.num_pdfs))
    assert transitions_of([mono_ali, tmp_path / "same"]).num_tids == model.num_tids
    with pytest.raises(UserError, match=r"other/final.mdl: another tree than in .*same"):
        transitions_of([tmp_path / "same", tmp_path / "other"])


def test_labels_that_do_not_go_with_their_index(tmp_path):
    data = make_data(tmp_path / "data", {"s-a": "s"})
    ali = make_ali(tmp_path / "ali", {"s-a": [1, 2]})
    write_labels(tmp_path / "labels", data, [ali], TRANSITIONS, {"s-a": 2})
    write_table(tmp_path / "labels.index", {"s-a": "0 3"})
    with pytest.raises(UserError, match=r"labels.npy: has 2 frames, fewer than"):
        Labels(tmp_path / "labels")


def test_alignments_are_not_held_in_memory(tmp_path):
    data = make_data(tmp_path / "data", {f"s-{n:03d}": "s" for n in range(100)})
    ali = make_ali(tmp_path / "ali", {utt: random_tids(2000) for utt in data.utts})
    lengths = dict.fromkeys(data.utts, 2000)
    tracemalloc.start()
    write_labels(tmp_path / "labels", data, [ali], TRANSITIONS, lengths)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 100 * 2000 / 2


# held-out speakers

def perturbed(tmp_path, speakers=20, each=5, originals=True):
    utt2spk = {f"{spk:02d}-{n}": f"{spk:02d}" for spk in range(speakers) for n in range(each)}
    copies = {f"sp{f}-{utt}": (f"sp{f}-{spk}", utt) for f in ("0.9", "1.1")
              for utt, spk in utt2spk.items()}
    uniq = {utt: original for utt, (_, original) in copies.items()}
    return make_data(tmp_path / "data",
                     (utt2spk if originals else {}) | {u: spk for u, (spk, _) in copies.items()},
                     uniq)


def speaker(utt):
    return utt.removeprefix("sp0.9-").removeprefix("sp1.1-").split("-")[0]


@pytest.mark.parametrize("amount", [0.1, 10])
@pytest.mark.parametrize("originals", [True, False])
def test_whole_speakers_are_held_out_with_their_copies(tmp_path, amount, originals):
    data = perturbed(tmp_path, originals=originals)
    train, valid = split_held_out(data, amount, 7)
    assert len(valid) == 10 and train == sorted(train) and valid == sorted(valid)
    held = set(map(speaker, valid))
    assert len(held) == 2 and not held & set(map(speaker, train))
    assert len(train) == (3 if originals else 2) * 90
    if originals:
        assert not any(utt.startswith("sp") for utt in valid)
    else:
        assert len({data.table("utt2uniq")[utt] for utt in valid}) == 10
    assert (train, valid) == split_held_out(DataDir(data.path), amount, 7)
    assert any(valid != split_held_out(data, amount, seed)[1] for seed in range(3))


def test_a_copy_whose_original_is_missing_is_of_its_speaker(tmp_path):
    data = perturbed(tmp_path)
    some = np.random.default_rng(2).choice(data.utts, 150, replace=False)
    train, valid = split_held_out(data, 20, 7, some)
    assert any(utt.startswith("sp") for utt in valid)
    assert not set(map(speaker, valid)) & set(map(speaker, train))


def test_a_speaker_of_much_is_not_held_out(tmp_path):
    utt2spk = {f"big-{n:02d}": "big" for n in range(50)} | {
        f"s{n}-{m}": f"s{n}" for n in range(10) for m in range(3)}
    data = make_data(tmp_path / "data", utt2spk)
    for seed in range(10):
        valid = split_held_out(data, 6, seed)[1]
        assert len(valid) == 6 and "big" not in map(speaker, valid)


def test_only_the_given_utterances(tmp_path):
    data = perturbed(tmp_path)
    some = [utt for utt in data.utts if speaker(utt) < "10"]
    train, valid = split_held_out(data, 0.1, 0, some)
    assert set(train) | set(valid) <= set(some) and len(valid) == 5


def test_of_one_speaker_utterances_are_held_out(tmp_path, capsys):
    data = perturbed(tmp_path, speakers=1, each=30)
    train, valid = split_held_out(data, 0.1, 0)
    assert len(valid) == 3 and len(train) == 3 * 27
    assert not set(valid) & {data.table("utt2uniq").get(utt, utt) for utt in train}
    assert "1 speakers, so utterances are held out" in capsys.readouterr().err


def test_of_one_speaker_not_all_is_held_out(tmp_path):
    train, valid = split_held_out(perturbed(tmp_path, speakers=1, each=10), 5, 0)
    assert len(valid) == 5 and len(train) == 3 * 5


@pytest.mark.parametrize("speakers", [2, 3, 5])
def test_of_a_few_speakers_utterances_are_held_out(tmp_path, speakers):
    data = perturbed(tmp_path, speakers=speakers, each=60 // speakers)
    train, valid = split_held_out(data, 0.05, 0)
    assert len(valid) == 3 and len(train) == 3 * 57


@pytest.mark.parametrize("sizes", [(100, 100, 100, 100, 100, 100, 1), (500, 1), (400, 400, 5)])
def test_beside_speakers_of_much_one_of_little_is_not_enough(tmp_path, sizes):
    data = make_data(tmp_path / "data", {f"s{n}-{m:03d}": f"s{n}" for n, size in enumerate(sizes)
                                         for m in range(size)})
    for seed in range(3):
        assert len(split_held_out(data, 0.05, seed)[1]) == round(0.05 * sum(sizes))


def test_too_much_cannot_be_held_out(tmp_path):
    with pytest.raises(UserError, match="4 utterances, of which 3 cannot be held out"):
        split_held_out(perturbed(tmp_path, speakers=2, each=2), 3, 0)
