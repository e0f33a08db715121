"""A worker of the triphone systems: one Share, and its answers to the driver's tasks."""

from pathlib import Path

import kaldiio
import numpy as np

from steps.hmm import gmm, training
from steps.hmm.ali import check_path, read_ali
from steps.hmm.lda import LdaStats
from steps.hmm.model import read_transitions
from steps.hmm.tree import Tree
from steps.hmm.tree_stats import accumulate
from steps.hmm.triphones import front_end_of, read_transforms


def serve(args, features):
    """Answer the driver until it is done. Returns 0.

    features  "own": front_end.json's of the driver; "aligned": those that were aligned, with
              alidir's LDA matrix and transforms; "lda": the driver sends the matrix
    """
    from utils.parallel.pool import serve as serve_tasks

    worker = TriphoneWorker(args)
    if features == "aligned":
        own = {worker.share.data.utt2spk[utt] for utt in worker.share.utts}
        worker.share.transforms = {spk: transform for spk, transform
                                   in read_transforms(args.alidir).items() if spk in own}
        worker.set_lda({"lda": front_end_of(args.alidir)[1]})
    elif features == "own":
        worker.set_lda({"lda": None})
    tasks = (worker.set_lda, worker.lda_stats, worker.tree_stats, worker.set_tree,
             worker.mllt_stats, worker.estimate_transforms, worker.accumulate_two,
             worker.write_transforms)
    serve_tasks(worker.work / "pool", args.job, {
        **training.common_handlers(worker.share, args, worker.work.parent),
        **{task.__name__: task for task in tasks}})
    return 0


class TriphoneWorker:
    """Each method but the first answers a task: arrays in, arrays out (see utils/parallel/pool.py).

    share  Share of this job;  old  TransitionModel of the alignments in alidir
    """

    def __init__(self, args):
        self.args, self.work = args, Path(args.work)
        self.share = training.worker_share(args, load=False)
        self.old = read_transitions(Path(args.alidir) / "final.mdl")
        self.alignments = read_ali(args.alidir, set(self.share.utts))
        self.started = False

    def set_lda(self, m):
        """Load the features through another LDA matrix, and at first take the alignments."""
        share = self.share
        share.set_pipeline(training.worker_pipeline(self.args, share.data, m["lda"]))
        if not self.started:
            self.started = True
            share.transitions = self.old
            share.silence = np.isin(self.old.tid2phone, share.lang.silence_phones)
            share.set_alignments(self.alignments)
            for utt, tids in share.tids.items():
                check_path(self.args.alidir, utt, tids, self.old)
        return {}

    def lda_stats(self, m):
        """LdaStats of the spliced features by the alignments' pdfs, silence left out; "frames" of
        all."""
        pipeline = training.worker_pipeline(self.args, self.share.data)
        stats = LdaStats.of(np.zeros((0, pipeline.dim)), np.zeros(0, int), self.old.num_pdfs)
        speech, frames = ~np.isin(self.old.tid2phone, self.share.lang.silence_phones), 0
        for utt in self.share.utts:
            if utt in self.alignments:
                tids, feats = self.alignments[utt], pipeline.load(utt)
                if len(tids) == len(feats):
                    check_path(self.args.alidir, utt, tids, self.old)
                    stats.add(feats, self.old.tid2pdf[tids], speech[tids])
                    frames += len(tids)
        return {"counts": stats.counts, "x": stats.x, "x2": stats.x2, "frames": np.array(frames)}

    def tree_stats(self, m):
        windows, classes = self.share.windows()
        stats = accumulate(windows, classes, self.share.aligned_feats(),
                           ci_phones=self.share.lang.context_indep)
        without = [utt for utt in self.share.utts if utt not in self.share.tids]
        return {"keys": stats.keys, "counts": stats.counts, "x": stats.x, "x2": stats.x2,
                "without": np.array(without, str)}

    def set_tree(self, m):
        """Read the new tree, which the driver has written, and convert the alignments to it.

        returns {"failed": lines `utt why` of what no model can align}
        """
        tree, aligned = Tree.read(self.work / "tree"), self.share.tids
        self.share.set_model(tree, self.old.topo)
        self.share.set_alignments(aligned, self.old, tree)
        return {"failed": self.share.hopeless()}

    def mllt_stats(self, m):
        stats = self.share.mllt_stats(gmm.from_arrays(m))
        return {"beta": np.array(stats.beta), "G": stats.G}

    def estimate_transforms(self, m):
        return self.share.estimate_transforms(gmm.from_arrays(m), float(m["min_count"]))

    def accumulate_two(self, m):
        return self.share.accumulate_two(gmm.from_arrays(m))

    def write_transforms(self, m):
        kaldiio.save_ark(str(self.work.parent / f"trans.{self.args.job}"), {
            spk: transform.astype(np.float32) for spk, transform in self.share.transforms.items()})
        return {}
