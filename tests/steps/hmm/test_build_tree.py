import itertools

import numpy as np
import pytest

from steps.hmm.build_tree import Splitter, build_tree
from steps.hmm.questions import all_questions, cluster_phones
from steps.hmm.tree import PDF_CLASS, Leaf, Question
from steps.hmm.tree_stats import accumulate
from utils.step import UserError

CLASSES = dict.fromkeys(range(1, 7), 3)
ROOTS = [(True, True, [1]), (False, False, [2, 3]), (True, True, [4]), (True, True, [5, 6])]
SETS = [(1,), (2,), (3,), (4,), (5,), (6,), (1, 2), (5, 6), (1, 2, 3)]


def frames(num_frames=6000, seed=0):
    """Phones 1 to 6, 1 is silence; the mean of a frame depends on all that a tree can ask for."""
    rng = np.random.default_rng(seed)
    windows = rng.integers(0, 7, (num_frames, 3))
    windows[:, 1] = rng.integers(1, 7, num_frames)
    classes = rng.integers(0, 3, num_frames)
    of_phone = rng.normal(size=(7, 4)) * 4
    mean = of_phone[windows[:, 1]] + 0.5 * of_phone[windows[:, 0]] + 0.3 * of_phone[windows[:, 2]]
    mean[:, 0] += 4 * classes
    return windows, classes, (mean + rng.normal(size=mean.shape)).astype(np.float32)


def direct_like(feats, labels):
    """Log-likelihood of the frames, each label's under its own Gaussian."""
    total = 0
    for label in np.unique(labels):
        part = feats[labels == label].astype(float)
        var = np.maximum(part.var(0), 0.01)
        total -= 0.5 * ((part - part.mean(0)) ** 2 / var + np.log(2 * np.pi * var)).sum()
    return total


def grow(stats, **options):
    return build_tree(stats, ROOTS, all_questions(SETS, 3, 3), CLASSES, **options)


def questions_of(tree):
    return [(node.key, tuple(sorted(node.yes_set))) for node in tree.nodes
            if isinstance(node, Question)]


def test_known_best_split():
    """Frames differ by the left phone being 2 or 3 and not 1 or 4; nothing else matters."""
    rng = np.random.default_rng(0)
    windows = np.array(list(itertools.product([1, 2, 3, 4], [1], [1, 2, 3, 4])) * 50)
    mean = np.where(np.isin(windows[:, 0], [2, 3]), 5.0, -5.0)
    feats = (mean[:, None] + rng.normal(size=(len(windows), 2))).astype(np.float32)
    stats = accumulate(windows, np.zeros(len(windows), int), feats)
    sets = [(1,), (2,), (2, 3), (1, 2), (3,), (4,)]
    tree, report = build_tree(stats, [(True, True, [1])], all_questions(sets, 3, 3), {1: 3})
    assert questions_of(tree) == [(0, (2, 3))]
    assert tree.num_pdfs == report.num_leaves == 2
    assert tree.pdf((2, 1, 4), 0) == tree.pdf((3, 1, 1), 2) != tree.pdf((1, 1, 2), 0)
    gain = direct_like(feats, tree.pdfs(windows, np.zeros(800, int))) \
        - direct_like(feats, np.zeros(800))
    assert report.smallest_split == pytest.approx(gain, rel=1e-9)
    assert report.gain == pytest.approx(gain / 800, rel=1e-9)


def test_best_question_of_all_by_brute_force():
    windows, classes, feats = frames(1500, seed=3)
    stats = accumulate(windows, classes, feats)
    questions = all_questions(SETS, 3, 3)
    values = np.column_stack([windows, classes])
    one = direct_like(feats, np.zeros(len(feats)))
    gains = {(key, row): direct_like(feats, np.isin(values[:, key], asked)) - one
             for key, sets in questions.items() for row, asked in enumerate(sets)}
    gain, *question = Splitter(stats, questions).best(np.arange(len(stats.counts)))
    assert tuple(question) == max(gains, key=gains.get)
    assert gain == pytest.approx(max(gains.values()), rel=1e-9)


def test_likelihood_rises_with_leaves_as_reported():
    windows, classes, feats = frames()
    stats = accumulate(windows, classes, feats)
    likes = []
    for max_leaves in [6, 10, 15, 30]:
        tree, report = grow(stats, max_leaves=max_leaves, threshold=1, cluster_threshold=0)
        assert tree.num_pdfs == report.num_leaves == report.num_leaves_grown == max_leaves
        likes.append(direct_like(feats, tree.pdfs(windows, classes)))
        # Six leaves are the roots alone: one each for 1, 4 and {5, 6}, three for {2, 3}.
        assert report.gain * report.num_frames == pytest.approx(likes[-1] - likes[0], rel=1e-6,
                                                                abs=1e-3)
    assert likes == sorted(likes) and len(set(likes)) == 4


