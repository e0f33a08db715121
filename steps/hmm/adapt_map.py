#!/usr/bin/env python3
"""Adapt a GMM system to a speaker, an accent or a channel: means between the old and the new.

A mean moves from where it was towards the mean of its frames in the new data, the further the more
frames there are: (tau * old + sum of frames) / (tau + number of frames), maximum a posteriori
(Gauvain and Lee 1994). Weights, variances, tree and transitions stay.

in   <data>/feats.scp cmvn.scp utt2spk    features as <srcdir> was trained on
     <alidir>/ali.JOB.gz trans.JOB        of steps/hmm/align.py, of the data with <srcdir>
     <srcdir>/final.mdl tree front_end.json final.mat phones.txt
out  <dir>/final.mdl                      adapted
     <dir>/tree front_end.json ...        copied; the graph of <srcdir> serves as well

e.g. steps/hmm/adapt_map.py data/ana exp/tri1_ali_ana exp/tri1 exp/tri1_map_ana
"""

import shutil
from pathlib import Path

import numpy as np

from steps.hmm.ali import check_path, each_ali
from steps.hmm.gmm import Gmm
from steps.hmm.model import read_model, write_model
from steps.hmm.triphones import open_features, read_transforms
from utils.data.datadir import DataDir
from utils.step import Step, UserError, check_apart

COPIED = ("tree", "front_end.json", "final.mat", "final.alimdl", "phones.txt")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--tau", type=float, default=20.0,
             help="frames that the old mean counts for (default 20)")
    step.add("data", help="data directory with features")
    step.add("alidir", help="alignments of it with srcdir's model")
    step.add("srcdir", help="system to adapt")
    step.add("dir", help="directory to make")
    args = step.parse(argv)
    source = Path(args.srcdir)
    inputs = [*(Path(args.data) / name for name in ("feats.scp", "feats.json", "cmvn.scp",
                                              "utt2spk")),
              Path(args.alidir) / "final.mdl",
              *sorted(Path(args.alidir).glob("ali.*.gz")),
              *sorted(Path(args.alidir).glob("trans.*")),
              *(source / name for name in ("final.mdl", *COPIED))]
    check_apart(args.dir, args.srcdir, args.alidir)
    if step.up_to_date(args.dir, inputs):
        return 0
    if not 0 <= args.tau < np.inf:
        raise UserError("--tau", f"is {args.tau:g}", "expected 0 or more frames")
    transitions, model = read_model(source / "final.mdl")
    if not (Path(args.alidir) / "final.mdl").is_file():
        raise UserError(f"{args.alidir}/final.mdl", "no such file",
                        "align the data with the system that is to be adapted")
    if (Path(args.alidir) / "final.mdl").read_bytes() != (source / "final.mdl").read_bytes():
        raise UserError(f"{args.alidir}/final.mdl", f"is not the model of {source}",
                        "align the data with the system that is to be adapted")
    pipeline = open_features(source, DataDir(args.data), model,
                             read_transforms(args.alidir) or None)
    stats, num_utts = statistics(model, transitions, pipeline, args.alidir)
    if not num_utts:
        raise UserError(f"{args.alidir}/ali.*.gz", f"none of the utterances of {args.data}",
                        "align this data")
    adapted = adapt_means(model, stats, args.tau)
    with step.output(args.dir) as out:
        write_model(out / "final.mdl", transitions, adapted)
        for name in COPIED:
            if (source / name).is_file():
                shutil.copyfile(source / name, out / name)
    moved = int((stats["occ"] > args.tau).sum())
    return step.finish(f"{args.dir}: {num_utts} utterances, {stats['occ'].sum():.0f} frames; "
                       f"{moved} of {model.num_gauss} means moved more than half way")


def statistics(model, transitions, pipeline, alidir):
    """Sums of Gmm.accumulate() over the aligned utterances of a FeaturePipeline, and their number.

    Utterances are read one by one.
    """
    stats, count, wanted = model.accumulate(np.zeros((0, model.dim), np.float32), []), 0, \
        set(pipeline.utts)
    for utt, tids in each_ali(alidir, wanted):
        feats = pipeline.load(utt)
        if len(feats) != len(tids):
            raise UserError(f"{alidir}/ali.*.gz", f"{utt} has {len(tids)} frames, its features "
                            f"{len(feats)}", "align anew")
        check_path(alidir, utt, tids, transitions)
        part = model.accumulate(feats, transitions.tid2pdf[tids])
        stats = {name: stats[name] + part[name] for name in stats}
        count += 1
    return stats, count


def adapt_means(model, stats, tau):
    """A Gmm whose means are those of maximum a posteriori.

    stats  sums of Gmm.accumulate();  tau  frames that an old mean counts for
    """
    occ = stats["occ"][:, None]
    total = occ + tau
    means = np.where(total > 0, (tau * model.means + stats["x"]) / np.where(total > 0, total, 1),
                     model.means)
    return Gmm(model.offsets, model.weights, means, model.vars)


if __name__ == "__main__":
    raise SystemExit(main())
