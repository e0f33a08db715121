"""Archives held against Kaldi's format, read here byte by byte without kaldiio."""

import pickle
import struct

import numpy as np
import pytest

from steps.features.archive import MatrixReader, MatrixWriter, matrices_of, matrix_of
from utils.step import UserError


def random_matrix(rows, cols=5, seed=0):
    return (np.random.default_rng(seed).normal(size=(rows, cols)) * 10).astype(np.float32)


def take(data, at, form):
    size = struct.calcsize(form)
    return struct.unpack(form, data[at:at + size])[0], at + size


def parse_matrix(data, at):
    """Kaldi's Matrix::Read and CompressedMatrix::Read: (matrix, where it ends)."""
    assert data[at:at + 2] == b"\0B"
    end = data.index(b" ", at)
    kind, at = data[at + 2:end], end + 1
    if kind in (b"FM", b"DM"):
        shape = []
        for _ in range(2):
            assert data[at] == 4          # bytes of the int32 that follows
            size, at = take(data, at + 1, "<i")
            shape.append(size)
        dtype = "<f4" if kind == b"FM" else "<f8"
        count = shape[0] * shape[1]
        values = np.frombuffer(data, dtype, count, at).reshape(shape)
        return values, at + count * values.itemsize
    low, at = take(data, at, "<f")
    span, at = take(data, at, "<f")
    rows, at = take(data, at, "<i")
    cols, at = take(data, at, "<i")
    if kind == b"CM2":
        values = np.frombuffer(data, "<u2", rows * cols, at).reshape(rows, cols)
        return low + values * (span / 65535), at + 2 * rows * cols
    assert kind == b"CM"
    headers = low + np.frombuffer(data, "<u2", 4 * cols, at).reshape(cols, 4) * (span / 65535)
    at += 8 * cols
    matrix = np.zeros((rows, cols))
    for col in range(cols):
        p0, p25, p75, p100 = headers[col]
        for row in range(rows):
            value = data[at + col * rows + row]      # column by column
            if value <= 64:
                matrix[row, col] = p0 + (p25 - p0) * value / 64
            elif value <= 192:
                matrix[row, col] = p25 + (p75 - p25) * (value - 64) / 128
            else:
                matrix[row, col] = p75 + (p100 - p75) * (value - 192) / 63
    return matrix, at + rows * cols


def parse_archive(path):
    data, at, found = path.read_bytes(), 0, {}
    while at < len(data):
        end = data.index(b" ", at)
        key = data[at:end].decode()
        found[key], at = parse_matrix(data, end + 1)
    return found


def write(path, matrices, **options):
    with MatrixWriter(path, **options) as archive:
        for key, matrix in matrices.items():
            archive.write(key, matrix)
    return archive.index


