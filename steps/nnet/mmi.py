"""Training by whole sequences: maximum mutual information without lattices.

The criterion is the probability of an utterance's own sequence of pdfs among all sequences,

    log P(X | pdfs) P(pdfs) - log sum over all sequences of P(X | sequence) P(sequence),

with P(X | sequence) from the network's posteriors over priors, raised to an acoustic scale
(Povey et al. 2016). What is summed over is the chain of pdfs, a frame of the output each, that the
training alignments themselves make: a bigram, whose pdfs carry their phones and contexts (Xiong et
al. 2017 use such a model of senones). It needs no graph of words and no phone LM, and as few pdfs
ever follow a given one, the sum is a sparse product for each frame.

    chain = chain_of(count_pairs(labels, utts, subsampling=3, num_pdfs=1505))
    trainer = Trainer(..., learner=partial(MmiLearner, chain=chain, ...))
"""

from dataclasses import dataclass

import numpy as np

from steps.nnet.learner import Learner, frame_losses
from steps.nnet.tf import tf

BLOCK = 8      # pairs of one pdf that are summed at a time


@dataclass
class Chain:
    """A Markov chain over pdfs: pairs that were seen, and for some of the time any pdf.

    start     float32 (num_pdfs,), probability of each pdf regardless of the one before
    leak      float32 (num_pdfs,), how probable it is that `start` draws what follows a pdf
    src, dst  int32 (num_pairs,), a pdf and one that was seen to follow it, in this order
    prob      float32 (num_pairs,), how probable that is, leak apart: 1 - leak for each src together
    """

    start: np.ndarray
    leak: np.ndarray
    src: np.ndarray
    dst: np.ndarray
    prob: np.ndarray

    def matrix(self):
        """float32 (num_pdfs, num_pdfs), the probability of a pdf (column) after another (row)"""
        matrix = self.leak[:, None] * self.start
        matrix[self.src, self.dst] += self.prob
        return matrix


def count_pairs(labels, utts, subsampling, num_pdfs):
    """How often a pdf stands `subsampling` frames after another, float64 (num_pdfs, num_pdfs).

    labels  Labels;  utts  those to count
    """
    counts = np.zeros(num_pdfs * num_pdfs)
    for utt in utts:
        pdfs = labels.of(utt).astype(np.int64)
        np.add.at(counts, pdfs[:-subsampling] * num_pdfs + pdfs[subsampling:], 1)
    return counts.reshape(num_pdfs, num_pdfs)


def chain_of(counts, backoff=0.1):
    """The Chain of counted pairs; `backoff` of each pdf's successors are drawn regardless of it.

    That also lets a chunk begin or end anywhere in a word, as Kaldi's leaky HMM does.
    """
    start = counts.sum(0) + 1e-3
    total = counts.sum(1)
    src, dst = np.nonzero(counts)
    prob = (1 - backoff) * counts[src, dst] / total[src]
    return Chain(*(values.astype(np.float32) for values in (
        start / start.sum(), np.where(total > 0, backoff, 1))),
        src.astype(np.int32), dst.astype(np.int32), prob.astype(np.float32))


def sparse_product(to, of, weights, num_pdfs):
    """A function float32 (num_pdfs, batch) -> (num_pdfs, batch): y[to] = sum of weights * x[of].

    The pairs of one `to` stand in blocks of BLOCK, the last of them filled up with zeros: gathered
    and summed side by side, that is ten times as fast as the full product, and twice as fast as
    one pair at a time.
    """
    order = np.argsort(to, kind="stable")
    to, of, weights = to[order], of[order], weights[order]
    place = np.arange(len(to)) - np.searchsorted(to, to)      # of a pair among those of its `to`
    begins = place % BLOCK == 0
    block = np.cumsum(begins) - 1
    index = np.zeros((begins.sum(), BLOCK), np.int32)
    values = np.zeros((begins.sum(), BLOCK, 1), np.float32)
    index[block, place % BLOCK], values[block, place % BLOCK, 0] = of, weights
    targets = to[begins].astype(np.int32)

    def product(x):
        sums = tf.reduce_sum(tf.gather(x, index) * values, 1)
        return tf.math.unsorted_segment_sum(sums, targets, num_pdfs)

    return product


