import gzip
import io

import kaldiio
import numpy as np
import pytest

from steps.hmm import ali
from steps.hmm.transitions import TransitionModel
from tests.steps.hmm.small import EveryWindow, builder_of, linear_topo, make_lang
from utils.step import UserError

ALIGNMENTS = {"u1": np.array([3, 3, 4, 7], np.int32), "ü2": np.array([12], np.int32)}


def test_is_a_kaldi_text_archive(tmp_path):
    ali.write_ali(tmp_path / "ali.1.gz", ALIGNMENTS.items())
    with gzip.open(tmp_path / "ali.1.gz") as file:
        content = file.read()
    assert content == "u1 3 3 4 7\nü2 12\n".encode()
    with kaldiio.ReadHelper(f"ark:gunzip -c {tmp_path}/ali.1.gz |") as reader:
        found = dict(reader)
    assert {utt: tids.tolist() for utt, tids in found.items()} == {
        utt: tids.tolist() for utt, tids in ALIGNMENTS.items()}
    loaded = dict(kaldiio.load_ark(io.BytesIO(content)))
    assert loaded["u1"].tolist() == [3, 3, 4, 7]


def test_round_trip_over_jobs(tmp_path):
    for job, utt in enumerate(ALIGNMENTS, 1):
        ali.write_ali(tmp_path / f"ali.{job}.gz", [(utt, ALIGNMENTS[utt])])
    found = ali.read_ali(tmp_path)
    assert list(found) == list(ALIGNMENTS)
    assert all(np.array_equal(found[u], ALIGNMENTS[u]) for u in found)
    assert found["u1"].dtype == np.int32
    assert list(ali.read_ali(tmp_path, {"ü2"})) == ["ü2"]


def test_kaldis_two_spaces_are_read(tmp_path):
    with gzip.open(tmp_path / "ali.1.gz", "wt") as file:
        file.write("u1  5 6 7 \n")
    assert ali.read_ali(tmp_path)["u1"].tolist() == [5, 6, 7]


def test_of_an_earlier_run_with_more_jobs_nothing_is_read(tmp_path):
    for job in (1, 2, 3):
        ali.write_ali(tmp_path / f"ali.{job}.gz", [(f"u{job}", np.array([job]))])
    (tmp_path / "num_jobs").write_text("2\n")
    assert list(ali.read_ali(tmp_path)) == ["u1", "u2"]
    (tmp_path / "num_jobs").write_text("4\n")
    with pytest.raises(UserError, match=r"ali.4.gz: no such file"):
        ali.read_ali(tmp_path)


def test_broken_archives_name_the_file(tmp_path):
    with pytest.raises(UserError, match=r"has no ali"):
        ali.read_ali(tmp_path)
    with gzip.open(tmp_path / "ali.1.gz", "wt") as file:
        file.write("u1 1 2\nu2 1 two\n")
    with pytest.raises(UserError, match=r"ali.1.gz:2: u2 has something that is no number"):
        ali.read_ali(tmp_path)
    with gzip.open(tmp_path / "ali.1.gz", "wt") as file:
        file.write("u1 1 99999999999\n")
    with pytest.raises(UserError, match=r"ali.1.gz:1: u1 has something that is no number"):
        ali.read_ali(tmp_path)
    ali.write_ali(tmp_path / "ali.1.gz", [("u1", np.arange(10000))])
    whole = (tmp_path / "ali.1.gz").read_bytes()
    for broken in (whole[:-100], b"u1 1 2 3\n", whole[:40] + b"xxxx" + whole[44:]):
        (tmp_path / "ali.1.gz").write_bytes(broken)
        with pytest.raises(UserError, match=r"ali.1.gz: is broken"):
            ali.read_ali(tmp_path)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """An alignment of `ab b` by hand: SIL a b b SIL, and its model."""
    lang = make_lang(tmp_path_factory.mktemp("ali"))
    _, transitions, tree = builder_of(lang, 1)
    phones = [lang.phones[p] for p in ("SIL", "a", "b", "b", "SIL")]
    durations = [(3, 2), (1, 1), (2, 4), (1, 3), (5, 1)]
    tids = []
    for phone, frames in zip(phones, durations, strict=True):
        for hmm_state, count in enumerate(frames):
            pdf = tree.pdf((phone,), hmm_state)
            first = transitions.first_tid[transitions.state_index(phone, hmm_state, pdf, pdf)]
            tids += [first] * (count - 1) + [first + 1]
    return np.array(tids, np.int32), transitions, phones, durations


