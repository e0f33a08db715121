"""What the triphone systems share on the driver's side: the tree, EM with growing mixtures.

train_deltas.py, train_lda_mllt.py and train_sat.py differ in their features and in what happens
between the iterations; the rest is here and, on the workers' side, in triphone_worker.py.
"""

from pathlib import Path

import kaldiio
import numpy as np

from steps.features.archive import matrices_of, matrix_of
from steps.features.pipeline import FeaturePipeline
from steps.hmm import gmm, training
from steps.hmm.build_tree import build_tree
from steps.hmm.mllt import MlltStats, estimate_mllt
from steps.hmm.model import write_model
from steps.hmm.questions import all_questions, cluster_phones
from steps.hmm.topology import read_topo
from steps.hmm.transitions import TransitionModel
from steps.hmm.tree_stats import TreeStats, merge
from utils.json_file import read_json
from utils.option_types import finite, zero_or_more
from utils.step import UserError, log, positive

MIN_COUNT = 20      # frames that a Gaussian needs before another one is added


def add_options(step, leaves, gaussians, power):
    step.add("--num-leaves", type=positive, default=leaves,
             help=f"most leaves of the tree (default {leaves})")
    step.add("--total-gaussians", type=positive, default=gaussians,
             help=f"of all leaves (default {gaussians})")
    step.add("--power", type=zero_or_more, default=power,
             help=f"a pdf's share of Gaussians goes by occupancy ** power (default {power})")
    step.add("--tree-threshold", type=zero_or_more, default=800.0,
             help="least log-likelihood that a split of the tree gains, in nats (default 800)")
    step.add("--cluster-threshold", type=finite, default=-1.0,
             help="merge leaves that lose less likelihood than this; negative: less than the "
                  "smallest gain of a split (default -1)")
    step.add("--var-smoothing", type=zero_or_more, default=10.0,
             help="frames as varied as the whole pdf that each variance counts in (default 10)")
    step.add("--realign-iters", type=iterations, default=(10, 20, 30), metavar="'10 20 30'",
             help="iterations that begin with a new alignment")
    training.add_em_options(step, iterations=35)
    step.add("data", help="data directory with features")
    step.add("lang", help="lang directory")
    step.add("alidir", help="directory with alignments of the data and their model")
    step.add("dir", help="model directory to make")


def front_end_of(alidir):
    """front_end.json of a model directory, and its LDA matrix (final.mat) or None."""
    path = Path(alidir) / "front_end.json"
    front_end = read_json(path, "give a directory of steps/hmm/align.py")
    matrix = Path(alidir) / "final.mat"
    if not matrix.is_file():
        return front_end, None
    return front_end, np.asarray(matrix_of(matrix), np.float32)


def open_features(directory, data, model, transforms=None):
    """FeaturePipeline of a model directory; UserError unless it makes what the Gmm model wants.

    data  DataDir;  transforms  {spk: float32 (dim, dim + 1)} or None
    """
    feats = FeaturePipeline(data, *front_end_of(directory), transforms=transforms)
    if feats.dim != model.dim:
        raise UserError(f"{data.path}/feats.scp", f"makes {feats.dim} values a frame, "
                        f"{directory}/final.mdl has {model.dim}", "make the features alike")
    return feats


def read_transforms(directory):
    """{spk: float64 (dim, dim + 1)} of a directory's trans.JOB; {} if it is not adapted."""
    transforms = {}
    for path in sorted(Path(directory).glob("trans.*")):
        for spk, matrix in matrices_of(path):
            transforms[spk] = np.array(matrix, np.float64)
    return transforms


