"""What pruning, factoring and distilling share: a network, its data, a training, what is written.

    inputs = retrain.inputs_of(args)
    def make(out):
        work = retrain.Retraining(step, inputs)
        trainer = work.trainer(model, learner)
        trainer.run()
        work.measure("final", trainer)
        return work.write(out, model, trainer, {"method": ...})   # the dict of compress.json
    about = gate.deliver(step, inputs, make, "...")
"""

import shutil
import time
from pathlib import Path

from steps.compress import gate
from steps.nnet import training
from steps.nnet.jobs import read_front_end
from steps.nnet.network import FILES, config_to_train, load_model, read_config, read_model
from utils.option_types import above_zero, count, share_or_one
from utils.step import UserError, check_apart, fingerprint, key_of, log

MAX_WER_RISE = 0.05


def add_options(step, defaults, distill=0.0, source="network", epochs=count):
    """Options of a compression that trains, and its four paths.

    defaults  trainer's Options;  distill  default weight of the teacher;  source  first path's name
    """
    training.add_training_options(step, defaults, epochs)
    step.add("--distill", type=share_or_one, default=distill, metavar="WEIGHT",
             help=f"share of the loss that is the difference from the {source}'s posteriors "
                  f"(default {distill:g})")
    step.add("--distill-temperature", type=above_zero, default=2.0, help="(default 2)")
    gate.add_options(step, MAX_WER_RISE)
    step.add("network", metavar=source, help="network directory")
    step.add("data", help="data directory with features")
    step.add("alidir", help="directory of alignments of it, or of what it is a copy of")
    step.add("dir", help="network directory to make")


def inputs_of(args):
    """Files whose change makes a network that is trained again out of date; checks options."""
    check_apart(args.dir, args.alidir)
    return [*training.inputs_of(args.data, args.alidir),
            *(Path(args.network) / name for name in FILES)]


def told_of(about):
    """Held-out losses of compress.json in words, for the last line of the log."""
    losses = [f"{name} {loss:.4f}" for name, loss in about["held_out_loss"].items()
              if loss is not None]
    return f"held-out loss: {', '.join(losses)}" if losses else "nothing was held out"


