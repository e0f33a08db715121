#!/usr/bin/env python3
"""Rescore lattices with a larger n-gram.

The LM that the graph was built with is taken out of the lattices' graph costs and the new one put
in; states are copied for each history that the new LM can tell apart.

in   <decode>/lat.JOB.gz num_jobs
     <graph>/words.txt graph.json    a graph or lang directory
     <old-arpa>, <new-arpa>          n-grams, gzipped or not; <old-arpa> is the graph's, as
                                     format_lm.py keeps it in <lang-test>/lm.arpa.gz
out  <rescored>/lat.JOB.gz num_jobs

e.g. steps/decode/rescore.py exp/tri1/graph data/lm/3gram.arpa data/lm/5gram.arpa.gz \
       exp/tri1/decode_test exp/tri1/decode_test_5gram
"""

import math
from pathlib import Path

from utils.step import Step, UserError, check_apart, log, share


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("--lm-scale", type=float, default=1.0, help="of the new LM's costs (default 1)")
    step.add("graph", help="graph or lang directory")
    step.add("old", help="ARPA file of the graph's LM")
    step.add("new", help="ARPA file of the new LM")
    step.add("decode", help="decode directory")
    step.add("rescored", help="decode directory to make")
    args = step.parse(argv)
    from steps.decode.fingerprints import check_lm
    from steps.decode.lattice_io import check_decoded_with, lattice_files
    files = lattice_files(args.decode)
    if step.is_job:
        return rescore_share(args, share(list(enumerate(files, 1)), args.job, args.nj))
    inputs = [Path(args.graph) / "words.txt", Path(args.old), Path(args.new)]
    for path in inputs:
        if not path.is_file():
            raise UserError(path, "no such file")
    check_apart(args.rescored, args.decode)
    if not 0 < args.lm_scale < math.inf:
        raise UserError("--lm-scale", f"is {args.lm_scale:g}", "expected more than 0")
    if step.up_to_date(args.rescored, [*inputs, *files]):
        return 0
    check_decoded_with(args.decode, inputs[0], "graph")
    check_lm(args.graph, args.old)
    num_jobs = step.num_jobs(len(files), "lattice archives")
    with step.output(args.rescored) as out:
        step.run_jobs(num_jobs, Path(args.rescored) / "log", out)
        counts = [int(n) for job in range(1, num_jobs + 1)
                  for n in (out / f"count.{job}").read_text().split()]
        for job in range(1, num_jobs + 1):
            (out / f"count.{job}").unlink()
        (out / "num_jobs").write_text(f"{len(files)}\n")
    return step.finish(f"{args.rescored}: {sum(counts)} lattices")


def rescore_share(args, files):
    """One job: its archives into the work directory."""
    from steps.decode.lattice import read_lattices, write_lattices
    from steps.decode.rescoring import LmScores, rescore
    from steps.decode.word_list import WordList
    from utils.lang.arpa import ArpaModel
    words = WordList(args.graph)
    old, new = (LmScores(ArpaModel.read(path), words.symbols) for path in (args.old, args.new))

    def rescored(path):
        for utt, lattice in read_lattices(path):
            words.check(lattice.olabel, utt)
            try:
                result = rescore(lattice, old, new, new_scale=args.lm_scale)
            except KeyError as error:
                raise UserError(args.old, f"does not allow {error.args[0]}, which is in the "
                                f"lattice of {utt}", "give the graph's own ARPA file") from None
            if not result.num_states and lattice.num_states:
                raise UserError(args.new, f"allows no sentence of the lattice of {utt}",
                                "it needs <unk>, or all words of words.txt")
            log(f"{utt}: {lattice.num_arcs} arcs, now {result.num_arcs}")
            yield utt, result

    work = Path(args.work)
    counts = [write_lattices(work / f"lat.{number}.gz", rescored(path)) for number, path in files]
    (work / f"count.{args.job}").write_text(" ".join(map(str, counts)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
