#!/usr/bin/env python3
"""Train a network for a target on the hidden layers of a source network.

Hidden layers are copied and go on learning; the output layer is new, or put together from the
source's pdfs by sound (map), or the source's own (copy, e.g. for a speaker or an accent). Features,
normalisation, sizes and subsampling are the source's; --new-inputs puts other features beside what
the source knows. With --num-epochs 0 the network to begin with
is the result; with --output map that one recognises the target without training (alignments are not
needed then, only a directory with the target's tree).

in   <source>/final.keras config.json ...  a network of steps/nnet or steps/transfer
     <data>/feats.scp cmvn.scp utt2spk     features as of the source
     <alidir>/ali.JOB.gz final.mdl tree    transition-ids of the target's frames
     <pdf-map>/pdf_map.npz                 of steps/transfer/map_phones.py, for --output map
out  <dir>/initial/       the network to begin with, a whole network directory; made once
     <dir>/final.keras config.json ...     a network directory, as of steps/nnet/train.py
     <dir>/source/        the source's output layer on the transferred layers, to decode the
                          source's test data and see what was forgotten; with --new-inputs it
                          hears these as well
     <dir>/adapter.npz    with --adapters: what was learnt, for steps/transfer/apply_adapter.py
     <dir>/transfer.json  each layer's part, held-out losses before and after, seconds, warnings

e.g. steps/transfer/transfer.py --config conf/transfer.conf --pdf-map exp/fr/map exp/en/tdnn \\
       data/fr/nnet/train exp/fr/tri3b exp/fr/tdnn_transfer
"""

import json
import shutil
import time
from functools import partial
from pathlib import Path

from steps.nnet import training
from steps.transfer import initial, layer_plan, report, target
from utils.step import Step, UserError, check_apart, log


def main(argv=None):
    step = Step(__file__, __doc__)
    target.add_options(step)
    args = step.parse(argv)
    check_apart(args.dir, args.source, args.alidir, *filter(None, [args.scratch]))
    if step.up_to_date(args.dir, target.inputs_of(args)):
        return 0
    started, out_dir, options = time.time(), Path(args.dir), target.checked_options(args)
    checkpoints, source = training.checkpoints_of(step), initial.Source(args.source)
    language = target.read_target(args, source, checkpoints)
    plan = target.plan_of(args, source, language)
    scratch = None
    if args.scratch and args.num_epochs:
        scratch = report.scratch_loss(args.scratch, args.alidir, language.valid_utts)
    if args.force:
        shutil.rmtree(out_dir / "initial", ignore_errors=True)
    joint = initial.make_initial(out_dir / "initial", target.initial_key(step), source, plan)

    from steps.nnet.tf import devices, seed
    from steps.transfer import network
    seed(args.seed)
    grown = network.Grown(out_dir / "initial", source, joint, plan.states, args)
    log(f"layers of {args.dir}:\n{layer_plan.table(grown.rows)}")
    losses, rows, priors = {}, [], None
    if args.num_epochs:
        log(f"{training.describe(grown.config)}; on {devices()}")
        trainer = make_trainer(step, grown, language, options)
        losses["before"] = trainer.learner.validate()[0]
        trainer.run()
        losses["after"], losses["scratch"] = trainer.learner.validate()[0], scratch
        rows, priors = trainer.rows, trainer.priors(trainer.tasks[0])
    warnings = report.warnings_of(losses.get("before"), losses.get("after"), scratch)
    with step.output(args.dir) as out:
        grown.write(out, priors, rows, plan)
        if args.num_epochs:
            language.write_held_out(out)
        (out / "transfer.json").write_text(json.dumps({
            "source": str(args.source), "layers": [row.as_dict() for row in grown.rows],
            "num_params": grown.config["num_params"], "num_trained": grown.num_trained,
            "held_out_loss": losses, "warnings": warnings,
            "seconds": round(time.time() - started, 2)}, indent=1) + "\n")
    shutil.rmtree(checkpoints, ignore_errors=True)
    report.tell(warnings)
    trained = f"{training.summary_of(rows)}, " if rows else ""
    return step.finish(f"{args.dir}: {trained}{grown.num_trained} of "
                       f"{grown.config['num_params']} parameters trained")


def make_trainer(step, grown, language, options):
    """The Trainer of a network that has been grown."""
    from steps.nnet.trainer import Task, Trainer
    from steps.transfer.transfer_learner import TransferLearner
    args, config = step.args, grown.config
    train, valid = language.readers(config["left_context"], config["right_context"],
                                    config["subsampling"], args.batch_size)
    task = Task("output", grown.model, grown.output, train, valid)
    learner = partial(TransferLearner, rows=grown.rows, thaw_every=args.unfreeze_every,
                      teacher=grown.teacher)
    trainer = Trainer(grown.trunk, [task], options, Path(args.dir),
                      step.key(), learner=learner)
    frozen = trainer.learner.never_thawed(args.num_epochs)
    if frozen:
        log(f"{', '.join(frozen)}: do not learn, --unfreeze-every {args.unfreeze_every:g} is too "
            f"slow for {args.num_epochs} epochs")
    factors = {row.layer.name: row.factor for row in grown.rows}
    for name in grown.source.hearing:
        if not factors[name] or name in frozen:
            raise UserError("--new-inputs", f"are heard by {name}, which does not learn",
                            "give it a factor above 0 (--lr-factors), or thaw it earlier")
    if not trainer.learner.trainable:
        raise UserError("--lr-factors", "nothing is left to learn", "give a layer a factor above 0")
    return trainer


if __name__ == "__main__":
    raise SystemExit(main())
