#!/usr/bin/env python3
"""Train a small network, of any architecture, to say what a larger one says.

The student begins with random weights. It hears the same features as the teacher, whose posteriors
are computed as they are needed; --distill is their share of the loss and the alignments have the
rest (Hinton et al. 2015). Tree and rate of outputs are the teacher's.

in   <teacher>/final.keras config.json ...     of steps/nnet, steps/transfer or steps/compress;
                                               a mixture of steps/transfer/mix.py may be one
     <data>/feats.scp cmvn.scp utt2spk         features that it was trained on
     <alidir>/ali.JOB.gz final.mdl tree        alignments with the teacher's tree
     <baseline>/scoring/summary.json ...       for the gate: the teacher's development set, scored
out  <dir>/                  a network directory, as of steps/nnet/train.py
     <dir>/compress.json     parameters and bytes of both, held-out losses, the gate

e.g. steps/compress/distill.py --arch tdnnf --sizes 'hidden_dim=192 bottleneck_dim=48' \\
       --baseline exp/tdnn/decode_dev exp/tdnn data/train_sp exp/tri3b_ali exp/student
"""

from functools import partial

from steps.compress import gate, retrain
from steps.nnet import training
from steps.nnet.options import Options
from utils.step import Step, UserError

WEIGHT = 0.8


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--arch", default="tdnn",
             help="dnn, cnn, rnn, gru, lstm, blstm, tdnn or tdnnf (default tdnn)")
    step.add("--sizes", default="", metavar="'NAME=VALUE ...'",
             help="sizes that differ from the architecture's own, such as 'hidden_dim=128'; "
                  "steps/nnet/info.py --arch lists them")
    retrain.add_options(step, Options(), WEIGHT, "teacher", training.positive)
    args = step.parse(argv)
    inputs = retrain.inputs_of(args)
    if step.up_to_date(args.dir, inputs + gate.inputs_of(args)):
        return 0
    sizes = training.parse_sizes(args.arch, args.sizes)
    if not args.distill:
        raise UserError("--distill", "is 0, so there is no teacher",
                        "train without one: steps/nnet/train.py")
    about = gate.deliver(step, inputs, partial(make, step, inputs, sizes),
                         "larger --sizes, or more --num-epochs")
    return step.finish(f"{args.dir}: {about['num_params']} parameters, the teacher's "
                       f"{about['before']['num_params']}; {retrain.told_of(about)}")


def make(step, inputs, sizes, out):
    """Train and write the student; returns the dict of compress.json."""
    from steps.compress.learners import TaughtLearner
    from steps.nnet.architectures import add_output
    args, work = step.args, retrain.Retraining(step, inputs, mixtures=True)
    if sizes["subsampling"] != work.config["subsampling"]:
        raise UserError("--sizes", f"subsampling is {sizes['subsampling']}, the teacher's "
                        f"{work.config['subsampling']}", "posteriors are compared one by one")
    trunk, left, right = training.trunk_of(args.arch, sizes, work.language.feat_dim)
    student = add_output(trunk, work.config["num_pdfs"])
    most = max(left, work.context[0]), max(right, work.context[1])
    teacher = narrowed(work.source, work.context, most)
    work.measure("source", work.trainer(teacher, TaughtLearner, most))
    work.config.pop("units", None)       # which are the teacher's
    work.changed = {"arch": args.arch, "sizes": sizes, "left_context": left,
                    "right_context": right}
    trainer = work.trainer(narrowed(student, (left, right), most),
                           partial(TaughtLearner, teacher=work.teacher(teacher)), most)
    trainer.run()
    work.measure("final", trainer)
    return work.write(out, student, trainer, {"method": "distill"})


def narrowed(model, context, given):
    """The same layers, given more frames to the left and to the right than their context is."""
    from steps.nnet.layers import Crop
    from steps.transfer import graft
    left, right = (more - own for more, own in zip(given, context, strict=True))
    if not left and not right:
        return model
    crop = Crop(left, right, name="narrow")
    return graft.rewire(model, lambda layer, x: crop(x) if layer is None else layer(x))


if __name__ == "__main__":
    raise SystemExit(main())
