"""Jobs that score utterances with a network: what is checked before them, and what each loads."""

import os
from pathlib import Path

from steps.features.pipeline import FeaturePipeline
from steps.hmm.model import read_transitions
from steps.nnet.network import is_compiled, read_config, read_network
from utils.json_file import read_json
from utils.step import UserError, log


def check_network(directory, data):
    """UserError unless a network directory is whole and a DataDir has the features it wants.

    TensorFlow is not needed for this. Returns config.json, the TransitionModel, FeaturePipeline.
    """
    directory = Path(directory)
    config = read_config(directory)
    transitions = read_transitions(directory / "final.mdl")
    if transitions.num_pdfs != config["num_pdfs"]:
        raise UserError(directory / "final.mdl", f"has {transitions.num_pdfs} pdfs, config.json "
                        f"{config['num_pdfs']}", "the files are of different networks")
    pipeline = pipeline_of(directory, data)
    if pipeline.dim != config["feat_dim"]:
        raise UserError(f"{data.path}/feats.scp", f"makes {pipeline.dim} values a frame, "
                        f"{directory}/config.json has {config['feat_dim']}",
                        "make the features alike")
    return config, transitions, pipeline


def pipeline_of(directory, data, transforms=None):
    """FeaturePipeline of a DataDir as a network's front_end.json wants it."""
    return FeaturePipeline(data, read_front_end(directory), transforms=transforms)


def read_front_end(directory):
    """The dict of a network directory's front_end.json."""
    path = Path(directory) / "front_end.json"
    front_end = read_json(path, "train the network again")
    # Features that Kaldi made tell nothing of themselves: {}
    front_end["feats"] = front_end.get("feats") or {}
    if not isinstance(front_end["feats"], dict):
        raise UserError(path, "is damaged, feats is no object", "train the network again")
    return front_end


def network_of(directory, num_jobs):
    """The Network, for one of num_jobs jobs; where there are several, each takes one thread.

    GRAFT_THREADS in the environment is another number. To be called before TensorFlow is loaded,
    which a LiteRT model does without.
    """
    if num_jobs > 1:
        os.environ.setdefault("GRAFT_THREADS", "1")
    if is_compiled(directory):
        from steps.nnet.litert import devices
    else:
        from steps.nnet.tf import devices
    log(f"{directory}: network on {devices()}")
    return read_network(directory)
