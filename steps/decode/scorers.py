"""What gives the decoder its scores: functions from an utterance's id to (num_frames, num_pdfs)."""

from pathlib import Path

from steps.features.pipeline import FeaturePipeline
from steps.hmm.model import read_model
from steps.hmm.triphones import front_end_of


def gmm_scorer(model_dir, data, transforms=None, model_file="final.mdl"):
    """Log-likelihoods of a GMM-HMM.

    model_dir   directory with final.mdl, front_end.json, final.mat
    data        DataDir with features
    transforms  {spk: float32 (dim, dim + 1)}, fMLLR
    returns     utt -> float32 (num_frames, num_pdfs)
    """
    _, gmm = read_model(Path(model_dir) / model_file)
    pipeline = FeaturePipeline(data, *front_end_of(model_dir), transforms=transforms)
    return lambda utt: gmm.log_likes(pipeline.load(utt))
