#!/usr/bin/env python3
"""Say whether this machine has what the recipes need, and what mends it.

in   requirements.txt .venv cmd.sh   of this repository
     <recipe>/run.sh conf/*.conf     with --recipe; and --hours, or --data, or conf/corpus.json
out  stdout   a line each: ok, note or WRONG, what, and the line that mends it
     exit status 1 if anything needed is wrong or missing

Runs under any Python from 3.11 to 3.13, also before .venv is there, and does not import TensorFlow
but with --gpu. With --recipe, --data or --hours it estimates time, memory and disk: see
utils/recipe/estimate.py for the figures; expect them to be right within a factor of two.

e.g. utils/doctor.py
     utils/doctor.py --recipe egs/mboshi --hours 4
     utils/doctor.py --data egs/mylang/data
"""

import sys
from pathlib import Path

if not (3, 11) <= sys.version_info < (3, 14):
    sys.exit(f"WRONG  Python {sys.version.split()[0]}: 3.11, 3.12 or 3.13 is needed (install it; "
             "where it has another name: PYTHON=/path/to/python3.11 ./run.sh)")
if str(Path(__file__).resolve().parent.parent) not in sys.path:   # also without path.sh
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.recipe import checks, estimate, hours, machine, sizes
from utils.step import ROOT, Step, UserError, positive


def main(argv=None):
    step = Step(__file__, __doc__)
    step.add("--gpu", action="store_true", help="ask TensorFlow which GPUs it sees; a few seconds")
    step.add("--recipe", default="", metavar="DIR", help="estimate what this recipe takes")
    step.add("--hours", type=float, help="of speech to train on")
    step.add("--data", default="", metavar="DIR",
             help="the same by a data directory, or one with train, dev and test")
    step.add("--nj", type=positive, default=2,
             help="jobs in parallel, as run.sh's --nj (default 2)")
    args = step.parse(argv)
    findings = [*checks.python(), *checks.shell(), *checks.machine_size(), *checks.cluster(),
                *checks.gpu(args.gpu)]
    if args.recipe or args.data or args.hours is not None:
        findings += check_recipe(args)
    for level, what, mend in findings:
        print(f"{level:5}  {what}" + (f"\n       -> {mend}" if mend else ""))
    wrong = sum(level == "WRONG" for level, _, _ in findings)
    if wrong:
        raise UserError(ROOT, f"{wrong} of {len(findings)} are wrong", "the lines above mend them")
    return step.finish("all that is needed is here")


def check_recipe(args):
    """The estimate, and whether it fits this machine."""
    epochs, networks = hours.networks_of(args.recipe) if args.recipe else (None, 1)
    if args.hours is not None:
        if not 0 < args.hours < float("inf"):
            raise UserError("--hours", f"{args.hours:g}, expected hours above 0")
        train, held_out = args.hours, min(hours.HELD_OUT * args.hours, hours.MOST_HELD_OUT)
    elif args.data:
        train, held_out = hours.train_and_held_out(args.data)
    else:
        known = hours.of_recipe(args.recipe)
        if known is None:
            raise UserError(args.recipe, "how much speech is it?",
                            "--hours H, or --data its data directory once stage 0 has run")
        train, held_out = known
    if not train > 0 or held_out < 0:
        raise UserError(args.data or args.recipe, f"has {train:g} hours of speech to train on, "
                        f"{held_out:g} to test", "look at its utt2dur or segments")
    epochs = epochs or sizes.epochs(train)
    cost = estimate.estimate(train, held_out, epochs if networks else None, networks, args.nj,
                             machine.cores())
    parts = ", ".join(f"{what} {estimate.told(minutes)}" for what, minutes in cost.parts.items())
    name = args.recipe or args.data or "a recipe"
    yield "note", f"{name}, {train:.2f} hours to train on and {held_out:.2f} to test: {cost}\n" \
          f"       {parts}; further sizes, seeds and a source come on top", ""
    space, free = machine.disk(args.recipe or args.data or ROOT), machine.memory()[1]
    if space < cost.disk:
        yield "WRONG", f"disk: {cost.disk:.1f} GB are needed, {space:.1f} are free", \
            "make room, or say --data and --exp on another disk"
    if free < cost.memory:
        yield "WRONG", f"memory: {cost.memory:.1f} GB are needed, {free:.1f} are free", \
            "--nj 1, or end other programs"


if __name__ == "__main__":
    raise SystemExit(main())
