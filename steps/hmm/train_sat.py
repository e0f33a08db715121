#!/usr/bin/env python3
"""Speaker-adaptive training: triphones on features that fMLLR has adapted to each speaker.

The features are those of <alidir> (LDA+MLLT, or deltas). Each speaker's affine transform (Gales
1998) is estimated with silence left out, at the start with the model of <alidir> and again at
--fmllr-iters. final.alimdl is the same model on unadapted features, for a first pass.

in   <data>/feats.scp cmvn.scp text utt2spk    features float32 (num_frames, feat_dim); words
     <lang>/L.fst topo phones/
     <alidir>/ali.JOB.gz final.mdl final.mat front_end.json     and trans.JOB, if it is adapted
out  <dir>/final.mdl final.alimdl tree front_end.json final.mat
     <dir>/trans.JOB                           spk-id float32 (dim, dim + 1)
     <dir>/ali.JOB.gz  unaligned.txt           transition-id of each frame; what did not align

e.g. steps/hmm/train_sat.py --config conf/tri3b.conf data/train data/lang exp/tri2b_ali exp/tri3b
"""

from pathlib import Path

from steps.hmm import training, triphone_worker, triphones
from steps.hmm.fmllr import gain_line
from steps.hmm.model import read_model, write_model
from utils.option_types import zero_or_more
from utils.step import Step, check_apart, log


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("--fmllr-iters", type=triphones.iterations, default=(2, 4, 6, 12),
             metavar="'2 4 6 12'", help="iterations that re-estimate the speakers' transforms")
    step.add("--fmllr-min-count", type=zero_or_more, default=500.0,
             help="speech frames that a speaker needs to be adapted (default 500)")
    triphones.add_options(step, leaves=2500, gaussians=15000, power=0.2)
    args = step.parse(argv)
    if step.is_job:
        return triphone_worker.serve(args, "aligned")
    check_apart(args.dir, args.alidir)
    if step.up_to_date(args.dir, training.training_inputs(args)):
        return 0
    data, lang = training.open_data(args)
    training.check_alignments(args.alidir, data, lang)
    triphones.open_features(args.alidir, data, read_model(Path(args.alidir) / "final.mdl")[1])
    front_end, lda = triphones.front_end_of(args.alidir)
    with (step.output(args.dir) as out,
          training.Trainer(step, data, lang, out, front_end, groups="speakers") as trainer):
        summary = train(trainer, args, lda)
    return step.finish(summary)


def train(trainer, args, lda):
    adapt(trainer, args, read_model(Path(args.alidir) / "final.mdl")[1])
    tree, transitions, model, var_floor = triphones.grow_tree(trainer, args)

    def between(iteration, model):
        if iteration in args.fmllr_iters:
            adapt(trainer, args, model)
        return model

    model = triphones.run_em(trainer, args, transitions, model, var_floor, between)
    stats = trainer.total("accumulate_two", **model.to_arrays())
    # All Gaussians stay, so that first-pass posteriors of the one are posteriors of the other.
    unadapted, _ = model.update(stats, var_floor, drop=False, smoothing=args.var_smoothing)
    trainer.call("write_transforms")
    summary = triphones.finish(trainer, tree, transitions, model, lda)
    write_model(trainer.out / "final.alimdl", transitions, unadapted)
    return summary


def adapt(trainer, args, model):
    answer = trainer.total("estimate_transforms", **model.to_arrays(),
                           min_count=args.fmllr_min_count)
    log(gain_line(answer, len(trainer.data.spk2utt), args.fmllr_min_count))


if __name__ == "__main__":
    raise SystemExit(main())
