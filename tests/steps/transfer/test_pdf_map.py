import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from steps.hmm.tree import PDF_CLASS, Leaf, Question, Table, Tree, monophone_tree
from steps.transfer.pdf_map import (
    FILE,
    Side,
    class_shares,
    map_pdfs,
    read_pdf_map,
    seen_windows,
    write_pdf_map,
)
from utils.step import UserError


def random_side(rng, phones, num_leaves, classes=3, positions=None):
    """A Side whose tree splits at random on the neighbours and on the pdf class."""
    nodes, leaves, roots = [None], [], {}
    for phone in phones:
        roots[phone] = len(nodes)
        leaves.append(len(nodes))
        nodes.append(None)
    while len(leaves) < num_leaves:
        at = leaves.pop(int(rng.integers(len(leaves))))
        key = int(rng.choice([0, 2, PDF_CLASS]))
        values = [0, *phones] if key != PDF_CLASS else range(classes)
        yes = frozenset(v for v in values if rng.random() < 0.5)
        leaves += [len(nodes), len(nodes) + 1]
        nodes[at] = Question(key, yes, len(nodes), len(nodes) + 1)
        nodes += [None, None]
    for pdf, at in enumerate(sorted(leaves)):
        nodes[at] = Leaf(pdf)
    nodes[0] = Table(1, roots)
    return Side(Tree(3, 1, nodes), dict.fromkeys(phones, classes),
                positions or dict.fromkeys(phones, ""))


def by_hand(source, target, weights, seen=None):
    """The same map by a loop over all windows."""
    matrix = np.zeros((target.tree.num_pdfs, source.tree.num_pdfs))
    nearest = {p: max(w, key=w.get) for p, w in weights.items()} | {0: 0}
    edge = [0, *target.classes]
    for left, phone, right in itertools.product(edge, target.classes, edge):
        for pdf_class in range(target.classes[phone]):
            count = 1 if seen is None else seen.get((left, phone, right, pdf_class), 0)
            row = target.tree.pdf((left, phone, right), pdf_class)
            for answer, weight in weights[phone].items():
                column = source.tree.pdf((nearest[left], answer, nearest[right]), pdf_class)
                matrix[row, column] += weight * count
    return matrix


def normalised(matrix):
    return matrix / matrix.sum(1, keepdims=True)


def reachable(side):
    """Without pdfs that random questions have made unreachable."""
    used = [side.tree.pdf((left, p, right), c) for left, p, right in itertools.product(
        [0, *side.classes], side.classes, [0, *side.classes]) for c in range(side.classes[p])]
    return len(set(used)) == side.tree.num_pdfs


def two_trees():
    rng = np.random.default_rng(3)
    while True:
        source = random_side(rng, [1, 2, 3, 4], 14)
        target = random_side(rng, [1, 2, 3, 5, 6], 16)
        if reachable(target):
            return source, target


WEIGHTS = {1: {1: 1.0}, 2: {2: 0.7, 4: 0.3}, 3: {3: 0.6, 2: 0.25, 1: 0.15}, 5: {4: 1.0},
           6: {2: 0.5, 3: 0.5}}


def test_as_a_loop_over_all_windows():
    source, target = two_trees()
    matrix = map_pdfs(source, target, WEIGHTS)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.toarray(), normalised(by_hand(source, target, WEIGHTS)),
                               atol=1e-6)


def test_seen_windows_only_and_all_where_none_was_seen():
    source, target = two_trees()
    rng = np.random.default_rng(4)
    rows = rng.choice([1, 2, 3], (30, 3))
    classes, counts = rng.integers(0, 3, 30), rng.integers(1, 9, 30).astype(float)
    seen = {}
    for row, pdf_class, count in zip(rows.tolist(), classes.tolist(), counts, strict=True):
        seen[*row, pdf_class] = seen.get((*row, pdf_class), 0) + count
    expected = by_hand(source, target, WEIGHTS, seen)
    unseen = expected.sum(1) == 0
    assert 0 < unseen.sum() < len(unseen)
    expected[unseen] = by_hand(source, target, WEIGHTS)[unseen]
    matrix = map_pdfs(source, target, WEIGHTS, (rows, classes, counts))
    np.testing.assert_allclose(matrix.toarray(), normalised(expected), atol=1e-6)


def test_a_tree_maps_to_itself():
    _, target = two_trees()
    matrix = map_pdfs(target, target, {p: {p: 1.0} for p in target.classes})
    np.testing.assert_array_equal(matrix.toarray(), np.eye(target.tree.num_pdfs))


