"""From a data directory's feats.scp to what a model sees: CMVN, deltas or splicing, LDA, fMLLR.

    pipeline = FeaturePipeline(DataDir("data/test"), front_end, lda=lda, transforms=fmllr)
    for utt in pipeline.utts:
        feats = pipeline.load(utt)     # float32 (num_frames, pipeline.dim)
"""

from pathlib import Path

import numpy as np

from steps.features.archive import MatrixReader
from steps.features.cmvn import apply_cmvn
from steps.features.transform import apply_affine, in_context
from utils.json_file import read_json
from utils.step import UserError

CMVN = ("speaker", "utterance", "sliding", "none")
NOT_OPTIONS = {"fingerprint", "content", "parts"}


def read_feats_config(directory):
    """<directory>/feats.json: what its features are; {} where Kaldi made them and it is absent."""
    path = Path(directory) / "feats.json"
    return read_json(path, "make the features again") if path.exists() else {}


def make_front_end(directory, cmvn="speaker", norm_vars=False, deltas=2, splice=None):
    """The dict that a model directory keeps as front_end.json, for the features of <directory>."""
    if cmvn not in CMVN:
        raise ValueError(f"cmvn is one of {', '.join(CMVN)}, not {cmvn}")
    return {"cmvn": cmvn, "norm_vars": norm_vars, "deltas": deltas,
            "splice": list(splice) if splice else None, "feats": read_feats_config(directory)}


class FeaturePipeline:
    """The features of one data directory as one model wants them.

    data        DataDir with feats.scp, utt2spk and, for CMVN by speaker, cmvn.scp
    front_end   {"cmvn": "speaker" | "utterance" | "sliding" | "none", "norm_vars": False,
                "deltas": 2 or 0, "splice": [left, right] or None,
                "feats": feats.json of the training data, which data's own must equal}
    lda         float32 (out_dim, spliced_dim [+ 1]), applied after deltas and splicing
    transforms  {spk: float32 (dim, dim + 1)}, applied last
    """

    def __init__(self, data, front_end, lda=None, transforms=None):
        self.data = data
        self.front_end = front_end
        self.lda = lda
        self.transforms = transforms
        self.utts = [utt for utt in data.utts if utt in data.feats_scp]
        self._reader = MatrixReader()
        self._cmvn, self.raw_dim = {}, None
        if not self.utts:
            raise UserError(f"{data.path}/feats.scp", "no features of any utterance in utt2spk",
                            "run steps/features/make_mfcc.py")
        check_same_features(front_end.get("feats"), read_feats_config(data.path), data.path)
        self.raw_dim = self.raw(self.utts[0]).shape[1]
        expected = (front_end.get("feats") or {}).get("feat_dim", self.raw_dim)
        if expected != self.raw_dim:
            raise UserError(f"{data.path}/feats.scp", f"has {self.raw_dim} values a frame, the "
                            f"model was trained with {expected}", "make the features alike")
        if front_end["cmvn"] not in CMVN:
            raise UserError("front_end.json", f"cmvn is {front_end['cmvn']}",
                            f"one of {', '.join(CMVN)}")
        try:
            self.dim = self.load(self.utts[0]).shape[1]
        except ValueError as error:
            raise UserError(data.path, str(error),
                            "final.mat and transforms are of other features") from None

    def spread(self, count):
        """So many utterances, or all if there are fewer, spread over the data."""
        count = min(count, len(self.utts))
        return [self.utts[len(self.utts) * i // count] for i in range(count)]

    def raw(self, utt):
        """The features as they are in the archive, float32 (num_frames, raw_dim)."""
        if utt not in self.data.feats_scp:
            raise UserError(f"{self.data.path}/feats.scp", f"has no {utt}")
        feats = np.ascontiguousarray(self._reader.feats(self.data, utt), np.float32)
        if self.raw_dim is not None and feats.shape[1] != self.raw_dim:
            raise UserError(f"{self.data.path}/feats.scp", f"{utt} has {feats.shape[1]} values a "
                            f"frame, {self.utts[0]} {self.raw_dim}", "make them alike")
        return feats

    def load(self, utt):
        """The features after all that front_end, lda and transforms say.

        returns  float32 (num_frames, dim), C-contiguous
        """
        feats = in_context(self._normalised(utt), self.front_end)
        if self.lda is not None:
            feats = apply_affine(feats, self.lda)
        if self.transforms is not None:
            spk = self.data.utt2spk[utt]
            if spk not in self.transforms:
                raise UserError(self.data.path, f"no transform of speaker {spk} (utterance {utt})")
            feats = apply_affine(feats, self.transforms[spk])
        return np.ascontiguousarray(feats, np.float32)

    def _normalised(self, utt):
        by_speaker = self.front_end["cmvn"] == "speaker"
        return apply_cmvn(self.raw(utt), self.front_end,
                          self.stats(self.data.utt2spk[utt]) if by_speaker else None)

    def stats(self, spk):
        """A speaker's statistics of cmvn.scp, float64 (2, raw_dim + 1)."""
        if spk not in self._cmvn:
            if spk not in self.data.cmvn_scp:
                raise UserError(f"{self.data.path}/cmvn.scp", f"has no speaker {spk}",
                                "run steps/features/compute_cmvn.py")
            stats = self._reader.read(self.data.cmvn_scp[spk])
            if stats.shape != (2, self.raw_dim + 1) or not np.isfinite(stats).all() \
                    or stats[0, -1] < 1:
                raise UserError(f"{self.data.path}/cmvn.scp", f"what {spk} has are no statistics "
                                f"of {self.raw_dim} values a frame",
                                "run steps/features/compute_cmvn.py again")
            self._cmvn[spk] = stats
        return self._cmvn[spk]


def check_same_features(trained, found, directory):
    """A UserError naming both, and the first option that differs, unless the features are alike.

    trained, found  feats.json of the training data and of <directory>; where Kaldi made the
                    features there is none, and only their dimension can be compared
    """
    if not trained or not found or trained.get("fingerprint") == found.get("fingerprint"):
        return
    for key in sorted((set(trained) | set(found)) - NOT_OPTIONS):
        if trained.get(key) != found.get(key):
            difference = f"{key} is {found.get(key)}, and was {trained.get(key)} in training"
            break
    else:
        difference = ("the options are the same, and what they were made of was not: features of "
                      "another system, or feats.json was edited")
    raise UserError(
        f"{directory}/feats.json",
        f"features {found.get('fingerprint')} are not those the model was trained with, "
        f"{trained.get('fingerprint')}: {difference}",
        "make the features with the conf file of the training data")
