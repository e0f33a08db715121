"""The criterion of sequences, held against sums over all sequences written out."""

from itertools import pairwise, product
from types import SimpleNamespace

import numpy as np
import pytest

from steps.nnet.mmi import (
    Chain,
    chain_of,
    count_pairs,
    log_total,
    sequence_losses,
    sparse_product,
)
from steps.nnet.tf import tf

NUM_PDFS, NUM_OUT, BATCH = 3, 4, 2


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def chain(rng):
    return chain_of(rng.integers(0, 9, (NUM_PDFS, NUM_PDFS)).astype(float))


def log_of(path, scores, chain):
    """Log of one sequence's product, scores (num_out, num_pdfs)."""
    total = np.log(chain.start[path[0]]) + scores[range(len(path)), path].sum()
    return total + sum(np.log(chain.matrix()[pair]) for pair in pairwise(path))


def test_pairs_are_counted_an_output_frame_apart():
    labels = SimpleNamespace(of={"a": np.array([0, 0, 1, 1, 2], np.int32),
                                 "b": np.array([2], np.int32)}.get)
    counts = count_pairs(labels, ["a", "b"], 2, NUM_PDFS)
    assert counts.tolist() == [[0, 2, 0], [0, 0, 1], [0, 0, 0]]


def test_a_chain_has_probabilities_and_lets_anything_follow():
    counts = np.array([[8.0, 2, 0], [0, 0, 0], [0, 5, 5]])
    chain = chain_of(counts, backoff=0.2)
    assert chain.start.sum() == pytest.approx(1, abs=1e-6)
    matrix = chain.matrix()
    assert matrix.sum(1) == pytest.approx(np.ones(3), abs=1e-6)
    assert (matrix > 0).all()
    assert matrix[0, 0] == pytest.approx(0.8 * 0.8 + 0.2 * 8 / 20, abs=1e-3)
    assert matrix[1] == pytest.approx(chain.start, abs=1e-6)      # never seen


