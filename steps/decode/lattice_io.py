"""Kaldi's lattice archives: `utt `, then an OpenFst binary or Kaldi's text form.

Arrays in, arrays out; steps/decode/lattice.py makes Lattices of them. Binary lattices are OpenFst
vector FSTs with arc type lattice4 (weights of two floats) or compactlattice44 (acceptors over
words, whose weights also hold a string of transition-ids). An entry of an archive starts without
Kaldi's "\\0B": the first byte of the FST's magic number tells binary from text.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numba
import numpy as np

from utils.gzip_file import gzip_writer
from utils.step import KINDS, UserError, made_of_another, read_done

MAGIC = struct.pack("<i", 2125659606)
CHUNK_BYTES = 1 << 20
# The flags of OpenFst's kExpanded | kMutable: what a reader of vector FSTs expects at least.
PROPERTIES = 0x3
MAX_NAME = 100             # bytes of an FST's type
MOST_AT_FIRST = 1 << 24    # bytes of a lattice that are read before it is known to have more
MAX_ID = 2**31 - 1
GZIP_LEVEL = 1   # twice as fast as level 6 for about a tenth more bytes


def lattice_files(directory):
    """Paths of lat.1.gz, lat.2.gz, ... of a decode directory, as many as its num_jobs says."""
    directory = Path(directory)
    if not (directory / "num_jobs").is_file():
        raise UserError(directory, "no num_jobs here", "decode first: steps/decode/decode.py")
    count = (directory / "num_jobs").read_text("utf-8", "replace").strip()
    if not count.isdigit() or int(count) < 1:
        raise UserError(directory / "num_jobs", f"expected a number of jobs, found {count!r}",
                        "decode again")
    count = int(count)
    files = [directory / f"lat.{job}.gz" for job in range(1, count + 1)]
    for path in files:
        if not path.is_file():
            raise UserError(path, f"no such file, but num_jobs is {count}", "decode again")
    return files


def check_decoded_with(directory, path, what):
    """UserError if .done tells that a decode directory's lattices are of another file than this.

    what  that the file is part of, graph or model
    """
    if read_done(directory).keys() & set(KINDS["lattices"]) and made_of_another(directory, path):
        raise UserError(directory, f"was not decoded with {path} as it is now",
                        f"give the {what} it was decoded with, or decode again")


def check_weights(lmwt, wip):
    """UserError for an LM weight that acoustic costs cannot be divided by, a penalty that is none.
    """
    if not 0 < lmwt < float("inf"):
        raise UserError("--lmwt", f"is {lmwt:g}", "expected more than 0")
    if not math.isfinite(wip):
        raise UserError("--wip", f"is {wip:g}", "expected a number")


def read_fsts(path):
    """Iterator of (utt, (start, src, dst, ilabel, olabel, graph_cost, acoustic_cost,
    final_graph_cost, final_acoustic_cost)); strings of a CompactLattice become chains of arcs.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "no such file")
    with gzip.open(path) if _is_gzip(path) else path.open("rb") as file:
        stream = _Stream(file, path)
        while (utt := stream.key()) is not None:
            binary = stream.peek(1) == MAGIC[:1]
            yield utt, _read_binary(stream, utt) if binary else _read_text(stream, utt)


def write_fsts(path, items, text=False):
    """Write (utt, (src, dst, ilabel, olabel, graph_cost, acoustic_cost, final_graph_cost,
    final_acoustic_cost)) with arcs sorted by src and start state 0. Returns the number of items.
    """
    path = Path(path)
    count = 0
    with (gzip_writer(path, GZIP_LEVEL) if path.suffix == ".gz" else path.open("wb")) as file:
        for utt, arrays in items:
            file.write(utt.encode() + b" ")
            file.write(_text(*arrays) if text else _binary(*arrays))
            count += 1
    return count


class _Stream:
    """A file with look-ahead; ends of the archive in the wrong place become UserErrors."""

    def __init__(self, file, path):
        self.file, self.path, self.buffer, self.at = file, path, b"", 0

    def peek(self, size):
        """The next bytes, fewer than size only at the end of the file."""
        while len(self.buffer) - self.at < size:
            try:
                more = self.file.read(max(CHUNK_BYTES, size))
            except (EOFError, OSError, zlib.error) as error:
                raise UserError(self.path, f"cannot be decompressed: {error}",
                                "make it again") from None
            if not more:
                break
            self.buffer, self.at = self.buffer[self.at:] + more, 0
        return self.buffer[self.at:self.at + size]

    def skip(self, size):
        self.at += size

    def take(self, size, utt):
        data = self.peek(size)
        if len(data) < size:
            raise UserError(self.path, f"ends within the lattice of {utt}", "make it again")
        self.at += size
        return data

    def line(self):
        """The next line without its end; None at the end of the file."""
        size = 256
        while (end := (data := self.peek(size)).find(b"\n")) < 0 and len(data) == size:
            size *= 2
        self.at += len(data) if end < 0 else end + 1
        return None if not data else (data if end < 0 else data[:end]).decode("utf-8", "replace")

    def key(self):
        """The next entry's key, with the one space after it read as well; None at the end."""
        size = 256
        while (data := self.peek(size)) and data[0:1] in b"\n":
            self.at += 1
        if not data:
            return None
        while True:
            ends = [e for e in (data.find(b" "), data.find(b"\n")) if e >= 0]
            if ends:
                break
            if len(data) < size:
                raise UserError(self.path, "ends within a key", "make it again")
            size *= 2
            data = self.peek(size)
        end = min(ends)
        self.at += end + (data[end:end + 1] == b" ")
        return data[:end].decode("utf-8", "replace")


