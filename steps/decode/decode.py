#!/usr/bin/env python3
"""Decode a data directory with a GMM-HMM or a network and a graph, into lattices.

in   <graph>/HCLG.fst words.txt graph.json
     <data>/feats.scp cmvn.scp utt2spk
     <model>/final.mdl front_end.json               <model> is the directory above <decode>
     <model>/final.mat, or final.keras (model.tflite) config.json priors of a network
out  <decode>/lat.JOB.gz     Kaldi's archive of lattices, pruned to the lattice beam; transition-ids
                             to words, acoustic costs unscaled
     <decode>/num_jobs, log/decode.JOB.log          words and log-likelihood of each utterance

Utterances whose best path does not end in a final state are named; their lattices end anywhere.

e.g. steps/decode/decode.py --nj 2 exp/tri1/graph data/test exp/tri1/decode_test
"""

import json
from pathlib import Path

from utils.step import Step, UserError, check_apart, log

MANY_FAILED = 0.05   # share of utterances without a lattice that is an error


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    add_options(step)
    args = step.parse(argv)
    if step.is_job:
        return decode_share(args)
    if step.up_to_date(args.decode, inputs_of(args)):
        return 0
    utts = check_inputs(args)
    if (model_of(args) / "final.alimdl").is_file():
        log(f"{model_of(args)} is adapted to speakers, and features are decoded as they are: "
            "steps/decode/decode_fmllr.py adapts them")
    num_jobs = step.num_jobs(len(utts))
    with step.output(args.decode) as out:
        step.run_jobs(num_jobs, Path(args.decode) / "log", out)
        summary = collect(out, num_jobs, len(utts))
    return step.finish(f"{args.decode}: {summary}")


def add_options(step):
    """Options and arguments that decode.py and decode_fmllr.py share."""
    step.add("--beam", type=float, default=13.0, help="decoding beam (default 13)")
    step.add("--lattice-beam", type=float, default=6.0,
             help="how much worse than the best a path in the lattice may be (default 6)")
    step.add("--max-active", type=int, default=7000,
             help="tokens followed from frame to frame at most (default 7000)")
    step.add("--min-active", type=int, default=200, help="and at least (default 200)")
    step.add("--acwt", type=float, default=0.0833,
             help="scale of the acoustic scores (default 0.0833)")
    step.add("--model", default="", help="model directory (default: the one above <decode>)")
    step.add("graph", help="graph directory")
    step.add("data", help="data directory with features")
    step.add("decode", help="decode directory to make")


def inputs_of(args):
    """Files whose change makes a decode directory out of date; UserError if it is theirs."""
    from steps.nnet.network import MODELS
    model, graph, data = model_of(args), Path(args.graph), Path(args.data)
    check_apart(args.decode, model, graph, data)
    return [*(graph / f for f in ("HCLG.fst", "words.txt", "graph.json")),
            *(data / f for f in ("feats.scp", "cmvn.scp", "utt2spk", "feats.json")),
            *(model / f for f in ("final.mdl", "front_end.json", "final.mat", *MODELS,
                                  "config.json", "priors"))]


def model_of(args):
    """The model directory: --model, or the one above the decode directory."""
    return Path(args.model) if args.model else Path(args.decode).parent


def check_inputs(args):
    """The utterances to decode; UserErrors for what is not there or does not belong together."""
    from steps.decode.fingerprints import check_graph
    from steps.nnet.jobs import check_network
    from steps.nnet.network import is_network
    from utils.data.datadir import DataDir
    for name in {"beam", "lattice_beam", "first_beam", "acwt"} & set(vars(args)):
        if not 0 < getattr(args, name) < float("inf"):
            raise UserError(f"--{name.replace('_', '-')}", f"is {getattr(args, name):g}",
                            "expected more than 0")
    if args.max_active < 2:
        raise UserError("--max-active", f"is {args.max_active}", "expected at least 2")
    graph, model = Path(args.graph), model_of(args)
    for path in (graph / "HCLG.fst", graph / "words.txt"):
        if not path.is_file():
            raise UserError(path, "no such file", "make it with steps/decode/make_graph.py")
    if is_network(model):
        transitions, feats = check_network(model, DataDir(args.data))[1:]
    else:
        from steps.hmm.model import read_model
        from steps.hmm.triphones import open_features
        transitions, gmm = read_model(model / "final.mdl")
        feats = open_features(model, DataDir(args.data), gmm)
    check_graph(graph, model, transitions)
    return feats.utts


