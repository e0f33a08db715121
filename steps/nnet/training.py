"""What train.py and train_multi.py share: options, one language's data, what they write."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

from steps.hmm.tree import same_tree
from steps.nnet.options import Options
from steps.nnet.progress import draw, loss_of, write_log
from utils.data.datadir import DataDir
from utils.option_types import above_zero, count, share_of, yes_or_no, zero_or_more
from utils.step import UserError, log, positive

DATA_FILES = ("feats.scp", "cmvn.scp", "utt2spk", "utt2uniq", "feats.json")
HELD_OUT = "held_out"     # of a network directory
ALI_FILES = ("final.mdl", "tree", "phones.txt", "num_jobs")
SHARES = ("dropout", "batchnorm_momentum")     # sizes: with 1 nothing passes, or is followed


def add_options(step):
    """Options of a network and of its training from the beginning."""
    step.add("--arch", default="tdnn",
             help="dnn, cnn, rnn, gru, lstm, blstm, tdnn or tdnnf (default tdnn)")
    step.add("--sizes", default="", metavar="'NAME=VALUE ...'",
             help="sizes that differ from the architecture's own, such as 'hidden_dim=384 "
                  "offsets=1,1,2,3'; steps/nnet/info.py --arch lists them")
    step.add("--cmvn", default="speaker", choices=["speaker", "utterance", "sliding", "none"],
             help="over what the mean of the features is taken (default speaker); none is for what "
                  "has mean 0, as adapted features have, for SpecAugment erases to 0")
    step.add("--norm-vars", type=yes_or_no, default=True,
             help="and the variance, if there is a mean (default true)")
    add_training_options(step)


def add_training_options(step, defaults=None, epochs=positive):
    """Options of any training of a network; defaults: an Options; epochs: type of their number."""
    defaults = defaults or Options()

    def add(name, of_type, text):
        value = getattr(defaults, name)
        shown_value = f"{value:g}" if isinstance(value, float) else str(value).lower()
        step.add(f"--{name.replace('_', '-')}", type=of_type, default=value,
                 help=f"{text} (default {shown_value})".lstrip())

    add("num_epochs", epochs, "passes over the data")
    step.add("--batch-size", type=positive, default=64, help="chunks (default 64)")
    step.add("--chunk-frames", type=positive, default=150,
             help="frames of a chunk, without its context (default 150)")
    step.add("--optimizer", default=defaults.optimizer, choices=["adamw", "sgd"])
    add("learning_rate", above_zero, "its peak")
    add("final_learning_rate", zero_or_more, "")
    step.add("--schedule", default=defaults.schedule, choices=["cosine", "plateau"],
             help="how the learning rate falls after the warm-up: along a cosine, or halved when "
                  f"held-out loss gets no better (default {defaults.schedule})")
    add("warmup", share_of, "share of all steps")
    add("weight_decay", zero_or_more, "")
    add("momentum", share_of, "of sgd")
    add("clip_norm", zero_or_more, "longest gradient of all weights together, 0 for any")
    add("label_smoothing", share_of, "share of the target spread over all pdfs")
    step.add("--time-masks", type=count, default=2,
             help="SpecAugment: stretches erased (default 2)")
    step.add("--time-mask-frames", type=count, default=20, help="the longest (default "
             "20); all together they erase a fifth of a chunk and its context at most")
    step.add("--freq-masks", type=count, default=2, help="bands erased (default 2)")
    step.add("--freq-mask-bins", type=count, default=8, help="the widest (default 8)")
    step.add("--freq-mask-first", type=count, default=0,
             help="of the values of a frame the first that is one of the bands; those before, as "
                  "of adapted features beside log mel energies, are never erased (default 0)")
    step.add("--held-out", type=zero_or_more, default=0.05,
             help="utterances, of whole speakers, that are not trained on but measured after each "
                  "epoch: a number or, below 1, a share; 0 for none (default 0.05)")
    add("patience", count,
        "epochs without a better held-out loss that end the training, 0 for never")
    add("average", positive, "epochs whose weights are averaged")
    step.add("--average-of", default=defaults.average_of, choices=["best", "last"],
             help="those with the lowest held-out loss, or the last, at the lowest learning rates: "
                  "where overfitting hurts frames but not words, or few utterances are held out "
                  f"(default {defaults.average_of})")
    add("checkpoint_minutes", zero_or_more, "a killed training goes on from here")
    add("xla", yes_or_no, "compile with XLA")
    step.add("--seed", type=count, default=0)


def trainer_options(args):
    """trainer.Options of parsed options."""
    if args.final_learning_rate > args.learning_rate:
        raise UserError("--final-learning-rate", f"is {args.final_learning_rate:g}, above "
                        f"--learning-rate {args.learning_rate:g}", "the rate is to fall")
    return Options(**{field.name: getattr(args, field.name) for field in fields(Options)
                      if hasattr(args, field.name)})


def spec_augment_options(args):
    """Keyword arguments of spec_augment(), or None where nothing is erased."""
    options = {"num_time_masks": args.time_masks, "time_mask_frames": args.time_mask_frames,
               "num_freq_masks": args.freq_masks, "freq_mask_bins": args.freq_mask_bins,
               "freq_mask_first": args.freq_mask_first}
    return options if args.time_masks or args.freq_masks else None


def inputs_of(data, alidir):
    """Files whose change makes a network out of date."""
    return [*(Path(data) / name for name in DATA_FILES),
            *(Path(alidir) / name for name in ALI_FILES),
            *sorted(Path(alidir).glob("ali.*.gz"))]


def check_inputs(data, alidir):
    for path, do in ((Path(data) / "feats.scp", "make features: steps/features/make_fbank.py"),
                     (Path(alidir) / "final.mdl", "align first: steps/hmm/align.py"),
                     (Path(alidir) / "tree", "align first: steps/hmm/align.py"),
                     (Path(alidir) / "phones.txt", "align first: steps/hmm/align.py")):
        if not path.is_file():
            raise UserError(path, "no such file", do)


def check_dim(data, dim, network, config):
    """UserError unless a DataDir's frames, of dim values, are as those a network was trained with.
    """
    if dim != config["feat_dim"]:
        raise UserError(f"{data.path}/feats.scp", f"has {dim} values a frame, {network} was "
                        f"trained with {config['feat_dim']}", "make the features alike")


def check_tree(alidir, network, same_pdfs=True):
    """UserError unless alignments have a network's tree; same_pdfs: and as many pdfs as it has."""
    if not same_pdfs or not same_tree(alidir, network):
        raise UserError(f"{alidir}/tree", f"is not the tree of {network}",
                        "align with that network, or with the system it was trained on")


