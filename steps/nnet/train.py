#!/usr/bin/env python3
"""Train an acoustic network on aligned speech: features of a frame and its context to its pdf.

in   <data>/feats.scp cmvn.scp utt2spk   features, float32 (num_frames, feat_dim) an utterance
     <data>/utt2uniq                     for perturbed copies: whose alignment they take
     <alidir>/ali.JOB.gz final.mdl tree  transition-ids of a GMM system or of a network
     <soft>/post.scp post.json tree      optional targets, float32 (num_out, num_pdfs)
out  <dir>/final.keras     float32 (batch, left + n * subsampling + right, feat_dim) to
                           log-posteriors (batch, n, num_pdfs)
     <dir>/config.json     architecture, sizes, context in frames, multiply-adds a second
     <dir>/priors          mean posterior of each pdf over training data
     <dir>/final.mdl tree phones.txt front_end.json
     <dir>/held_out        the utterances that were held out, one a line
     <dir>/train.log.jsonl progress.png tensorboard/
     <dir>/checkpoints/    while it trains; a killed training goes on from there

The best epochs by the loss on held-out speakers are averaged. The same seed gives the same file.

e.g. steps/nnet/train.py --config conf/tdnn.conf data/train_sp exp/tri3b_ali exp/tdnn
"""

import shutil
from pathlib import Path

from steps.hmm.tree import check_same_tree
from steps.nnet import training, workers
from steps.nnet.options import Options
from utils.data.tables import read_table
from utils.json_file import read_json
from utils.option_types import share_or_one
from utils.step import Step, UserError, check_apart, log


def main(argv=None):
    step = Step(__file__, __doc__)
    training.add_options(step)
    workers.add_options(step)
    step.add("--soft-targets", default="", metavar="DIR",
             help="of steps/nnet/compute_posteriors.py with another network, to learn from as well")
    step.add("--soft-weight", type=share_or_one, default=Options.soft_weight,
             help=f"their weight against the alignment's (default {Options.soft_weight:g})")
    step.add("data", help="data directory with features")
    step.add("alidir", help="directory of alignments of it, or of what it is a copy of")
    step.add("dir", help="network directory to make")
    args = step.parse(argv)
    check_apart(args.dir, args.alidir)
    inputs = training.inputs_of(args.data, args.alidir)
    if args.soft_targets:
        inputs += [Path(args.soft_targets) / name for name in ("post.scp", "post.json")]
    if step.up_to_date(args.dir, inputs):
        return 0
    checkpoints, team = training.checkpoints_of(step), workers.join(step)
    sizes, options = training.parse_sizes(args.arch, args.sizes), training.trainer_options(args)
    if workers.wanted(args):
        return workers.run(step, args.dir)
    language = training.LanguageData(args, args.data, args.alidir,
                                     workers.scratch_of(args, checkpoints))
    soft, options.soft_temperature = read_soft_targets(args.soft_targets, language,
                                                       sizes["subsampling"])

    from steps.nnet.architectures import add_output
    from steps.nnet.tf import devices, seed
    from steps.nnet.trainer import Task, Trainer
    seed(args.seed)
    trunk, left, right = training.trunk_of(args.arch, sizes, language.feat_dim)
    model = add_output(trunk, language.transitions.num_pdfs)
    config = language.config(args, sizes, model, left, right)
    train, valid = language.readers(left, right, sizes["subsampling"], args.batch_size, soft)
    log(f"{training.describe(config)}; on {devices()}")
    trainer = Trainer(trunk, [Task("output", model, model.get_layer("output"), train, valid)],
                      options, Path(args.dir), step.key(), team)
    trainer.run()
    priors = trainer.priors(trainer.tasks[0])
    if trainer.first:
        with step.output(args.dir) as out:
            language.write(out, model, config, priors, trainer.rows)
        shutil.rmtree(checkpoints, ignore_errors=True)
    if team:
        team.part()
    return step.finish(f"{args.dir}: {training.summary_of(trainer.rows)}")


def read_soft_targets(directory, language, subsampling):
    """{utt: "path:offset"} of a directory's soft targets, for all the training data, or None;
    and their temperature."""
    if not directory:
        return None, 1.0
    path, about = Path(directory) / "post.scp", Path(directory) / "post.json"
    for needed in (path, about):
        if not needed.is_file():
            raise UserError(needed, "no such file", "run steps/nnet/compute_posteriors.py")
    found = read_json(about, "run steps/nnet/compute_posteriors.py --force")
    check_same_tree(directory, language.alidir, "run steps/nnet/compute_posteriors.py --force",
                    "take posteriors of a network with the alignments' tree")
    wanted = {"num_pdfs": language.transitions.num_pdfs, "subsampling": subsampling}
    for name, value in wanted.items():
        if found.get(name) != value:
            raise UserError(about, f"{name} is {found.get(name)}, and {value} in this training",
                            "take a network with the same tree and subsampling")
    table = read_table(path)
    for utt in language.train_utts:
        if utt not in table:
            raise UserError(path, f"has no {utt}",
                            "run steps/nnet/compute_posteriors.py on all the training data")
    return table, float(found["temperature"])


if __name__ == "__main__":
    raise SystemExit(main())
