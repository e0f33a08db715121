"""Growing a decision tree top down by likelihood, then merging its leaves (Young, Odell and
Woodland 1994), as Kaldi's build-tree.

Each root, as lang/phones/roots.int lists them, is grown by itself; all compete for the leaves.
The gain of a question is the rise in log-likelihood when one diagonal Gaussian becomes two.
"""

import heapq
from dataclasses import dataclass, field

import numpy as np

from steps.hmm.tree import PDF_CLASS, Leaf, Question, Table, Tree
from steps.hmm.tree_stats import VAR_FLOOR, log_like
from utils.step import UserError


@dataclass
class TreeReport:
    """How the tree came about; gains in nats per frame of the split roots."""

    num_frames: float = 0.0
    num_leaves_grown: int = 0
    num_leaves: int = 0
    gain: float = 0.0
    smallest_split: float = float("inf")   # nats, not per frame; the threshold of merging
    loss_by_merging: float = 0.0
    unseen_phones: list = field(default_factory=list)


def build_tree(stats, roots, questions, num_pdf_classes, max_leaves=0, threshold=300.0,
               cluster_threshold=-1.0, central_position=1, var_floor=VAR_FLOOR):
    """A tree of at most max_leaves leaves, and its TreeReport.

    stats              TreeStats; its keys give the context width
    roots              [(shared, split, phones)]: do all pdf classes share the root, may it be split
    questions          {position or PDF_CLASS: sets}, as questions.all_questions gives them
    num_pdf_classes    {phone: number of pdf classes}
    max_leaves         leaves before merging; 0 for no limit. Every root has one at least
    threshold          least gain of a split, nats
    cluster_threshold  leaves of a root merge while that loses no more nats than this; negative for
                       the smallest gain of the splits made, 0 for no merging
    """
    splitter = Splitter(stats, questions, var_floor)
    stubs = _stubs(stats, roots, num_pdf_classes, central_position)
    for stub in stubs:
        stub.like = splitter.like(stub.rows)
    before = sum(stub.like for stub in stubs if stub.may_split)
    report = TreeReport(
        num_frames=sum(stats.counts[stub.rows].sum() for stub in stubs if stub.may_split),
        unseen_phones=sorted(set(num_pdf_classes) - set(stats.windows[:, central_position])))
    report.smallest_split = _grow(stubs, splitter, max_leaves, threshold)
    leaves = [_leaves(stub) for stub in stubs]
    report.num_leaves_grown = sum(map(len, leaves))
    per_frame = 1 / max(report.num_frames, 1)
    report.gain = per_frame * (sum(
        leaf.like for stub, own in zip(stubs, leaves, strict=True) if stub.may_split
        for leaf in own) - before)
    if cluster_threshold < 0:
        cluster_threshold = report.smallest_split
    if 0 < cluster_threshold < float("inf"):
        report.loss_by_merging = per_frame * sum(
            _merge(own, splitter, cluster_threshold) for own in leaves)
    tree = _assemble(roots, stubs, num_pdf_classes, questions, central_position,
                     stats.windows.shape[1])
    report.num_leaves = tree.num_pdfs
    return tree, report


class Splitter:
    """Finds the best question for a set of keys of the statistics."""

    def __init__(self, stats, questions, var_floor=VAR_FLOOR):
        self.keys = stats.keys
        self.points = np.column_stack([stats.counts, stats.x, stats.x2])
        self.var_floor = var_floor
        self.dim = stats.x.shape[1]
        num_values = 1 + max([int(self.keys.max(initial=0))] + [
            max(values) for sets in questions.values() for values in sets])
        rng = np.random.default_rng(0)
        # Random numbers that sum exactly: sets with the same values of a node have the same sum.
        self.marks = rng.integers(1, 1 << 40, num_values).astype(np.float64)
        self.members = []
        for key, sets in sorted(questions.items()):
            member = np.zeros((len(sets), num_values))
            for row, values in zip(member, sets, strict=True):
                row[list(values)] = 1
            self.members.append((key, member))

    def like(self, rows):
        """Log-likelihood of the frames of these keys under one Gaussian."""
        return float(self.likes(self.points[rows].sum(0)))

    def likes(self, points):
        """log_like of (..., 1 + 2 dim): count, sum, sum of squares."""
        return log_like(points[..., 0], points[..., 1: 1 + self.dim], points[..., 1 + self.dim:],
                        self.var_floor)

    def best(self, rows):
        """The best question for these keys: gain in nats, its key, and its index among the key's
        questions; (0, None, None) if none gains."""
        points = self.points[rows]
        total = points.sum(0)
        yes, names = [], []
        for key, member in self.members:
            present, inverse = np.unique(self.keys[rows, key], return_inverse=True)
            if len(present) < 2 or not len(member):
                continue
            member = member[:, present]
            marks = self.marks[present]
            sums = member @ marks
            sums, first = np.unique(sums, return_index=True)
            first = np.sort(first[(sums > 0) & (sums < marks.sum())])
            order = np.argsort(inverse, kind="stable")
            starts = np.searchsorted(inverse[order], np.arange(len(present)))
            yes.append(member[first] @ np.add.reduceat(points[order], starts))
            names += [(key, index) for index in first]
        if not names:
            return 0.0, None, None
        yes = np.concatenate(yes)
        gains = self.likes(yes) + self.likes(total - yes)
        best = int(np.argmax(gains))
        gain = float(gains[best] - self.likes(total))
        return (gain, *names[best]) if gain > 0 else (0.0, None, None)

    def divide(self, rows, key, index):
        """The keys that answer yes and those that answer no."""
        member = dict(self.members)[key][index].astype(bool)
        says_yes = member[self.keys[rows, key]]
        return rows[says_yes], rows[~says_yes]