def checkpoints_of(step):
    """Where a training step keeps its checkpoints; --force begins anew, without a killed one's."""
    directory = Path(step.args.dir) / "checkpoints"
    if step.args.force and not step.is_job:
        shutil.rmtree(directory, ignore_errors=True)
    return directory


def parse_sizes(arch, text):
    """{size: value} of an architecture from 'hidden_dim=256 offsets=1,1,2', of the right types."""
    from steps.nnet.architectures import ARCHITECTURES, sizes_of
    if arch not in ARCHITECTURES:
        raise UserError("--arch", f"is {arch}", f"one of {', '.join(ARCHITECTURES)}")
    sizes = dict(sizes_of(arch))
    for item in text.split():
        name, _, value = item.partition("=")
        name = name.replace("-", "_")
        if name not in sizes:
            raise UserError("--sizes", f"{arch} has no {name}", f"it has {', '.join(sizes)}")
        try:
            sizes[name] = _like(sizes[name], value)
        except ValueError:
            raise UserError("--sizes", f"{name} cannot be {value!r}",
                            f"such as {shown(sizes[name])}") from None
    for name in SHARES:
        if sizes.get(name, 0) >= 1:
            raise UserError("--sizes", f"no {arch} can be made with {name}={sizes[name]:g}",
                            "a share below 1")
    if sizes["subsampling"] < 1:
        raise UserError("--sizes", "subsampling cannot be 0", "1 for an output every frame")
    return sizes


