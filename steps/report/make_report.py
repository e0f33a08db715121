#!/usr/bin/env python3
"""Make one page that shows what a recipe ran, how well its systems do, and where they err.

in   <exp>/stages.tsv                       stages and their times, of run.sh
     <exp>/**/.done, <data>/**/.done        steps and their times
     <exp>/**/scoring/*, lat.*.gz           decode directories that steps/score/score.py has scored
     <exp>/**/train.log.jsonl               networks
     <exp>/**/*.png.txt, table*             of steps/score/learning_curve.py and table.py --out
     <exp>/**/benchmark.json, with benchmark.txt size.png speed.png
                                            of steps/compress/benchmark.py
out  <page>    HTML without anything to fetch or to run: sound and pictures are within it

What is not there yet is left out and named at the end. On each test set the page looks closer at
the system that was best on the development set. Stages and steps that ran since, and changed no
result, do not make it anew (--force does).

e.g. steps/report/make_report.py exp exp/report.html
"""

import time
from pathlib import Path

from utils.step import VERSION, Step, UserError, check_apart


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--data", default="", help="directory of the data directories (default: data beside "
             "<exp>)")
    step.add("--title", default="", help="of the page (default: the recipe's folder)")
    step.add("--utts", type=int, default=12, help="utterances to listen to, of all test sets "
             "together (default 12; 0 leaves them out)")
    step.add("--skip", action="append", default=[], metavar="PATTERN",
             help="directories below <exp> to pass over, such as tune or '*/initial'")
    step.add("exp", help="directory of experiments")
    step.add("page", help="HTML file to make")
    args = step.parse(argv)
    # A directory may hold several pages: each has its own record in .done.
    step.name += f":{Path(args.page).name}"
    exp = Path(args.exp)
    if not exp.is_dir():
        raise UserError(exp, "no such directory", "run the recipe first")
    if Path(args.page).is_dir():
        raise UserError(args.page, "is a directory", "name an HTML file")
    if args.utts < 0:
        raise UserError("--utts", f"must be at least 0, not {args.utts}")
    from steps.report.gather import find, inputs_of, read_test_sets
    from steps.report.runs import find_tables
    from steps.report.size import find_benchmarks
    sets = read_test_sets(exp, args.skip)
    tables, curves = find_tables(exp, args.skip)
    measured, beside = find_benchmarks(exp, args.skip)
    inputs = [*inputs_of(sets), *tables, *curves, *measured, *beside,
              *find(exp, "train.log.jsonl", args.skip)]
    check_apart(args.page, exp / "stages.tsv", *inputs)
    if step.up_to_date(Path(args.page).parent, inputs):
        return 0
    made = write(args, exp, sets, tables, curves, measured)
    with step.output(Path(args.page).parent) as out:
        (out / Path(args.page).name).write_text(made, "utf-8")
    return step.finish(f"{args.page}: {len(sets)} test sets, {len(made) / 1e6:.1f} MB")


def write(args, exp, sets, tables, curves, measured):
    """The page's text."""
    from steps.report import course, errors, runs
    from steps.report.page import page
    from steps.report.reading import utterances
    from steps.report.size import benchmarks
    data = Path(args.data) if args.data else exp.resolve().parent / "data"
    titled = [(str(path.relative_to(exp)), runs.read_aligned(path)) for path in tables]
    drawn = [(str(path.relative_to(exp)).removesuffix(".png.txt"), *runs.read_curve(path))
             for path in curves]
    logs = runs.read_training_logs(exp, args.skip)
    steps = runs.read_steps([exp, data], args.skip)
    stages = runs.read_stages(exp / "stages.tsv")
    sections = [
        ("errors", "Word errors", sets and errors.word_errors(sets, titled),
         "No word errors: nothing has been decoded and scored yet."),
        ("who", "Where the errors are", sets and errors.who(sets),
         "No errors by group or speaker: nothing with several of them has been scored yet."),
        ("confusions", "Words taken for others", sets and errors.confusions(sets),
         "No confusions: they come with the word errors."),
        ("listen", "Listen and read", sets and args.utts and utterances(sets, args.utts),
         "No utterances to listen to: " + ("they come with the word errors." if args.utts else
                                           "the page was made with --utts 0.")),
        ("curve", "How much speech is needed", drawn and course.learning_curves(drawn),
         "No learning curve: steps/score/learning_curve.py has not drawn one here."),
        ("size", "Size, speed and errors", benchmarks(exp, measured),
         "No picture of size, speed and errors: steps/compress/benchmark.py has not run here."),
        ("training", "Training", logs and course.training(logs),
         "No training curves: no network has been trained yet."),
        ("ran", "What was run", (stages or steps) and course.what_ran(stages, steps),
         "No times: no step has left its record yet."),
    ]
    if (stages or steps) and not stages:
        sections.append(("", "", None, "No times of stages: run.sh has not noted any."))
    title = args.title or exp.resolve().parent.name
    return page(f"{title}: report", lead(sets), errors.in_short(sets) if sets else None,
                [(name, heading, made) for name, heading, made, _ in sections if made],
                [without for *_, made, without in sections if not made],
                f"Made by Graft {VERSION} on {time.strftime('%Y-%m-%d')}. The page is whole: it "
                "fetches nothing and can be passed on as one file.")


def lead(sets):
    """A sentence on what was scored."""
    if not sets:
        return "Nothing has been recognised and scored yet; what has run is below."
    systems = len({(one.name, system.name) for one in sets for system in one.systems})
    many = f"{len(sets)} test sets" if len(sets) > 1 else "one test set"
    return (f"{systems} {'systems' if systems > 1 else 'system'} on {many}, "
            f"{sum(one.num_words for one in sets)} words of {sum(one.num_spks for one in sets)} "
            "speakers in all. For each, the best system"
            + (" by its development set:" if all(one.by_dev for one in sets) else ":"))


if __name__ == "__main__":
    raise SystemExit(main())
