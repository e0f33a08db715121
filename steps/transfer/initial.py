"""The network that a transfer begins with: hidden layers of the source, an output for the target.

It is a network directory of its own, made once: a training that was killed finds it again, and
with a mapped output it recognises the target before any training.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steps.features.pipeline import FeaturePipeline, check_same_features, read_feats_config
from steps.hmm.model import read_transitions
from steps.nnet.jobs import read_front_end
from steps.nnet.network import (
    FILES,
    PRIOR_FLOOR,
    config_to_train,
    priors_of,
    read_config,
    read_model,
)
from steps.nnet.training import check_dim, write_directory
from steps.transfer import widen
from steps.transfer.pdf_map import check_map, read_pdf_map
from utils.json_file import read_json
from utils.step import UserError, log

KEY = "initial.json"


@dataclass
class Plan:
    """What the network to begin with is to be.

    states        {hidden layer: "copied" or "reset"}
    output        "new", "map" or "copy";  pdf_map  directory of map_phones.py, for "map"
    new_layers    {"hidden_dim", "num"} or {}
    transitions   TransitionModel of the target;  tree_dir  where its tree and phones.txt are
    label_priors  float64 (num_pdfs,) of the target's alignments, or None without any
    """

    states: dict
    output: str
    pdf_map: str
    new_layers: dict
    transitions: object
    tree_dir: Path
    front_end: dict
    label_priors: np.ndarray | None
    seed: int


class Source:
    """What a source network's directory says, without its weights."""

    def __init__(self, path):
        self.path = Path(path)
        self.config = config_to_train(read_config(self.path))
        for name in FILES:
            if not (self.path / name).is_file():
                raise UserError(self.path / name, "no such file", "train a network with steps/nnet")
        self.front_end = read_front_end(self.path)
        self.transitions = read_transitions(self.path / "final.mdl")
        self.files = [self.path / name for name in FILES]
        self.inputs = None    # (first, feat_dim) of widen.place_in()
        self.hearing = []     # layers that hear new inputs
        self._narrow = self.config

    def hear_more(self, data_dir):
        """Take the features of a data directory, of which those that it knows are a part."""
        found = read_feats_config(data_dir)
        self.inputs = widen.place_in(self.front_end.get("feats") or {}, found, data_dir)
        self.config = widen.widened_config(self.config, *self.inputs, self.path)
        self.front_end = {**self.front_end, "feats": found}
        self.model()
        new = self.config["feat_dim"] - self._narrow["feat_dim"]
        log(f"{data_dir}: {new} values a frame beside the {self._narrow['feat_dim']} that "
            f"{self.path} knows; their weights begin at 0, where their layer is copied")

    def priors(self):
        return np.maximum(priors_of(self.path, self.config), PRIOR_FLOOR)

    def model(self):
        model = read_model(self.path)
        if self.inputs:
            model, self.hearing = widen.widen(model, self._narrow, *self.inputs, self.path)
        return model


def front_end_for(source, data, other_features=False):
    """front_end.json of the new network: how the source normalised features, of the target's data.

    UserError unless they are the features that the source knows; with other_features their number
    is enough, as for fMLLR features of two systems.
    """
    found = read_feats_config(data.path)
    if not other_features:
        check_same_features(source.front_end.get("feats"), found, data.path)
    front_end = {**source.front_end, "cmvn": source.front_end["cmvn"], "feats": found}
    check_dim(data, FeaturePipeline(data, front_end).dim, source.path, source.config)
    return front_end


def map_priors(pdf_map, priors):
    """Priors of target pdfs: each source pdf's is shared out by the weights in its column.

    pdf_map  (num_target, num_source);  priors  (num_source,)
    returns  float64 (num_target,)
    """
    shares = pdf_map / np.maximum(pdf_map.sum(0), PRIOR_FLOOR)
    mapped = np.maximum(shares @ priors, PRIOR_FLOOR)
    return mapped / mapped.sum()


def map_output(kernel, bias, priors, pdf_map, target_priors):
    """Kernel and bias of an output layer whose scores are weighted means of the source's.

    log p(x|t) is the mean of log p(x|s) over source pdfs s, by the map; the logit adds log p(t).

    kernel   (hidden_dim, num_source);  bias, priors  (num_source,)
    """
    return (kernel @ pdf_map.T).astype(np.float32), \
        (pdf_map @ (bias - np.log(priors)) + np.log(target_priors)).astype(np.float32)


def make_initial(directory, key, source, plan):
    """Write the directory of the network to begin with, unless it is there and of the same key.

    returns  the name of its first layer that is not the source's
    """
    directory = Path(directory)
    if (directory / KEY).is_file():
        made = read_json(directory / KEY, f"remove {directory}")
        if made.get("key") == key and all((directory / name).is_file() for name in FILES):
            log(f"{directory}: is there, and is used as it is")
            return made["joint"]
    from steps.nnet.architectures import macs_per_second, num_params
    from steps.nnet.size import context
    model, joint, priors = build(source, plan)
    left, right, _ = context(model)
    shift = plan.front_end["feats"].get("frame_shift", source.config.get("frame_shift", 0.01))
    config = {**source.config, "frame_shift": shift, "left_context": left,
              "right_context": right, "num_pdfs": plan.transitions.num_pdfs,
              "num_params": num_params(model), "macs_per_second": macs_per_second(model, shift)}
    work = directory.with_name(f".{directory.name}.tmp")
    shutil.rmtree(work, ignore_errors=True)
    write_directory(work, model, config, priors, plan.transitions, plan.front_end, plan.tree_dir)
    (work / KEY).write_text(json.dumps({"key": key, "joint": joint}) + "\n")
    shutil.rmtree(directory, ignore_errors=True)
    work.rename(directory)
    return joint


def build(source, plan):
    """The network to begin with, the name of its first layer that is not the source's, priors."""
    from steps.nnet.tf import seed
    from steps.transfer import graft
    seed(plan.seed)
    old = source.model()
    output, num_pdfs = graft.output_of(old, source.path), plan.transitions.num_pdfs
    for layer in graft.hidden_layers(old, source.path):
        if plan.states[layer.name] == "reset":
            graft.reset(layer)
    model, joint = graft.graft(old, num_pdfs, plan.new_layers)
    layer, priors = graft.output_of(model), source.priors()
    if plan.output != "new" and "reset" in plan.states.values():
        log(f"WARNING --output {plan.output} sets outputs of the source on hidden layers that are "
            "reset and say something else; --output new begins no worse")
    if plan.output == "copy":
        layer.set_weights(output.get_weights())
    elif plan.output == "map":
        check_map(plan.pdf_map, plan.tree_dir, source.path)
        pdf_map = read_pdf_map(plan.pdf_map, num_pdfs, source.config["num_pdfs"]).toarray()
        mapped = plan.label_priors
        mapped = map_priors(pdf_map, priors) if mapped is None else mapped
        layer.set_weights(map_output(*output.get_weights(), priors, pdf_map, mapped))
        priors = mapped
    else:
        priors = np.full(num_pdfs, 1 / num_pdfs)
    graft.reseed(model, plan.seed)
    graft.free(model)
    return model, joint, priors