@dataclass(eq=False)
class _Node:
    """A node while the tree grows: a leaf until it has a question."""

    rows: np.ndarray
    may_split: bool
    like: float = 0.0
    question: tuple = None      # key, index of the set
    yes: "_Node" = None
    no: "_Node" = None
    merged_into: "_Node" = None


def _stubs(stats, roots, num_pdf_classes, central_position):
    """The nodes that trees grow from, in the order of _assemble: one for a shared root, one for
    each pdf class of a root that is not shared."""
    phones = stats.windows[:, central_position]
    listed = [phone for _, _, phones_of_root in roots for phone in phones_of_root]
    for phone in np.setdiff1d(phones, listed):
        raise UserError("roots.int", f"phone {phone} is aligned but is in no root",
                        "are the alignments and the lang directory of the same phones?")
    stubs = []
    for shared, split, own in roots:
        rows = np.flatnonzero(np.isin(phones, own))
        if shared:
            stubs.append(_Node(rows, split))
        else:
            stubs += [_Node(rows[stats.pdf_classes[rows] == pdf_class], split)
                      for pdf_class in range(max(num_pdf_classes[phone] for phone in own))]
    return stubs


def _grow(stubs, splitter, max_leaves, threshold):
    """Split the leaf that gains most, again and again; returns the smallest gain of all."""
    queue = []

    def consider(node):
        gain, *question = splitter.best(node.rows)
        if gain > threshold:
            heapq.heappush(queue, (-gain, len(order), node, question))
            order.append(node)

    order = []   # breaks ties, so that the result does not depend on addresses
    for stub in stubs:
        if stub.may_split and len(stub.rows) > 1:
            consider(stub)
    num_leaves, smallest = len(stubs), float("inf")
    while queue and (max_leaves <= 0 or num_leaves < max_leaves):
        gain, _, node, question = heapq.heappop(queue)
        smallest = min(smallest, -gain)
        node.question = tuple(question)
        node.yes, node.no = (_Node(rows, True, splitter.like(rows))
                             for rows in splitter.divide(node.rows, *question))
        num_leaves += 1
        consider(node.yes)
        consider(node.no)
    return smallest


def _leaves(node):
    found, stack = [], [node]
    while stack:
        node = stack.pop()
        if node.question is None:
            found.append(node)
        else:
            stack += [node.no, node.yes]
    return found


def _merge(leaves, splitter, threshold):
    """Merge the two nearest leaves of one root until that loses more than the threshold; returns
    the log-likelihood lost. A leaf that went into another has it as merged_into."""
    points = np.array([splitter.points[leaf.rows].sum(0) for leaf in leaves])
    likes = np.array([leaf.like for leaf in leaves])
    loss = np.full((len(leaves), len(leaves)), np.inf)
    for i in range(1, len(leaves)):
        loss[i, :i] = likes[i] + likes[:i] - splitter.likes(points[i] + points[:i])
    lost = 0.0
    while len(leaves) > 1:
        gone, kept = divmod(int(np.argmin(loss)), len(leaves))   # kept < gone
        if loss[gone, kept] > threshold:
            break
        lost += loss[gone, kept]
        leaves[gone].merged_into = leaves[kept]
        points[kept] += points[gone]
        likes[kept] = splitter.likes(points[kept])
        loss[gone, :] = loss[:, gone] = np.inf
        new = likes[kept] + likes - splitter.likes(points[kept] + points)
        alive = np.array([leaf.merged_into is None for leaf in leaves])
        loss[kept, :kept] = np.where(alive, new, np.inf)[:kept]
        loss[kept + 1:, kept] = np.where(alive, new, np.inf)[kept + 1:]
    return lost


def _assemble(roots, stubs, num_pdf_classes, questions, central_position, context_width):
    """The Tree; its pdfs are numbered in the order of the roots, depth first."""
    nodes, pdfs = [None], {}
    stubs = iter(stubs)

    def add(top):
        """Append the subtree below top, parents before children; returns top's index."""
        start = len(nodes)
        waiting = [(top, None, None)]
        while waiting:
            node, parent, answer = waiting.pop()
            index = len(nodes)
            if parent is not None:
                nodes[parent] = nodes[parent]._replace(**{answer: index})
            if node.question is None:
                while node.merged_into is not None:
                    node = node.merged_into
                nodes.append(Leaf(pdfs.setdefault(node, len(pdfs))))
            else:
                key, row = node.question
                nodes.append(Question(key, frozenset(questions[key][row]), -1, -1))
                waiting += [(node.no, index, "no"), (node.yes, index, "yes")]
        return start

    children = {}
    for shared, _, phones in roots:
        if shared:
            root = add(next(stubs))
        else:
            root = len(nodes)
            nodes.append(None)
            length = max(num_pdf_classes[phone] for phone in phones)
            nodes[root] = Table(PDF_CLASS, {c: add(next(stubs)) for c in range(length)})
        children.update((int(phone), root) for phone in phones)
    nodes[0] = Table(central_position, dict(sorted(children.items())))
    return Tree(context_width, central_position, nodes)
