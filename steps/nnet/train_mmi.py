#!/usr/bin/env python3
"""Train a network further, by whole sequences: what is said against all else that could be.

Training by frames asks each frame for its pdf. This asks for the whole sequence of pdfs of a chunk
to be more likely than all other sequences together (lattice-free MMI, Povey et al. 2016), which is
nearer to what decoding does and worth several per cent of the word errors. Other sequences come
from the alignments: which pdf follows which, an output frame later (see steps/nnet/mmi.py).

in   <data>/feats.scp cmvn.scp utt2spk utt2uniq   features that <network> was trained on
     <alidir>/ali.JOB.gz final.mdl tree           alignments with the network's tree
     <network>/final.keras config.json priors     of steps/nnet/train.py, or of this step
out  <dir>/                                       a network directory, as of steps/nnet/train.py;
                                                  the loss in its log is minus the criterion, in
                                                  nats a frame of the output

The network keeps its priors. Decode with the acoustic scale that it was trained with: an --acwt of
a third of this one where a frame of the output stands for three.

e.g. steps/nnet/train_mmi.py --config conf/mmi.conf data/train_sp exp/tri3b_ali \\
       exp/tdnn exp/tdnn_mmi
"""

import shutil
from functools import partial
from pathlib import Path

from steps.nnet import training
from steps.nnet.jobs import read_front_end
from steps.nnet.network import FILES, config_to_train, read_keras_network, read_priors
from steps.nnet.options import Options
from utils.option_types import above_zero, share_of, zero_or_more
from utils.step import Step, UserError, check_apart, log

DEFAULTS = Options(num_epochs=2, learning_rate=5e-4, average=1)


def main(argv=None):
    step = Step(__file__, __doc__)
    training.add_training_options(step, DEFAULTS)
    step.add("--acwt", type=above_zero, default=0.3,
             help="scale of the log-likelihoods of an output frame (default 0.3)")
    step.add("--frame-smoothing", type=zero_or_more, default=0.1,
             help="weight of the cross-entropy of frames (default 0.1)")
    step.add("--backoff", type=share_of, default=0.1,
             help="share of each pdf's successors that are drawn from all pdfs (default 0.1)")
    step.add("data", help="data directory with features")
    step.add("alidir", help="directory of alignments of it, or of what it is a copy of")
    step.add("network", help="network directory to begin with")
    step.add("dir", help="network directory to make")
    args = step.parse(argv)
    check_apart(args.dir, args.alidir, args.network)
    inputs = [*training.inputs_of(args.data, args.alidir),
              *(Path(args.network) / name for name in FILES)]
    if step.up_to_date(args.dir, inputs):
        return 0
    if args.backoff == 0:
        raise UserError("--backoff", "is 0", "some of it lets chunks begin anywhere")
    checkpoints, options = training.checkpoints_of(step), training.trainer_options(args)

    from steps.nnet.architectures import output_of
    from steps.nnet.mmi import MmiLearner, chain_of, count_pairs
    from steps.nnet.tf import devices, keras, seed
    from steps.nnet.trainer import Task, Trainer
    seed(args.seed)
    network = read_keras_network(args.network)
    language = training.LanguageData(args, args.data, args.alidir, checkpoints,
                                     read_front_end(args.network))
    training.check_dim(language.data, language.feat_dim, args.network, network.config)
    check_held_out(args, language.valid_utts)
    training.check_tree(args.alidir, args.network,
                        language.transitions.num_pdfs == network.config["num_pdfs"])
    config, model = config_to_train(network.config), network.model
    output = output_of(model, args.network)
    train, valid = language.readers(*network.context, network.subsampling, args.batch_size)
    pairs = count_pairs(language.labels, language.train_utts, network.subsampling,
                        config["num_pdfs"])
    if not pairs.any():
        raise UserError(args.data, f"no utterance has more than {network.subsampling} frames",
                        "of those no sequence can be learnt")
    chain = chain_of(pairs, args.backoff)
    log(f"{training.describe(config)}; on {devices()}")
    trainer = Trainer(keras.Model(model.inputs[0], output.input),
                      [Task(output.name, model, output, train, valid)], options, Path(args.dir),
                      step.key(),
                      learner=partial(MmiLearner, chain=chain, log_priors=network.log_priors,
                                      acwt=args.acwt, frame_smoothing=args.frame_smoothing))
    trainer.run()
    with step.output(args.dir) as out:
        language.write(out, model, config, read_priors(Path(args.network) / "priors"),
                       trainer.rows, [args.network])
    shutil.rmtree(checkpoints, ignore_errors=True)
    return step.finish(f"{args.dir}: {training.summary_of(trainer.rows)}")


def check_held_out(args, utts):
    """Warns if the network may know utterances that are held out here, which then choose nothing.
    """
    held_out = training.held_out_of(args.network)
    known = set(utts) - held_out if held_out is not None else ()
    if known:
        log(f"WARNING: {len(known)} of {len(utts)} utterances held out here, such as {min(known)}, "
            f"were not when {args.network} was trained, so it may know them; give the data, "
            "--held-out and --seed that it was given")


if __name__ == "__main__":
    raise SystemExit(main())