def test_monophone_trees_on_either_side():
    source, target = two_trees()
    mono = Side(monophone_tree([[1, 2], [3], [5], [6]], target.classes), target.classes,
                target.positions)
    down = map_pdfs(source, mono, WEIGHTS).toarray()
    np.testing.assert_allclose(down.sum(1), 1, atol=1e-6)
    classes = {1: 3, 2: 3, 3: 3, 4: 3}
    flat = Side(monophone_tree([[1], [2], [3], [4]], classes), classes, dict.fromkeys(classes, ""))
    up = map_pdfs(flat, target, WEIGHTS).toarray()
    np.testing.assert_allclose(up.sum(1), 1, atol=1e-6)
    both = map_pdfs(flat, mono, WEIGHTS).toarray()
    np.testing.assert_allclose(both[6], np.eye(12)[9], atol=1e-6)     # phone 5 is source phone 4
    np.testing.assert_allclose(both[10, [4, 7]], 0.5, atol=1e-6)      # phone 6, middle state


def test_windows_that_positions_forbid_do_not_count():
    """A tree that asks whether a word's last phone has a first phone before it, or another last
    one: only the first can be."""
    positions = {1: "_B", 2: "_E"}
    def side():
        tree = Tree(3, 1, [Table(1, {1: 1, 2: 2}), Leaf(0), Question(0, frozenset({1}), 3, 4),
                           Leaf(1), Leaf(2)])
        return Side(tree, {1: 1, 2: 1}, positions)
    source = Side(Tree(3, 1, [Question(0, frozenset({1}), 1, 2), Leaf(0), Leaf(1)]), {1: 1, 2: 1},
                  positions)
    target = Side(Tree(1, 0, [Table(0, {1: 1, 2: 2}), Leaf(0), Leaf(1)]), {1: 1, 2: 1}, positions)
    same = {1: {1: 1.0}, 2: {2: 1.0}}
    np.testing.assert_array_equal(map_pdfs(source, target, same).toarray(), [[0, 1], [1, 0]])
    with pytest.raises(UserError, match="no phone uses pdf 2"):
        map_pdfs(source, side(), same)


def test_class_shares():
    np.testing.assert_array_equal(class_shares(3, 3), np.eye(3))
    np.testing.assert_allclose(class_shares(1, 5), np.full((1, 5), 0.2))
    shares = class_shares(3, 5)
    np.testing.assert_allclose(shares, [[.6, .4, 0, 0, 0], [0, .2, .6, .2, 0], [0, 0, 0, .4, .6]])
    np.testing.assert_allclose(class_shares(5, 3).sum(1), 1)


def test_silence_of_another_length():
    def side(n):
        return Side(monophone_tree([[1]], {1: n}), {1: n}, {1: ""})
    matrix = map_pdfs(side(5), side(3), {1: {1: 1.0}})
    np.testing.assert_allclose(matrix.toarray(), class_shares(3, 5), atol=1e-6)


def test_seen_windows_counts_frames(monkeypatch):
    from steps.hmm import ali
    from steps.transfer import pdf_map
    first = np.array([[0, 1, 2], [0, 1, 2], [1, 2, 0]]), np.array([0, 1, 0])
    frames = {1: first, 2: (first[0][:1], first[1][:1])}
    monkeypatch.setattr(ali, "each_ali", lambda d: [("u", 1), ("v", 2)])
    monkeypatch.setattr(ali, "check_path", lambda *_: None)
    monkeypatch.setattr(ali, "frame_windows", lambda tids, transitions: frames[tids])
    for merge_after in (1, 1000):
        monkeypatch.setattr(pdf_map, "MERGE_AFTER", merge_after)
        windows, classes, counts = seen_windows("dir", SimpleNamespace())
        rows = {(*w, c): n for w, c, n in zip(windows.tolist(), classes.tolist(),
                                              counts.tolist(), strict=True)}
        assert rows == {(0, 1, 2, 0): 2, (0, 1, 2, 1): 1, (1, 2, 0, 0): 1}


def test_write_and_read(tmp_path):
    source, target = two_trees()
    matrix = map_pdfs(source, target, WEIGHTS)
    write_pdf_map(tmp_path, matrix)
    again = read_pdf_map(tmp_path, target.tree.num_pdfs, source.tree.num_pdfs)
    assert (again != matrix).nnz == 0 and again.dtype == np.float32
    with pytest.raises(UserError, match=rf"{FILE}: maps 14 source pdfs, expected 7"):
        read_pdf_map(tmp_path, num_source=7)
    with pytest.raises(UserError, match="no such file"):
        read_pdf_map(tmp_path / "x")
    (tmp_path / FILE).write_bytes(b"PK")
    with pytest.raises(UserError, match="is not a map of pdfs"):
        read_pdf_map(tmp_path)