def _is_gzip(path):
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _header(arc_type, num_states):
    return (MAGIC + struct.pack("<i", 6) + b"vector" + struct.pack("<i", len(arc_type)) + arc_type
            + struct.pack("<iiQqqq", 2, 0, PROPERTIES, 0 if num_states else -1, num_states,
                          0))


def _binary(src, dst, ilabel, olabel, graph_cost, acoustic_cost, final_graph, final_acoustic):
    num_states, num_arcs = len(final_graph), len(src)
    degree = np.bincount(src, minlength=num_states).astype(np.int32)
    # Everything after the header is 4-byte words: 4 for a state, 5 for each of its arcs.
    words = np.zeros(4 * num_states + 5 * num_arcs, np.int32)
    state_at = 4 * np.arange(num_states) + 5 * (np.cumsum(degree) - degree)
    words[state_at] = final_graph.view(np.int32)
    words[state_at + 1] = final_acoustic.view(np.int32)
    words[state_at + 2] = degree
    arc_at = 4 * (src.astype(np.int64) + 1) + 5 * np.arange(num_arcs)
    columns = (ilabel, olabel, graph_cost.view(np.int32), acoustic_cost.view(np.int32), dst)
    for i, column in enumerate(columns):
        words[arc_at + i] = column
    return _header(b"lattice4", num_states) + words.tobytes()


def _text(src, dst, ilabel, olabel, graph_cost, acoustic_cost, final_graph, final_acoustic):
    lines = ["\n"]
    first = np.searchsorted(src, np.arange(len(final_graph) + 1))
    for state in range(len(final_graph)):
        for a in range(first[state], first[state + 1]):
            lines.append(f"{state}\t{dst[a]}\t{ilabel[a]}\t{olabel[a]}"
                         f"\t{graph_cost[a]:.9g},{acoustic_cost[a]:.9g}\n")
        if np.isfinite(final_graph[state]):
            lines.append(f"{state}\t{final_graph[state]:.9g},{final_acoustic[state]:.9g}\n")
    return "".join([*lines, "\n"]).encode()


def _read_binary(stream, utt):
    if stream.take(4, utt) != MAGIC:
        raise UserError(stream.path, f"{utt} is no lattice", "expected Kaldi's archive of lattices")
    names = []
    for _ in range(2):
        size = struct.unpack("<i", stream.take(4, utt))[0]
        if not 0 <= size <= MAX_NAME:
            raise UserError(stream.path, f"the lattice of {utt} is damaged", "make it again")
        names.append(stream.take(size, utt))
    if names[0] != b"vector" or names[1] not in (b"lattice4", b"compactlattice44"):
        raise UserError(stream.path, f"{utt} is an FST of type {names[0].decode('latin-1')}, "
                        f"{names[1].decode('latin-1')}", "expected vector, lattice4 or "
                        "compactlattice44")
    _, flags, _, start, num_states, _ = struct.unpack("<iiQqqq", stream.take(40, utt))
    if num_states < 0:
        raise UserError(stream.path, f"the lattice of {utt} is damaged", "make it again")
    if flags & 3:
        raise UserError(stream.path, f"the lattice of {utt} holds symbol tables",
                        "write it without them")
    size = max(4096, min(64 * num_states, MOST_AT_FIRST))
    while True:
        data = stream.peek(size)
        words = np.frombuffer(data[:len(data) & ~3], np.int32)
        used = -1
        if 4 * num_states <= len(words):
            used, ints, floats, finals = _parse(words, num_states, names[1] == b"compactlattice44")
        if used >= 0:
            dst, count = ints[1], finals.shape[1]
            if start >= max(count, 1) or (len(dst) and not 0 <= dst.min() <= dst.max() < count):
                raise UserError(stream.path, f"the lattice of {utt} leads to a state that is not "
                                "there", "make it again")
            stream.skip(4 * used)
            return (start, *ints, *floats, *finals)
        if len(data) < size:
            raise UserError(stream.path, f"ends within the lattice of {utt}", "make it again")
        size *= 2


