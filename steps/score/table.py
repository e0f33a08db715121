#!/usr/bin/env python3
"""Compare systems, each trained from several seeds: mean WER and spread, size, cost, significance.

in   NAME=<decode>[,<decode>...]       decode directories of one system, a seed each, all scored by
                                       steps/score/score.py on the same references; several test
                                       sets taken together are <decode>+<decode>
     <decode>/../config.json train.log.jsonl   of networks: parameters, multiply-adds, seconds
     <decode>/../transfer.json   of transferred ones: how many of the parameters were trained
out  stdout, and --out: one line a system

WER is the mean over seeds, its spread the sample standard deviation. With --baseline, p is that of
a difference to the baseline, better or worse, by a paired bootstrap over utterances (Bisani & Ney
2004, two-sided); a system's errors in an utterance are those of all its seeds together.

e.g. steps/score/table.py --baseline tri3b tri3b=exp/tri3b/decode_test \\
       tdnn=exp/nnet/tdnn/0/decode_test,exp/nnet/tdnn/1/decode_test
"""

from pathlib import Path
from statistics import mean, median, stdev

import numpy as np

from steps.nnet.progress import read_log
from steps.score.bootstrap import NUM_REPLICATES, paired_comparison
from steps.score.compare_wer import check_same_characters, check_same_references
from steps.score.details import COLUMNS, read_utt_table
from steps.score.wer import read_summary
from utils.json_file import read_json
from utils.step import Step, UserError, write_atomic

HEAD = ("system", "%WER", "+-", "seeds", "%CER", "relative", "p", "parameters", "trained",
        "MACs/s", "s/epoch", "s")


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--baseline", default="", metavar="NAME", help="system to compare the others with")
    step.add("--out", default="", help="file to write the table to as well")
    step.add("systems", nargs="+", metavar="NAME=DECODE,...")
    args = step.parse(argv)
    systems = {}
    for name, seeds in map(_named, args.systems):
        if name in systems:
            raise UserError(name, "is the name of two systems", "give each its own")
        systems[name] = seeds
    if args.baseline and args.baseline not in systems:
        raise UserError("--baseline", f"no system is called {args.baseline}",
                        f"there are {', '.join(systems)}")
    first = next(iter(systems.values()))[0]
    for name, seeds in systems.items():
        for sets in seeds:
            if len(sets) != len(first):
                raise UserError(name, f"has {len(sets)} test sets and the first system "
                                f"{len(first)}", "take the same ones, in the same order")
            for mine, others in zip(first, sets, strict=True):
                check_same_references(mine, others)
                check_same_characters(mine, others)
    rows = [row(name, decodes, systems.get(args.baseline)) for name, decodes in systems.items()]
    text = aligned([HEAD, *rows])
    print(text, end="")
    if args.out:
        write_atomic(args.out, text)
    return step.finish(f"{len(systems)} systems, "
                       f"{sum(len(sets) for seeds in systems.values() for sets in seeds)} "
                       "decodings" + (f"; p: of a difference to {args.baseline}, two-sided"
                                      if args.baseline else ""))


def row(name, seeds, baseline):
    """One line's cells.

    seeds, baseline  for each seed a list of decode directories, one a test set; baseline may be
                     None
    """
    summaries = [[read_summary(d) for d in sets] for sets in seeds]
    wers = [percent(sets, "wer") for sets in summaries]
    cells = [name, f"{mean(wers):.2f}", f"{stdev(wers):.2f}" if len(wers) > 1 else "",
             " ".join(f"{wer:.2f}" for wer in wers) if len(wers) > 1 else "",
             f"{mean(percent(sets, 'cer') for sets in summaries):.2f}"]
    if baseline and baseline != seeds:
        base, p = compare(baseline, seeds)
        cells += [f"{100 * (mean(wers) / base - 1):+.1f} %" if base else "",
                  "" if p is None else f"{p:.4f}"]
    else:
        cells += ["", ""]
    return cells + cost(seeds)


def percent(summaries, unit):
    """Errors of several test sets in per cent of their words or characters; unit: wer, cer."""
    counts = [summary[unit] for summary in summaries]
    errors = sum(c["ins"] + c["dels"] + c["sub"] for c in counts)
    return 100 * errors / max(1, sum(c["words"] for c in counts))


def compare(baseline, seeds):
    """WER of the baseline, and the two-sided p of a difference to the others.

    Of one utterance, which cannot be resampled, p is None.
    """
    words, base = errors_of(baseline)
    _, errors = errors_of(seeds)
    # As many errors as if each side had been decoded once for each seed of the other.
    result = paired_comparison(base * len(seeds), errors * len(baseline),
                               words * len(seeds) * len(baseline),
                               num_replicates=NUM_REPLICATES)
    return (100 * base.sum() / (words.sum() * len(baseline)),
            result["p"] if len(words) > 1 else None)


def errors_of(seeds):
    """int (num_utts,): words, and errors of all seeds together; one test set after the other."""
    tables = [np.concatenate([read_utt_table(d / "scoring/utts.tsv")[2] for d in sets])
              for sets in seeds]
    start = COLUMNS.index("words")
    return tables[0][:, start], np.sum([t[:, start + 1:start + 4].sum(1) for t in tables], 0)


def cost(seeds):
    """Cells of a network: parameters, of which trained, multiply-adds a second of speech, seconds.

    Seconds of training are a seed's, the median, an epoch and altogether; cells of a system that is
    no network, and of what is not known, are empty.
    """
    directory = seeds[0][0].parent
    if not (directory / "config.json").is_file():
        return [""] * 5
    config = read_json(directory / "config.json", "train the network again")
    trained = ""
    if (directory / "transfer.json").is_file():
        about = read_json(directory / "transfer.json", "transfer again")
        trained = f"{about['num_trained'] / 1e6:.3f} M"
    seconds = [run for run in (seconds_of(sets[0].parent / "train.log.jsonl") for sets in seeds)
               if run]
    return [f"{config['num_params'] / 1e6:.2f} M", trained,
            f"{config['macs_per_second'] / 1e6:.1f} M",
            f"{median(s for run in seconds for s in run):.1f}" if seconds else "",
            f"{median(map(sum, seconds)):.0f}" if seconds else ""]


def seconds_of(path):
    """Seconds of each epoch of a train.log.jsonl, [] where there is none."""
    return read_log(path, lambda row: float(row["seconds"])) if path.is_file() else []


def aligned(rows):
    """Rows of cells as lines, the first column to the left and the others to the right."""
    rows = [row + [""] * (len(rows[0]) - len(row)) for row in map(list, rows)]
    filled = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    widths = [max(len(row[i]) for row in rows) for i in filled]
    return "".join("  ".join(row[i].ljust(width) if i == 0 else row[i].rjust(width)
                             for i, width in zip(filled, widths, strict=True)).rstrip() + "\n"
                   for row in rows)


def _named(text):
    name, equals, decodes = text.partition("=")
    if not (name and equals and decodes):
        raise UserError(text, "is no system", "expected NAME=DECODE,DECODE")
    seeds = [[Path(decode) for decode in sets.split("+")] for sets in decodes.split(",")]
    for path in (path for sets in seeds for path in sets):
        if not (path / "scoring/summary.json").is_file():
            raise UserError(path, "not scored yet", "run steps/score/score.py")
    return name, seeds


if __name__ == "__main__":
    raise SystemExit(main())
