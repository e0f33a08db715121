"""Features of an utterance, adapted by what is known of its speaker from other utterances.

A transform that is estimated on an utterance's own transcript draws its features towards it. What
is trained on such features relies on that, and finds less of it where transcripts are hypotheses.
"""

import numpy as np

from steps.features.transform import apply_affine
from steps.hmm.fmllr import estimate_fmllr
from steps.hmm.share import fmllr_stats


def leave_one_out(model, feats, pdfs, transform, min_count):
    """An fMLLR transform for each utterance of a speaker, estimated from the speaker's others.

    model      Gmm of speaker adaptive training
    feats      {utt: float32 (num_frames, dim)}, not adapted
    pdfs       {utt: int (num_frames,)}, -1 for frames that do not count, such as silence
    transform  float (dim, dim + 1), the speaker's, which is begun with
    min_count  frames of others below which it stays as it is
    returns    {utt: float64 (dim, dim + 1)}
    """
    own = {}
    for utt, base in feats.items():
        counted = pdfs[utt] >= 0
        base = np.ascontiguousarray(base[counted])
        own[utt] = fmllr_stats(model, apply_affine(base, transform), pdfs[utt][counted],
                               before=base)
    total = type(next(iter(own.values()))).sum(own.values())
    return {utt: estimate_fmllr(total - stats, min_count, start=transform)[0]
            for utt, stats in own.items()}
