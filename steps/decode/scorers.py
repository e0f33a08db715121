"""What gives the decoder its scores: functions from an utterance's id to blocks of its frames'."""

from pathlib import Path

from steps.features.pipeline import FeaturePipeline
from steps.hmm.model import read_model
from steps.hmm.triphones import front_end_of
from steps.nnet.jobs import network_of, pipeline_of
from steps.nnet.network import is_network


def scorer_of(model_dir, data, num_jobs=1):
    """The scorer of a model directory, GMM-HMM or network, for one of num_jobs jobs."""
    if is_network(model_dir):
        return network_scorer(model_dir, data, num_jobs)
    return gmm_scorer(model_dir, data)


def gmm_scorer(model_dir, data, transforms=None, model_file="final.mdl"):
    """Log-likelihoods of a GMM-HMM.

    model_dir   directory with final.mdl, front_end.json, final.mat
    data        DataDir with features
    transforms  {spk: float32 (dim, dim + 1)}, fMLLR
    returns     utt -> iterator of float32 (some frames, num_pdfs), one block after the other
    """
    _, gmm = read_model(Path(model_dir) / model_file)
    pipeline = FeaturePipeline(data, *front_end_of(model_dir), transforms=transforms)
    return lambda utt: gmm.log_like_blocks(pipeline.load(utt))


def network_scorer(model_dir, data, num_jobs=1):
    """Log-posteriors of a network less its log-priors, which stand for log-likelihoods.

    returns  utt -> iterator of float32 (some frames, num_pdfs), one block after the other
    """
    network = network_of(model_dir, num_jobs)
    pipeline = pipeline_of(model_dir, data)
    return lambda utt: network.log_like_blocks(pipeline.load(utt))
