"""The network that a transfer trains: what it begins with, adapters, a teacher; and its files."""

import json
import math
import shutil

from steps.nnet import training
from steps.nnet.architectures import macs_per_second, num_params
from steps.nnet.network import load_model, read_config, read_priors, write_network
from steps.nnet.size import calls
from steps.nnet.tf import keras
from steps.transfer import adapters, graft, layer_plan
from steps.transfer.transfer_learner import Teacher, named_variables, row_name
from utils.step import log

FROM_SOURCE = ("final.mdl", "tree", "phones.txt", "front_end.json")


class Grown:
    """A network about to be trained, or trained.

    directory  Path of the network to begin with;  source  initial.Source
    joint      name of its first layer that is not the source's
    states     {hidden layer: "copied" or "reset"}
    .model .trunk .output   keras Models, features -> log-posteriors and -> hidden, and the Dense
    .rows      of layer_plan.make_plan();  .teacher  Teacher or None;  .config  of config.json
    """

    def __init__(self, directory, source, joint, states, args):
        self.directory, self.source, self.joint, self.args = directory, source, joint, args
        self.config = read_config(directory)
        self.kinds = layer_plan.parse_adapters(args.adapters)
        self.plain = self.model = load_model(directory / "final.keras")
        if self.kinds:
            self.model = adapters.insert(self.plain, self.kinds, self._whole(states))
            graft.reseed(self.model, args.seed)
        self.output = graft.output_of(self.model)
        self.trunk = keras.Model(self.model.inputs[0], self.output.input, name=self.plain.name)
        self.teacher = self._make_teacher() if args.distill else None
        self.rows = self._plan(states)

    @property
    def num_trained(self):
        """Parameters of the network that are learnt, without a teacher's."""
        if not self.args.num_epochs:
            return 0
        factors = {row.layer.name: row.factor for row in self.rows}
        return sum(math.prod(variable.shape)
                   for (name, _), variable in named_variables(self.model).items() if factors[name])

    def write(self, out, priors, rows, plan):
        """All files of the result but transfer.json.

        priors  float (num_pdfs,), or None for those of the network to begin with
        rows    of train.log.jsonl;  plan  initial.Plan
        """
        final = self.model
        if self.kinds:
            final = adapters.merge(self.model)
            graft.reseed(final, self.args.seed)
        graft.free(final)
        if priors is None:
            priors = read_priors(self.directory / "priors")
        self.config = self._counted(self.config, final)
        training.write_directory(out, final, self.config, priors, plan.transitions,
                                 plan.front_end, plan.tree_dir)
        if rows:
            training.write_log(out / "train.log.jsonl", rows)
            training.draw(out / "progress.png", rows, f"{self.config['arch']}, "
                          f"{self.num_trained / 1e6:.2f} million parameters trained")
        self._write_source(out / "source", final)
        if self.kinds:
            self._write_adapter(out, plan)

    def _write_source(self, out, final):
        """The source's output layer on the transferred layers, with the source's other files."""
        output = self.teacher.layer if self.teacher else graft.output_of(self.source.model())
        model, _ = graft.with_output(final, self.joint, output)
        out.mkdir()
        write_network(out, model, self._counted(self.source.config, model), self.source.priors())
        for name in FROM_SOURCE:
            shutil.copyfile(self.source.path / name, out / name)
        if self.source.inputs:
            (out / "front_end.json").write_text(
                json.dumps(self.source.front_end, indent=1) + "\n")

    def _write_adapter(self, out, plan):
        about = {"source": adapters.fingerprint(self.source.path), "adapters": self.kinds,
                 "new_layers": plan.new_layers, "num_pdfs": plan.transitions.num_pdfs,
                 "whole": self._whole(plan.states),
                 "output": self.args.output, "seed": self.args.seed}
        plain = adapters.base_of(self.source.model(), about)
        adapters.write_adapter(out / "adapter.npz", self.model, plain, about, {
            name: out / name for name in (*FROM_SOURCE, "priors", "config.json")})

    def _counted(self, config, model):
        shift = config.get("frame_shift", 0.01)
        return {**config, "num_params": num_params(model),
                "macs_per_second": macs_per_second(model, shift)}

    def _make_teacher(self):
        args, model = self.args, self.source.model()
        pupil, layer = graft.with_output(self.model, self.joint, graft.output_of(model))
        return Teacher(model, pupil, layer, args.distill, args.distill_temperature)

    def _state(self, name, states):
        if name == "output":
            return {"new": "new", "map": "mapped", "copy": "copied"}[self.args.output]
        return states.get(name, "new")

    def _whole(self, states):
        """Layers that are learnt whole, without LoRA."""
        return [layer.name for layer in self.plain.layers
                if layer.weights and self._state(layer.name, states) != "copied"]

    def _plan(self, states):
        """Rows of all layers with weights, from the input upwards."""
        layers = []
        for layer, _, _ in calls(self.model):
            shapes = {}
            for variable in layer.weights:
                shapes.setdefault(row_name(layer, variable), []).append(tuple(variable.shape))
            for name, of_row in shapes.items():
                state = self._state(name, states)
                layers.append(layer_plan.Layer(
                    name, tuple(of_row), state, graft.is_batchnorm(layer),
                    lora=len(shapes) > 1 and name == layer.name))
        if self.teacher:
            shapes = tuple(tuple(v.shape) for v in self.teacher.layer.weights)
            layers.append(layer_plan.Layer(layer_plan.SOURCE_OUTPUT, shapes))
        if self.args.batchnorm != "train" and not any(
                layer.batchnorm and layer.state == "copied" for layer in layers):
            log(f"--batchnorm {self.args.batchnorm} does nothing: no copied layer of "
                f"{self.config['arch']} is a batch norm")
        hidden, patterns = layer_plan.HIDDEN_FACTOR, [("output", 1.0)]
        if self.kinds:
            hidden, patterns = 0.0, []
        return layer_plan.make_plan(layers, patterns + layer_plan.parse_factors(
            self.args.lr_factors), self.args.batchnorm, hidden)
