"""What transfer.py is asked for: its options, the target's data, the network to begin with."""

from pathlib import Path

import numpy as np

from steps.hmm.tree import check_same_tree
from steps.nnet import training
from steps.nnet.network import FILES
from steps.nnet.options import Options
from steps.transfer import initial, layer_plan
from utils.data.datadir import DataDir
from utils.option_types import above_zero, count, share_of, yes_or_no, zero_or_more
from utils.step import UserError, key_of

OUTPUTS = ("new", "map", "copy")
BATCHNORMS = ("train", "adapt", "keep")
# Options that the network to begin with depends on.
OF_INITIAL = ("source", "copy_to", "reset", "output", "pdf_map", "new_layers", "other_features",
              "new_inputs", "held_out", "seed")


def add_options(step):
    add = step.add
    add("--copy-to", default="", metavar="LAYER",
        help="the last hidden layer that is copied, such as tdnn3; those above it begin anew "
             "(default all are copied)")
    add("--reset", default="", metavar="GLOBS",
        help="other hidden layers that begin anew, such as 'input tdnn1'")
    add("--output", default="new", choices=OUTPUTS,
        help="the output layer to begin with: new, from the source's pdfs of like sounds (map), "
             "or the source's, for the same tree (copy) (default new)")
    add("--pdf-map", default="", metavar="DIR", help="of map_phones.py, for --output map")
    add("--new-layers", default="", metavar="'hidden_dim=N num=N'",
        help="affine layers between the copied ones and a new output layer (default none)")
    add("--lr-factors", default="", metavar="'GLOB=FACTOR ...'",
        help="of the learning rate, by layer, the last that matches; 0 freezes (default 1, "
             "but for copied layers with --adapters 0)")
    add("--unfreeze-every", type=zero_or_more, default=0.0, metavar="EPOCHS",
        help="copied hidden layers begin to learn one after the other, from the top, with so many "
             "epochs in between; their batch norms follow the target from the start (default 0, "
             "all at once)")
    add("--batchnorm", default="train", choices=BATCHNORMS,
        help="of copied layers; train: gamma, beta and statistics, where the factor is not 0; "
             "adapt: the statistics of all; keep: nothing (default train)")
    add("--adapters", default="", metavar="'lora=RANK lhuc lin'",
        help="learn any of these, and layers that are reset or new, with the output layer unless "
             "it is copied; the rest is kept (default none)")
    add("--distill", type=share_of, default=0.0, metavar="WEIGHT",
        help="of the loss that keeps the source's posteriors on the target's speech as they were "
             "(default 0)")
    add("--distill-temperature", type=above_zero, default=2.0, help="(default 2)")
    add("--scratch", default="", metavar="DIR",
        help="network trained on the target alone: a transfer that is worse is warned of")
    add("--other-features", type=yes_or_no, default=False,
        help="take features that are made in another way but have as many values (default false)")
    add("--new-inputs", type=yes_or_no, default=False,
        help="the data has features beside those that the source knows, pasted to such as it was "
             "trained on by steps/features/paste_feats.py; their weights begin at 0 (default "
             "false)")
    training.add_training_options(step, Options(), epochs=count)
    add("source", help="network directory to begin with")
    add("data", help="data directory of the target, with features")
    add("alidir", help="directory of alignments of it; with --num-epochs 0 one with final.mdl, "
                       "tree and phones.txt will do")
    add("dir", help="network directory to make")


def inputs_of(args):
    inputs = training.inputs_of(args.data, args.alidir)
    inputs += [Path(args.source) / name for name in FILES]
    inputs += [Path(args.pdf_map) / "pdf_map.npz"] if args.pdf_map else []
    return inputs + ([Path(args.scratch) / "train.log.jsonl"] if args.scratch else [])


def initial_key(step):
    """What must be the same for DIR/initial to be used as it is."""
    options = step.options()
    return key_of({name: options[name] for name in OF_INITIAL}, {
        name: value for name, value in step.inputs.items() if "train.log.jsonl" not in name})


def checked_options(args):
    """trainer.Options, if the options of the transfer go together."""
    if (args.output == "map") != bool(args.pdf_map):
        raise UserError("--pdf-map", "goes with --output map, and that with --pdf-map",
                        "run steps/transfer/map_phones.py for one")
    if args.new_layers and args.output != "new":
        raise UserError("--new-layers", f"leaves no room for --output {args.output}",
                        "a new output layer goes on new layers")
    if args.adapters:
        layer_plan.parse_adapters(args.adapters)
        if args.new_inputs:
            raise UserError("--new-inputs", "have weights of their own, and --adapters keeps the "
                            "source's network as it is", "leave out one of them")
        if args.unfreeze_every:
            raise UserError("--unfreeze-every", "is of copied layers, which --adapters keeps as "
                            "they are", "leave out one of them")
    if args.new_inputs and args.other_features:
        raise UserError("--new-inputs", "stand beside features that the source knows, and "
                        "--other-features says that it does not", "leave out one of them")
    if args.output == "copy":
        check_same_tree(args.alidir, initial.Source(args.source).path,
                        "align first: steps/nnet/align.py with the source",
                        "--output map or new; copy is for alignments by the source's own tree")
    return training.trainer_options(args)


class Unheard:
    """A target of which only the tree is known. As LanguageData, as far as nothing is trained."""

    def __init__(self, args, front_end):
        from steps.hmm.model import read_transitions
        training.check_inputs(args.data, args.alidir)
        self.front_end, self.transitions = front_end, read_transitions(
            Path(args.alidir) / "final.mdl")


def read_target(args, source, scratch):
    """LanguageData of the target, or Unheard where there are no alignments and no epochs."""
    training.check_inputs(args.data, args.alidir)
    if args.new_inputs:
        source.hear_more(args.data)
    front_end = initial.front_end_for(source, DataDir(args.data), args.other_features)
    if not any(Path(args.alidir).glob("ali.*.gz")):
        if args.num_epochs:
            raise UserError(f"{args.alidir}/ali.1.gz", "no such file",
                            "align first, or --num-epochs 0 for the network without training")
        return Unheard(args, front_end)
    return training.LanguageData(args, args.data, args.alidir, scratch, front_end)


def plan_of(args, source, language):
    """The initial.Plan of options, a Source and the target's data."""
    from steps.transfer import graft
    names = [layer.name for layer in graft.hidden_layers(source.model(), source.path)]
    return initial.Plan(
        states=layer_plan.states_of(names, args.copy_to, args.reset.split()),
        output=args.output, pdf_map=args.pdf_map,
        new_layers=layer_plan.parse_new_layers(args.new_layers),
        transitions=language.transitions, tree_dir=Path(args.alidir),
        front_end=language.front_end, label_priors=label_priors(language), seed=args.seed)


def label_priors(language):
    """Shares of pdfs in training alignments, each counted once more; None without alignments."""
    if isinstance(language, Unheard):
        return None
    num_pdfs = language.transitions.num_pdfs
    counts = 1.0 + sum(np.bincount(language.labels.of(utt), minlength=num_pdfs)
                       for utt in language.train_utts)
    return counts / counts.sum()
