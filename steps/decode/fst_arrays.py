"""FSTs as arrays, read and written as OpenFst's binary vector FSTs (kaldifst's and Kaldi's files).

kaldifst composes and determinises; arcs one by one through Python would take longer than that, so
what is ours (the H transducer, self-loops, the decoder's graph) is done on these arrays.
"""

import struct
import tempfile
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np

from steps.decode.lattice_io import MAGIC
from utils.step import UserError

PROPERTIES = 0x3   # kExpanded | kMutable


class FstArrays(NamedTuple):
    """start         int, -1 for an empty FST
    first_arc        int64 (num_states + 1,): state s has arcs first_arc[s] .. first_arc[s + 1] - 1
    ilabel, olabel, nextstate   int32 (num_arcs,)
    weight           float32 (num_arcs,), costs
    final            float32 (num_states,), inf where not final
    """

    start: int
    first_arc: np.ndarray
    ilabel: np.ndarray
    olabel: np.ndarray
    weight: np.ndarray
    nextstate: np.ndarray
    final: np.ndarray

    @property
    def num_states(self):
        return len(self.final)

    @property
    def num_arcs(self):
        return len(self.ilabel)

    @property
    def source(self):
        """The state that each arc leaves, int32 (num_arcs,)."""
        return np.repeat(np.arange(self.num_states, dtype=np.int32), np.diff(self.first_arc))


def from_arcs(start, num_states, src, dst, ilabel, olabel, weight, final):
    """FstArrays of arcs in any order; arcs of a state stay in the order given."""
    order = np.argsort(src, kind="stable")
    degree = np.bincount(src, minlength=num_states)
    first_arc = np.concatenate([[0], np.cumsum(degree)]).astype(np.int64)
    ints = (np.ascontiguousarray(np.asarray(a)[order], np.int32) for a in (ilabel, olabel))
    return FstArrays(int(start), first_arc, *ints,
                     np.ascontiguousarray(np.asarray(weight)[order], np.float32),
                     np.ascontiguousarray(np.asarray(dst)[order], np.int32),
                     np.ascontiguousarray(final, np.float32))


def read_fst(path):
    """FstArrays of an OpenFst file: vector, arc type standard, without symbol tables."""
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "no such file")
    data = path.read_bytes()
    if data[:4] != MAGIC:
        raise UserError(path, "not a binary OpenFst file")
    at, names = 4, []
    try:
        for _ in range(2):
            size = struct.unpack_from("<i", data, at)[0]
            names.append(data[at + 4:at + 4 + size].decode("latin-1"))
            at += 4 + size
        _, flags, _, start, num_states, _ = struct.unpack_from("<iiQqqq", data, at)
    except struct.error:
        raise UserError(path, "is cut short", "make it again") from None
    if names != ["vector", "standard"]:
        raise UserError(path, f"an FST of type {names[0]}, {names[1]}", "expected vector, standard")
    if flags & 3:
        raise UserError(path, "holds symbol tables", "write it without them (fstsymbols --clear)")
    words = np.frombuffer(data, np.int32, offset=at + 40, count=(len(data) - at - 40) // 4)
    if 3 * num_states > len(words):
        raise UserError(path, "is cut short", "make it again")
    arrays = _parse(words, max(num_states, 0))
    if arrays[0][-1] < 0:
        raise UserError(path, "is cut short", "make it again")
    if len(data) != at + 40 + 4 * (3 * max(num_states, 0) + 4 * arrays[0][-1]):
        raise UserError(path, "does not end with its last state", "make it again")
    fst = FstArrays(start, *arrays)
    ends = fst.nextstate
    lost = len(ends) and not 0 <= ends.min() <= ends.max() < fst.num_states
    if lost or start >= fst.num_states:
        raise UserError(path, "leads to a state that is not there", "make it again")
    return fst


def write_fst(path, fst):
    """Write FstArrays as OpenFst's binary vector FST."""
    num_states, num_arcs = fst.num_states, fst.num_arcs
    degree = np.diff(fst.first_arc)
    # Everything after the header is 4-byte words: 3 for a state, 4 for each of its arcs.
    words = np.zeros(3 * num_states + 4 * num_arcs, np.int32)
    state_at = 3 * np.arange(num_states) + 4 * fst.first_arc[:-1]
    words[state_at] = fst.final.view(np.int32)
    words[state_at + 1] = degree
    arc_at = 3 * (fst.source.astype(np.int64) + 1) + 4 * np.arange(num_arcs)
    for i, column in enumerate((fst.ilabel, fst.olabel, fst.weight.view(np.int32), fst.nextstate)):
        words[arc_at + i] = column
    header = (MAGIC + struct.pack("<i", 6) + b"vector" + struct.pack("<i", 8) + b"standard"
              + struct.pack("<iiQqqq", 2, 0, PROPERTIES, fst.start, num_states, 0))
    Path(path).write_bytes(header + words.tobytes())


def to_kaldifst(fst):
    """The same as a kaldifst.StdVectorFst."""
    import kaldifst
    with tempfile.TemporaryDirectory() as directory:
        write_fst(f"{directory}/fst", fst)
        return kaldifst.StdVectorFst.read(f"{directory}/fst")


def from_kaldifst(fst):
    """FstArrays of a kaldifst.StdVectorFst."""
    with tempfile.TemporaryDirectory() as directory:
        fst.write(f"{directory}/fst")
        return read_fst(f"{directory}/fst")


@numba.njit(cache=True)
def _parse(words, num_states):
    """The arrays of FstArrays but start; first_arc ends in -1 where the words are cut short."""
    floats = words.view(np.float32)
    num_arcs = max((len(words) - 3 * num_states) // 4, 0)
    first_arc = np.zeros(num_states + 1, np.int64)
    final = np.empty(num_states, np.float32)
    ilabel = np.empty(num_arcs, np.int32)
    olabel = np.empty(num_arcs, np.int32)
    weight = np.empty(num_arcs, np.float32)
    nextstate = np.empty(num_arcs, np.int32)
    at, arc = 0, 0
    for state in range(num_states):
        degree = np.int64(words[at + 1]) if at + 3 <= len(words) else -1
        # num_arcs counts on all states being there; where some are cut off, arcs would not fit
        if degree < 0 or arc + degree > num_arcs or at + 3 + 4 * degree > len(words):
            first_arc[-1] = -1
            break
        final[state] = floats[at]
        at += 3
        for _ in range(degree):
            ilabel[arc], olabel[arc] = words[at], words[at + 1]
            weight[arc], nextstate[arc] = floats[at + 2], words[at + 3]
            at, arc = at + 4, arc + 1
        first_arc[state + 1] = arc
    return first_arc, ilabel, olabel, weight, nextstate, final