def decode_share(args):
    """One job: lattices of its utterances and a summary into the work directory."""
    from steps.decode.lattice import write_lattices
    from steps.decode.scorers import scorer_of
    job = Job(args)
    write_lattices(job.work / f"lat.{args.job}.gz",
                   job.lattices(scorer_of(job.model, job.data, args.nj), job.utts))
    return job.finish()


class Job:
    """What one job needs: graph, model directory, its utterances, and a tally of what it did."""

    def __init__(self, args):
        from steps.decode.decoding import Tally
        from steps.decode.decoding_graph import DecodingGraph
        from steps.decode.lattice_decoder import DecodeOptions
        from steps.hmm.model import read_transitions
        from utils.data.datadir import DataDir
        from utils.lang.langdir import read_symbols, symbol_list
        self.model, self.data, self.work = model_of(args), DataDir(args.data), Path(args.work)
        self.number = args.job
        self.transitions = read_transitions(self.model / "final.mdl")
        self.graph = DecodingGraph.read(Path(args.graph) / "HCLG.fst", self.transitions.tid2pdf)
        self.options = DecodeOptions(args.beam, args.lattice_beam, args.max_active,
                                     args.min_active, args.acwt)
        self.utts = [utt for utt in self.data.utts_by_job(args.job, args.nj)
                     if utt in self.data.feats_scp]
        self.symbols = symbol_list(read_symbols(Path(args.graph) / "words.txt"))
        self.tally = Tally()

    def lattices(self, scorer, utts):
        """(utt, Lattice) of utterances whose search came to something; each is logged."""
        from steps.decode.decoding import decode_utts
        for utt, lattice, words, log_like in decode_utts(self.graph, scorer, utts, self.options,
                                                         self.tally):
            log(f"{utt} {' '.join(self.symbols[w] for w in words)}")
            log(f"{utt}: log-likelihood {log_like:.4f} a frame, {self.tally.last_frames} frames, "
                f"{lattice.num_arcs} arcs")
            if lattice.num_states:
                yield utt, lattice

    def finish(self):
        """Write the summary that collect() reads. Returns 0."""
        from steps.hmm.timing import frame_shift
        self.tally.write(self.work / f"summary.{self.number}.json", frame_shift(self.model))
        return 0


def collect(out, num_jobs, num_utts):
    """num_jobs and the summary of all jobs; too many failures are an error."""
    parts = []
    for job in range(1, num_jobs + 1):
        path = out / f"summary.{job}.json"
        parts.append(json.loads(path.read_text()))
        path.unlink()
    (out / "num_jobs").write_text(f"{num_jobs}\n")
    failed, not_final = (sorted(utt for part in parts for utt in part[name])
                         for name in ("failed", "not_final"))
    if failed:
        log(f"no lattice for {len(failed)} of {num_utts} utterances: {_names(failed)}")
    if not_final:
        log(f"{len(not_final)} of {num_utts} utterances did not reach a final state: "
            f"{_names(not_final)}")
    if len(failed) > MANY_FAILED * num_utts:
        raise UserError(failed[0], f"{len(failed)} of {num_utts} utterances could not be decoded",
                        "a wider --beam? features and graph of this model?")
    utts, frames, arcs, log_like, seconds, audio = (
        sum(part[name] for part in parts)
        for name in ("utts", "frames", "arcs", "log_like", "seconds", "audio"))
    return (f"{utts} lattices, {arcs / max(frames, 1):.1f} arcs a frame, log-likelihood "
            f"{log_like / max(frames, 1):.4f} a frame over {frames} frames, RTF "
            f"{seconds / max(audio, 1e-9):.4f}")


def _names(utts):
    return ", ".join(utts[:20]) + (f" and {len(utts) - 20} more" if len(utts) > 20 else "")


if __name__ == "__main__":
    raise SystemExit(main())
