#!/usr/bin/env python3
"""Train triphone GMM-HMMs on features with deltas and accelerations.

A decision tree ties the states of phones in context, grown from the statistics of an alignment;
mixtures grow to --total-gaussians while the data are realigned at --realign-iters.

in   <data>/feats.scp cmvn.scp text utt2spk    features float32 (num_frames, feat_dim); words
     <lang>/L.fst topo phones/
     <alidir>/ali.JOB.gz final.mdl             alignments, of any system with the same phones
out  <dir>/final.mdl tree front_end.json       model, tree, what its features are
     <dir>/ali.JOB.gz                          transition-id of each frame
     <dir>/unaligned.txt                       utt-id and why it did not align

e.g. steps/hmm/train_deltas.py --config conf/tri1.conf data/train data/lang exp/mono_ali exp/tri1
"""

from steps.hmm import training, triphone_worker, triphones
from utils.step import Step, check_apart


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    training.add_front_end_options(step)
    triphones.add_options(step, leaves=2000, gaussians=10000, power=0.25)
    args = step.parse(argv)
    if step.is_job:
        return triphone_worker.serve(args, "own")
    check_apart(args.dir, args.alidir)
    if step.up_to_date(args.dir, training.training_inputs(args)):
        return 0
    data, lang = training.open_data(args)
    training.check_alignments(args.alidir, data, lang)
    front_end = training.model_front_end(args)
    with (step.output(args.dir) as out,
          training.Trainer(step, data, lang, out, front_end) as trainer):
        tree, transitions, model, var_floor = triphones.grow_tree(trainer, args)
        model = triphones.run_em(trainer, args, transitions, model, var_floor)
        summary = triphones.finish(trainer, tree, transitions, model)
    return step.finish(summary)


if __name__ == "__main__":
    raise SystemExit(main())
