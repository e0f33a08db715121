"""Phonetic decision trees: which pdf an HMM state uses in its phone context.

A tree asks about a window of phones, e.g. (left, central, right) with context width 3, and about
the pdf class (the HMM position within the phone). Its nodes:

    Leaf(pdf)                          the answer
    Table(key, children)               one child per value of the key: {value: node}
    Question(key, yes_set, yes, no)    is the value in the set? e.g. is the left phone a nasal?

A key is a position in the window or PDF_CLASS. Node 0 is the root and children are indices.
Phone 0 stands where the window reaches beyond the utterance.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.tables import read_lines
from utils.step import UserError, write_atomic

PDF_CLASS = -1   # as in Kaldi; also the last column where a window is followed by its pdf class


def tree_of(directory, do="train or align again"):
    """Path of a model, alignment or network directory's tree; UserError if there is none."""
    tree = Path(directory) / "tree"
    if not tree.is_file():
        raise UserError(tree, "no such file", do)
    return tree


def same_tree(directory, other):
    """Whether the pdfs of two model, alignment or network directories are the same."""
    return tree_of(directory).read_bytes() == tree_of(other).read_bytes()


def check_same_tree(directory, other, align, otherwise):
    """UserError unless a directory has a tree, and it is that of another.

    align      what to do if there is none;  otherwise  if it is another tree
    """
    tree = tree_of(directory, align)
    if not same_tree(directory, other):
        raise UserError(tree, f"is another tree than {Path(other) / 'tree'}", otherwise)


class Leaf(NamedTuple):
    pdf: int


class Table(NamedTuple):
    key: int
    children: dict


class Question(NamedTuple):
    key: int
    yes_set: frozenset
    yes: int
    no: int


def monophone_tree(phone_sets, num_pdf_classes):
    """A tree without context: one pdf for each set of phones and pdf class, numbered in this order.

    phone_sets       lists of phones that share their pdfs, as in lang/phones/sets.int
    num_pdf_classes  {phone: number of pdf classes}; a set has as many as its longest phone
    """
    nodes = [None]
    roots = {}
    num_pdfs = 0
    for phones in phone_sets:
        root = len(nodes)
        length = max(num_pdf_classes[phone] for phone in phones)
        nodes.append(Table(PDF_CLASS, {c: root + 1 + c for c in range(length)}))
        nodes += [Leaf(num_pdfs + c) for c in range(length)]
        num_pdfs += length
        roots.update((int(phone), root) for phone in phones)
    nodes[0] = Table(0, dict(sorted(roots.items())))
    return Tree(1, 0, nodes)


