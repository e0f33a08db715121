#!/usr/bin/env python3
"""Prune a network: set the weights that matter least to 0, or take whole neurons out of it.

Weights go gradually, along a cubic over the first --prune-epochs of the training (Zhu and Gupta
2017), while the others learn to do without; then masks stay as they are. With --num-epochs 0
everything goes at once. Biases and batch norms are not pruned. Weights that are 0 to begin with,
in a network pruned before, stay 0, but for --structure neurons.

--structure none      single weights of least magnitude. The network keeps its size: zipped it is
                      smaller, but most run-times are no faster
--structure 2of4      of any 4 weights along the input axis 2 go, which some processors make use of
--structure neurons   --sparsity is the share of hidden neurons and channels, which are cut out:
                      the network becomes smaller and faster everywhere

in   <network>/final.keras config.json ...     of steps/nnet, steps/transfer or steps/compress
     <data>/feats.scp cmvn.scp utt2spk         features that it was trained on
     <alidir>/ali.JOB.gz final.mdl tree        alignments with the network's tree
     <baseline>/scoring/summary.json ...       for the gate: the network's development set, scored
out  <dir>/                  a network directory, as of steps/nnet/train.py
     <dir>/compress.json     zeros of each layer, counted in final.keras; parameters, bytes,
                             held-out losses, the gate

e.g. steps/compress/prune.py --sparsity 0.7 --baseline exp/tdnn/decode_dev exp/tdnn data/train_sp \\
       exp/tri3b_ali exp/tdnn_prune70
"""

from functools import partial

import numpy as np

from steps.compress import gate, retrain
from steps.nnet.options import Options
from utils.option_types import share_of, share_or_one
from utils.step import Step, UserError

DEFAULTS = Options(num_epochs=6, learning_rate=1e-3, final_learning_rate=1e-5)
STRUCTURES = ("none", "2of4", "neurons")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--sparsity", type=share_of, default=0.5,
             help="share of the weights, or of the neurons, that goes (default 0.5)")
    step.add("--scope", default="layer", choices=["layer", "global"],
             help="layer: the same share of each layer; global: weights are compared across "
                  "layers, as shares of what is left of their layer (default layer)")
    step.add("--structure", default="none", choices=STRUCTURES,
             help="what goes together (default none: single weights)")
    step.add("--prune-epochs", type=share_or_one, default=0.5,
             help="share of the training after which everything that is to go is gone "
                  "(default 0.5)")
    retrain.add_options(step, DEFAULTS)
    args = step.parse(argv)
    inputs = retrain.inputs_of(args)
    if step.up_to_date(args.dir, inputs + gate.inputs_of(args)):
        return 0
    check_options(args)
    about = gate.deliver(step, inputs, partial(make, step, inputs), "a lower --sparsity, or more "
                         "--num-epochs")
    if args.structure == "neurons":
        did = f"{about['num_params']} of {about['before']['num_params']} parameters left"
    else:
        did = f"{100 * about['sparsity']:.2f} % of the weights are 0"
    return step.finish(f"{args.dir}: {did}; {retrain.told_of(about)}")


def check_options(args):
    if not args.sparsity:
        raise UserError("--sparsity", "is 0", "there is nothing to prune")
    if args.structure == "2of4" and (args.sparsity, args.scope) != (0.5, "layer"):
        raise UserError("--structure 2of4", "prunes half of each layer", "leave --sparsity and "
                        "--scope as they are")


def make(step, inputs, out):
    """Prune, train and write the network; returns the dict of compress.json."""
    from steps.compress.learners import MaskedLearner
    args, work = step.args, retrain.Retraining(step, inputs)
    model, pruner = work.source, make_pruner(work.source, args)
    if all(map(np.array_equal, pruner.masks(args.sparsity), pruner.masks(0))):
        raise UserError("--sparsity", f"{args.sparsity:g} of any layer is less than one, or than "
                        "what is 0 already, so that nothing goes", "give a larger share")
    trainer = work.trainer(model, partial(
        MaskedLearner, pruner=pruner, sparsity=args.sparsity, prune_epochs=args.prune_epochs,
        teacher=work.teacher()))
    work.measure("source", trainer)
    if args.num_epochs:
        trainer.run()
    else:
        trainer.learner.prune(args.sparsity)
        trainer.learner.estimate_norms()
    work.measure("final", trainer)
    about = {"method": "prune"}
    if args.structure == "neurons":
        model, about["units"] = pruner.cut(model, [
            np.asarray(mask) for mask in trainer.learner.masks])
        work.changed["units"] = about["units"]
    return work.write(out, model, trainer, about)


def make_pruner(model, args):
    from steps.compress.masks import WeightPruner, kernels_of
    from steps.compress.structure import NeuronPruner
    if args.structure == "neurons":
        return NeuronPruner(model, args.scope)
    return WeightPruner(kernels_of(model), args.structure, args.scope)


if __name__ == "__main__":
    raise SystemExit(main())
