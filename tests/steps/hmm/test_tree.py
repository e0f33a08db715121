import json

import numpy as np
import pytest

from steps.hmm.tree import PDF_CLASS, Leaf, Question, Table, Tree, monophone_tree
from utils.step import UserError


def small_tree():
    """Phone 1 has one pdf; 2 and 3 ask for the pdf class, then for the left or right phone."""
    return Tree(3, 1, [
        Table(1, {1: 1, 2: 2, 3: 2}),
        Leaf(0),
        Question(PDF_CLASS, frozenset({0}), 3, 4),
        Question(0, frozenset({0, 1}), 5, 6),
        Question(2, frozenset({3}), 7, 8),
        Leaf(1), Leaf(2), Leaf(3), Leaf(4)])


@pytest.mark.parametrize("window, pdf_class, pdf", [
    ((0, 1, 0), 0, 0), ((3, 1, 2), 2, 0),
    ((0, 2, 9), 0, 1), ((1, 3, 3), 0, 1), ((2, 2, 3), 0, 2), ((9, 3, 0), 0, 2),
    ((0, 2, 3), 1, 3), ((0, 3, 2), 1, 4), ((0, 3, 0), 2, 4), ((0, 3, 77), 2, 4)])
def test_pdf(window, pdf_class, pdf):
    tree = small_tree()
    assert tree.pdf(window, pdf_class) == pdf
    assert tree.pdfs(np.array([window]), np.array([pdf_class])).tolist() == [pdf]


def test_pdfs_agrees_with_pdf_on_random_windows():
    rng = np.random.default_rng(1)
    tree = small_tree()
    windows = rng.integers(0, 12, (500, 3))
    windows[:, 1] = rng.integers(1, 4, 500)
    classes = rng.integers(0, 3, 500)
    pdfs = tree.pdfs(windows, classes)
    assert pdfs.dtype == np.int32
    assert pdfs.tolist() == [tree.pdf(tuple(w), c) for w, c in zip(windows, classes, strict=True)]
    assert set(pdfs.tolist()) == {0, 1, 2, 3, 4}
    assert tree.pdfs(np.zeros((0, 3), int), np.zeros(0, int)).shape == (0,)


def test_possible_pdfs():
    tree = small_tree()
    assert tree.num_pdfs == 5
    assert tree.possible_pdfs(1, 2) == [0]
    assert tree.possible_pdfs(2, 0) == [1, 2]
    assert tree.possible_pdfs(3, 1) == [3, 4]


def test_write_and_read(tmp_path):
    tree = small_tree()
    tree.write(tmp_path / "tree")
    again = Tree.read(tmp_path / "tree")
    assert again.nodes == tree.nodes
    assert (again.context_width, again.central_position, again.num_pdfs) == (3, 1, 5)
    again.write(tmp_path / "tree2")
    assert (tmp_path / "tree2").read_bytes() == (tmp_path / "tree").read_bytes()
    assert json.loads((tmp_path / "tree").read_text())["nodes"][3] == {
        "key": 0, "yes_set": [0, 1], "yes": 5, "no": 6}


def json_tree(*nodes, width=3, central=1):
    return json.dumps({"context_width": width, "central_position": central, "nodes": nodes})


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"context_width": 3}', json_tree(), json_tree(5), json_tree({"pdf": -1}),
    json_tree({"pdf": "x"}), json_tree({"pdf": 0}, width=0), json_tree({"pdf": 0}, central=3),
    json_tree({"key": 0, "table": {"1": 0}}, {"pdf": 0}),
    json_tree({"key": 0, "table": {"1": 2}}, {"pdf": 0}),
    json_tree({"key": 3, "table": {"1": 1}}, {"pdf": 0}),
    json_tree({"key": 0, "table": [1]}, {"pdf": 0}),
    json_tree({"key": 0, "yes_set": [-1], "yes": 1, "no": 1}, {"pdf": 0}),
    json_tree({"key": 0, "yes_set": [1], "yes": 1, "no": 7}, {"pdf": 0})])
def test_what_is_not_a_tree_is_named(tmp_path, text):
    (tmp_path / "tree").write_text(text)
    with pytest.raises(UserError, match="tree: not a tree"):
        Tree.read(tmp_path / "tree")
    with pytest.raises(UserError, match="nowhere: no such file"):
        Tree.read(tmp_path / "nowhere")


def test_phone_the_tree_does_not_know():
    tree = small_tree()
    with pytest.raises(UserError, match="tree: no pdf for phones 1 4 1 and pdf class 0"):
        tree.pdf((1, 4, 1), 0)
    with pytest.raises(UserError, match="tree: no pdf for phones 1 99 1 and pdf class 0"):
        tree.pdfs(np.array([[1, 1, 1], [1, 99, 1]]), np.array([0, 0]))
    with pytest.raises(UserError, match="phones 4 and"):
        tree.possible_pdfs(4, 0)


def test_monophone_tree():
    tree = monophone_tree([[1, 2], [3], [5]], {1: 5, 2: 5, 3: 3, 5: 3})
    assert (tree.context_width, tree.central_position, tree.num_pdfs) == (1, 0, 11)
    assert [tree.pdf((1,), c) for c in range(5)] == [tree.pdf((2,), c) for c in range(5)]
    assert tree.pdfs(np.array([[1], [3], [3], [5]]), np.array([4, 0, 2, 2])).tolist() == [
        4, 5, 7, 10]
    assert tree.possible_pdfs(5, 1) == [9]
    with pytest.raises(UserError, match="phones 3 and pdf class 3"):
        tree.pdfs(np.array([[3]]), np.array([3]))


def test_tree_of_one_leaf():
    tree = Tree(1, 0, [Leaf(0)])
    assert tree.pdfs(np.array([[7], [8]]), np.array([0, 1])).tolist() == [0, 0]
