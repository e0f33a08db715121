#!/usr/bin/env python3
"""Align a data directory with a network.

The alignments can train another network, or a GMM system and its tree. Utterances that fail at
--beam are tried at the wider --retry-beams; what still fails is listed with its reason.

in   <data>/feats.scp cmvn.scp text utt2spk    features as <network> was trained on; words
     <lang>/L.fst phones.txt
     <network>/final.keras config.json priors final.mdl tree front_end.json phones.txt
out  <alidir>/ali.JOB.gz                       transition-id of each frame
     <alidir>/unaligned.txt                    utt-id and why it did not align
     <alidir>/final.mdl tree front_end.json phones.txt num_jobs, copied

e.g. steps/nnet/align.py data/train data/lang exp/tdnn exp/tdnn_ali
"""

from pathlib import Path

import numpy as np

from steps.hmm import align, training
from steps.hmm.ali import write_ali
from steps.hmm.model import check_phones, read_transitions
from steps.hmm.train_graph import GraphBuilder, read_lexicon
from steps.hmm.tree import Tree, tree_of
from steps.hmm.viterbi import align_utt
from steps.nnet.jobs import check_network, network_of, pipeline_of
from steps.nnet.network import FILES
from utils.data.datadir import DataDir
from utils.lang.langdir import LangDir
from utils.step import Step

COPIED = ("final.mdl", "tree", "front_end.json", "phones.txt")


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    align.add_options(step)
    args = step.parse(argv)
    if step.is_job:
        return align_share(args)
    network = Path(args.srcdir)
    if step.up_to_date(args.alidir, align.inputs_of(args, FILES)):
        return 0
    data, lang = training.open_data(args)
    check_network(network, data)
    tree_of(network, "train the network again")
    check_phones(network, lang)
    return step.finish(align.run(step, data, step.num_jobs(len(data.utts)), COPIED))


def align_share(args):
    """One job: align its utterances one after the other, write them and a summary."""
    data, lang, directory = DataDir(args.data), LangDir(args.lang), Path(args.srcdir)
    network, pipeline = network_of(directory, args.nj), pipeline_of(directory, data)
    transitions = read_transitions(directory / "final.mdl")
    builder = GraphBuilder(read_lexicon(lang), transitions, Tree.read(directory / "tree"))
    log_probs, beams = transitions.scaled_log_probs(), (args.beam, *args.retry_beams)
    tally = {"failed": [], "log_like": 0.0, "frames": 0, "retried": 0}

    def aligned():
        for utt in data.utts_by_job(args.job, args.nj):
            if utt not in data.feats_scp or utt not in data.text:
                continue
            feats = pipeline.load(utt)
            found = align_utt(builder.build(lang.word_ids(data.text[utt].split())), transitions,
                              len(feats), columns_of(network, feats), log_probs, beams)
            if found.tids is None:
                tally["failed"].append(f"{utt} {found.why}")
                continue
            tally["log_like"] += found.log_like
            tally["frames"] += len(feats)
            tally["retried"] += found.attempt > 0
            yield utt, found.tids

    write_ali(Path(args.work) / f"ali.{args.job}.gz", aligned())
    align.write_summary(args, **tally)
    return 0


def columns_of(network, feats):
    """Function: pdfs int (n,) -> the network's scores of an utterance, float32 (num_frames, n)."""
    return lambda pdfs: np.concatenate([block[:, pdfs] for block in
                                        network.log_like_blocks(feats)])


if __name__ == "__main__":
    raise SystemExit(main())
