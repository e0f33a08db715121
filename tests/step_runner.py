"""Runs a step as far as is asked for; used by tests/test_step_contract.py.

    step_runner.py UNTIL EARLY SCRIPT ARGUMENT...

UNTIL  end      as if it had been called itself
       checked  until it is known whether anything has to be done: the step's status, or HAS_TO_RUN
       made     until the results are there, hidden still: nothing is moved, status MADE
       moved    until all results have been moved to their places, then SIGKILL
EARLY  a file for a list, in JSON, of the files that came to the output directory, or changed there,
       before the results were whole; older ones may go
"""

import atexit
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

HAS_TO_RUN, MADE, BUG = 70, 71, 99
# What a step may write while it runs; initial/ is whole, the network that a transfer begins with.
PASSED_OVER = {"log", "checkpoints", "tensorboard", "initial"}


def snapshot(directory):
    """{file: (size, time, inode)} of what stands in a directory, without logs and hidden files."""
    found = {}
    for path, folders, files in os.walk(directory):
        folders[:] = [name for name in folders
                      if not name.startswith(".") and name not in PASSED_OVER]
        for name in files:
            if name == ".done" or not name.startswith("."):
                status = os.lstat(f"{path}/{name}")
                found[f"{path}/{name}"] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return found


def watch(until, report):
    """Put what is to be seen, and the end, into what all steps share."""
    from utils import step as house
    before = {}
    up_to_date, write_done = house.Step.up_to_date, house._write_done

    def check(step, directory, inputs):
        before.update(snapshot(directory))
        fresh = up_to_date(step, directory, inputs)
        if not fresh and until == "checked":
            os._exit(HAS_TO_RUN)
        return fresh

    def commit(directory, names, entry):
        if entry is None:
            report.write_text(json.dumps(sorted(
                name for name, now in snapshot(directory).items() if before.get(name) != now)))
            if until == "made":
                atexit._run_exitfuncs()
                os._exit(MADE)
        elif until == "moved":
            os.kill(os.getpid(), signal.SIGKILL)
        write_done(directory, names, entry)

    house.Step.up_to_date, house._write_done = check, commit


def main(until, early, script, *argv):
    watch(until, Path(early))
    module = importlib.import_module(script.removesuffix(".py").replace("/", "."))
    try:
        return module.main(list(argv))
    except Exception:
        traceback.print_exc()
        return BUG


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
