#!/usr/bin/env python3
"""Train context-independent GMM-HMMs from a flat start.

Each phone's left-to-right GMM-HMM is re-estimated by hmmlearn on its segments; Viterbi alignment
of whole utterances, with optional silence and pronunciation variants, cuts the segments anew in
every round, while mixtures grow to --total-gaussians.

in   <data>/feats.scp cmvn.scp text utt2spk   MFCC float32 (num_frames, feat_dim); words
     <lang>/L.fst topo phones/
out  <dir>/final.mdl tree front_end.json      model, tree, what its features are
     <dir>/ali.JOB.gz                         transition-id of each frame
     <dir>/unaligned.txt                      utt-id and why it did not align

e.g. steps/hmm/train_mono.py --config conf/mono.conf data/train data/lang exp/mono
"""

from pathlib import Path

import numpy as np

from steps.hmm import gmm, training
from steps.hmm.model import write_model
from steps.hmm.transitions import check_own_pdfs, monophones
from utils.option_types import zero_or_more
from utils.step import Step, UserError, log, positive

PERTURB = 0.2      # of a standard deviation, as a mixture component is split


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("--total-gaussians", type=positive, default=1000, help="of all phones (default 1000)")
    step.add("--power", type=zero_or_more, default=0.25,
             help="a phone's share of Gaussians goes by occupancy ** power (default 0.25)")
    training.add_em_options(step, iterations=16)
    training.add_front_end_options(step)
    step.add("data", help="data directory with features")
    step.add("lang", help="lang directory")
    step.add("dir", help="model directory to make")
    args = step.parse(argv)
    if step.is_job:
        return serve(args)
    if step.up_to_date(args.dir, training.training_inputs(args)):
        return 0
    data, lang = training.open_data(args)
    check_own_pdfs(lang, monophones(lang)[1].topo)
    front_end = training.model_front_end(args)
    with (step.output(args.dir) as out,
          training.Trainer(step, data, lang, out, front_end) as trainer):
        summary = train(trainer, args)
    return step.finish(summary)


def train(trainer, args):
    lang = trainer.lang
    tree, transitions = monophones(lang)
    start = trainer.total("equal_align")
    trainer.check_unaligned(start["failed"].tolist())
    if not start["frames"]:
        raise UserError(trainer.data.path, "no utterance is long enough for its words",
                        "check text and segments")
    transitions.update(start["counts"])
    var_floor = gmm.variance_floor(start["occ"], start["x"], start["x2"])
    model = gmm.single_gaussians(start["occ"], start["x"], start["x2"], var_floor)
    phones = phone_hmms(model, lang.sets, tree, transitions)
    growth = growth_schedule(args.num_iters, tree.num_pdfs, args.total_gaussians)
    for iteration, target in enumerate(growth, 1):
        model = joined(phones)
        aligned = trainer.align(model, transitions)
        phones = phone_hmms(model, lang.sets, tree, transitions)
        stats = trainer.total("segments", **model.to_arrays(), **transitions.to_arrays())
        update(phones, model, stats, var_floor)
        log(f"round {iteration}: {model.num_gauss} Gaussians, log-likelihood "
            f"{aligned['log_like'] / aligned['frames']:.3f} a frame over {aligned['frames']} "
            f"frames, {aligned['retried']} utterances retried, {len(trainer.failed)} not aligned")
        if iteration < len(growth):     # what is split last is estimated once more
            phones = grown(phones, model, stats["occ"], target, args.power, trainer.rng)
    model = joined(phones)
    trainer.align(model, transitions)
    num_failed = trainer.write_unaligned()
    trainer.call("write_ali")
    trainer.write_common(tree)
    write_model(trainer.out / "final.mdl", transitions, model)
    return (f"{tree.num_pdfs} pdfs, {model.num_gauss} Gaussians, "
            f"{len(trainer.data.utts) - num_failed} utterances aligned")


