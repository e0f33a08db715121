"""Runs steps one after the other, each in a process forked from this one, which has read the large
libraries before: Python, numba and TensorFlow need not start again for each. Used by
tests/test_step_contract.py.

in   a line of JSON for each run: {"script", "argv", "until", "err": a file for what it says}
     until  ""         to the end
            "checked"  until it is known whether anything has to be done: DONE_NOTHING or 70
            "made"     until the results are there, hidden still: nothing is moved, status 71
            "moved"    until the first result has been moved to its place, then SIGKILL
out  a line of JSON for each: {"status": exit status, -9 for a killed one, "early": files that came
     to the output directory, or changed there, before the results were whole; older ones may go}
"""

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

HAS_TO_RUN, MADE = 70, 71
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


def run(script, argv, until, report):
    """The step, in this process; does not return where until says so."""
    from utils import step as house
    before = {}
    up_to_date, write_done = house.Step.up_to_date, house._write_done

    def check(step, directory, inputs):
        before.update(snapshot(directory))
        fresh = up_to_date(step, directory, inputs)
        if not fresh and until == "checked":
            os._exit(HAS_TO_RUN)
        return fresh

    def commit(directory, name, entry):
        if entry is None:
            report.write_text(json.dumps(sorted(
                name for name, now in snapshot(directory).items() if before.get(name) != now)))
            if until == "made":
                os._exit(MADE)
        elif until == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        write_done(directory, name, entry)

    house.Step.up_to_date, house._write_done = check, commit
    module = importlib.import_module(script.removesuffix(".py").replace("/", "."))
    return module.main(argv)


def child(request):
    out = os.open(request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)
    try:
        return run(request["script"], request["argv"], request["until"],
                   Path(request["err"] + ".early")) or 0
    except SystemExit as ended:
        if isinstance(ended.code, int | None):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 99


def serve():
    for line in sys.stdin:
        request = json.loads(line)
        if request["script"].startswith("import "):
            importlib.import_module(request["script"].split()[1])
            continue
        early = Path(request["err"] + ".early")
        early.write_text("[]")
        pid = os.fork()
        if not pid:
            status = 98
            try:
                status = child(request)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"status": status, "early": json.loads(early.read_text())}),
              file=ANSWERS, flush=True)


if __name__ == "__main__":
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve()
