"""Training by whole sequences: maximum mutual information without lattices.

The criterion is the probability of an utterance's own sequence of pdfs among all sequences,

    log P(X | pdfs) P(pdfs) - log sum over all sequences of P(X | sequence) P(sequence),

with P(X | sequence) from the network's posteriors over priors, raised to an acoustic scale
(Povey et al. 2016). What is summed over is the chain of pdfs, a frame of the output each, that the
training alignments themselves make: a bigram, whose pdfs carry their phones and contexts (Xiong et
al. 2017 use such a model of senones). It needs no graph of words and no phone LM, and the sum is
a product of matrices for each frame, the same on a processor and on a GPU. Where one pdf of an
utterance ends and the next begins may be left to the network, some frames around where it is
aligned, as in Kaldi's numerator lattices.

    chain = chain_of(count_pairs(labels, utts, subsampling=3, num_pdfs=1505))
    trainer = Trainer(..., learner=partial(MmiLearner, chain=chain, ...))
"""

from dataclasses import dataclass

import numpy as np

from steps.nnet.learner import Learner, frame_losses
from steps.nnet.tf import tf


@dataclass
class Chain:
    """A Markov chain over pdfs: float32 start (num_pdfs,), matrix (num_pdfs, num_pdfs)."""

    start: np.ndarray
    matrix: np.ndarray


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
    start /= start.sum()
    total = counts.sum(1, keepdims=True)
    seen = np.where(total > 0, counts / np.maximum(total, 1), start)
    return Chain(start.astype(np.float32),
                 ((1 - backoff) * seen + backoff * start).astype(np.float32))


@tf.custom_gradient
def log_total(scores, start, matrix):
    """Log of the sum over all sequences of pdfs, of the product of their scores and of the chain.

    scores   float32 (num_out, batch, num_pdfs), log-likelihoods
    start    float32 (num_pdfs,);  matrix  float32 (num_pdfs, num_pdfs)
    returns  float32 (batch,); its gradient are the posteriors of the pdfs. Forward and backward
             probabilities are scaled to sum to 1 in each frame
    """
    num_out = scores.shape[0]
    top = tf.reduce_max(scores, -1, keepdims=True)
    likes = tf.exp(scores - top)

    def scaled(values):
        total = tf.reduce_sum(values, -1, keepdims=True)
        return values / total, tf.math.log(total[:, 0])

    def forward(t, alpha, alphas, logs):
        alpha, log_sum = scaled(tf.matmul(alpha, matrix) * likes[t])
        return t + 1, alpha, alphas.write(t, alpha), logs + log_sum

    alpha, logs = scaled(start * likes[0])
    alphas = tf.TensorArray(tf.float32, num_out).write(0, alpha)
    _, _, alphas, logs = tf.while_loop(lambda t, *_: t < num_out, forward, (1, alpha, alphas, logs),
                                       maximum_iterations=num_out)
    alphas = alphas.stack()

    def gradient(upstream):
        def backward(t, beta, posteriors):
            posterior, _ = scaled(alphas[t] * beta)
            beta, _ = scaled(tf.matmul(beta * likes[t], matrix, transpose_b=True))
            return t - 1, beta, posteriors.write(t, posterior)

        *_, posteriors = tf.while_loop(
            lambda t, *_: t >= 0, backward,
            (num_out - 1, tf.ones_like(alpha), tf.TensorArray(tf.float32, num_out)),
            maximum_iterations=num_out)
        return posteriors.stack() * upstream[None, :, None], None, None

    return logs + tf.reduce_sum(top[..., 0], 0), gradient


NEVER = -1e30      # log of what cannot be, finite so that differences are