def test_a_float_matrix_byte_for_byte(tmp_path):
    write(tmp_path / "a.ark", {"ü1": np.array([[1, 2, 3], [4, 5, 6]], np.float32)})
    assert (tmp_path / "a.ark").read_bytes() == (
        "ü1 ".encode() + b"\0BFM \x04\x02\0\0\0\x04\x03\0\0\0" + struct.pack("<6f", *range(1, 7)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plain_matrices_by_kaldis_rules(tmp_path, dtype):
    matrices = {f"utt{n}": random_matrix(n).astype(dtype) for n in [1, 2, 30]}
    write(tmp_path / "a.ark", matrices)
    found = parse_archive(tmp_path / "a.ark")
    assert list(found) == list(matrices)
    for key, matrix in matrices.items():
        assert found[key].dtype == dtype
        np.testing.assert_array_equal(found[key], matrix)


def test_compressed_matrices_by_kaldis_rules(tmp_path):
    matrices = {f"utt{n}": random_matrix(n) for n in [1, 8, 9, 200]}
    index = write(tmp_path / "c.ark", matrices, compress=True)
    found = parse_archive(tmp_path / "c.ark")
    reader = MatrixReader()
    for key, matrix in matrices.items():
        np.testing.assert_allclose(found[key], matrix, atol=0.01 * np.ptp(matrix))
        np.testing.assert_allclose(reader.read(index[key]), found[key], atol=1e-4)
    assert (tmp_path / "c.ark").stat().st_size < 0.4 * sum(m.nbytes for m in matrices.values())


def test_reading_at_random_through_the_index(tmp_path):
    matrices = {f"utt{n}": random_matrix(n + 1, seed=n) for n in range(20)}
    index = write(tmp_path / "a.ark", matrices)
    reader = MatrixReader()
    for key in ["utt7", "utt0", "utt19", "utt7"]:
        np.testing.assert_array_equal(reader.read(index[key]), matrices[key])
    np.testing.assert_array_equal(reader.read(index["utt9"] + "[2:4]"), matrices["utt9"][2:5])


def test_the_index_names_the_final_place(tmp_path):
    index = write(tmp_path / "tmp.ark", {"u": random_matrix(3)}, final_path="data/x/feats/a.ark")
    assert index == {"u": "data/x/feats/a.ark:2"}


def test_more_files_than_stay_open(tmp_path, monkeypatch):
    monkeypatch.setattr("steps.features.archive.MAX_OPEN_FILES", 2)
    index = {}
    for n in range(5):
        index |= write(tmp_path / f"{n}.ark", {f"u{n}": random_matrix(2, seed=n)})
    reader = MatrixReader()
    for key in [*index, *index]:
        np.testing.assert_array_equal(reader.read(index[key]), random_matrix(2, seed=int(key[1:])))


def test_text_archives_of_kaldi(tmp_path):
    (tmp_path / "t.ark").write_text("u1  [\n  1 2.5\n  -3 4 ]\n")
    np.testing.assert_array_equal(MatrixReader().read(f"{tmp_path}/t.ark:3"), [[1, 2.5], [-3, 4]])


def test_what_cannot_be_read_is_named(tmp_path):
    index = write(tmp_path / "a.ark", {"u1": random_matrix(30)})
    with pytest.raises(UserError, match=r"nowhere\.ark: no such file"):
        MatrixReader().read("nowhere.ark:5")
    with pytest.raises(UserError, match=r"a\.ark:9: no Kaldi matrix there"):
        MatrixReader().read(f"{tmp_path}/a.ark:9")
    data = (tmp_path / "a.ark").read_bytes()
    for length in [4, 10, 100, len(data) - 1]:
        (tmp_path / "a.ark").write_bytes(data[:length])
        with pytest.raises(UserError, match=r"a\.ark:3: no Kaldi matrix there"):
            MatrixReader().read(index["u1"])


@pytest.mark.parametrize("header", [
    b"\0BFM " + struct.pack("<bibi", 4, 2**31 - 1, 4, 2**31 - 1),
    b"\0BCM " + struct.pack("<ffii", 0, 1, 2**31 - 1, 2**31 - 1)])
def test_sizes_out_of_all_proportion_are_damage(header, tmp_path):
    (tmp_path / "a.ark").write_bytes(b"u1 " + header + bytes(24))
    with pytest.raises(UserError, match=r"a\.ark:3: no Kaldi matrix there"):
        MatrixReader().read(f"{tmp_path}/a.ark:3")
    with pytest.raises(UserError, match=r"a\.ark: is cut short or damaged"):
        list(matrices_of(tmp_path / "a.ark"))
    with pytest.raises(UserError, match=r"a\.ark:9+: no Kaldi matrix there"):
        MatrixReader().read(f"{tmp_path}/a.ark:" + 25 * "9")


def test_pickles_are_refused(tmp_path):
    (tmp_path / "p.ark").write_bytes(b"u1 PKL" + pickle.dumps([1]))
    with pytest.raises(UserError, match="pickle"):
        MatrixReader().read(f"{tmp_path}/p.ark:3")


class Harm:
    """Makes a file as it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_no_pickle_is_run_in_a_matrix_or_an_archive(tmp_path):
    index = write(tmp_path / "a.ark", {"ana": random_matrix(3), "ben": random_matrix(4, seed=1)})
    pairs = dict(matrices_of(tmp_path / "a.ark"))
    assert list(pairs) == list(index)
    for key, matrix in pairs.items():
        np.testing.assert_array_equal(matrix, MatrixReader().read(index[key]))
    harm = b"PKL" + pickle.dumps(Harm(tmp_path / "done"))
    (tmp_path / "final.mat").write_bytes(harm)
    with pytest.raises(UserError, match=r"final.mat: holds a Python pickle, not a matrix"):
        matrix_of(tmp_path / "final.mat")
    with (tmp_path / "a.ark").open("ab") as file:
        file.write(b"eve " + harm)
    with pytest.raises(UserError, match=r"a.ark: holds a Python pickle, not a matrix"):
        list(matrices_of(tmp_path / "a.ark"))
    assert not (tmp_path / "done").exists()


def test_pipes(tmp_path):
    matrix = random_matrix(30)
    index = write(tmp_path / "a.ark", {"u": matrix})
    at = int(index["u"].rpartition(":")[2])
    np.testing.assert_array_equal(
        MatrixReader().read(f"tail -c +{at + 1} '{tmp_path}/a.ark' |"), matrix)
    np.testing.assert_array_equal(MatrixReader().read("echo ' ['; echo ' 1 2.5'; echo ' -3 4 ]' |"),
                                  [[1, 2.5], [-3, 4]])


@pytest.mark.parametrize("command, what", [
    ("false", "no Kaldi matrix, exit status 1"), ("nosuchcommand x", "exit status 127"),
    ("true", r"no Kaldi matrix \(try it in a shell"), ("echo hello world", "no Kaldi matrix"),
    ("echo -n PKLx", "holds a Python pickle")])
def test_a_pipe_that_gives_no_matrix_is_named(command, what):
    with pytest.raises(UserError, match=rf"{command} \|: .*{what}"):
        MatrixReader().read(f" {command} |")


def test_blocks_of_rows_make_the_same_bytes(tmp_path):
    matrix = random_matrix(11)
    with MatrixWriter(tmp_path / "whole.ark") as whole, MatrixWriter(tmp_path / "cut.ark") as cut:
        for key in ("first", "zweite-ä"):
            whole.write(key, matrix)
            cut.write_blocks(key, 11, iter([matrix[:4], matrix[4:8], matrix[8:]]))
    assert (tmp_path / "whole.ark").read_bytes() == (tmp_path / "cut.ark").read_bytes()
    assert [v.rpartition(":")[2] for v in whole.index.values()] == [
        v.rpartition(":")[2] for v in cut.index.values()]
    with MatrixWriter(tmp_path / "short.ark") as short, pytest.raises(ValueError, match="4 rows"):
        short.write_blocks("utt", 11, [matrix[:4]])
