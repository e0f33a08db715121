#!/usr/bin/env python3
"""Factor a network: each matrix becomes two of low rank, by its singular values.

The rank of each layer keeps --energy of the squares of its singular values; with --size-target the
energy is looked for that leaves such a share of the network's parameters. A layer whose two
matrices would not be smaller than the one stays as it is, and so do recurrent matrices. Then all is
trained further. The first of two layers is called <layer>.low_rank.

in   <network>/final.keras config.json ...     of steps/nnet, steps/transfer or steps/compress
     <data>/feats.scp cmvn.scp utt2spk         features that it was trained on
     <alidir>/ali.JOB.gz final.mdl tree        alignments with the network's tree
     <baseline>/scoring/summary.json ...       for the gate: the network's development set, scored
out  <dir>/                  a network directory, as of steps/nnet/train.py
     <dir>/compress.json     the rank of each layer, parameters, bytes, held-out losses of the
                             source, at the start and at the end; the gate

e.g. steps/compress/factor.py --size-target 0.4 --baseline exp/tdnn/decode_dev exp/tdnn \\
       data/train_sp exp/tri3b_ali exp/tdnn_factored
"""

import argparse
from functools import partial

from steps.compress import gate, retrain
from steps.nnet.options import Options
from utils.step import Step, UserError, log

DEFAULTS = Options(num_epochs=4, learning_rate=1e-3, final_learning_rate=1e-5)
ENERGY = 0.9


def main(argv=None):
    step = Step(__file__, __doc__)
    how = step.parser.add_mutually_exclusive_group()
    how.add_argument("--energy", type=between, default=ENERGY,
                     help=f"share of the squares of singular values to keep (default {ENERGY:g})")
    how.add_argument("--size-target", type=between, default=0.0, metavar="SHARE",
                     help="of the parameters that are to be left, in place of --energy")
    retrain.add_options(step, DEFAULTS)
    args = step.parse(argv)
    inputs = retrain.inputs_of(args)
    if step.up_to_date(args.dir, inputs + gate.inputs_of(args)):
        return 0
    about = gate.deliver(step, inputs, partial(make, step, inputs),
                         "a higher --energy or --size-target, or more --num-epochs")
    return step.finish(f"{args.dir}: {about['num_params']} of {about['before']['num_params']} "
                       f"parameters left; {retrain.told_of(about)}")


def make(step, inputs, out):
    """Factor, train and write the network; returns the dict of compress.json."""
    from steps.compress import low_rank
    from steps.compress.learners import TaughtLearner
    args, work = step.args, retrain.Retraining(step, inputs)
    found = low_rank.spectra(work.source)
    energy = args.energy
    if args.size_target:
        energy = low_rank.energy_for(found, work.size, args.size_target)
        log(f"energy {energy:.4f} leaves {args.size_target:g} of the parameters")
    ranks = low_rank.ranks_of(found, energy)
    if not any(ranks.values()):
        raise UserError(f"--energy {energy:g}", "no layer would be smaller", "a lower one")
    model = low_rank.factor(work.source, ranks)
    work.measure("source", work.trainer(work.source, TaughtLearner))
    trainer = work.trainer(model, partial(TaughtLearner, teacher=work.teacher()))
    work.measure("start", trainer)
    if args.num_epochs:
        trainer.run()
    else:
        trainer.learner.estimate_norms()
    work.measure("final", trainer)
    return work.write(out, model, trainer, {
        "method": "factor", "energy": round(energy, 4),
        "ranks": low_rank.table_of(work.source, found, ranks)})


def between(text):
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
