#!/usr/bin/env python3
"""Train one network for several languages: shared hidden layers, an output layer for each.

Every batch has a chunk of each language; the rest goes by hours ** temperature, so that a language
with little speech is heard more often than its hours say. The best epochs are those with the least
mean of the languages' held-out losses. A transfer to yet another
language starts from these hidden layers (Huang et al. 2013).

in   NAME=<data>,<alidir> for each language, as for steps/nnet/train.py; features alike
out  <dir>/<NAME>/     a network directory for each language: final.keras config.json priors ...;
                       the held-out loss in its log is its own
     <dir>/train.log.jsonl progress.png tensorboard/
     <dir>/checkpoints/    while it trains; a killed training goes on from there

e.g. steps/nnet/train_multi.py --config conf/tdnn.conf --temperature 0.5 exp/multi \\
       en=data/en/train,exp/en/tri3b fr=data/fr/train,exp/fr/tri3b
"""

import re
import shutil
from pathlib import Path

from steps.nnet import progress, training, workers
from utils.option_types import share_or_one
from utils.step import Step, UserError, check_apart, log

RESERVED = {"checkpoints", "tensorboard"}


def main(argv=None):
    step = Step(__file__, __doc__)
    training.add_options(step)
    workers.add_options(step)
    step.add("--temperature", type=share_or_one, default=0.5,
             help="shares of a batch, beyond a chunk for each language, go by hours to this power: "
                  "1 as they come, 0 all alike (default 0.5)")
    step.add("dir", help="directory to make, with a network directory for each language")
    step.add("languages", nargs="+", metavar="NAME=DATA,ALIDIR")
    args = step.parse(argv)
    languages = dict(map(named_pair, args.languages))
    if len(languages) < len(args.languages):
        raise UserError("languages", "two have the same name", "give each its own")
    for name, (_, alidir) in languages.items():
        check_apart(Path(args.dir) / name, alidir)
        step.check_kind(Path(args.dir) / name)
    if step.up_to_date(args.dir, [path for pair in languages.values()
                                  for path in training.inputs_of(*pair)]):
        return 0
    checkpoints, team = training.checkpoints_of(step), workers.join(step)
    sizes, options = training.parse_sizes(args.arch, args.sizes), training.trainer_options(args)
    if workers.wanted(args):
        return workers.run(step, args.dir)
    parts = {name: training.LanguageData(args, *pair,
                                         workers.scratch_of(args, checkpoints) / name)
             for name, pair in languages.items()}
    check_alike(parts)

    from steps.nnet.architectures import add_output
    from steps.nnet.learner import steps_of_epoch
    from steps.nnet.tf import devices, seed
    from steps.nnet.trainer import Task, Trainer
    seed(args.seed)
    trunk, left, right = training.trunk_of(args.arch, sizes,
                                           next(iter(parts.values())).feat_dim)
    tasks, hours = [], {}
    for name, rows in shares(parts, args.batch_size, args.temperature).items():
        model = add_output(trunk, parts[name].transitions.num_pdfs, f"output.{name}")
        train, valid = parts[name].readers(left, right, sizes["subsampling"], rows)
        tasks.append(Task(name, model, model.get_layer(f"output.{name}"), train, valid))
        hours[name] = train.num_frames * parts[name].frame_shift / 3600
    passes = steps_of_epoch(tasks)
    for task in tasks:
        rows = task.train.batch_size
        log(f"{task.name}: {hours[task.name]:.2f} hours, {rows} of {args.batch_size} chunks of a "
            f"batch, heard {passes * rows / task.train.num_chunks:.2g} times in an epoch")
    trainer = Trainer(trunk, tasks, options, Path(args.dir),
                      step.key(), team)
    log(f"on {devices()}")
    trainer.run()
    priors = {task.name: trainer.priors(task) for task in tasks}
    if trainer.first:
        with step.output(args.dir) as out:
            for task in tasks:
                part = parts[task.name]
                config = part.config(args, sizes, task.model, left, right)
                part.write(out / task.name, task.model, config, priors[task.name],
                           progress.rows_of(task.name, trainer.rows))
                log(f"{task.name}: {training.describe(config)}")
            progress.write_log(out / "train.log.jsonl", trainer.rows)
            progress.draw(out / "progress.png", trainer.rows,
                          f"{args.arch}, {len(tasks)} languages: {', '.join(languages)}")
        shutil.rmtree(checkpoints, ignore_errors=True)
    if team:
        team.part()
    return step.finish(f"{args.dir}: {len(tasks)} languages, "
                       f"{training.summary_of(trainer.rows)}")


def named_pair(text):
    """("en", ("data/en/train", "exp/en/tri3b")) of "en=data/en/train,exp/en/tri3b"."""
    name, equals, pair = text.partition("=")
    parts = pair.split(",")
    if not (equals and re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(parts) == 2 and all(parts)):
        raise UserError(text, "is no language",
                        "expected NAME=DATA,ALIDIR, the name of a to z, digits, - and _")
    if name in RESERVED:
        raise UserError(text, f"{name} is a directory of training itself", "take another name")
    return name, tuple(parts)


def check_alike(parts):
    """UserError unless all languages have the same features."""
    from steps.features.pipeline import check_same_features
    first, *others = parts.values()
    for part in others:
        check_same_features(first.front_end["feats"], part.front_end["feats"], part.data.path)
        if part.feat_dim != first.feat_dim:
            raise UserError(f"{part.data.path}/feats.scp", f"has {part.feat_dim} values a frame, "
                            f"{first.data.path} {first.feat_dim}", "make the features alike")


def shares(parts, batch_size, temperature):
    """{language: chunks in a batch}, at least one each, together batch_size.

    What is left after that one goes by hours ** temperature (as Conneau et al. 2020 balance
    languages), rounded by largest remainders.
    """
    if len(parts) > batch_size:
        raise UserError("--batch-size", f"is {batch_size} for {len(parts)} languages",
                        "at least a chunk for each")
    weights = {name: sum(part.labels.index[utt][1] for utt in part.train_utts) ** temperature
               for name, part in parts.items()}
    total, spare = sum(weights.values()), batch_size - len(parts)
    exact = {name: spare * weight / total for name, weight in weights.items()}
    rows = {name: 1 + int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (int(exact[name]) - exact[name], name))
    for name in by_remainder[:batch_size - sum(rows.values())]:
        rows[name] += 1
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
