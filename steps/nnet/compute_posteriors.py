#!/usr/bin/env python3
"""Compute a network's posteriors, as soft targets for another network.

A temperature T divides the log-posteriors before they are normalised again, softmax(z / T): above
1 the targets say more about the pdfs that the network thinks less likely (Hinton et al. 2015).

in   <data>/feats.scp cmvn.scp utt2spk    features as <network> was trained on
     <network>/final.keras config.json front_end.json final.mdl
out  <dir>/post.scp                       utt-id archive:offset, float32 (num_out, num_pdfs), rows
                                          sum to 1; num_out = num_frames / subsampling, rounded up
     <dir>/post.JOB.ark
     <dir>/post.json                      {"num_pdfs", "subsampling", "temperature", "made_from"}

e.g. steps/nnet/compute_posteriors.py --temperature 2 data/train exp/tdnn exp/tdnn_post
"""

import json
import shutil
from pathlib import Path

import numpy as np

from steps.features.archive import MatrixWriter
from steps.hmm.tree import tree_of
from steps.nnet.jobs import check_network, network_of, pipeline_of
from steps.nnet.network import FILES
from utils.data.datadir import DataDir
from utils.data.tables import read_table, write_table
from utils.step import Step, UserError, log


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("--temperature", type=float, default=1.0,
             help="above 1: softer targets (default 1)")
    step.add("data", help="data directory with features")
    step.add("network", help="network directory")
    step.add("dir", help="directory to make")
    args = step.parse(argv)
    if step.is_job:
        return compute_share(args)
    inputs = [Path(args.data) / name for name in ("feats.scp", "feats.json", "cmvn.scp", "utt2spk")]
    inputs += [Path(args.network) / name for name in FILES]
    if step.up_to_date(args.dir, inputs):
        return 0
    if not 0 < args.temperature < np.inf:
        raise UserError("--temperature", f"is {args.temperature:g}", "expected more than 0")
    config, _, pipeline = check_network(args.network, DataDir(args.data))
    num_jobs = step.num_jobs(len(pipeline.utts))
    tree = tree_of(args.network, "train the network again")
    with step.output(args.dir) as out:
        shutil.copyfile(tree, out / "tree")
        step.run_jobs(num_jobs, Path(args.dir) / "log", out)
        index = collect(out, num_jobs)
        (out / "post.json").write_text(json.dumps({
            "num_pdfs": config["num_pdfs"], "subsampling": config["subsampling"],
            "temperature": args.temperature,
            # Archives are not read to see whether they have changed; this tells.
            "made_from": step.key()}, indent=1) + "\n")
    return step.finish(f"{args.dir}: posteriors of {len(index)} utterances, "
                       f"{config['num_pdfs']} pdfs")


def compute_share(args):
    """One job: the posteriors of its utterances, and where each is."""
    data, work = DataDir(args.data), Path(args.work)
    network, pipeline = network_of(args.network, args.nj), pipeline_of(args.network, data)
    name = f"post.{args.job}.ark"
    with MatrixWriter(work / name, Path(args.dir) / name) as archive:
        for utt in data.utts_by_job(args.job, args.nj):
            if utt in data.feats_scp:
                feats = pipeline.load(utt)
                blocks = (posteriors(block, args.temperature)
                          for block in network.log_posterior_blocks(feats))
                archive.write_blocks(utt, -(-len(feats) // network.subsampling), blocks)
    write_table(work / f"post.{args.job}.scp", archive.index)
    log(f"{len(archive.index)} utterances")
    return 0


def posteriors(log_posteriors, temperature):
    """float32 (num_out, num_pdfs) log-posteriors -> softmax(log_posteriors / temperature)."""
    scaled = log_posteriors / np.float32(temperature)
    result = np.exp(scaled - scaled.max(1, keepdims=True))
    return result / result.sum(1, keepdims=True)


def collect(out, num_jobs):
    """post.scp of all jobs; returns it as a dict."""
    index = {}
    for job in range(1, num_jobs + 1):
        path = out / f"post.{job}.scp"
        index.update(read_table(path, empty_ok=True))
        path.unlink()
    write_table(out / "post.scp", index)
    return index


if __name__ == "__main__":
    raise SystemExit(main())
