"""Kaldi archives of matrices: written by kaldiio, read at random through a table (scp).

    with MatrixWriter(out / "feats/mfcc.1.ark", f"{data}/feats/mfcc.1.ark") as archive:
        archive.write(utt, feats)
    write_table(out / "feats.scp", archive.index)
    feats = MatrixReader().read(data.feats_scp[utt])
    transforms = dict(matrices_of(directory / "trans.1"))
"""

import io
import re
import struct
import subprocess
from collections import OrderedDict
from pathlib import Path

import kaldiio
import numpy as np
from kaldiio.matio import read_kaldi, read_token

from utils.step import UserError

KALDI_AUTOMATIC = 1   # per-column bytes (CM) from nine rows on, two-byte values (CM2) below
MAX_OPEN_FILES = 64
# What kaldiio raises; sizes that a damaged header tells may be beyond memory, or any number.
DAMAGE = (ValueError, AssertionError, RuntimeError, OSError, struct.error, OverflowError,
          MemoryError)
_SPEC = re.compile(r"(?P<path>.*?)(?::(?P<offset>\d+))?(?:\[[^\]]*\])?$")


class MatrixWriter:
    """One archive file.

    path        the file to write
    final_path  where it will be when the index is read, if it is moved afterwards
    compress    Kaldi's lossy compression, a byte a value, about 1/4 of the size
    .index      {key: "final_path:offset"} of what was written
    """

    def __init__(self, path, final_path=None, compress=False):
        self.final_path = str(final_path or path)
        self.compress = compress
        self.index = {}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._file = Path(path).open("wb")   # noqa: SIM115

    def write(self, key, matrix):
        """Append one matrix, float32 or float64 (num_rows, num_cols) or a vector."""
        offset = self._file.tell() + len(key.encode()) + 1
        method = KALDI_AUTOMATIC if self.compress and matrix.ndim == 2 else None
        kaldiio.save_ark(self._file, {key: matrix}, compression_method=method)
        self.index[key] = f"{self.final_path}:{offset}"

    def write_blocks(self, key, num_rows, blocks):
        """Append one matrix that comes in blocks of its rows, of which one is in memory.

        num_rows  of the whole;  blocks  iterable of float32 (some rows, num_cols), uncompressed
        """
        self._file.write(f"{key} ".encode())
        offset, written = self._file.tell(), 0
        for block in blocks:
            if not written:
                self._file.write(struct.pack("<2s3sbibi", b"\0B", b"FM ", 4, num_rows, 4,
                                             block.shape[1]))
            self._file.write(np.ascontiguousarray(block, "<f4").tobytes())
            written += len(block)
        if written != num_rows:
            raise ValueError(f"{key} has {written} rows and not {num_rows}")
        self.index[key] = f"{self.final_path}:{offset}"

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class MatrixReader:
    """Reads entries of scp files: path:offset, with Kaldi's [rows] or a pipe; files stay open."""

    def __init__(self):
        self._files = OrderedDict()

    def read(self, spec):
        """The matrix or vector at spec, of the type it was written in (compressed: float32).

        raises UserError if there is no such file, or no matrix at that place in it, or in what a
               pipe's command writes
        """
        spec = spec.strip()
        if spec.endswith("|"):
            return _piped(spec)
        match = _SPEC.match(spec)
        file = self._open(match["path"])
        try:
            file.seek(int(match["offset"] or 0))
            _refuse_pickle(file, spec)
            file.seek(0)
            matrix = kaldiio.load_mat(spec, fd_dict=self._files)
        except DAMAGE as error:
            raise UserError(spec, f"no Kaldi matrix there ({error})",
                            "the archive is damaged or was rewritten; make it again") from None
        return _checked(matrix, spec)

    def feats(self, data, utt):
        """The features of an utterance of a DataDir, (num_frames, dim), at least one frame.

        raises UserError if they are none, such as a vector, or have values that are no numbers
        """
        feats = self.read(data.feats_scp[utt])
        if feats.ndim != 2 or not feats.size:
            raise UserError(f"{data.path}/feats.scp", f"what {utt} has are no features, of shape "
                            f"{feats.shape}", "make them again")
        if not np.isfinite(feats).all():
            raise UserError(f"{data.path}/feats.scp", f"the features of {utt} have values that are "
                            "no numbers", "make them again, or leave it out")
        return feats

    def _open(self, path):
        file = self._files.get(path)
        if file is None:
            if len(self._files) >= MAX_OPEN_FILES:
                self._files.popitem(last=False)[1].close()
            try:
                file = self._files[path] = Path(path).open("rb")   # noqa: SIM115
            except OSError as error:
                raise UserError(path, error.strerror.lower(),
                                "paths in feats.scp are relative to the recipe's folder, so run "
                                "the step there; or its features were made anew") from None
        return file

    def close(self):
        while self._files:
            self._files.popitem()[1].close()


def matrix_of(path):
    """The matrix or vector that is the whole of a file; UserError where it is none."""
    with Path(path).open("rb") as file:
        try:
            return _read(file, path)
        except DAMAGE as error:
            raise UserError(path, f"is no matrix ({error})", "make it again") from None


def matrices_of(path):
    """(key, matrix) of an archive, one after the other; UserError where it is damaged."""
    with Path(path).open("rb") as file:
        try:
            while (key := read_token(file)) is not None:
                yield key, _read(file, path)
        except DAMAGE as error:
            raise UserError(path, f"is cut short or damaged ({error})", "make it again") from None


def _piped(spec):
    """The matrix that the command of a pipe writes."""
    done = subprocess.run(spec[:-1], shell=True, stdout=subprocess.PIPE)
    try:
        return _read(io.BytesIO(done.stdout), spec)
    except DAMAGE:
        status = f", exit status {done.returncode}" if done.returncode else ""
        raise UserError(spec, f"the command's output is no Kaldi matrix{status}",
                        "try it in a shell") from None


def _read(file, where):
    _refuse_pickle(file, where)
    return _checked(read_kaldi(file), where)


def _refuse_pickle(file, where):
    """kaldiio would run what is marked as a pickle; no archive of Kaldi's holds one."""
    start = file.tell()
    if file.read(3) == b"PKL":
        raise UserError(where, "holds a Python pickle, not a matrix")
    file.seek(start)


def _checked(matrix, where):
    if not isinstance(matrix, np.ndarray):
        raise UserError(where, "holds sound, not a matrix")
    return matrix