def log_total(scores, chain):
    """Log of the sum over all sequences of pdfs, of the product of their scores and of the chain.

    scores   float32 (num_out, num_pdfs, batch), log-likelihoods
    returns  float32 (batch,); its gradient are the posteriors of the pdfs. Forward and backward
             probabilities are scaled to sum to 1 in each frame
    """
    num_out, num_pdfs = scores.shape[:2]
    start, leak = chain.start[:, None], chain.leak[:, None]
    ahead = sparse_product(chain.dst, chain.src, chain.prob, num_pdfs)
    back = sparse_product(chain.src, chain.dst, chain.prob, num_pdfs)

    def scaled(values):
        total = tf.reduce_sum(values, 0)
        return values / total, tf.math.log(total)

    @tf.custom_gradient
    def total_of(scores):
        top = tf.reduce_max(scores, 1, keepdims=True)
        likes = tf.exp(scores - top)

        def forward(t, alpha, alphas, logs):
            alpha = ahead(alpha) + start * tf.reduce_sum(leak * alpha, 0)
            alpha, log_sum = scaled(alpha * likes[t])
            return t + 1, alpha, alphas.write(t, alpha), logs + log_sum

        alpha, logs = scaled(start * likes[0])
        alphas = tf.TensorArray(tf.float32, num_out).write(0, alpha)
        _, _, alphas, logs = tf.while_loop(lambda t, *_: t < num_out, forward,
                                           (1, alpha, alphas, logs), maximum_iterations=num_out)
        alphas = alphas.stack()

        def gradient(upstream):
            def backward(t, beta, posteriors):
                posterior, _ = scaled(alphas[t] * beta)
                beta = beta * likes[t]
                beta, _ = scaled(back(beta) + leak * tf.reduce_sum(start * beta, 0))
                return t - 1, beta, posteriors.write(t, posterior)

            *_, posteriors = tf.while_loop(
                lambda t, *_: t >= 0, backward,
                (num_out - 1, tf.ones_like(alpha), tf.TensorArray(tf.float32, num_out)),
                maximum_iterations=num_out)
            return posteriors.stack() * upstream

        return logs + tf.reduce_sum(top[:, 0], 0), gradient

    return total_of(scores)


def log_own(scores, labels, weights, chain):
    """Log of the utterances' own sequences of pdfs: their scores' products, and the chain's.

    scores   float32 (batch, num_out, num_pdfs), 0 where weights are
    labels   int32 (batch, num_out)
    weights  float32 (batch, num_out), 1 in a chunk's own frames, which are a run, and 0 before and
             after: as in log_total(), whose chain sums to 1 there, these cost nothing
    returns  float32 (batch,)
    """
    num_pdfs = scores.shape[-1]
    keys = chain.src * num_pdfs + chain.dst
    before, after = labels[:, :-1], labels[:, 1:]
    wanted = tf.reshape(before * num_pdfs + after, [-1])
    place = tf.minimum(tf.searchsorted(keys, wanted), len(keys) - 1)
    seen = tf.where(tf.gather(keys, place) == wanted, tf.gather(chain.prob, place), 0)
    steps = (tf.reshape(seen, tf.shape(before))
             + tf.gather(chain.leak, before) * tf.gather(chain.start, after))
    inner = weights[:, :-1] * weights[:, 1:]
    first = weights - tf.pad(inner, [[0, 0], [1, 0]])
    return (tf.reduce_sum(first * tf.math.log(tf.gather(chain.start, labels)), 1)
            + tf.reduce_sum(inner * tf.math.log(steps), 1)
            + tf.reduce_sum(tf.gather(scores, labels, axis=2, batch_dims=2), 1))


def sequence_losses(logits, labels, weights, chain, log_priors, acwt, frame_smoothing=0.0,
                    label_smoothing=0.0):
    """Sums over frames: minus the criterion, frames that are right, loss to minimise, frames.

    The loss is minus the criterion and frame_smoothing times the cross-entropy, which holds the
    network back from what only fits the training sequences (Su et al. 2013).

    logits   float32 (batch, num_out, num_pdfs); log_priors float32 (num_pdfs,)
    labels   int32 (batch, num_out);  weights  float32 (batch, num_out), 0 where nothing is heard
             and in frames that are another chunk's, and 1 elsewhere
    returns  float32 (4,)
    """
    log_post = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    scores = acwt * weights[..., None] * (log_post - log_priors)
    own = tf.reduce_sum(log_own(scores, labels, weights, chain))
    every = tf.reduce_sum(log_total(tf.transpose(scores, [1, 2, 0]), chain))
    _, hits, cross_entropy, frames = tf.unstack(
        frame_losses(logits, labels, weights, label_smoothing=label_smoothing))
    return tf.stack([every - own, hits, every - own + frame_smoothing * cross_entropy, frames])


class MmiLearner(Learner):
    """A Learner of one task by sequence_losses().

    chain            Chain
    log_priors       float32 (num_pdfs,), of the network that the training began with
    acwt             acoustic scale of an output frame
    frame_smoothing  weight of the cross-entropy
    """

    def __init__(self, trunk, tasks, options, **losses):
        self.losses = losses
        super().__init__(trunk, tasks, options)

    def _forward(self, batches):
        return [sequence_losses(task.layer(self.trunk(feats, training=True)), labels, weights,
                                label_smoothing=self.options.label_smoothing, **self.losses)
                for task, (feats, labels, weights) in zip(self.tasks, batches, strict=True)]

    def _measure(self, task, feats, labels, weights):
        return sequence_losses(task.layer(self.trunk(feats, training=False)), labels, weights,
                               **self.losses)
