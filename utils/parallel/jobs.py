"""What run.py, slurm.py and queue.py share: the command line, job names, logs, failures.

Standard library only, and little of it: this is started for every step of a recipe.
"""

import errno
import os
import re
import shlex
import sys
import time
from pathlib import Path
from types import SimpleNamespace

TAIL_LINES = 8    # of a failed job's log, shown on stderr
TAILS_SHOWN = 3   # failed jobs whose tails are shown; the rest are only named
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                    "NUMBA_NUM_THREADS")

_JOB_RANGE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([0-9]+)(?::([0-9]+))?")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse(doc, argv):
    """The request in argv: [options] [JOB=1:8] log command ...

    returns  namespace: prog; variable, "JOB" or None; jobs, range of job numbers; log and command,
             with the variable still in them; mem in bytes or None; num_threads; max_jobs_run or
             None; options, list of the scheduler's own; stop_at_failure
    """
    prog = Path(sys.argv[0]).name
    request = SimpleNamespace(prog=prog, variable=None, jobs=range(1, 2), mem=None, num_threads=1,
                              max_jobs_run=None, options=[], stop_at_failure=False)
    argv = list(argv)
    while argv and argv[0].startswith("-"):
        name, equals, value = argv.pop(0).partition("=")
        if name in ("-h", "--help"):
            print(doc.strip())
            raise SystemExit(0)
        if name == "--stop-at-failure" and not equals:
            request.stop_at_failure = True
            continue
        if name not in ("--mem", "--num-threads", "--max-jobs-run", "--option"):
            raise SystemExit(f"{prog}: no such option: {name} (try --help)")
        if not equals:
            if not argv:
                raise SystemExit(f"{prog}: {name} needs a value (try --help)")
            value = argv.pop(0)
        if name == "--mem":
            request.mem = _bytes(prog, value)
        elif name == "--option":
            request.options += _words(prog, value)
        else:
            setattr(request, name[2:].replace("-", "_"), _count(prog, name, value))
    match = _JOB_RANGE.fullmatch(argv[0]) if argv else None
    if match:
        argv.pop(0)
        first, last = int(match[2]), int(match[3] or match[2])
        if first < 1 or last < first:
            raise SystemExit(f"{prog}: {match[0]}: job numbers rise from 1 on")
        request.variable, request.jobs = match[1], range(first, last + 1)
    if len(argv) < 2:
        raise SystemExit(f"{prog}: needs a log file and a command (try --help)")
    request.log, request.command = argv[0], argv[1:]
    if len(request.jobs) > 1 and request.variable not in request.log:
        raise SystemExit(f"{prog}: {request.log}: {len(request.jobs)} jobs would share this log "
                         f"(put {request.variable} into its name)")
    return request


def _count(prog, name, value):
    if not value.isdecimal() or int(value) < 1:
        raise SystemExit(f"{prog}: {name}: expected a number from 1 on, not {value}")
    return int(value)


def _bytes(prog, value):
    number, unit = value[:-1], value[-1:].upper()
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        size = 0
    if not 1 <= size <= sys.maxsize:
        raise SystemExit(f"{prog}: --mem: expected a size such as 500M or 2G, not {value}")
    return size


def _words(prog, value):
    try:
        return shlex.split(value)
    except ValueError as error:
        raise SystemExit(f"{prog}: --option: {value} cannot be split into words, "
                         f"{error}") from None


def log_of(request, job):
    """The path of a job's log."""
    return Path(_substitute(request, request.log, job))


def command_of(request, job):
    """A job's command: as in Kaldi, every occurrence of the job variable is replaced."""
    return [_substitute(request, argument, job) for argument in request.command]


def _substitute(request, text, job):
    return text.replace(request.variable, str(job)) if request.variable else text


def prepare_logs(request):
    """Make the logs' directories, and remove old logs: a tail shown is never that of last time."""
    for job in request.jobs:
        log = log_of(request, job)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            if log.is_file():   # /dev/null is to stay
                log.unlink()
            elif log.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a directory")
        except OSError as error:
            raise cannot_write(request, log, error) from None


def cannot_write(request, log, error):
    """SystemExit for an OSError while a log is written: a full disk, a name that is a folder's."""
    return SystemExit(f"{request.prog}: {log}: cannot be written, {error.strerror.lower()}")


def job_environment(request):
    """This process's environment, with the number of threads for numerical libraries."""
    return dict(os.environ, **dict.fromkeys(THREAD_VARIABLES, str(request.num_threads)))


def header(request, job):
    """The first lines of a log, as Kaldi's: the command and the time."""
    text = f"# {shlex.join(command_of(request, job))}\n# Started at {time.ctime()}\n#\n"
    return os.fsencode(text)


def trailer(request, status, seconds):
    """The last lines of a log, as Kaldi's; a killed job's status is 128 + the signal."""
    return (f"# Accounting: time={seconds:.2f} threads={request.num_threads}\n"
            f"# Ended (code {status}) at {time.ctime()}, elapsed time {seconds:.2f} seconds\n"
            ).encode()


def explain(request, failed):
    """Name the failed jobs' logs on stderr, with the tails of the first few.

    failed  {job: why, e.g. "exit status 1"}
    """
    count = f"{len(failed)} of {len(request.jobs)} jobs failed"
    lines = [f"{request.prog}: {count}"] if len(request.jobs) > 1 else []
    for shown, (job, why) in enumerate(sorted(failed.items())):
        log = log_of(request, job)
        lines.append(f"{request.prog}: {log}: {why}")
        if shown < TAILS_SHOWN:
            lines += [f"  {line}" for line in tail(log)]
    sys.stderr.buffer.write(os.fsencode("\n".join(lines) + "\n"))
    sys.stderr.flush()


def tail(log, lines=TAIL_LINES):
    """The last lines of a log without its header and trailer."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - (16 << 10)))
            text = file.read().decode("utf-8", "surrogateescape")
    except OSError:
        return ["(there is no such log)"]
    kept = [line for line in text.replace("\r", "\n").split("\n")
            if line.strip() and not line.startswith("#")]
    return kept[-lines:] or ["(the log is empty)"]


def describe(status):
    """A status in words."""
    if status <= 128:
        return f"exit status {status}"
    import signal

    names = {s.value: s.name for s in signal.Signals}
    name = names.get(status - 128, f"signal {status - 128}")
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
