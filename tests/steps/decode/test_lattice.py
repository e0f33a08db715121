"""Lattices: best paths by enumeration; archives byte by byte and through kaldifst."""

import gzip
import struct

import kaldifst
import numpy as np
import pytest

from steps.decode.lattice import Lattice, from_fst, read_lattices, trim, write_lattices
from tests.steps.decode.test_posteriors import all_paths, random_lattice
from utils.step import UserError

INF = np.inf


def small():
    return Lattice([0, 0, 1, 2], [1, 2, 3, 3], [5, 6, 7, 8], [1, 2, 0, 3], [0.5, 1, 0.25, 2],
                   [10, 9, 8, 6], [INF, INF, INF, 0.5], [INF, INF, INF, 0])


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.arrays(), other.arrays(), strict=True))


def test_best_path_by_hand():
    # word 1: graph 0.5 + 0.25 + 0.5, acoustic 18; words 2 3: graph 3.5, acoustic 15
    assert small().best_path(0.5, 0) == ([2, 3], [6, 8], (3.5, 15.0))
    assert small().best_path(10, 0) == ([1], [5, 7], (1.25, 18.0))
    assert small().best_path(0.5, 4.0) == ([1], [5, 7], (1.25, 18.0))   # 41.25 against 41.5


@pytest.mark.parametrize("seed", range(5))
def test_best_path_is_the_best_of_all(seed):
    lattice = random_lattice(np.random.default_rng(seed))
    for lmwt, wip in [(1, 0), (12, 0.5), (7, -1.0), (17, 2.0)]:
        costs = []
        for arcs, last in all_paths(lattice):
            graph = lattice.graph_cost[arcs].sum() + lattice.final_graph_cost[last]
            words = lattice.olabel[arcs]
            costs.append((graph + lattice.acoustic_cost[arcs].sum() / lmwt
                          + wip * np.count_nonzero(words), tuple(words[words > 0])))
        words, tids, (graph, acoustic) = lattice.best_path(lmwt, wip)
        best = min(costs)
        assert tuple(words) == best[1]
        assert graph + acoustic / lmwt + wip * len(words) == pytest.approx(best[0], abs=1e-4)
        assert len(tids) == lattice.num_frames


