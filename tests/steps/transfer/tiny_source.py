"""Source networks of each architecture, tiny and of random weights."""

import numpy as np

from steps.features.pipeline import FeaturePipeline, make_front_end
from steps.hmm.model import read_transitions
from steps.nnet.training import write_directory
from utils.data.datadir import DataDir

RECURRENT = {"hidden_dim": 6, "num_layers": 2, "window": 1, "warm_up": 2}
SIZES = {
    "dnn": {"hidden_dim": 12, "num_layers": 2, "window": 3},
    "cnn": {"channels": (4, 6), "hidden_dim": 12, "window": 1, "offsets": (1,)},
    "tdnn": {"hidden_dim": 12, "window": 1, "offsets": (1, 1)},
    "tdnnf": {"hidden_dim": 12, "bottleneck_dim": 4, "window": 1, "offsets": (1, 1)},
    "rnn": {**RECURRENT, "look_ahead": 1}, "gru": {**RECURRENT, "look_ahead": 1},
    "lstm": {**RECURRENT, "look_ahead": 1}, "blstm": RECURRENT}


def tiny_model(arch, feat_dim=13, num_pdfs=9, seed=3, **sizes):
    """A network none of whose numbers is one that layers begin with."""
    from steps.nnet.architectures import add_output, build_trunk
    from steps.nnet.tf import seed as set_seed
    set_seed(seed)
    trunk, left, right = build_trunk(arch, SIZES[arch] | sizes, feat_dim)
    model, rng = add_output(trunk, num_pdfs), np.random.default_rng(seed)
    for variable in model.weights:
        value = np.asarray(variable)
        variable.assign(value + 0.2 * rng.random(value.shape))
    return model, left, right


def make_source(path, data, alidir, arch="tdnn", seed=3):
    """A network directory for the pdfs of alignments."""
    front_end, transitions = make_front_end(data, norm_vars=True, deltas=0), read_transitions(
        alidir / "final.mdl")
    dim = FeaturePipeline(DataDir(data), front_end).dim
    model, left, right = tiny_model(arch, dim, transitions.num_pdfs, seed)
    priors = np.random.default_rng(seed).dirichlet(np.full(transitions.num_pdfs, 5.0))
    write_directory(path, model, {
        "arch": arch, "sizes": SIZES[arch], "feat_dim": dim, "frame_shift": 0.01,
        "subsampling": 3, "left_context": left, "right_context": right,
        "num_pdfs": transitions.num_pdfs}, priors, transitions, front_end, alidir)
    return path