def test_total_and_its_gradient_are_those_of_all_sequences(rng, chain):
    scores = rng.normal(0, 2, (NUM_OUT, NUM_PDFS, BATCH)).astype(np.float32)
    paths = list(product(range(NUM_PDFS), repeat=NUM_OUT))
    logs = np.array([[log_of(path, scores[..., b], chain) for path in paths]
                     for b in range(BATCH)])
    shares = np.exp(logs - np.logaddexp.reduce(logs, 1)[:, None])
    expected = np.zeros_like(scores)
    for path, share in zip(paths, shares.T, strict=True):
        for t, pdf in enumerate(path):
            expected[t, pdf] += share

    for xla in (False, True):
        @tf.function(jit_compile=xla)
        def total_of(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = log_total(x, chain)
                twice = 2 * tf.reduce_sum(total)
            return total, tape.gradient(twice, x)

        total, gradient = total_of(tf.constant(scores))
        assert total.numpy() == pytest.approx(np.logaddexp.reduce(logs, 1), abs=1e-4)
        assert gradient.numpy() == pytest.approx(2 * expected, abs=1e-4)


def test_scores_of_hundreds_do_not_overflow(chain):
    scores = np.zeros((NUM_OUT, NUM_PDFS, 1), np.float32)
    scores[:, 1] = 900
    total = log_total(scores, chain).numpy()
    assert total == pytest.approx([log_of((1,) * NUM_OUT, scores[..., 0], chain)], rel=1e-5)


def test_a_sparse_product_is_the_full_one(rng):
    full = rng.random((40, 40)) * (rng.random((40, 40)) < 0.3)
    full[7], full[:, 9], full[11] = 0, 0, rng.random(40)     # rows of none and of many blocks
    to, of = np.nonzero(full)
    shuffled = rng.permutation(len(to))
    x = rng.random((40, 3)).astype(np.float32)
    found = sparse_product(to[shuffled], of[shuffled], full[to, of][shuffled], 40)(x).numpy()
    np.testing.assert_allclose(found, full @ x, rtol=1e-5)


def test_losses(rng, chain):
    logits = rng.normal(0, 1, (BATCH, NUM_OUT, NUM_PDFS)).astype(np.float32)
    labels = rng.integers(0, NUM_PDFS, (BATCH, NUM_OUT)).astype(np.int32)
    weights = np.ones((BATCH, NUM_OUT), np.float32)
    weights[1, 2:] = 0                       # frames beyond the end of an utterance
    log_priors = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    log_post = logits - np.logaddexp.reduce(logits, 2)[..., None]
    scores = 0.4 * weights[..., None] * (log_post - log_priors)
    criterion = 0
    for b in range(BATCH):
        paths = product(range(NUM_PDFS), repeat=NUM_OUT)
        own = tuple(labels[b, :int(weights[b].sum())])
        criterion += log_of(own, scores[b], chain) - np.logaddexp.reduce(
            [log_of(path, scores[b], chain) for path in paths])
    own = np.take_along_axis(log_post, labels[..., None], 2)[..., 0]
    found = sequence_losses(logits, labels, weights, chain, log_priors, 0.4, 0.25).numpy()
    right = (weights * (own == log_post.max(2))).sum()
    assert found == pytest.approx([-criterion, right, -criterion - 0.25 * (weights * own).sum(), 6],
                                  rel=1e-4)


def test_frames_of_no_weight_change_nothing(rng, chain):
    logits = rng.normal(0, 1, (1, NUM_OUT, NUM_PDFS)).astype(np.float32)
    labels = rng.integers(0, NUM_PDFS, (1, NUM_OUT)).astype(np.int32)
    log_priors = np.log(np.array([0.5, 0.3, 0.2], np.float32))

    def losses(logits, labels, weights):
        return sequence_losses(logits, labels, weights, chain, log_priors, 0.4).numpy()

    alone = losses(logits, labels, np.ones((1, NUM_OUT), np.float32))
    filled = np.concatenate([logits, logits[:, ::-1]], 1)
    filled = np.concatenate([filled, filled[:, ::-1]])              # and a chunk of nothing
    weights = np.zeros((2, 2 * NUM_OUT), np.float32)
    weights[0, :NUM_OUT] = 1
    found = losses(filled, np.tile(labels, (2, 2)), weights)
    assert found == pytest.approx(alone, rel=1e-5)
    assert found[0] > 0.1


def test_label_smoothing_is_of_the_cross_entropy(rng, chain):
    logits = rng.normal(0, 1, (1, NUM_OUT, NUM_PDFS)).astype(np.float32)
    labels = rng.integers(0, NUM_PDFS, (1, NUM_OUT)).astype(np.int32)
    weights = np.ones((1, NUM_OUT), np.float32)
    log_post = logits - np.logaddexp.reduce(logits, 2)[..., None]
    smooth = 0.8 * np.eye(NUM_PDFS)[labels] + 0.2 / NUM_PDFS
    common = logits, labels, weights, chain, np.zeros(NUM_PDFS, np.float32), 0.4
    alone = sequence_losses(*common).numpy()
    found = sequence_losses(*common, 0.25, label_smoothing=0.2).numpy()
    assert found[2] == pytest.approx(alone[2] - 0.25 * (smooth * log_post).sum(), rel=1e-4)


def test_a_certain_sequence_costs_nothing():
    nothing = np.zeros(1, np.int32)
    chain = Chain(np.full(2, 0.5, np.float32), np.ones(2, np.float32), nothing, nothing,
                  np.zeros(1, np.float32))
    labels = np.array([[0, 1, 1]], np.int32)
    logits = 60 * np.eye(2, dtype=np.float32)[labels]
    found = sequence_losses(logits, labels, np.ones((1, 3), np.float32), chain,
                            np.log(np.full(2, 0.5, np.float32)), 1.0).numpy()
    assert found[0] == pytest.approx(0, abs=1e-4) and found[1] == 3
