#!/usr/bin/env python3
"""Align a data directory with a trained GMM system.

With a speaker-adapted system (final.alimdl is there) a first alignment of unadapted features gives
each speaker's fMLLR transform, and the adapted features are aligned again. Utterances that fail
at --beam are tried at the wider --retry-beams; what still fails is listed with its reason.

in   <data>/feats.scp cmvn.scp text utt2spk    features as <srcdir> was trained on; words
     <lang>/L.fst phones.txt
     <srcdir>/final.mdl tree front_end.json final.mat final.alimdl
out  <alidir>/ali.JOB.gz                       transition-id of each frame
     <alidir>/trans.JOB                        spk-id float32 (dim, dim + 1), if adapted
     <alidir>/unaligned.txt                    utt-id and why it did not align
     <alidir>/final.mdl tree front_end.json final.mat phones.txt num_jobs, copied

e.g. steps/hmm/align.py data/train data/lang exp/tri1 exp/tri1_ali
"""

import json
import shutil
from pathlib import Path

import kaldiio
import numpy as np

from steps.features.pipeline import FeaturePipeline
from steps.hmm import training, triphones
from steps.hmm.fmllr import gain_line
from steps.hmm.model import check_phones, read_model
from steps.hmm.tree import Tree
from utils.option_types import above_zero, zero_or_more
from utils.step import Step, check_apart, log

COPIED = ("final.mdl", "final.alimdl", "tree", "front_end.json", "final.mat", "phones.txt")


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("--fmllr-min-count", type=zero_or_more, default=500.0,
             help="speech frames that a speaker needs to be adapted (default 500)")
    add_options(step)
    args = step.parse(argv)
    if step.is_job:
        return align_share(args)
    source = Path(args.srcdir)
    if step.up_to_date(args.alidir, inputs_of(args, COPIED)):
        return 0
    data, lang = training.open_data(args)
    check_phones(source, lang)
    triphones.open_features(source, data, read_model(source / "final.mdl")[1])
    adapted = (source / "final.alimdl").is_file()
    num_jobs = step.num_jobs(len(data.spk2utt) if adapted else len(data.utts),
                             "speakers" if adapted else "utterances")
    return step.finish(run(step, data, num_jobs, COPIED))


def add_options(step):
    """Options and arguments of every step that aligns."""
    step.add("--beam", type=above_zero, default=10.0, help="of scaled scores, in nats (default 10)")
    step.add("--retry-beams", type=beams, default=(40.0, 200.0), metavar="'40 200'",
             help="beams of further attempts (default '40 200')")
    step.add("data", help="data directory with features")
    step.add("lang", help="lang directory")
    step.add("srcdir", help="directory of the trained system")
    step.add("alidir", help="directory of alignments to make")


def inputs_of(args, names):
    """Files whose change makes alignments out of date; UserError if <alidir> is <srcdir>.

    names  of the files in <srcdir>
    """
    check_apart(args.alidir, args.srcdir)
    return training.data_inputs(args) + [Path(args.srcdir) / name for name in names]


def run(step, data, num_jobs, copied):
    """Run the jobs and make the directory of alignments of what they leave. Returns a summary."""
    source, alidir = Path(step.args.srcdir), Path(step.args.alidir)
    with step.output(alidir) as out:
        step.run_jobs(num_jobs, alidir / "log", out)
        summary = collect(data, out, num_jobs, alidir / "log")
        for name in copied:
            if (source / name).is_file():
                shutil.copyfile(source / name, out / name)
        (out / "num_jobs").write_text(f"{num_jobs}\n")
    return summary


def align_share(args):
    """One job: align its utterances, write them and a summary into the work directory."""
    source, work = Path(args.srcdir), Path(args.work)
    transitions, model = read_model(source / "final.mdl")
    front_end, lda = triphones.front_end_of(source)
    share = training.worker_share(args, load=False)
    share.set_pipeline(FeaturePipeline(share.data, front_end, lda))
    share.set_model(Tree.read(source / "tree"), transitions.topo)
    beams = (args.beam, *args.retry_beams)
    log_probs = transitions.scaled_log_probs()
    if (source / "final.alimdl").is_file():
        unadapted_transitions, unadapted = read_model(source / "final.alimdl")
        share.align(unadapted, unadapted_transitions.scaled_log_probs(), beams)
        for chooser in (unadapted, None):
            gained = share.estimate_transforms(model, args.fmllr_min_count, chooser)
            log(gain_line(gained, len(share.transforms), args.fmllr_min_count))
        kaldiio.save_ark(str(work / f"trans.{args.job}"),
                         {s: t.astype(np.float32) for s, t in share.transforms.items()})
    answer = share.align(model, log_probs, beams)
    share.write_ali(work / f"ali.{args.job}.gz")
    write_summary(args, **{k: answer[k].tolist() for k in ("failed", "log_like", "frames",
                                                           "retried")})
    return 0


def write_summary(args, failed, log_like, frames, retried):
    """What collect() reads of one job: lines `utt why`, and sums over what it aligned."""
    (Path(args.work) / f"summary.{args.job}.json").write_text(json.dumps(
        {"failed": failed, "log_like": log_like, "frames": frames, "retried": retried}))


def collect(data, out, num_jobs, log_dir):
    """unaligned.txt and the summary from those of the jobs."""
    parts = []
    for job in range(1, num_jobs + 1):
        path = out / f"summary.{job}.json"
        parts.append(json.loads(path.read_text()))
        path.unlink()
    failed = training.write_unaligned(out, data, [f for part in parts for f in part["failed"]],
                                      log_dir)
    frames, log_like, retried = (sum(p[k] for p in parts) for k in ("frames", "log_like",
                                                                    "retried"))
    return (f"{len(data.utts) - failed} of {len(data.utts)} utterances aligned, "
            f"{retried:.0f} of them with a wider beam, log-likelihood {log_like / frames:.3f} "
            f"a frame over {frames:.0f} frames")


def beams(text):
    return tuple(above_zero(part) for part in text.split())


if __name__ == "__main__":
    raise SystemExit(main())
