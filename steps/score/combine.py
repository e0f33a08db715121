#!/usr/bin/env python3
"""What several systems hear together: the words of which the fewest are expected to be wrong.

Each system's lattices count at the LM weight and penalty that its own scoring chose, and give each
sentence a posterior. These are averaged over the systems, and the words with the least expected
edit distance to all sentences are taken (Xu, Povey, Mangu and Zhu 2011, "Minimum Bayes risk
decoding and system combination based on a recursion for edit distance"; Kaldi's lattice-combine
and lattice-mbr-decode). Systems help that err in other ways: a GMM system beside networks, networks
of other architectures, features or seeds. Which ones, and --weights, are chosen on development
data.

in   <data>/text utt2spk ...    as of steps/score/score.py
     <graph>/words.txt          the words of all systems; with bpe.model, subwords are joined
     <decode>/lat.JOB.gz num_jobs scoring/summary.json     of each system, scored
out  <dir>/best_wer best_cer
     <dir>/scoring/             as of steps/score/score.py

An utterance that some systems have no lattice of is what the others hear.

e.g. steps/score/combine.py data/test exp/tri3b/graph exp/tri3b/decode_test \\
       exp/tdnn_mmi/decode_test exp/combined/decode_test
"""

import shutil
from itertools import chain
from pathlib import Path

from steps.score import score
from steps.score.compare_wer import check_same_references
from steps.score.hypotheses import read_filter, read_references, read_words, write_words
from steps.score.report import report_text, summarise, write_scoring
from steps.score.wer import error_line, read_summary
from utils.step import Step, UserError, numbers, read_done, share

TOGETHER = "together"     # the only setting, in place of an LM weight and a penalty


def main(argv=None):
    step = Step(__file__, __doc__, jobs=2)
    step.add("--weights", default="", metavar="A,B,...",
             help="of the systems, with commas (default: they are equal)")
    score.add_counting_options(step)
    step.add("data", help="data directory")
    step.add("graph", help="graph or lang directory")
    step.add("decode", nargs="+", help="decode directories of the systems")
    step.add("dir", help="directory to make")
    args = step.parse(argv)
    weights = weights_of(args.weights, args.decode)
    from steps.decode.lattice_io import lattice_files
    lattices = [lattice_files(decode) for decode in args.decode]
    summaries = [Path(decode) / "scoring/summary.json" for decode in args.decode]
    if step.is_job:
        return combine_share(args, lattices, weights)
    if (Path(args.dir) / "num_jobs").exists():
        raise UserError(args.dir, "is a system's own decode directory",
                        "name the directory to make last")
    groups = score.groups_of(args)
    if step.up_to_date(args.dir, [*score.inputs_of(args, groups), *summaries, *chain(*lattices)]):
        return 0
    systems = [{"decode": str(decode), "weight": weight, "wer": summary["wer"]["percent"],
                "lmwt": summary["lmwt"], "wip": summary["wip"]}
               for decode, weight, summary in zip(args.decode, weights,
                                                  map(read_summary, args.decode), strict=True)]
    for other in args.decode[1:]:
        check_same_references(Path(args.decode[0]), Path(other))
    check_same_words(args)
    mapping = read_filter(args.filter)
    refs, utt2spk = read_references(args.data, mapping)
    num_jobs = step.num_jobs(len(refs))
    with step.output(args.dir) as out:
        work = out / "hyps"
        work.mkdir()
        step.run_jobs(num_jobs, f"{args.dir}/log", work)
        texts = read_words([work / f"hyps.{job}" for job in range(1, num_jobs + 1)], [TOGETHER],
                           args.graph, mapping)
        shutil.rmtree(work)
        one = score.count_settings(args, refs, texts)[TOGETHER]
        told = " + ".join(f"{system['weight']:g} {system['decode']}" for system in systems)
        lines = [f"{error_line(one.counts(name), name.upper())} {args.dir}  {told}\n"
                 for name in ("wer", "cer")]
        for name, line in zip(("wer", "cer"), lines, strict=True):
            (out / f"best_{name}").write_text(line)
        summary = {"chosen_on": str(args.dir), "mbr": True, "systems": systems,
                   **summarise(one, refs, utt2spk, args.seed)}
        write_scoring(out / "scoring", args.data, refs, utt2spk, one, summary,
                      report_text(summary, one, args.dir, lines[:1]), groups, args.seed)
    alone = ", ".join(f"{system['wer']:.2f}" for system in systems)
    return step.finish(f"{error_line(one.counts('wer'))}, {len(refs)} utterances; alone {alone}")


def weights_of(text, decodes):
    """The systems' weights, floats above 0."""
    if len(decodes) < 2:
        raise UserError("combine.py", "one system cannot be combined",
                        "give two or more decode directories, then <dir>")
    weights = numbers("--weights", text, "1,2,2") if text else [1.0] * len(decodes)
    if len(weights) != len(decodes) or not all(0 < weight < float("inf") for weight in weights):
        raise UserError("--weights", f"{text} are not {len(decodes)} numbers above 0",
                        "one for each system")
    return weights


def check_same_words(args):
    """UserError if a system was scored with a graph of other words, as far as that is there."""
    path = Path(args.graph) / "words.txt"
    if not path.is_file():
        raise UserError(path, "no such file", "name the graph that was decoded with")
    words = path.read_bytes()
    for decode in args.decode:
        own = Path(read_done(decode).get("score", {}).get("options", {}).get("graph", args.graph))
        path = own / "words.txt"
        if path.is_file() and path.read_bytes() != words:
            raise UserError(path, f"of {decode}, is not {args.graph}/words.txt",
                            "combine systems whose graphs have the same words")


def combine_share(args, lattices, weights):
    """One job: the words of its utterances."""
    from steps.decode.lattice import read_lattices
    from steps.decode.mbr import least_risk_together, sentences_of
    refs, _ = read_references(args.data, {})
    heard = {utt: [] for utt in share(sorted(refs), args.job, args.nj)}
    for files, weight, decode in zip(lattices, weights, args.decode, strict=True):
        summary = read_summary(decode)
        setting = float(summary["lmwt"]), float(summary["wip"])
        for file in files:
            for utt, lattice in read_lattices(file):
                sentences = sentences_of(lattice, *setting) if utt in heard else None
                if sentences:
                    heard[utt].append((sentences, weight))
    write_words(Path(args.work) / f"hyps.{args.job}", (
        (utt, [least_risk_together(*zip(*several, strict=True))])
        for utt, several in heard.items() if several))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