class Retraining:
    """A network that is read, its data, and how a network that takes its place is trained.

    .source    keras.Model;  .config  its config.json;  .language  LanguageData
    .changed   what config.json of the result has in place of that;  .losses  held-out losses
    mixtures   the source may be one, of steps/transfer/mix.py
    """

    def __init__(self, step, inputs, mixtures=False):
        from steps.nnet.architectures import output_of
        from steps.nnet.size import num_params
        from steps.nnet.tf import seed
        self.args, self.started = step.args, time.time()
        self.options = training.trainer_options(self.args)
        self.told = {name: value for name, value in step.options().items()
                     if name not in gate.OPTIONS | {"network", "dir"}}
        self.key = key_of(self.told, fingerprint(inputs))
        self.directory = Path(self.args.network)
        self._check_inputs()
        self.config = read_config(self.directory)
        self.mixture = self.config.pop("mixture", None)    # which what learns from it is not
        self.checkpoints = training.checkpoints_of(step)
        self.language = training.LanguageData(self.args, self.args.data, self.args.alidir,
                                              self.checkpoints, read_front_end(self.directory))
        seed(self.args.seed)
        self.source = read_model(self.directory)
        training.check_dim(self.language.data, self.language.feat_dim, self.directory,
                           self.config)
        if not mixtures:
            output_of(self.source, self.directory)
        self.size = num_params(self.source)
        self.changed, self.losses = {}, {}

    @property
    def context(self):
        """Input frames of the source to the left and to the right."""
        return self.config["left_context"], self.config["right_context"]

    def trainer(self, model, make_learner, context=None):
        """The Trainer of a network.

        make_learner  called with trunk, tasks, options
        context       input frames that the network is given to the left and right; None: as the
                      source's
        """
        from steps.nnet.tf import devices, keras
        from steps.nnet.trainer import Task, Trainer
        hidden, output = self._ends(model)
        train, valid = self.language.readers(*(context or self.context),
                                             self.config["subsampling"], self.args.batch_size)
        counted = self._counted(model)
        if is_mixture(model):
            counted["mixture"] = self.mixture
        log(f"{training.describe(counted)}; on {devices()}")
        return Trainer(keras.Model(model.inputs[0], hidden, name=model.name),
                       [Task(output.name, model, output, train, valid)], self.options,
                       Path(self.args.dir), self.key, learner=make_learner)

    def _ends(self, model):
        """What a network's output layer is given, and that layer.

        A mixture has none; its log-posteriors are as good as logits.
        """
        from steps.nnet.architectures import output_of
        from steps.nnet.size import calls
        from steps.nnet.tf import keras
        if is_mixture(model):
            return model.outputs[0], keras.layers.Identity(name="output")
        output = output_of(model, self.directory)
        hidden, = (inputs[0] for layer, inputs, _ in calls(model) if layer is output)
        return hidden, output

    def teacher(self, source=None):
        """learners.Teacher as options say, or None; source: in place of a copy of .source."""
        from steps.compress.learners import Teacher
        if not self.args.distill:
            return None
        model = source or load_model(self.directory / "final.keras")
        return Teacher(model, self.args.distill, self.args.distill_temperature)

    def measure(self, name, trainer):
        """Note a held-out loss, None if nothing is held out: of the "source", at "start", "final".

        To be called before the training begins or when it has ended.
        """
        self.losses[name] = trainer.learner.validate()[0]

    def write(self, out, model, trainer, about):
        """All files of the network but compress.json, of which the dict is returned."""
        from steps.compress.masks import count_zeros
        from steps.transfer import graft
        graft.reseed(model, self.args.seed)
        config = self._counted(model)
        priors = trainer.priors(trainer.tasks[0])
        training.write_directory(out, model, config, priors, self.language.transitions,
                                 self.language.front_end, self.args.alidir)
        self.language.write_held_out(out, [self.directory])
        if trainer.rows:
            training.write_log(out / "train.log.jsonl", trainer.rows)
            training.draw(out / "progress.png", trainer.rows, f"{config['arch']}, "
                          f"{config['num_params'] / 1e6:.2f} million parameters")
        # Counted in the file, not in what was to be written.
        written = load_model(out / "final.keras")
        layers = count_zeros(written)
        zeros, weights = (sum(row[what] for row in layers) for what in ("zeros", "weights"))
        result = {
            **about, "source": str(self.directory), "options": self.told,
            "num_params": config["num_params"],
            "nonzero": config["num_params"] - zeros, "sparsity": zeros / weights,
            "bytes": (out / "final.keras").stat().st_size,
            "before": {"num_params": self.size,
                       "bytes": (self.directory / "final.keras").stat().st_size},
            "held_out_loss": self.losses, "layers": layers,
            "seconds": round(time.time() - self.started, 2)}
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        return result

    def _counted(self, model):
        from steps.nnet.architectures import macs_per_second, num_params
        shift = self.config.get("frame_shift", 0.01)
        return {**config_to_train(self.config), **self.changed, "num_params": num_params(model),
                "macs_per_second": macs_per_second(model, shift)}

    def _check_inputs(self):
        training.check_inputs(self.args.data, self.args.alidir)
        for name in FILES:
            if not (self.directory / name).is_file():
                raise UserError(self.directory / name, "no such file",
                                "take a network that can be trained, of steps/nnet")
        training.check_tree(self.args.alidir, self.directory)


def is_mixture(model):
    """Whether a network is one of steps/transfer/mix.py, or one of these given more frames."""
    from steps.nnet.layers import MixPosteriors
    return isinstance(model.layers[-1], MixPosteriors)