def growth_schedule(num_iters, first, last):
    """Total of Gaussians after each round: rising evenly, the last quarter of rounds at `last`."""
    rising = max(1, num_iters * 3 // 4)
    return [round(first + (last - first) * min(1, k / rising)) for k in range(num_iters)]


def phone_hmms(model, sets, tree, transitions):
    """A PhoneHmm for each set of phones that share pdfs, holding the model's Gaussians."""
    from steps.hmm.phone_hmm import PhoneHmm

    hmms, pdf = [], 0
    for phones in sets:
        states = transitions.topo.states(phones[0])
        num_states = len(states) - 1
        transmat = np.zeros((num_states, num_states + 1))
        for hmm_state in range(num_states):
            state = transitions.state_index(phones[0], hmm_state, pdf + states[hmm_state][0],
                                            pdf + states[hmm_state][0])
            span = slice(*transitions.first_tid[state:state + 2])
            transmat[hmm_state, transitions.tid2next[span]] = np.exp(transitions.log_probs[span])
        exits = transmat[:, -1] > 0
        within = transmat[:, :-1] / np.maximum(transmat[:, :-1].sum(1, keepdims=True), 1e-10)
        first, last = model.offsets[pdf], model.offsets[pdf + num_states]
        shape = num_states, (last - first) // num_states
        hmms.append(PhoneHmm(within, exits, model.weights[first:last].reshape(shape),
                             model.means[first:last].reshape(*shape, -1),
                             model.vars[first:last].reshape(*shape, -1)))
        pdf += num_states
    return hmms


def joined(hmms):
    """The Gmm of all phones' HMMs: pdfs in the order of the sets and of their states."""
    sizes = [h.n_mix for h in hmms for _ in range(h.n_components)]
    return gmm.Gmm(np.concatenate([[0], np.cumsum(sizes)]),
                   np.concatenate([h.weights_.ravel() for h in hmms]),
                   np.concatenate([h.means_.reshape(-1, h.n_features) for h in hmms]),
                   np.concatenate([h.covars_.reshape(-1, h.n_features) for h in hmms]))


def update(hmms, model, stats, var_floor):
    """hmmlearn's M-step for every phone, from sums over all jobs."""
    pdf = 0
    for hmm in hmms:
        span = slice(model.offsets[pdf], model.offsets[pdf + hmm.n_components])
        shape = hmm.n_components, hmm.n_mix, -1
        hmm.update(stats["occ"][span].reshape(shape[:2]), stats["x"][span].reshape(shape),
                   stats["x2"][span].reshape(shape), var_floor)
        pdf += hmm.n_components


def grown(hmms, model, occ, target, power, rng):
    """HMMs with about `target` Gaussians in all; every state of a phone has as many."""
    pdf, per_state = 0, []
    for hmm in hmms:
        span = slice(model.offsets[pdf], model.offsets[pdf + hmm.n_components])
        per_state.append(occ[span].sum() / hmm.n_components)
        pdf += hmm.n_components
    mean_states = pdf / len(hmms)
    counts = gmm.split_targets(per_state, round(target / mean_states), power, min_count=20)
    return [hmm.grow(count, rng, PERTURB) for hmm, count in zip(hmms, counts, strict=True)]


def serve(args):
    from steps.hmm.flat_start import equal_alignment, phone_path
    from utils.parallel.pool import serve as serve_tasks

    share = training.worker_share(args)
    tree, transitions = monophones(share.lang)
    lexicon = share.set_model(tree, transitions.topo)

    def equal_align(m):
        for utt in share.utts:
            phones = phone_path(lexicon, share.word_ids(utt), share.lang.optional_silence)
            frames = share.span[utt].stop - share.span[utt].start
            tids = phones and equal_alignment(phones, frames, share.transitions, tree)
            if tids is not None:
                share.tids[utt] = tids
        stats = share.single_gaussian_stats(share.pdfs(), tree.num_pdfs)
        return {**stats, "counts": share.tid_counts(), "frames": np.array(len(share.aligned())),
                "failed": share.hopeless()}

    def segments(m):
        share.transitions.log_probs = m["log_probs"]
        model = gmm.from_arrays(m)
        return share.segment_stats(model, phone_hmms(model, share.lang.sets, tree,
                                                     share.transitions))

    serve_tasks(Path(args.work) / "pool", args.job,
                {**training.common_handlers(share, args, Path(args.work).parent),
                 "equal_align": equal_align, "segments": segments})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