def test_binary_is_openfsts_and_kaldis(tmp_path):
    write_lattices(tmp_path / "lat.1.gz", [("utt-1", small()), ("utt-2", small())])
    data = gzip.decompress((tmp_path / "lat.1.gz").read_bytes())
    assert data[:6] == b"utt-1 "
    entry = data[6:len(data) // 2]
    # magic, types, version, flags, properties, start, states, arcs; then state 0 with its 2 arcs
    assert entry[:26] == struct.pack("<ii6si8s", 2125659606, 6, b"vector", 8, b"lattice4")
    assert entry[26:66] == struct.pack("<iiQqqq", 2, 0, 3, 0, 4, 0)
    assert entry[66:122] == struct.pack("<ffq iiffi iiffi".replace(" ", ""), INF, INF, 2,
                                        5, 1, 0.5, 10, 1, 6, 2, 1, 9, 2)
    (tmp_path / "one.fst").write_bytes(entry)
    theirs = kaldifst.Lattice.read(str(tmp_path / "one.fst"))
    assert theirs.num_states == 4
    assert [line.split() for line in str(theirs).splitlines() if line.strip()] == [
        ["0", "1", "5", "1", "0.5,10"], ["0", "2", "6", "2", "1,9"], ["1", "3", "7", "0", "0.25,8"],
        ["2", "3", "8", "3", "2,6"], ["3", "0.5,0"]]
    theirs.write(str(tmp_path / "theirs.fst"))
    (tmp_path / "theirs.ark").write_bytes(b"a " + (tmp_path / "theirs.fst").read_bytes())
    assert same(dict(read_lattices(tmp_path / "theirs.ark"))["a"], small())


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("name", ["lat.1.gz", "lat.ark"])
def test_what_is_written_is_read(tmp_path, text, name):
    rng = np.random.default_rng(3)
    lattices = {f"utt-{i}": random_lattice(rng) for i in range(5)}
    assert write_lattices(tmp_path / name, lattices.items(), text=text) == 5
    found = dict(read_lattices(tmp_path / name))
    assert list(found) == list(lattices)
    assert all(same(found[utt], lattices[utt]) for utt in lattices)


def kaldi_text():
    lines = ["utt-1 ", "0\t1\t5\t7\t1.5,10", "1\t2\t6\t0", "2\t0.5,0", "", "utt-2 ",
             "0\t1\t8\t0.25,3,5_5_6", "1\t2\t9\t0.5,1,", "2\t0,0,4", ""]
    return "\n".join(lines) + "\n"


def test_text_and_compact_lattices(tmp_path):
    (tmp_path / "lat").write_text(kaldi_text())
    found = dict(read_lattices(tmp_path / "lat"))
    assert found["utt-1"].best_path() == ([7], [5, 6], (2.0, 10.0))
    assert found["utt-2"].best_path() == ([8, 9], [5, 5, 6, 4], (0.75, 4.0))


def test_binary_compact_lattices(tmp_path):
    # 0 -word 8, tids 5 5 6-> 1 -word 9, no tids-> 2, final with tid 4
    header = struct.pack("<ii6si16siiQqqq", 2125659606, 6, b"vector", 16, b"compactlattice44",
                         2, 0, 3, 0, 3, 0)
    body = struct.pack("<ffiq", INF, INF, 0, 1) + struct.pack("<iiffiiiii", 8, 8, 0.25, 3, 3,
                                                              5, 5, 6, 1)
    body += struct.pack("<ffiq", INF, INF, 0, 1) + struct.pack("<iiffii", 9, 9, 0.5, 1, 0, 2)
    body += struct.pack("<ffiiq", 0.125, 2, 1, 4, 0)
    (tmp_path / "lat").write_bytes(b"a " + header + body + b"b " + header + body)
    found = dict(read_lattices(tmp_path / "lat"))
    assert list(found) == ["a", "b"]
    for lattice in found.values():
        assert lattice.best_path() == ([8, 9], [5, 5, 6, 4], (0.875, 6.0))


def test_states_in_any_order_are_sorted():
    lattice = from_fst(2, np.array([2, 0, 3]), np.array([0, 1, 1]), np.array([5, 6, 9]),
                       np.array([1, 2, 9]), np.zeros(3), np.ones(3),
                       np.array([INF, 0.5, INF, INF]), np.array([INF, 0, INF, INF]))
    assert lattice.src.tolist() == [0, 1]
    assert lattice.best_path() == ([1, 2], [5, 6], (0.5, 2.0))
    with pytest.raises(ValueError, match="cycle"):
        from_fst(0, np.array([0, 1]), np.array([1, 0]), *([np.ones(2, int)] * 2),
                 *([np.zeros(2)] * 2), np.zeros(2), np.zeros(2))


def test_trim_leaves_what_lies_on_a_path():
    trimmed = trim(small(), np.array([True, False, True, True]))
    assert trimmed.num_arcs == 2
    assert trimmed.best_path()[0] == [1]
    assert trim(small(), np.zeros(4, bool)).num_states == 0


def test_broken_archives_are_named(tmp_path):
    path = tmp_path / "lat.1.gz"
    with pytest.raises(UserError, match=r"lat.1.gz: no such file"):
        list(read_lattices(path))
    write_lattices(tmp_path / "lat.ark", [("utt-1", small())])
    data = (tmp_path / "lat.ark").read_bytes()
    for size in (len(data) - 4, 40, 8):
        (tmp_path / "cut").write_bytes(data[:size])
        with pytest.raises(UserError, match=r"cut: ends within"):
            list(read_lattices(tmp_path / "cut"))
    # Bytes from the key on: of a name's size, the start, the number of states, an arc's end.
    for at, form, value, what in (
            (10, "<i", -6, "is damaged"), (10, "<i", 1 << 30, "is damaged"),
            (48, "<q", 99, "leads to a state that is not there"), (56, "<q", -3, "is damaged"),
            (56, "<q", 1 << 45, "ends within"), (78, "<i", -1, "ends within"),
            (104, "<i", 1 << 30, "leads to a state that is not there"),
            (104, "<i", -2, "leads to a state that is not there")):
        damaged = bytearray(data)
        struct.pack_into(form, damaged, at, value)
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(UserError, match=f"damaged: .*lattice of utt-1.*{what}|damaged: {what}"):
            list(read_lattices(tmp_path / "damaged"))
    path.write_bytes(gzip.compress(data)[:-20])
    with pytest.raises(UserError, match=r"lat.1.gz: .*decompressed|lat.1.gz: ends within"):
        list(read_lattices(path))
    (tmp_path / "text").write_text("utt-1 \n0 1 a b\n\n")
    with pytest.raises(UserError, match=r"text: utt-1: `0 1 a b` is no line"):
        list(read_lattices(tmp_path / "text"))
    for line in ("0 1 0.5,3", "0 1 2 3 4 1,2", "0 1 99999999999 2 1,2"):
        (tmp_path / "text").write_text(f"utt-1 \n{line}\n\n")
        with pytest.raises(UserError, match=f"text: utt-1: `{line}` is no line"):
            list(read_lattices(tmp_path / "text"))
    (tmp_path / "text").write_text("utt-1 \n0 1 1 1 0,0\n1 0 1 1 0,0\n1 0,0\n\n")
    with pytest.raises(UserError, match="text: utt-1: the lattice has a cycle"):
        list(read_lattices(tmp_path / "text"))
    (tmp_path / "other").write_bytes(data.replace(b"lattice4", b"standard"))
    with pytest.raises(UserError, match=r"other: utt-1 is an FST of type vector, standard"):
        list(read_lattices(tmp_path / "other"))
