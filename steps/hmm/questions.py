"""The questions a decision tree may ask: sets of phones found by clustering, as Kaldi's
cluster-phones, and the given ones; sets of pdf classes.

    sets = cluster_phones(stats, lang.sets) + extra_questions
    questions = all_questions(sets, context_width=3, max_pdf_classes=5)
"""

import numpy as np

from steps.hmm.tree import PDF_CLASS
from steps.hmm.tree_stats import log_like

NUM_TRIES = 10     # random starts of each split in two
MAX_MOVES = 1000   # no split of so few phones takes so many; a guard against rounding


def cluster_phones(stats, phone_sets, pdf_classes=(1,), central_position=1, seed=0):
    """Sets of similar phones: every cluster of a tree that is grown by splitting the phones in two
    until each set is by itself. The set of all phones is among them (it tells a phone from the
    utterance's edge), and so is each given set. Sets without frames are in these only.

    stats        TreeStats
    phone_sets   lists of phones that stay together, as in lang/phones/sets.int
    pdf_classes  those whose frames are compared; 1 is the middle of a phone with three states
    returns      sorted list of sorted tuples of phones
    """
    chosen = np.isin(stats.pdf_classes, list(pdf_classes))
    set_of_phone = {phone: i for i, phones in enumerate(phone_sets) for phone in phones}
    labels = [set_of_phone.get(phone, len(phone_sets)) if use else len(phone_sets)
              for phone, use in zip(stats.windows[:, central_position].tolist(), chosen,
                                    strict=True)]
    sums = [a[:-1] for a in stats.summed(np.array(labels, int), len(phone_sets) + 1)]
    rng = np.random.default_rng(seed)

    seen = np.flatnonzero(sums[0])
    clusters = [np.arange(len(phone_sets))]
    stack = [seen]
    while stack:
        points = stack.pop()
        clusters.append(points)
        if len(points) > 1:
            in_first, gain = split_in_two(*(a[points] for a in sums), rng)
            if gain > 0:
                stack += [points[~in_first], points[in_first]]
    phones = [[p for point in cluster for p in phone_sets[point]] for cluster in clusters]
    return unique_sets([*phones, *phone_sets])


def all_questions(phone_questions, context_width, max_pdf_classes):
    """{key: sets to ask for}: the phone questions at each position of the window, and whether the
    pdf class is among the first 1, 2, ... of max_pdf_classes."""
    phone_questions = unique_sets(phone_questions)
    questions = dict.fromkeys(range(context_width), phone_questions)
    questions[PDF_CLASS] = [tuple(range(n)) for n in range(1, max_pdf_classes)]
    return questions


def unique_sets(sets):
    """The distinct non-empty sets, as a sorted list of sorted tuples."""
    return sorted({tuple(sorted({int(phone) for phone in phones})) for phones in sets} - {()})


def split_in_two(counts, x, x2, rng):
    """The best of several local optima of splitting points into two Gaussians: from a random half,
    move the point that gains most until none gains.

    counts   float64 (n,); x, x2 float64 (n, dim): a Gaussian's statistics for each of n >= 2 points
    returns  bool (n,), and the gain in log-likelihood over a single Gaussian
    """
    points = np.column_stack([counts, x, x2])
    total = points.sum(0)
    best, best_like = np.ones(len(points), bool), _like(total)
    for _ in range(NUM_TRIES):
        in_first = rng.permutation(len(points)) % 2 == 0
        like = _like(points[in_first].sum(0)) + _like(points[~in_first].sum(0))
        for _ in range(MAX_MOVES):
            first = points[in_first].sum(0) + np.where(in_first, -1, 1)[:, None] * points
            moved = _like(first) + _like(total - first)
            move = int(np.argmax(moved))
            if moved[move] <= like + 1e-9 * abs(like):
                break
            like = moved[move]
            in_first[move] = not in_first[move]
        if like > best_like + 1e-9 * abs(best_like):
            best, best_like = in_first, like
    return best, best_like - _like(total)


def _like(points):
    """log_like of rows (count, x, x2), float64 (..., 1 + 2 * dim)."""
    dim = points.shape[-1] // 2
    return log_like(points[..., 0], points[..., 1: 1 + dim], points[..., 1 + dim:])