def _like(default, text):
    """A value of default's type; ValueError if it is none, or a number that is no size."""
    if isinstance(default, bool):
        if text not in ("True", "False", "true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, (tuple, list)):
        return tuple(_like(default[0] if default else 0, part) for part in text.split(","))
    value = type(default)(text)
    if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def trunk_of(arch, sizes, feat_dim):
    """build_trunk(), where sizes of which no network can be made are the user's mistake."""
    from steps.nnet.architectures import build_trunk
    try:
        return build_trunk(arch, sizes, feat_dim)
    except (ValueError, IndexError) as error:
        shown_sizes = " ".join(f"{name}={shown(value)}" for name, value in sizes.items())
        raise UserError("--sizes", f"no {arch} can be made with {shown_sizes}: "
                        f"{str(error).splitlines()[0]}") from None


def shown(value):
    """A size as --sizes takes it."""
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


class LanguageData:
    """One language's data directory and alignments, and readers of their chunks.

    scratch    directory for the labels' memory-mapped file
    front_end  dict, of the network that the training begins with; None: as args say
    .feat_dim  .frame_shift, s
    """

    def __init__(self, args, data, alidir, scratch, front_end=None):
        from steps.features.pipeline import FeaturePipeline, make_front_end
        from steps.nnet import labels
        check_inputs(data, alidir)
        self.args, self.alidir = args, Path(alidir)
        self.data = DataDir(data)
        self.front_end = front_end or make_front_end(data, args.cmvn, args.norm_vars, deltas=0)
        self.transitions = labels.transitions_of([alidir])
        self.labels = labels.write_labels(scratch / "labels", self.data, [alidir],
                                          self.transitions, labels.lengths_of(self.data))
        self.train_utts, self.valid_utts = sorted(self.labels.index), []
        if args.held_out:
            try:
                self.train_utts, self.valid_utts = labels.split_held_out(
                    self.data, args.held_out, args.seed, utts=self.labels.index)
            except UserError as error:
                raise UserError(f"--held-out {args.held_out:g}", error.line) from None
        self.feat_dim = FeaturePipeline(self.data, self.front_end).raw_dim
        self.frame_shift = self.front_end["feats"].get("frame_shift", 0.01)
        heard, held = ({labels.speaker_of(self.data, utt) for utt in utts}
                       for utts in (self.train_utts, self.valid_utts))
        log(f"{data}: {len(self.train_utts)} utterances to train on, {len(self.valid_utts)}"
            f"{' of other speakers' if held.isdisjoint(heard) else ''} held out")

    def readers(self, left, right, subsampling, batch_size, soft_targets=None):
        """ChunkReaders to train with and to validate with (None if nothing is held out)."""
        from steps.nnet.chunks import ChunkReader
        args = self.args
        common = {"left": left, "right": right, "subsampling": subsampling,
                  "chunk_out": max(1, args.chunk_frames // subsampling)}
        if args.freq_masks and args.freq_mask_first >= self.feat_dim:
            raise UserError("--freq-mask-first", f"is {args.freq_mask_first}, and frames have "
                            f"{self.feat_dim} values", f"it is one of 0 to {self.feat_dim - 1}")
        train = ChunkReader(self.data, self.front_end, self.train_utts, self.labels,
                            batch_size=batch_size, seed=args.seed,
                            spec_augment=spec_augment_options(args), soft_targets=soft_targets,
                            **common)
        valid = ChunkReader(self.data, self.front_end, self.valid_utts, self.labels,
                            batch_size=args.batch_size, seed=args.seed,
                            **common) if self.valid_utts else None
        return train, valid

    def config(self, args, sizes, model, left, right):
        """config.json of this language's network."""
        from steps.nnet.architectures import macs_per_second, num_params
        return {"arch": args.arch, "sizes": sizes, "feat_dim": model.input_shape[-1],
                "frame_shift": self.frame_shift, "subsampling": sizes["subsampling"],
                "left_context": left, "right_context": right,
                "num_pdfs": self.transitions.num_pdfs, "num_params": num_params(model),
                "macs_per_second": macs_per_second(model, self.frame_shift)}

    def write(self, out, model, config, priors, rows, sources=()):
        """Everything that a network directory holds, into a directory; sources: write_held_out."""
        write_directory(out, model, config, priors, self.transitions, self.front_end, self.alidir)
        self.write_held_out(out, sources)
        write_log(out / "train.log.jsonl", rows)
        draw(out / "progress.png", rows, f"{config['arch']}, "
             f"{config['num_params'] / 1e6:.2f} million parameters")

    def write_held_out(self, out, sources=()):
        write_held_out(out, self.valid_utts, sources)


def write_held_out(out, utts, sources=()):
    """<out>/held_out: utterances that were, one a line, for who trains the network further.

    sources  networks of the same data that it learned from: what all of them held out too is
             written, and nothing where one does not tell
    """
    told = [held_out_of(source) for source in sources]
    if None not in told:
        (out / HELD_OUT).write_text("".join(
            f"{utt}\n" for utt in utts if all(utt in known for known in told)), "utf-8")


def held_out_of(network):
    """The utterances that were held out when a network was trained; None if nothing tells."""
    path = Path(network) / HELD_OUT
    return set(path.read_text("utf-8").split()) if path.is_file() else None


def write_directory(out, model, config, priors, transitions, front_end, tree_dir):
    """A network directory, whose tree and phones.txt are those of tree_dir."""
    from steps.hmm.model import write_transitions
    from steps.nnet.network import write_network
    out.mkdir(parents=True, exist_ok=True)
    write_network(out, model, config, priors)
    write_transitions(out / "final.mdl", transitions)
    (out / "front_end.json").write_text(json.dumps(front_end, indent=1) + "\n")
    for name in ("tree", "phones.txt"):
        shutil.copyfile(Path(tree_dir) / name, out / name)


def describe(config):
    """A network's size in words, for the log."""
    several = config.get("mixture", {}).get("networks")
    name = f"{len(several)} networks" if several else config["arch"]
    return (f"{name}: {config['num_params'] / 1e6:.3f} million parameters, "
            f"{config['macs_per_second'] / 1e6:.1f} million multiply-adds a second of speech, "
            f"context {config['left_context']} + {config['right_context']} frames, "
            f"one output every {config['subsampling']}")


def summary_of(rows):
    """The last line of a training's log."""
    best = min(rows, key=loss_of)
    held_out = ("" if best["valid_loss"] is None else
                f", held out {best['valid_loss']:.4f} ({100 * best['valid_accuracy']:.2f} % of "
                "frames right)")
    return (f"{len(rows)} epoch{'s' * (len(rows) > 1)}, best {best['epoch']}: "
            f"loss {best['loss']:.4f}{held_out}")
