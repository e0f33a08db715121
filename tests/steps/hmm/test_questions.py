import numpy as np
import pytest

from steps.hmm.questions import all_questions, cluster_phones, split_in_two, unique_sets
from steps.hmm.tree import PDF_CLASS
from steps.hmm.tree_stats import accumulate, log_like

# Phones 2 and 3 sound alike, so do 4 and 5; 6 is nearer to 4 and 5. 1 is far from all.
MEANS = {1: (-500, -300), 2: (10, 0), 3: (10.5, 0), 4: (20, 5), 5: (20, 5.5), 6: (20, 9)}


def phone_stats(pdf_class=1, seed=0, counts=50):
    rng = np.random.default_rng(seed)
    centre = np.repeat(list(MEANS), counts)
    windows = np.column_stack([rng.permutation(centre), centre, rng.permutation(centre)])
    feats = np.array([MEANS[p] for p in centre]) + rng.normal(size=(len(centre), 2))
    return accumulate(windows, np.full(len(centre), pdf_class), feats.astype(np.float32))


def test_clusters_are_the_phones_that_sound_alike():
    sets = cluster_phones(phone_stats(), [[p] for p in MEANS])
    assert sets == sorted(sets)
    for expected in [(2, 3), (4, 5), (4, 5, 6), (2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6), (1,), (6,)]:
        assert expected in sets
    # A binary tree with 6 leaves has 11 nodes.
    assert len(sets) == 11
    # Clusters of one tree: either nested or apart.
    for a in sets:
        for b in sets:
            assert set(a) <= set(b) or set(b) <= set(a) or not set(a) & set(b)


def test_deterministic():
    assert cluster_phones(phone_stats(), [[p] for p in MEANS]) == \
        cluster_phones(phone_stats(), [[p] for p in MEANS])


def test_given_sets_stay_together_and_unseen_phones_are_asked_for():
    sets = cluster_phones(phone_stats(), [[1], [2, 6], [3], [4], [5], [9, 8]])
    assert (8, 9) in sets and (1, 2, 3, 4, 5, 6, 8, 9) in sets
    assert all((2 in s) == (6 in s) for s in sets)
    assert {s for s in sets if {8, 9} & set(s)} == {(8, 9), (1, 2, 3, 4, 5, 6, 8, 9)}


def test_only_the_pdf_classes_asked_for_count():
    nothing = cluster_phones(phone_stats(pdf_class=0), [[p] for p in MEANS])
    assert nothing == unique_sets([[p] for p in MEANS] + [list(MEANS)])
    assert len(cluster_phones(phone_stats(pdf_class=0), [[p] for p in MEANS], (0, 1))) == 11


def test_split_in_two_finds_the_best_of_all_splits():
    rng = np.random.default_rng(4)
    counts = rng.integers(5, 50, 8).astype(float)
    means = rng.normal(size=(8, 2)) * 3
    x = counts[:, None] * means
    x2 = counts[:, None] * (means ** 2 + 1)
    best = max(sum(log_like(counts[s].sum(), x[s].sum(0), x2[s].sum(0)) for s in [mask, ~mask])
               for mask in (np.array([bits >> i & 1 for i in range(8)], bool)
                            for bits in range(1, 128)))
    mask, gain = split_in_two(counts, x, x2, np.random.default_rng(0))
    parts = [log_like(counts[s].sum(), x[s].sum(0), x2[s].sum(0)) for s in [mask, ~mask]]
    assert sum(parts) == pytest.approx(best, rel=1e-12)
    assert gain == pytest.approx(best - log_like(counts.sum(), x.sum(0), x2.sum(0)), rel=1e-9)


def test_identical_points_gain_nothing():
    ones = np.ones((3, 2))
    assert split_in_two(np.ones(3), ones, 2 * ones, np.random.default_rng(0))[1] == 0


def test_all_questions():
    questions = all_questions([[3, 2], (2, 3), [1], []], 3, 3)
    assert questions == {0: [(1,), (2, 3)], 1: [(1,), (2, 3)], 2: [(1,), (2, 3)],
                         PDF_CLASS: [(0,), (0, 1)]}
    assert all_questions([[1]], 1, 1) == {0: [(1,)], PDF_CLASS: []}
