"""Rows read through memory maps, held against kaldiio's reading of the whole matrix."""

import struct
import sys
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from steps.nnet import mapped_archive
from steps.nnet.mapped_archive import MappedMatrices
from utils.step import UserError

KINDS = {"FM": (np.float32, None), "DM": (np.float64, None), "CM": (np.float32, 2),
         "CM2": (np.float32, 3), "CM3": (np.float32, 5), "text": (np.float32, None)}
LENGTHS = {"a": 300, "b": 9, "c": 1, "d": 77}


def write_archive(path, kind, lengths=LENGTHS, dim=7):
    dtype, method = KINDS[kind]
    rng = np.random.default_rng(3)
    matrices = {utt: (rng.normal(size=(count, dim)) * 9 - 4).astype(dtype)
                for utt, count in lengths.items()}
    kaldiio.save_ark(str(path), matrices, scp=f"{path}.scp", text=kind == "text",
                     compression_method=method)
    return dict(line.split(" ", 1) for line in Path(f"{path}.scp").read_text().splitlines())


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_kaldiios_bit_for_bit(tmp_path, kind):
    scp = write_archive(tmp_path / "x.ark", kind)
    feats = MappedMatrices(scp)
    for utt, count in LENGTHS.items():
        whole = np.asarray(kaldiio.load_mat(scp[utt]), np.float32)
        assert (feats.num_frames(utt), feats.dim(utt)) == whole.shape == (count, 7)
        for first, last in [(0, count), (0, 1), (count - 1, count), (count // 3, count // 2 + 1),
                            (count, count)]:
            rows = feats.rows(utt, first, last)
            assert rows.dtype == np.float32
            assert np.array_equal(rows, whole[first:last])


def test_floats_are_views(tmp_path):
    feats = MappedMatrices(write_archive(tmp_path / "x.ark", "FM"))
    rows = feats.rows("a", 5, 9)
    assert not rows.flags.owndata
    assert not rows.flags.writeable


def test_ranges_and_pipes_are_read_as_well(tmp_path):
    scp = write_archive(tmp_path / "x.ark", "FM")
    whole = kaldiio.load_mat(scp["a"])
    (tmp_path / "one.mat").write_bytes((tmp_path / "x.ark").read_bytes()[2:])
    feats = MappedMatrices({"range": f"{scp['a']}[10:29]", "pipe": f"cat {tmp_path}/one.mat |",
                            "file": str(tmp_path / "one.mat")})
    assert feats.num_frames("range") == 20
    assert np.array_equal(feats.rows("range", 3, 5), whole[13:15])
    assert np.array_equal(feats.rows("pipe", 100, 110), whole[100:110])
    assert np.array_equal(feats.rows("file", 100, 110), whole[100:110])


def test_few_files_are_open_and_their_rows_stay_valid(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_archive, "MAX_OPEN_MAPS", 2)
    tables = [write_archive(tmp_path / f"{n}.ark", "FM", {f"u{n}": 50 + n}) for n in range(5)]
    feats = MappedMatrices({utt: spec for table in tables for utt, spec in table.items()})
    rows = {n: feats.rows(f"u{n}", 20, 40) for n in [0, 1, 2, 3, 4, 0, 3]}
    assert len(feats._maps) == 2
    for n, found in rows.items():
        assert np.array_equal(found, kaldiio.load_mat(tables[n][f"u{n}"])[20:40])


@pytest.mark.parametrize("first, last", [(-1, 5), (5, 301), (9, 8)])
def test_rows_that_are_not_there(tmp_path, first, last):
    feats = MappedMatrices(write_archive(tmp_path / "x.ark", "FM"))
    with pytest.raises(IndexError, match="of a, which has 300"):
        feats.rows("a", first, last)


@pytest.mark.parametrize("kind", ["FM", "DM", "CM", "CM2", "CM3"])
def test_a_cut_archive_is_told(tmp_path, kind):
    scp = write_archive(tmp_path / "x.ark", kind)
    data = (tmp_path / "x.ark").read_bytes()
    (tmp_path / "x.ark").write_bytes(data[:-5])
    feats = MappedMatrices(scp)
    assert feats.num_frames("a") == 300
    with pytest.raises(UserError, match=r"x\.ark:\d+: no Kaldi matrix of d .* ends 5 bytes"):
        feats.num_frames("d")


@pytest.mark.parametrize("header, what", [
    (b"FM \4" + struct.pack("<i", -3) + b"\4" + struct.pack("<i", 7), "-3 x 7"),
    (b"FM \4" + struct.pack("<i", 2**31 - 1) + b"\4" + struct.pack("<i", 2**31 - 1), "ends"),
    (b"FM \x08" + bytes(9), "no int32"),
    (b"CM " + struct.pack("<ffii", np.nan, 1, 2, 2), "range nan"),
    (b"XM \4" + bytes(9), "type b'XM'"),
    (b"FM", "cut off"),
    (b"FV \4" + bytes(9), "type b'FV'"),
])
def test_a_damaged_header_is_told(tmp_path, header, what):
    (tmp_path / "x.ark").write_bytes(b"u \0B" + header + bytes(100 if len(header) > 4 else 0))
    with pytest.raises(UserError, match="no Kaldi matrix of u there") as error:
        MappedMatrices({"u": f"{tmp_path}/x.ark:2"}).num_frames("u")
    assert what in str(error.value)


def test_files_that_are_absent_or_empty(tmp_path):
    (tmp_path / "empty.ark").write_bytes(b"")
    (tmp_path / "vector.txt").write_text("[ 1.5 2.5 ]\n")
    feats = MappedMatrices({"a": f"{tmp_path}/no.ark:2", "b": f"{tmp_path}/empty.ark:2",
                            "c": f"{tmp_path}/vector.txt", "d": f"{tmp_path}/vector.txt:99"},
                           "data/x/feats.scp")
    for utt, what in [("a", "no such file"), ("b", "is empty"), ("c", "a vector"),
                      ("d", "no Kaldi matrix"), ("e", "data/x/feats.scp: has no e")]:
        with pytest.raises(UserError, match=what):
            feats.num_frames(utt)


def resident_file_bytes():
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssFile"].split()[0]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("release_after, grows", [(mapped_archive.RELEASE_AFTER, False),
                                                  (10**9, True)])
def test_the_process_does_not_grow_by_what_it_has_read(tmp_path, monkeypatch, release_after,
                                                       grows):
    monkeypatch.setattr(mapped_archive, "RELEASE_AFTER", release_after)
    rows, cols = 1_000_000, 64
    with (tmp_path / "x.ark").open("wb") as file:
        file.write(b"\0BFM \4" + struct.pack("<i", rows) + b"\4" + struct.pack("<i", cols))
        file.truncate(file.tell() + 4 * rows * cols)     # a hole in the file reads as zeros
    feats = MappedMatrices({"u": f"{tmp_path}/x.ark:0"})
    before = resident_file_bytes()
    highest = 0
    for first in range(0, rows, 200):
        feats.rows("u", first, first + 150).sum()
        highest = max(highest, resident_file_bytes() - before) if first % 20_000 == 0 else highest
    assert (highest > 200e6) if grows else (highest < 100e6)