def test_phones_and_bounds(aligned):
    tids, transitions, phones, durations = aligned
    found, bounds = ali.phones_of(tids, transitions)
    assert found.tolist() == phones
    assert np.diff(bounds).tolist() == [sum(d) for d in durations]


def test_a_path_goes_from_state_to_state_to_the_end_of_a_phone(aligned):
    tids, transitions, _, _ = aligned
    assert ali.is_path(tids, transitions)
    assert ali.is_path(tids[:0], transitions)
    for broken in (tids[1:-1], tids[:-1], np.roll(tids, 1), tids[::-1], np.delete(tids, 4),
                   np.where(tids == tids[5], 0, tids), np.append(tids, transitions.num_tids + 1),
                   np.where(tids == tids[5], -tids, tids)):
        assert not ali.is_path(broken, transitions)
    with pytest.raises(UserError, match=r"exp/ali/ali.\*.gz: u1 is no path through the HMMs of"):
        ali.check_path("exp/ali", "u1", tids[1:-1], transitions)


def test_a_path_stays_in_the_state_of_its_context(aligned):
    tids, old, _, _ = aligned
    tree = EveryWindow(3, old.topo.phones, 2)
    new = TransitionModel.from_tree(linear_topo(old.topo.phones), tree)
    converted = ali.convert(tids, old, new, tree)
    assert ali.is_path(converted, new)
    stays = int(np.flatnonzero(new.tid_is_self_loop[converted])[0])
    state = new.tid2state[converted[stays]]
    alike = np.flatnonzero((new.tuples[:, :2] == new.tuples[state, :2]).all(1))
    other = alike[alike != state][0]     # of the same phone and HMM state, in another context
    converted[stays + 1] += new.first_tid[other] - new.first_tid[state]
    assert not ali.is_path(converted, new)


def test_windows(aligned):
    tids, transitions, phones, durations = aligned
    windows, classes = ali.frame_windows(tids, transitions)
    padded = [0, *phones, 0]
    expected = [(padded[i:i + 3], s) for i, frames in enumerate(durations)
                for s, count in enumerate(frames) for _ in range(count)]
    assert windows.tolist() == [w for w, _ in expected]
    assert classes.tolist() == [s for _, s in expected]


def test_convert_keeps_phones_and_durations(aligned):
    tids, old, phones, _ = aligned
    tree = EveryWindow(3, old.topo.phones, 2)
    new = TransitionModel.from_tree(linear_topo(old.topo.phones), tree)
    converted = ali.convert(tids, old, new, tree)
    assert ali.phones_of(converted, new)[0].tolist() == phones
    assert np.array_equal(ali.phones_of(converted, new)[1], ali.phones_of(tids, old)[1])
    for name in ("tid2phone", "tid2hmm_state", "tid2next", "tid_is_self_loop"):
        assert np.array_equal(getattr(new, name)[converted], getattr(old, name)[tids])
    windows, classes = ali.frame_windows(tids, old)
    assert np.array_equal(new.tid2pdf[converted], tree.pdfs(windows, classes))
    # And back again, which needs nothing of the first tree but the tree.
    back = EveryWindow(1, old.topo.phones, 2)
    assert np.array_equal(ali.convert(converted, new, old, back), tids)
