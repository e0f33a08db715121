"""Which pdfs of one decision tree answer to those of another, by the sound of their phones.

    matrix = map_pdfs(source, target, weights)   # csr, float32 (num_target_pdfs, num_source_pdfs)
    target_like = source_posteriors @ matrix.T

A target pdf stands for HMM states in phone contexts. Each of its contexts is said in source
phones, the source tree is asked for the pdf of every such state, and the answers are averaged.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.step import UserError, made_of_another

FILE = "pdf_map.npz"
MERGE_AFTER = 1000     # utterances, whose windows wait in memory
# Which positions in a word may follow one another; "" is a silence, and an utterance's edge.
_FOLLOWS = {"_B": ("_I", "_E"), "_I": ("_I", "_E"), "_E": ("_B", "_S", ""),
            "_S": ("_B", "_S", ""), "": ("_B", "_S", "")}


class Side(NamedTuple):
    """A tree and what it is about.

    tree       Tree of context width 1 or 3
    classes    {phone id: number of its pdf classes}
    positions  {phone id: "_B", "_E", "_I", "_S" or ""}
    """
    tree: object
    classes: dict
    positions: dict


def map_pdfs(source, target, weights, windows=None):
    """Weights of source pdfs for each target pdf: csr, float32 (num_target, num_source), rows 1.

    source, target  Side
    weights         {target phone id: {source phone id: weight}}, each summing to 1
    windows         (int (n, 3), int (n,), counts (n,)): windows of target phones, pdf classes and
                    how often they were seen; a pdf that was never seen is mapped by all windows
                    that its tree sends to it. None: every pdf is.
    """
    from scipy.sparse import csr_array

    every = _summed(source, target, weights, _all_windows(source, target, weights))
    if windows is not None:
        seen = _summed(source, target, weights, [windows])
        unseen = np.asarray(seen.sum(1)).ravel() == 0
        every = seen + csr_array(every.multiply(unseen[:, None]))
    totals = np.asarray(every.sum(1)).ravel()
    if not totals.all():
        raise UserError(target.tree.path, f"no phone uses pdf {int(np.argmin(totals))}",
                        "are the phones those of the tree?")
    return csr_array(every.multiply(1 / totals[:, None])).astype(np.float32)


def _all_windows(source, target, weights):
    """For each target phone: windows (n, 3), pdf classes (n,) and how many windows each stands for.

    Neighbours that neither tree can tell apart are one window with their number.
    """
    nearest = {p: max(w, key=w.get) for p, w in weights.items()} | {0: 0}
    phones = np.array([0, *sorted(target.classes)])
    answers = np.array([nearest[p] for p in phones.tolist()])
    sides = []
    for place in (0, 2):
        rows = [_signature(target.tree, place, phones), _signature(source.tree, place, answers)]
        positions = [[list(_FOLLOWS).index(target.positions.get(p, "")) for p in phones.tolist()]]
        _, first, inverse = np.unique(np.concatenate([*rows, positions]), axis=1,
                                      return_index=True, return_inverse=True)
        sides.append((phones[first], np.bincount(inverse.ravel())))
    (lefts, left_counts), (rights, right_counts) = sides
    for phone, num_classes in sorted(target.classes.items()):
        here = target.positions.get(phone, "")
        before = _allowed(lefts, target, lambda p, here=here: here in _FOLLOWS[p])
        after = _allowed(rights, target, lambda p, here=here: p in _FOLLOWS[here])
        if not any(target.positions.values()):
            before, after = np.ones(len(lefts), bool), np.ones(len(rights), bool)
        left, right, pdf_class = (a.ravel() for a in np.meshgrid(
            lefts[before], rights[after], np.arange(num_classes), indexing="ij"))
        counts = np.outer(left_counts[before], right_counts[after]).ravel()
        yield (np.stack([left, np.full(len(left), phone), right], 1), pdf_class,
               np.repeat(counts, num_classes))


def _allowed(phones, target, may):
    return np.array([may(target.positions.get(p, "")) for p in phones.tolist()], bool)


def _signature(tree, place, phones):
    """What a tree's nodes see of phones at a place 0 (left) or 2 (right) of the window: int
    (num_nodes about that place, len(phones)); equal columns cannot be told apart."""
    from steps.hmm.tree import Leaf, Question
    if tree.context_width == 1:
        return np.zeros((0, len(phones)), int)
    rows = {}
    for node in tree.nodes:
        if isinstance(node, Leaf) or node.key != place:
            continue
        if isinstance(node, Question):
            rows[node.yes_set] = np.isin(phones, list(node.yes_set)).astype(int)
        else:
            rows[id(node)] = np.array([node.children.get(p, -1) for p in phones.tolist()])
    return np.array(list(rows.values()), int).reshape(-1, len(phones))


def _mapped(source, target, weights, windows, pdf_classes, counts):
    """Entries (target pdfs, source pdfs, weights) of windows with their counts."""
    nearest = np.zeros(1 + max(weights), int)
    for phone, answers in weights.items():
        nearest[phone] = max(answers, key=answers.get)
    windows, pdf_classes = np.asarray(windows), np.asarray(pdf_classes)
    target_pdfs = _ask(target.tree, windows, pdf_classes)
    entries = []
    for phone in np.unique(windows[:, 1]).tolist():
        rows = np.flatnonzero(windows[:, 1] == phone)
        around = nearest[windows[rows]]
        for answer, weight in weights[phone].items():
            around[:, 1] = answer
            shares = class_shares(target.classes[phone], source.classes[answer])
            for pdf_class, share in enumerate(shares.T):
                part = share[pdf_classes[rows]] * weight * counts[rows]
                used = part > 0
                pdfs = _ask(source.tree, around[used], np.full(used.sum(), pdf_class))
                entries.append((target_pdfs[rows[used]], pdfs, part[used]))
    return [np.concatenate(columns) for columns in zip(*entries, strict=True)]


def _ask(tree, windows, pdf_classes):
    return tree.pdfs(windows if tree.context_width == 3 else windows[:, 1:2], pdf_classes)


def _summed(source, target, weights, batches):
    """csr, float64 (num_target, num_source): the weight of all windows of (windows, classes,
    counts) batches."""
    from scipy.sparse import coo_array, csr_array

    shape = target.tree.num_pdfs, source.tree.num_pdfs
    total = csr_array(shape)
    for batch in batches:
        rows, columns, values = _mapped(source, target, weights, *batch)
        total = total + csr_array(coo_array((values, (rows, columns)), shape))
    return total


def class_shares(num_target, num_source):
    """How a phone's pdf classes overlap in time with those of another phone, if each takes as long
    as the next: float64 (num_target, num_source), rows sum to 1; the identity for equal numbers."""
    edges = np.arange(num_target + 1)[:, None] / num_target, np.arange(num_source + 1) / num_source
    overlap = np.minimum(edges[0][1:], edges[1][1:]) - np.maximum(edges[0][:-1], edges[1][:-1])
    return np.where(overlap > 1e-9, overlap, 0) * num_target


def seen_windows(directory, transitions):
    """Windows of phones, pdf classes and frames of an alignment directory, as map_pdfs() takes."""
    from steps.hmm.ali import check_path, each_ali, frame_windows

    found, frames, waiting = np.zeros((0, 4), np.int32), np.zeros(0), []
    for number, (utt, tids) in enumerate(each_ali(directory), 1):
        check_path(directory, utt, tids, transitions)
        waiting.append(np.column_stack(frame_windows(tids, transitions)))
        if number % MERGE_AFTER == 0:
            found, frames, waiting = *_merged(found, frames, waiting), []
    found, frames = _merged(found, frames, waiting)
    if not len(found):
        raise UserError(directory, "has no frame that is aligned", "align anew")
    return found[:, :3], found[:, 3], frames


def _merged(found, frames, rows):
    """Different rows int (n, 4) and how often each was there."""
    rows = np.concatenate([found, *rows])
    keys = np.ascontiguousarray(rows).view([("", rows.dtype)] * rows.shape[1]).ravel()
    keys, inverse = np.unique(keys, return_inverse=True)
    frames = np.concatenate([frames, np.ones(len(rows) - len(frames))])
    return keys.view(rows.dtype).reshape(-1, rows.shape[1]), np.bincount(inverse, frames)


def write_pdf_map(directory, matrix):
    from scipy.sparse import save_npz
    save_npz(Path(directory) / FILE, matrix)


def check_map(directory, target, source):
    """UserError if map_phones.py tells that its map is of other trees than two model directories'.
    """
    for side, model in (("target", target), ("source", source)):
        if made_of_another(directory, Path(model) / "tree"):
            raise UserError(directory, f"maps pdfs of other trees than that of {model}",
                            f"make it for this {side}: steps/transfer/map_phones.py")


def read_pdf_map(directory, num_target=None, num_source=None):
    """The csr matrix of map_phones.py's directory; UserError unless it has so many pdfs."""
    from scipy.sparse import load_npz

    path = Path(directory) / FILE
    try:
        matrix = load_npz(path)
    except FileNotFoundError:
        raise UserError(path, "no such file", "run steps/transfer/map_phones.py") from None
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise UserError(path, f"is not a map of pdfs ({error})",
                        "run steps/transfer/map_phones.py again") from None
    for side, wanted, found in zip(("target", "source"), (num_target, num_source), matrix.shape,
                                   strict=True):
        if wanted not in (None, found):
            raise UserError(path, f"maps {found} {side} pdfs, expected {wanted}",
                            f"make it for this {side}: steps/transfer/map_phones.py")
    return matrix
