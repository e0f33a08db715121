"""Rows of matrices in Kaldi archives, read through memory maps.

    feats = MappedMatrices(data.feats_scp)
    feats.num_frames(utt)
    feats.rows(utt, 100, 250)      # float32 (150, dim); nothing else of the utterance is read

What is mapped belongs to the system's page cache. It is handed back after every RELEASE_AFTER
reads, so that a process does not seem to grow by the whole corpus as it goes through it.
"""

import mmap
import struct
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from kaldiio.compression_header import GlobalHeader, PerColHeader

from steps.features.archive import MatrixReader
from utils.step import UserError

MAX_OPEN_MAPS = 64
RELEASE_AFTER = 512      # reads of about 100 kB, with the pages around them that the kernel maps
FLOATS = {b"FM": 4, b"DM": 8}
COMPRESSED = {b"CM": 1, b"CM2": 2, b"CM3": 1}
BROKEN = "the archive is damaged or was rewritten; make it again"


class MappedFile:
    """A whole file as read-only memory."""

    def __init__(self, path):
        try:
            with Path(path).open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise UserError(path, "is empty", "make it again") from None
        except OSError as error:
            raise UserError(path, error.strerror.lower(), "paths in scp files are relative to "
                            "the recipe's folder, so run the step there; or its "
                            "features were made anew") from None

    def __len__(self):
        return len(self._map)

    def bytes(self, first, count):
        return self._map[first:first + count]

    def array(self, dtype, offset, count):
        """A view of count values from a place in bytes on."""
        return np.frombuffer(self._map, dtype, count, offset)

    def release(self):
        """Let the system take the pages back; what is read again is in the page cache still."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


class Matrix(NamedTuple):
    """Where a matrix is: its file, type, first byte after the header, shape, range of values."""

    path: str
    kind: bytes          # b"" for what only MatrixReader can read: text, pipes, ranges of rows
    offset: int
    num_rows: int
    num_cols: int
    low: float = 0.0
    span: float = 0.0


class MappedMatrices:
    """The matrices of an scp table, by rows. May be used by several threads.

    scp   {utt: "path:offset"}
    name  of the table, for messages
    """

    def __init__(self, scp, name="feats.scp"):
        self._scp, self._name = scp, str(name)
        self._matrices = {}
        self._maps = OrderedDict()
        self._reader = MatrixReader()
        self._lock = threading.Lock()
        self._reads = 0

    def num_frames(self, utt):
        return self._matrix(utt).num_rows

    def dim(self, utt):
        return self._matrix(utt).num_cols

    def rows(self, utt, first, last):
        """Rows first to last - 1, float32 (last - first, dim); a view where the archive has them
        as float32, so not to be written to.
        """
        matrix = self._matrix(utt)
        if not 0 <= first <= last <= matrix.num_rows:
            raise IndexError(f"rows {first} to {last} of {utt}, which has {matrix.num_rows}")
        if not matrix.kind:
            with self._lock:
                return np.asarray(self._reader.read(self._scp[utt])[first:last], np.float32)
        file = self._file(matrix.path)
        if matrix.kind in FLOATS:
            size = FLOATS[matrix.kind]
            values = file.array(f"<f{size}", matrix.offset + size * first * matrix.num_cols,
                                (last - first) * matrix.num_cols)
            return np.asarray(values.reshape(-1, matrix.num_cols), np.float32)
        return _decompress(file, matrix, first, last)

    def release(self):
        for file in list(self._maps.values()):
            file.release()

    def _file(self, path):
        with self._lock:
            self._reads += 1
            if self._reads % RELEASE_AFTER == 0:
                self.release()
            file = self._maps.get(path)
            if file is None:
                if len(self._maps) >= MAX_OPEN_MAPS:
                    self._maps.popitem(last=False)   # unmapped when its last view has gone
                file = self._maps[path] = MappedFile(path)
            else:
                self._maps.move_to_end(path)
            return file

    def _matrix(self, utt):
        matrix = self._matrices.get(utt)
        if matrix is None:
            matrix = self._matrices[utt] = self._find(utt)
        return matrix

    def _find(self, utt):
        if utt not in self._scp:
            raise UserError(self._name, f"has no {utt}")
        spec = self._scp[utt].strip()
        path, _, offset = spec.rpartition(":")
        if not offset.isdigit():
            path, offset = spec, 0
        path = sys.intern(path)      # of a few archives, and many matrices
        if not spec.endswith(("|", "]")):
            file = self._file(path)
            if file.bytes(int(offset), 2) == b"\0B":
                return _parse_header(file, path, int(offset), utt)
        with self._lock:
            shape = self._reader.read(spec).shape
        if len(shape) != 2:
            raise UserError(spec, f"no matrix of {utt} there, but a vector", BROKEN)
        return Matrix(path, b"", 0, *shape)


def _parse_header(file, path, offset, utt):
    """Matrix of a binary header at offset, checked against the size of the file."""
    header = file.bytes(offset, 24)
    kind, _, rest = header[2:].partition(b" ")
    low = span = 0.0
    try:
        if kind in FLOATS:
            four, rows, also_four, cols = struct.unpack_from("<bibi", rest)
            if (four, also_four) != (4, 4):
                raise ValueError("sizes that are no int32")
            begin, need = 10, rows * cols * FLOATS[kind]
        elif kind in COMPRESSED:
            low, span, rows, cols = struct.unpack_from("<ffii", rest)
            begin, need = 16, rows * cols * COMPRESSED[kind] + (8 * cols if kind == b"CM" else 0)
        else:
            raise ValueError(f"type {kind[:8]!r}")
        if rows < 0 or cols < 0 or not np.isfinite([low, span]).all():
            raise ValueError(f"{rows} x {cols} values of range {low:g} + {span:g}")
        begin += offset + 3 + len(kind)
        if begin + need > len(file):
            raise ValueError(f"{rows} x {cols} values, and the file ends {begin + need - len(file)}"
                             " bytes before the last")
    except (ValueError, struct.error) as error:
        error = "its header is cut off" if isinstance(error, struct.error) else error
        raise UserError(f"{path}:{offset}", f"no Kaldi matrix of {utt} there ({error})",
                        BROKEN) from None
    return Matrix(path, kind, begin, rows, cols, low, span)


def _decompress(file, matrix, first, last):
    """Rows of a compressed matrix with kaldiio's own arithmetic, float32 (last - first, dim)."""
    cols, count = matrix.num_cols, last - first
    header = GlobalHeader(matrix.kind.decode(), matrix.low, matrix.span, matrix.num_rows, cols)
    if matrix.kind != b"CM":
        size = COMPRESSED[matrix.kind]
        values = file.array(f"<u{size}", matrix.offset + size * first * cols, count * cols)
        return header.uint_to_float(values.reshape(count, cols))
    points = header.uint_to_float(file.array("<u2", matrix.offset, 4 * cols)).reshape(-1, 4, 1)
    columns = file.array("u1", matrix.offset + 8 * cols, matrix.num_rows * cols)
    columns = columns.reshape(cols, matrix.num_rows)[:, first:last]
    return PerColHeader(*(points[:, k] for k in range(4))).char_to_float(columns).T
