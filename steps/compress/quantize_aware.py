#!/usr/bin/env python3
"""Train a network on with its weights rounded as quantize.py will, so that it learns to do with it.

In each step the kernels are rounded to whole numbers of 4 or 8 bits times a scale, and gradients
are taken there; what they change are kernels that are not rounded (straight-through, Courbariaux
et al. 2015). The result is a network of float32 as any other, whose kernels are at such points:
quantize.py with the same --scheme and --keep finds them again.

in   <network>/final.keras config.json ...     of steps/nnet, steps/transfer or steps/compress
     <data>/feats.scp cmvn.scp utt2spk         features that it was trained on
     <alidir>/ali.JOB.gz final.mdl tree        alignments with the network's tree
     <baseline>/                               of the gate, see --baseline
out  <dir>/                  a network directory, as of steps/nnet/train.py; config.json says which
                             scheme each layer is for
     <dir>/compress.json     options, held-out losses before, rounded without training and after

e.g. steps/compress/quantize_aware.py --scheme int4 --baseline exp/tdnn/decode_dev exp/tdnn \\
       data/train_sp exp/tri3b_ali exp/tdnn_aware4
     steps/compress/quantize.py --scheme int4 exp/tdnn_aware4 exp/tdnn_int4
"""

from functools import partial

from steps.compress import gate, retrain
from steps.compress.schemes import BLOCKS, check_keep, parse_keep, plan_of
from steps.nnet.options import Options
from utils.step import Step

DEFAULTS = Options(num_epochs=4, learning_rate=5e-4, final_learning_rate=1e-5)
ROUNDED = ("int4", "int4-block32", "int4-block64", "int8")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--scheme", default="int4", choices=ROUNDED, help="(default int4)")
    step.add("--keep", default="", metavar="'GLOB=SCHEME ...'",
             help="other schemes for some layers, as of quantize.py")
    retrain.add_options(step, DEFAULTS)
    args = step.parse(argv)
    keep = parse_keep(args.keep)
    inputs = retrain.inputs_of(args)
    if step.up_to_date(args.dir, inputs + gate.inputs_of(args)):
        return 0
    about = gate.deliver(step, inputs, partial(make, step, inputs, keep),
                         "--keep output=int8, or more --num-epochs")
    return step.finish(f"{args.dir}: rounded for {args.scheme}; {retrain.told_of(about)}")


def make(step, inputs, keep, out):
    """Train and write the network; returns the dict of compress.json."""
    from steps.compress.aware_learner import AwareLearner
    from steps.compress.litert import affine_layers
    from steps.nnet.tf import tf
    args, work = step.args, retrain.Retraining(step, inputs)
    model, layers = work.source, affine_layers(work.source)
    check_keep(keep, layers)
    plan = plan_of(layers, args.scheme, keep)
    kernels = [(model.get_layer(name).kernel, 8 if scheme == "int8" else 4, BLOCKS.get(scheme, 0))
               for name, scheme in plan.items() if scheme.startswith("int")]
    work.changed["quantized"] = plan
    as_it_was = [tf.identity(kernel) for kernel, _, _ in kernels]
    trainer = work.trainer(model, partial(AwareLearner, kernels=kernels, teacher=work.teacher()))
    work.measure("rounded", trainer)
    for (kernel, _, _), value in zip(kernels, as_it_was, strict=True):
        kernel.assign(value)
    work.measure("source", trainer)
    trainer.learner.sync()
    if args.num_epochs:
        trainer.run()
    work.measure("final", trainer)
    return work.write(out, model, trainer, {"method": "quantize_aware", "scheme": args.scheme,
                                            "keep": args.keep})


if __name__ == "__main__":
    raise SystemExit(main())
