#!/usr/bin/env python3
"""Score lattices: word and character errors at every LM weight and insertion penalty.

in   <data>/text utt2spk          and, if there, utt2accent and spk2gender
     <graph>/words.txt            a graph or lang directory; with bpe.model, subwords are joined
     <decode>/lat.JOB.gz num_jobs
out  <decode>/wer_LMWT_WIP cer_LMWT_WIP      Kaldi's compute-wer lines
     <decode>/best_wer best_cer   at the setting chosen on --dev, then at the one chosen Kaldi's
                                  way, on the scored set itself; without --dev the latter alone
     <decode>/scoring/            at the setting of best_wer: report.txt, summary.json, ref.txt,
                                  hyp.txt, per_utt per_spk ops (Kaldi's), by_GROUP, utts.tsv
                                  (counts), ref.trn hyp.trn (sctk sclite -s -i spu_id -r ref.trn
                                  trn -h hyp.trn trn)

An utterance of <data>/text without a lattice counts as deleted. %WER is Kaldi's: the least number
of errors. sclite aligns with other costs; its total is in the report, and now and then higher.
Characters are code points without the spaces between words, as in Kaldi.

e.g. steps/score/score.py --dev exp/tri1/decode_dev data/test exp/tri1/graph exp/tri1/decode_test
"""

import math
import shutil
from functools import cache
from pathlib import Path

from steps.score.hypotheses import (
    GROUPS,
    read_filter,
    read_references,
    read_words,
    words_of,
    write_words,
)
from steps.score.report import (
    Scored,
    best_lines,
    report_text,
    setting_of,
    summarise,
    write_scoring,
)
from steps.score.wer import (
    characters,
    characters_and_spaces,
    count,
    error_line,
    read_errors,
    read_summary,
    report,
)
from utils import option_types
from utils.step import Step, UserError, log, share

JOB_BYTES = 8 << 20   # of lattices: jobs with less take longer to start than to finish