def grow_tree(trainer, args):
    """Tree from the aligned frames' statistics; written for the workers, which convert to it."""
    topo = read_topo(trainer.lang.path / "topo")
    answers = trainer.call("tree_stats")
    stats = merge(TreeStats(a["keys"], a["counts"], a["x"], a["x2"]) for a in answers)
    require_frames(stats.counts, args)
    training.check_all_aligned(args.alidir, trainer.data, [
        utt for answer in answers for utt in answer["without"].tolist()])
    classes = {p: topo.num_pdf_classes(p) for p in topo.phones}
    middle = classes[trainer.lang.nonsilence_phones[0]] // 2
    phones = cluster_phones(stats, trainer.lang.sets, (middle,)) + trainer.lang.extra_questions
    questions = all_questions(phones, 3, max(classes.values()))
    tree, report = build_tree(stats, trainer.lang.roots, questions, classes, args.num_leaves,
                              args.tree_threshold, args.cluster_threshold)
    log(f"tree: {report.num_leaves_grown} leaves, {tree.num_pdfs} after merging, "
        f"{report.gain:.2f} nats a frame gained, {-report.loss_by_merging:.2f} by merging")
    tree.write(trainer.work / "tree")
    trainer.check_unaligned(trainer.total("set_tree")["failed"].tolist())
    occ, x, x2 = stats.summed(tree.pdfs(stats.windows, stats.pdf_classes), tree.num_pdfs)
    var_floor = gmm.variance_floor(occ, x, x2)
    model = gmm.single_gaussians(occ, x, x2, var_floor)
    return tree, TransitionModel.from_tree(topo, tree), model, var_floor


def require_frames(counts, args):
    """UserError where no alignment could be used, as their lengths are not the features'."""
    if not counts.sum():
        raise UserError(args.alidir, f"no alignment is as long as its features in {args.data}",
                        "have the features changed? align anew")


def run_em(trainer, args, transitions, model, var_floor, between=lambda iteration, model: model):
    """Iterations of alignment (some), `between` (e.g. MLLT) and re-estimation; the last model.

    between  function(iteration, model) -> model, called before the statistics are taken
    """
    start, last = model.num_gauss, max(1, args.num_iters * 5 // 7)
    trainer.failed = []
    for iteration in range(1, args.num_iters + 1):
        if iteration in args.realign_iters:
            trainer.align(model, transitions)
        model = between(iteration, model)
        stats = trainer.total("accumulate", **model.to_arrays())
        frames = stats["occ"].sum()
        model, occ = model.update(stats, var_floor, smoothing=args.var_smoothing)
        log(f"iteration {iteration}: {model.num_gauss} Gaussians, log-likelihood "
            f"{stats['log_like'][0] / frames:.3f} a frame over {frames:.0f} frames")
        target = round(start + (args.total_gaussians - start) * min(1, iteration / last))
        if iteration < args.num_iters:
            model = model.mix_up(occ, target, args.power, MIN_COUNT, trainer.rng)
    return model


def finish(trainer, tree, transitions, model, lda=None):
    """Last alignment, and everything that a model directory holds."""
    trainer.align(model, transitions)
    num_failed = trainer.write_unaligned()
    trainer.call("write_ali")
    trainer.write_common(tree)
    if lda is not None:
        kaldiio.save_mat(str(trainer.out / "final.mat"), lda.astype(np.float32))
    write_model(trainer.out / "final.mdl", transitions, model)
    return (f"{tree.num_pdfs} pdfs, {model.num_gauss} Gaussians, "
            f"{len(trainer.data.utts) - num_failed} utterances aligned")


def mllt_step(trainer, model, lda):
    """One MLLT update: the new LDA matrix (sent to the workers), and the model in its space."""
    stats = trainer.total("mllt_stats", **model.to_arrays())
    matrix, gains = estimate_mllt(MlltStats(float(stats["beta"]), stats["G"]))
    log(f"MLLT: {gains[-1]:.3f} nats a frame gained over {float(stats['beta']):.0f} frames")
    lda = (matrix @ lda).astype(np.float64)
    trainer.call("set_lda", lda=lda.astype(np.float32))
    return lda, gmm.Gmm(model.offsets, model.weights, model.means @ matrix.T, model.vars)


def iterations(text):
    return tuple(int(part) for part in text.split())
