#!/usr/bin/env python3
"""Train triphone GMM-HMMs on spliced features reduced by LDA and rotated by MLLT.

LDA (Haeb-Umbach and Ney 1992) picks the --dim directions of --splice frames that tell the
alignment's pdfs apart; MLLT (Gales 1999), re-estimated at --mllt-iters, rotates them so that
diagonal covariances fit.

in   <data>/feats.scp cmvn.scp text utt2spk    features float32 (num_frames, feat_dim); words
     <lang>/L.fst topo phones/
     <alidir>/ali.JOB.gz final.mdl             alignments, of any system with the same phones
out  <dir>/final.mdl tree front_end.json       model, tree, what its features are
     <dir>/final.mat                           LDA and MLLT, float32 (dim, spliced_dim)
     <dir>/ali.JOB.gz  unaligned.txt           transition-id of each frame; what did not align

e.g. steps/hmm/train_lda_mllt.py --config conf/tri2b.conf \
       data/train data/lang exp/tri1_ali exp/tri2b
"""

import numpy as np

from steps.hmm import training, triphone_worker, triphones
from steps.hmm.lda import LdaStats, estimate_lda
from utils.step import Step, UserError, check_apart, log, positive


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("--dim", type=positive, default=40, help="dimensions kept by LDA (default 40)")
    step.add("--splice", type=_pair, default=(3, 3), metavar="'3 3'",
             help="frames spliced at the left and right (default '3 3')")
    step.add("--mllt-iters", type=triphones.iterations, default=(2, 4, 6, 12),
             metavar="'2 4 6 12'", help="iterations that re-estimate MLLT")
    training.add_front_end_options(step)
    triphones.add_options(step, leaves=2500, gaussians=15000, power=0.2)
    args = step.parse(argv)
    if step.is_job:
        return triphone_worker.serve(args, "lda")
    check_apart(args.dir, args.alidir)
    if step.up_to_date(args.dir, training.training_inputs(args)):
        return 0
    data, lang = training.open_data(args)
    training.check_alignments(args.alidir, data, lang)
    front_end = training.model_front_end(args, deltas=0, splice=args.splice)
    with (step.output(args.dir) as out,
          training.Trainer(step, data, lang, out, front_end) as trainer):
        summary = train(trainer, args)
    return step.finish(summary)


def train(trainer, args):
    answer = trainer.total("lda_stats")
    triphones.require_frames(answer["frames"], args)
    if not answer["counts"].sum():
        raise UserError(args.alidir, f"has nothing but silence in {args.data}, and LDA is of "
                        "speech", "are silence_phones.txt and the transcripts right?")
    lda, variances = estimate_lda(LdaStats(answer["counts"], answer["x"], answer["x2"]), args.dim)
    log(f"LDA: {variances[:args.dim].sum() / variances.sum():.1%} of the between-class variance in "
        f"{args.dim} of {len(variances)} dimensions")
    trainer.call("set_lda", lda=lda.astype(np.float32))
    tree, transitions, model, var_floor = triphones.grow_tree(trainer, args)

    def between(iteration, model):
        nonlocal lda
        if iteration in args.mllt_iters:
            lda, model = triphones.mllt_step(trainer, model, lda)
        return model

    model = triphones.run_em(trainer, args, transitions, model, var_floor, between)
    return triphones.finish(trainer, tree, transitions, model, lda)


def _pair(text):
    fields = text.split()
    if len(fields) != 2 or not all(f.isdigit() for f in fields):
        raise UserError("--splice", f"expected two numbers of frames, found {text!r}", "e.g. '3 3'")
    return tuple(int(f) for f in fields)


if __name__ == "__main__":
    raise SystemExit(main())