@numba.njit(cache=True)
def _parse(words, num_states, compact):
    """The states of a binary FST; used is -1 where words are too few.

    returns  used, int32 (4, num_arcs), float32 (2, num_arcs), float32 (2, num_states)
    """
    floats = words.view(np.float32)
    arc_ints = np.empty((4, len(words)), np.int32)
    arc_floats = np.zeros((2, len(words)), np.float32)
    finals = np.full((2, num_states + len(words)), np.inf, np.float32)
    count, extra, at, end = 0, num_states, 0, len(words)
    failed = (-1, arc_ints[:, :0], arc_floats[:, :0], finals[:, :0])
    for state in range(num_states):
        if at + (5 if compact else 4) > end:
            return failed
        last = state
        graph, acoustic = floats[at], floats[at + 1]
        at += 2
        if compact:
            length = words[at]
            at += 1
            if length < 0 or at + length + 2 > end:
                return failed
            for _ in range(length):
                arc_ints[0, count], arc_ints[1, count] = last, extra
                arc_ints[2, count], arc_ints[3, count] = words[at], 0
                count, at, last, extra = count + 1, at + 1, extra, extra + 1
        finals[0, last], finals[1, last] = graph, acoustic
        num_arcs = words[at]
        if num_arcs < 0:
            return failed
        at += 2
        for _ in range(num_arcs):
            if at + (6 if compact else 5) > end:
                return failed
            label, word, graph, acoustic = words[at], words[at + 1], floats[at + 2], floats[at + 3]
            at += 4
            length = 1
            if compact:
                length, label = words[at], 0
                at += 1
                if length < 0 or at + length + 1 > end:
                    return failed
            last = state
            for i in range(max(length, 1)):
                if compact and length:
                    label = words[at + i]
                arc_ints[0, count], arc_ints[1, count] = last, extra
                arc_ints[2, count], arc_ints[3, count] = label, word if i == 0 else 0
                if i == 0:
                    arc_floats[0, count], arc_floats[1, count] = graph, acoustic
                last, extra, count = extra, extra + 1, count + 1
            extra -= 1
            if compact:
                at += length
            arc_ints[1, count - 1] = words[at]
            at += 1
    return at, arc_ints[:, :count], arc_floats[:, :count], finals[:, :extra]


def _read_text(stream, utt):
    arcs, finals = [], {}
    start, extra = -1, []
    stream.line()
    while (line := stream.line()) is not None and line.strip():
        fields = line.split()
        try:
            # A weight of one is left out, as OpenFst does.
            weight = fields.pop().split(",") if "," in fields[-1] else ["0", "0", ""]
            costs = float(weight[0]), float(weight[1])
            tids = [int(t) for t in weight[2].split("_") if t] if len(weight) > 2 else []
            numbers = [int(f) for f in fields]
            if start < 0:
                start = numbers[0]
            if len(numbers) == 1:
                arcs, state = _chain(arcs, extra, numbers[0], None, tids, 0, (0.0, 0.0))
                finals[state] = costs
            elif len(numbers) == 3:
                _chain(arcs, extra, numbers[0], numbers[1], tids or [0], numbers[2], costs)
            elif len(numbers) == 4:
                arcs.append((*numbers, *costs))
            else:
                raise ValueError
            if max(map(abs, (*numbers, *tids))) > MAX_ID:
                raise ValueError
        except (ValueError, TypeError, IndexError):
            raise UserError(stream.path, f"{utt}: `{line.strip()}` is no line of a lattice",
                            "expected src dst ilabel olabel graph,acoustic") from None
    return _number_states(start, arcs, finals)


def _chain(arcs, extra, state, end, tids, word, costs):
    """Add one arc for each transition-id; states between them are numbered -1, -2, ..."""
    for i, tid in enumerate(tids):
        if end is not None and i == len(tids) - 1:
            following = end
        else:
            extra.append(0)
            following = -len(extra)
        arcs.append((state, following, tid, word, *costs))
        state, word, costs = following, 0, (0.0, 0.0)
    return arcs, state


def _number_states(start, arcs, finals):
    names = sorted({a[0] for a in arcs} | {a[1] for a in arcs} | set(finals))
    number = {name: i for i, name in enumerate(names)}
    ints = np.array([(number[a[0]], number[a[1]], a[2], a[3]) for a in arcs], np.int32)
    floats = np.array([a[4:] for a in arcs], np.float32)
    final_costs = np.full((2, len(names)), np.inf, np.float32)
    for name, costs in finals.items():
        final_costs[:, number[name]] = costs
    return (number.get(start, -1), *ints.reshape(-1, 4).T, *floats.reshape(-1, 2).T, *final_costs)