def main(argv=None):
    step = Step(__file__, __doc__, jobs=2)
    step.add("--dev", default="", help="decode directory, scored already, to choose LMWT, WIP on")
    step.add("--min-lmwt", type=int, default=7, help="lowest LM weight (default 7)")
    step.add("--max-lmwt", type=int, default=17, help="highest LM weight (default 17)")
    step.add("--word-ins-penalty", default="0.0,0.5,1.0",
             help="word insertion penalties, with commas (default 0.0,0.5,1.0)")
    step.add("--mbr", type=option_types.yes_or_no, default=False,
             help="of each lattice the words of which the fewest are expected to be wrong (minimum "
                  "Bayes risk), and not its best path; on <--dev> as well (default false)")
    add_counting_options(step)
    step.add("data", help="data directory")
    step.add("graph", help="graph or lang directory")
    step.add("decode", help="decode directory")
    args = step.parse(argv)
    settings = settings_of(args)
    from steps.decode.lattice_io import check_decoded_with, lattice_files
    lattices = lattice_files(args.decode)
    if step.is_job:
        write_words(Path(args.work) / f"hyps.{args.job}",
                    words_of(share(lattices, args.job, args.nj), settings, args.mbr))
        return 0
    groups = groups_of(args)
    dev_files = [Path(args.dev) / f"{name}_{lmwt}_{wip}" for name in ["wer", "cer"]
                 for lmwt, wip in settings if args.dev]
    if step.up_to_date(args.decode, [*inputs_of(args, groups), *lattices, *dev_files]):
        return 0

    check_decoded_with(args.decode, Path(args.graph) / "words.txt", "graph")
    mapping = read_filter(args.filter)
    refs, utt2spk = read_references(args.data, mapping)
    check_dev(args)
    on_dev = {name: dev_errors(args.dev, name, settings) for name in ["wer", "cer"]}
    with step.output(args.decode) as out:
        work = out / "hyps"
        work.mkdir()
        size = sum(path.stat().st_size for path in lattices)
        num_jobs = min(step.num_jobs(len(lattices), "lattice archives"), 1 + size // JOB_BYTES)
        if num_jobs == 1:
            write_words(work / "hyps.1", words_of(lattices, settings, args.mbr))
        else:
            step.run_jobs(num_jobs, f"{args.decode}/log", work)
        texts = read_words([work / f"hyps.{job}" for job in range(1, num_jobs + 1)],
                           settings, args.graph, mapping)
        shutil.rmtree(work)
        if refs.keys().isdisjoint(next(iter(texts.values()))):
            raise UserError(args.decode, f"has no lattice of an utterance of {args.data}/text",
                            "score with the data directory that was decoded")
        scored = count_settings(args, refs, texts)
        for (lmwt, wip), one in scored.items():
            missing = len(refs.keys() - one.texts.keys())
            (out / f"wer_{lmwt}_{wip}").write_text(report(one.words, missing))
            (out / f"cer_{lmwt}_{wip}").write_text(report(one.chars, missing, "CER"))
        lines, chosen = best_lines(scored, "wer", args.decode, on_dev["wer"], args.dev)
        (out / "best_wer").write_text("".join(lines))
        (out / "best_cer").write_text("".join(
            best_lines(scored, "cer", args.decode, on_dev["cer"], args.dev)[0]))
        best = scored[chosen[0]]
        summary = {**setting_of(best, scored[chosen[-1]], args.dev or args.decode),
                   "mbr": args.mbr, **summarise(best, refs, utt2spk, args.seed)}
        write_scoring(out / "scoring", args.data, refs, utt2spk, best, summary,
                      report_text(summary, best, args.decode, lines), groups, args.seed)
    if not args.dev:
        warn_at_the_edge(args, {setting: one.counts("wer").errors for setting, one in
                                scored.items()}, chosen[0])
    without = f", {summary['missing']} of them without a lattice" if summary["missing"] else ""
    return step.finish(f"{error_line(best.counts('wer'))}, {len(refs)} utterances{without}")


def add_counting_options(step):
    """Options of how errors are counted, whoever made the words."""
    step.add("--filter", default="", help="file of words to leave out or to replace, in reference "
             "and hypothesis: `word [word ...]` a line")
    step.add("--group", action="append", default=[],
             help="utt2* or spk2* table of <data> to score apart (default utt2accent, spk2gender)")
    step.add("--cer-spaces", action="store_true", help="count the space between words in CER")
    step.add("--seed", type=option_types.count, default=0, help="of the bootstrap (default 0)")


def groups_of(args):
    """Names of the tables of <data> to score apart."""
    return args.group or [name for name in GROUPS if (Path(args.data) / name).is_file()]


def inputs_of(args, groups):
    """Files whose change makes any scoring out of date; groups as of groups_of()."""
    return [*(Path(args.data) / name for name in ["text", "utt2spk", *groups]),
            *(Path(args.graph) / name for name in ["words.txt", "bpe.model"]), args.filter]


def settings_of(args):
    """[(LM weight, penalty)], the penalty as it was written, since it is part of file names."""
    penalties = list(dict.fromkeys(text.strip() for text in args.word_ins_penalty.split(",")))
    try:
        finite = all(math.isfinite(float(penalty)) for penalty in penalties)
    except ValueError:
        finite = False
    if not finite:
        raise UserError("--word-ins-penalty", f"{args.word_ins_penalty} are not numbers",
                        "such as 0.0,0.5,1.0")
    if not 0 < args.min_lmwt <= args.max_lmwt:
        raise UserError("--min-lmwt", f"no LM weight from {args.min_lmwt} to {args.max_lmwt}")
    return [(lmwt, penalty) for lmwt in range(args.min_lmwt, args.max_lmwt + 1)
            for penalty in penalties]


def warn_at_the_edge(args, errors, best):
    """Say so where the lowest or highest LM weight is best, and the one beside it is worse."""
    lmwt, wip = best
    for option, last, beside in (("--min-lmwt", args.min_lmwt, lmwt + 1),
                                 ("--max-lmwt", args.max_lmwt, lmwt - 1)):
        if lmwt == last and errors.get((beside, wip), 0) > errors[best]:
            log(f"{args.decode}: LM weight {lmwt}, the last that was tried, is best; another "
                f"{option} may be better")


def count_settings(args, refs, texts):
    """{setting: Scored} of {setting: {utt: words}}."""
    split = characters_and_spaces if args.cer_spaces else characters

    @cache   # most settings give an utterance the same words
    def counts(utt, words):
        return count(refs[utt], words), count(split(refs[utt]), split(words))

    scored = {}
    for setting, hyps in texts.items():
        both = {utt: counts(utt, tuple(hyps.get(utt, ()))) for utt in refs}
        scored[setting] = Scored(setting, hyps, *(
            {utt: pair[i] for utt, pair in both.items()} for i in range(2)))
    return scored


def check_dev(args):
    """UserError if --dev was scored with another --mbr."""
    scored = args.dev and (Path(args.dev) / "scoring/summary.json").is_file()
    if scored and read_summary(args.dev).get("mbr", False) != args.mbr:
        raise UserError(args.dev, f"was not scored with --mbr {str(args.mbr).lower()}",
                        "score the development set in the same way")


def dev_errors(dev, name, settings):
    """{setting: errors} of the wer_ or cer_ files of dev; {} if there is no dev."""
    errors = {}
    for lmwt, wip in settings if dev else []:
        path = Path(dev) / f"{name}_{lmwt}_{wip}"
        if not path.is_file():
            raise UserError(path, "no such file", "score the development set first, "
                            "with the same LM weights and insertion penalties")
        errors[lmwt, wip] = read_errors(path)
    return errors


if __name__ == "__main__":
    raise SystemExit(main())