@tf.custom_gradient
def log_in_order(scores, stay, move, last):
    """Log of the sum over all ways to go through runs in their order, of the products of scores.

    scores   float32 (num_out, batch, num_runs), logs; NEVER where a run may not be
    stay     float32 (batch, num_runs), log of a frame more of a run
    move     float32 (batch, num_runs), log of coming from the run before; that of the first is moot
    last     int32 (batch,), the run to end in; all begin with the first
    returns  float32 (batch,); its gradient are the posteriors of the runs
    """
    num_out, num_runs = scores.shape[0], scores.shape[2]
    first = tf.one_hot(0, num_runs, 0.0, NEVER)
    end = tf.one_hot(last, num_runs, 0.0, NEVER)

    def onward(alpha):
        before = tf.pad(alpha[:, :-1], [[0, 0], [1, 0]], constant_values=NEVER)
        return log_add(alpha + stay, before + move)

    def back(beta):
        after = tf.pad((beta + move)[:, 1:], [[0, 0], [0, 1]], constant_values=NEVER)
        return log_add(beta + stay, after)

    def log_add(x, y):
        return tf.maximum(tf.maximum(x, y) + tf.math.softplus(-tf.abs(x - y)), NEVER)

    def forward(t, alpha, alphas):
        alpha = onward(alpha) + scores[t]
        return t + 1, alpha, alphas.write(t, alpha)

    alpha = first + scores[0]
    alphas = tf.TensorArray(tf.float32, num_out).write(0, alpha)
    _, alpha, alphas = tf.while_loop(lambda t, *_: t < num_out, forward, (1, alpha, alphas),
                                     maximum_iterations=num_out)
    alphas, total = alphas.stack(), tf.reduce_logsumexp(alpha + end, -1)

    def gradient(upstream):
        def backward(t, beta, posteriors):
            posterior = tf.exp(alphas[t] + beta - total[:, None])
            return t - 1, back(beta + scores[t]), posteriors.write(t, posterior)

        *_, posteriors = tf.while_loop(
            lambda t, *_: t >= 0, backward,
            (num_out - 1, end, tf.TensorArray(tf.float32, num_out)), maximum_iterations=num_out)
        return posteriors.stack() * upstream[None, :, None], None, None, None

    return total, gradient


def log_own(scores, labels, chain, tolerance):
    """Log of the utterances' own sequences of pdfs: their scores' products, and the chain's.

    scores     float32 (batch, num_out, num_pdfs);  labels  int32 (batch, num_out)
    tolerance  frames of the output that a pdf may begin earlier or end later than it is aligned
    returns    float32 (batch,)
    """
    num_out, num_pdfs = labels.shape[1], scores.shape[-1]
    changes = tf.cast(labels[:, 1:] != labels[:, :-1], tf.int32)
    runs = tf.pad(tf.cumsum(changes, 1), [[0, 0], [1, 0]])
    aligned = tf.one_hot(runs, num_out)                                # batch, num_out, num_runs
    pdfs = tf.gather(labels, tf.argmax(aligned, 1), batch_dims=1)      # batch, num_runs
    # Within `tolerance` frames of a frame that is aligned to it.
    allowed = tf.nn.max_pool1d(aligned, 2 * tolerance + 1, 1, "SAME")
    of_runs = tf.where(allowed > 0, tf.gather(scores, pdfs, axis=2, batch_dims=1), NEVER)
    matrix = tf.reshape(tf.math.log(chain.matrix), [-1])
    before = tf.pad(pdfs[:, :-1], [[0, 0], [1, 0]])
    return tf.gather(tf.math.log(chain.start), labels[:, 0]) + log_in_order(
        tf.transpose(of_runs, [1, 0, 2]), tf.gather(matrix, pdfs * num_pdfs + pdfs),
        tf.gather(matrix, before * num_pdfs + pdfs), runs[:, -1])


def sequence_losses(logits, labels, weights, chain, log_priors, acwt, frame_smoothing=0.0,
                    tolerance=0, boost=0.0, label_smoothing=0.0):
    """Sums over frames: minus the criterion, frames that are right, loss to minimise, frames.

    The loss is minus the criterion and frame_smoothing times the cross-entropy, which holds the
    network back from what only fits the training sequences (Su et al. 2013). With `boost`, other
    sequences count for more by so much a frame in which they differ (boosted MMI, Povey et al.
    2008).

    logits   float32 (batch, num_out, num_pdfs); log_priors float32 (num_pdfs,)
    labels   int32 (batch, num_out);  weights  float32 (batch, num_out), 0 where nothing is heard
    returns  float32 (4,)
    """
    log_post = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    scores = acwt * weights[..., None] * (log_post - log_priors)
    own = tf.reduce_sum(log_own(scores, labels, chain, tolerance))
    if boost:
        scores += boost * weights[..., None] * (1 - tf.one_hot(labels, scores.shape[-1]))
    every = tf.reduce_sum(log_total(tf.transpose(scores, [1, 0, 2]), tf.constant(chain.start),
                                    tf.constant(chain.matrix)))
    _, hits, cross_entropy, frames = tf.unstack(
        frame_losses(logits, labels, weights, label_smoothing=label_smoothing))
    return tf.stack([every - own, hits, every - own + frame_smoothing * cross_entropy, frames])


class MmiLearner(Learner):
    """A Learner of one task by sequence_losses().

    chain            Chain
    log_priors       float32 (num_pdfs,), of the network that the training began with
    acwt             acoustic scale of an output frame
    frame_smoothing  weight of the cross-entropy
    tolerance        frames of the output that pdfs may be off their alignment
    boost            what a wrong frame of another sequence adds to its log-likelihood
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