class Tree:
    """A decision tree; see the top of this file.

    context_width     phones in a window
    central_position  index of the phone that the state belongs to
    nodes             list of Leaf, Table and Question; pdfs are 0 .. num_pdfs - 1
    """

    def __init__(self, context_width, central_position, nodes, path="tree"):
        self.context_width = context_width
        self.central_position = central_position
        self.nodes = nodes
        self.path = path
        self.num_pdfs = 1 + max(node.pdf for node in nodes if isinstance(node, Leaf))
        self._arrays = None

    def pdf(self, window, pdf_class):
        """The pdf of one window (a tuple of context_width phones) and pdf class."""
        values = (*window, pdf_class)
        node = self.nodes[0]
        while not isinstance(node, Leaf):
            value = values[node.key]
            if isinstance(node, Question):
                node = self.nodes[node.yes if value in node.yes_set else node.no]
            elif value in node.children:
                node = self.nodes[node.children[value]]
            else:
                raise self._unknown(values)
        return node.pdf

    def pdfs(self, windows, pdf_classes):
        """The pdfs of many windows.

        windows      int (n, context_width)
        pdf_classes  int (n,)
        returns      int32 (n,)
        """
        keys, pdfs, children = self._as_arrays()
        values = np.column_stack([windows, pdf_classes])
        known = np.minimum(values, children.shape[1] - 1)   # the last column stands for all above
        nodes = np.zeros(len(values), np.int32)
        rows = np.arange(len(values))[pdfs[nodes] < 0]
        while len(rows):
            here = nodes[rows]
            nodes[rows] = there = children[here, known[rows, keys[here]]]
            if there.min() < 0:
                raise self._unknown(values[rows[np.argmin(there)]])
            rows = rows[pdfs[there] < 0]
        return pdfs[nodes]

    def possible_pdfs(self, phone, pdf_class):
        """Sorted list of the pdfs that a phone's pdf class has in any context."""
        known = {self.central_position: phone, PDF_CLASS: pdf_class}
        found, stack = set(), [0]
        while stack:
            node = self.nodes[stack.pop()]
            if isinstance(node, Leaf):
                found.add(node.pdf)
            elif isinstance(node, Question):
                if node.key in known:
                    stack.append(node.yes if known[node.key] in node.yes_set else node.no)
                else:
                    stack += [node.yes, node.no]
            elif node.key not in known:
                stack += node.children.values()
            elif known[node.key] in node.children:
                stack.append(node.children[known[node.key]])
            else:
                raise self._unknown([phone, pdf_class])
        return sorted(found)

    def write(self, path):
        """Write JSON, one node a line."""
        head = {"context_width": self.context_width, "central_position": self.central_position,
                "num_pdfs": self.num_pdfs}
        lines = ",\n".join(json.dumps(_to_json(node)) for node in self.nodes)
        write_atomic(path, f'{json.dumps(head)[:-1]}, "nodes": [\n{lines}\n]}}\n')

    @classmethod
    def read(cls, path):
        text = "\n".join(read_lines(path))
        try:
            tree = json.loads(text)
            nodes = [_from_json(node) for node in tree["nodes"]]
            _check_nodes(nodes, tree["context_width"], tree["central_position"])
            return cls(tree["context_width"], tree["central_position"], nodes, path)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(path, f"not a tree: {error!r}", "train the model again") from None

    def _unknown(self, values):
        what = " ".join(map(str, values[:-1]))
        return UserError(self.path, f"no pdf for phones {what} and pdf class {values[-1]}",
                         "are the lang directory and the topology those of the tree?")

    def _as_arrays(self):
        """keys and pdfs int32 (num_nodes,), pdf -1 where not a leaf; and the child for each value,
        int32 (num_nodes, num_values + 1), -1 where there is none."""
        if self._arrays is None:
            largest = max((max(node[1], default=0) for node in self.nodes
                           if not isinstance(node, Leaf)), default=0)
            children = np.full((len(self.nodes), largest + 2), -1, np.int32)
            keys = np.zeros(len(self.nodes), np.int32)
            pdfs = np.full(len(self.nodes), -1, np.int32)
            for i, node in enumerate(self.nodes):
                if isinstance(node, Leaf):
                    pdfs[i] = node.pdf
                    continue
                keys[i] = node.key
                if isinstance(node, Table):
                    children[i, list(node.children)] = list(node.children.values())
                else:
                    children[i] = node.no
                    children[i, list(node.yes_set)] = node.yes
            self._arrays = keys, pdfs, children
        return self._arrays


def _to_json(node):
    if isinstance(node, Leaf):
        return {"pdf": node.pdf}
    if isinstance(node, Table):
        return {"key": node.key, "table": node.children}
    return {"key": node.key, "yes_set": sorted(node.yes_set), "yes": node.yes, "no": node.no}


def _from_json(node):
    if "pdf" in node:
        return Leaf(node["pdf"])
    if "table" in node:
        return Table(node["key"], {int(value): child for value, child in node["table"].items()})
    return Question(node["key"], frozenset(node["yes_set"]), node["yes"], node["no"])


def _check_nodes(nodes, context_width, central_position):
    """ValueError or TypeError unless nodes are a tree, in which children come after parents."""
    if not 0 <= central_position < context_width:
        raise ValueError(f"central_position {central_position} of {context_width} phones")
    if not any(isinstance(node, Leaf) for node in nodes):
        raise ValueError("no leaves")
    for index, node in enumerate(nodes):
        if isinstance(node, Leaf):
            values, children = [node.pdf], []
        elif isinstance(node, Table):
            values, children = list(node.children), list(node.children.values())
        else:
            values, children = list(node.yes_set), [node.yes, node.no]
        if not all(isinstance(value, int) and value >= 0 for value in values):
            raise ValueError(f"node {index}: phones and pdfs are numbers from 0 on")
        if not all(isinstance(child, int) and index < child < len(nodes) for child in children):
            raise ValueError(f"node {index}: its children are {children}, of {len(nodes)} nodes")
        if children and not PDF_CLASS <= node.key < context_width:
            raise ValueError(f"node {index}: asks for phone {node.key} of {context_width}")
