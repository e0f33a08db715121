#!/usr/bin/env python3
"""The n best distinct word sequences of each lattice.

in   <decode>/lat.JOB.gz num_jobs
     <graph>/words.txt            a graph or lang directory; with bpe.model, subwords are joined
out  <nbest>/text                 utt-id-N words, N = 1 the best (Kaldi's nbest-to-linear, as text)
     <nbest>/lm_cost, ac_cost     utt-id-N cost: graph cost; acoustic cost, unscaled
     <nbest>/ali.JOB.gz           utt-id-N transition-ids, a gzipped Kaldi text archive

Ranked by graph + acoustic / LMWT + WIP per word; each sequence with its best path. Where a word can
be cut into subwords in several ways, each is a sequence of its own.

e.g. steps/decode/lattice_to_nbest.py --n 20 exp/tri1/graph exp/tri1/decode_test \
       exp/tri1/decode_test/nbest
"""

from pathlib import Path

from utils.gzip_file import gzip_writer
from utils.step import Step, UserError, share


def main(argv=None):
    step = Step(__file__, __doc__, jobs=4)
    step.add("--n", type=int, default=10, help="word sequences of each utterance (default 10)")
    step.add("--lmwt", type=float, default=12.0, help="LM weight (default 12)")
    step.add("--wip", type=float, default=0.0, help="word insertion penalty (default 0)")
    step.add("graph", help="graph or lang directory")
    step.add("decode", help="decode directory")
    step.add("nbest", help="directory to make")
    args = step.parse(argv)
    from steps.decode.lattice_io import check_decoded_with, check_weights, lattice_files
    check_weights(args.lmwt, args.wip)
    files = lattice_files(args.decode)
    if step.is_job:
        return list_share(args, share(files, args.job, args.nj))
    words = [Path(args.graph) / name for name in ("words.txt", "bpe.model")]
    if step.up_to_date(args.nbest, [*words, *files]):
        return 0
    check_decoded_with(args.decode, words[0], "graph")
    if args.n < 1:
        raise UserError("--n", f"is {args.n}, but must be at least 1")
    num_jobs = step.num_jobs(len(files), "lattice archives")
    with step.output(args.nbest) as out:
        step.run_jobs(num_jobs, Path(args.nbest) / "log", out)
        counts = [collect(out, name, num_jobs) for name in ("text", "lm_cost", "ac_cost")]
        utts = sum(int((out / f"utts.{job}").read_text()) for job in range(1, num_jobs + 1))
        for job in range(1, num_jobs + 1):
            (out / f"utts.{job}").unlink()
    return step.finish(f"{args.nbest}: {counts[0]} word sequences of {utts} utterances")


def list_share(args, files):
    """One job: its lattices' lists into the work directory."""
    from steps.decode.lattice import read_lattices
    from steps.decode.nbest import nbest
    from steps.decode.word_list import WordList
    words = WordList(args.graph)
    work, tables, utts = Path(args.work), {"text": [], "lm_cost": [], "ac_cost": []}, 0
    with gzip_writer(work / f"ali.{args.job}.gz", 4) as alignments:
        for path in files:
            for utt, lattice in read_lattices(path):
                utts += 1
                for rank, found in enumerate(nbest(lattice, args.n, args.lmwt, args.wip), 1):
                    key = f"{utt}-{rank}"
                    tables["text"].append(" ".join([key, *words.text(found.words, utt)]))
                    tables["lm_cost"].append(f"{key} {found.graph_cost:.6g}")
                    tables["ac_cost"].append(f"{key} {found.acoustic_cost:.8g}")
                    alignments.write((" ".join([key, *map(str, found.tids)]) + "\n").encode())
    for name, lines in tables.items():
        (work / f"{name}.{args.job}").write_text("".join(line + "\n" for line in lines), "utf-8")
    (work / f"utts.{args.job}").write_text(str(utts))
    return 0


def collect(out, name, num_jobs):
    """One table of the jobs' parts, sorted by code point; returns its number of lines."""
    lines = []
    for job in range(1, num_jobs + 1):
        part = out / f"{name}.{job}"
        lines += part.read_text("utf-8").splitlines()
        part.unlink()
    lines.sort(key=lambda line: line.split(" ")[0])
    (out / name).write_text("".join(line + "\n" for line in lines), "utf-8")
    return len(lines)


if __name__ == "__main__":
    raise SystemExit(main())