def test_threshold_stops_growth():
    stats = accumulate(*frames())
    few, report = grow(stats, threshold=1500, cluster_threshold=0)
    assert report.smallest_split > 1500
    assert 6 < few.num_pdfs < grow(stats, threshold=100, cluster_threshold=0)[0].num_pdfs
    alone, report = grow(stats, threshold=1e9)
    assert alone.num_pdfs == 6 and report.gain == 0


def test_merging_loses_what_it_says_and_less_than_a_split():
    windows, classes, feats = frames(seed=2)
    stats = accumulate(windows, classes, feats)
    grown, _ = grow(stats, max_leaves=120, threshold=1, cluster_threshold=0)
    merged, report = grow(stats, max_leaves=120, threshold=1)
    assert grown.num_pdfs == report.num_leaves_grown == 120
    assert merged.num_pdfs == report.num_leaves < 120
    assert questions_of(merged) == questions_of(grown)
    lost = direct_like(feats, grown.pdfs(windows, classes)) \
        - direct_like(feats, merged.pdfs(windows, classes))
    assert report.loss_by_merging * report.num_frames == pytest.approx(lost, rel=1e-6)
    assert lost <= (120 - merged.num_pdfs) * report.smallest_split
    # No two leaves of a root are left whose merging would lose less than the smallest split.
    labels = merged.pdfs(windows, classes)
    for _, split, phones in ROOTS:
        own = np.unique(labels[np.isin(windows[:, 1], phones)])
        for a, b in itertools.combinations(own, 2):
            pair = np.isin(labels, [a, b])
            loss = direct_like(feats[pair], labels[pair]) - direct_like(feats[pair], pair[pair])
            assert not split or loss > report.smallest_split * (1 - 1e-9)


@pytest.mark.parametrize("cluster_threshold", [0, -1, 1e9])
def test_roots_are_never_mixed_and_pdfs_are_contiguous(cluster_threshold):
    tree, _ = grow(accumulate(*frames(), ci_phones=[1]), max_leaves=40, threshold=1,
                   cluster_threshold=cluster_threshold)
    rng = np.random.default_rng(9)
    windows = rng.integers(0, 9, (4000, 3))        # phones 7 and 8 are in no context seen
    windows[:, 1] = rng.integers(1, 7, 4000)
    classes = rng.integers(0, 3, 4000)
    pdfs = tree.pdfs(windows, classes)
    assert pdfs.min() >= 0
    owners = {pdf: set() for pdf in pdfs}
    for pdf, phone, pdf_class in zip(pdfs, windows[:, 1], classes, strict=True):
        root = next(i for i, (_, _, phones) in enumerate(ROOTS) if phone in phones)
        owners[pdf].add((root, pdf_class if root == 1 else None))
    assert all(len(roots) == 1 for roots in owners.values())
    every_pdf = set(range(tree.num_pdfs))
    assert {node.pdf for node in tree.nodes if isinstance(node, Leaf)} == every_pdf
    assert {p for phone in CLASSES for c in range(3)
            for p in tree.possible_pdfs(phone, c)} == every_pdf
    if cluster_threshold == 1e9:
        assert tree.num_pdfs == 6
    # Silence saw no context, so it has at most one pdf for each pdf class.
    assert all(len(tree.possible_pdfs(1, c)) == 1 for c in range(3))
    # A root that may not be split asks nothing.
    assert all(len(tree.possible_pdfs(2, c)) == 1 for c in range(3))


def test_unseen_phones_have_pdfs():
    windows, classes, feats = frames()
    seen = windows[:, 1] != 4
    tree, report = grow(accumulate(windows[seen], classes[seen], feats[seen]), max_leaves=20)
    assert report.unseen_phones == [4]
    assert len({tree.pdf((1, 4, 1), c) for c in range(3)}) == 1


def test_deterministic(tmp_path):
    stats = accumulate(*frames())
    for name in ["a", "b"]:
        sets = cluster_phones(stats, [[p] for p in CLASSES])
        tree, _ = build_tree(stats, ROOTS, all_questions(sets, 3, 3), CLASSES, 80, 10.0)
        tree.write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert {key for key, _ in questions_of(tree)} >= {PDF_CLASS, 0, 2}


def test_phone_without_root_is_named():
    with pytest.raises(UserError, match="phone 4 is aligned but is in no root"):
        build_tree(accumulate(*frames()), [r for r in ROOTS if r[2] != [4]],
                   all_questions(SETS, 3, 3), CLASSES)
