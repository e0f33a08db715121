#!/usr/bin/env python3
"""Run jobs on this machine, several at a time, each with its own log.

run.py [options] [JOB=1:8] log/x.JOB.log command ... JOB ...

JOB is replaced by 1 to 8 in the log's name and in the command; any name will do. The command is
run as it stands, without a shell (use bash -c '...' for a pipe).

options (the same for run.py, slurm.py and queue.py):
  --max-jobs-run N    jobs at a time (default: processor cores / threads)
  --num-threads N     threads of each job, exported as OMP_NUM_THREADS and the like (default 1)
  --mem 2G            limit of each job's address space (default: none)
  --stop-at-failure   end the other jobs when one fails (default: run them all)
  --option "..."      a scheduler's own options; run.py has no use for them

in   the command
out  log/x.JOB.log   its command and start, what it wrote to stdout and stderr, its status and time
exit status          0, or 1 if any job failed; failed jobs are named, with the tails of their logs

When run.py is interrupted or terminated, or whoever started it is gone, so are its jobs.

e.g. utils/parallel/run.py JOB=1:2 exp/log/hello.JOB.log echo "this is job JOB"
"""

import contextlib
import os
import signal
import subprocess
import sys
import time

from utils.parallel.jobs import (
    cannot_write,
    command_of,
    describe,
    explain,
    header,
    job_environment,
    log_of,
    parse,
    prepare_logs,
    trailer,
)
from utils.parallel.signals import Signals

GRACE = 3.0   # seconds between SIGTERM and SIGKILL


def main(argv=None):
    request = parse(__doc__, sys.argv[1:] if argv is None else argv)
    prepare_logs(request)
    at_once = request.max_jobs_run or max(1, len(os.sched_getaffinity(0)) // request.num_threads)
    with Signals() as signals:
        try:
            failed, stopped_by = run_all(request, at_once, signals)
        except OSError as error:
            raise cannot_write(request, error.filename or request.log, error) from None
    if stopped_by:
        print(f"{request.prog}: stopped by {stopped_by}, and so are its jobs", file=sys.stderr)
        return 1
    if failed:
        explain(request, failed)
        return 1
    return 0


def run_all(request, at_once, signals):
    """Run every job; returns {failed job: why} and what stopped us, or None."""
    waiting, running, failed = list(request.jobs), {}, {}
    try:
        while (waiting or running) and not signals.asked:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[job] = start(request, job)
            signals.wait(1.0)
            for job, (process, started) in list(running.items()):
                if process.poll() is not None:
                    del running[job]
                    status = finish(request, job, process, started)
                    if status:
                        failed[job] = describe(status)
            if failed and request.stop_at_failure:
                break
    finally:
        stop(request, running)
    return failed, signals.asked


def start(request, job):
    """Start a job in a session of its own, so that all it starts can be ended with it."""
    limit = None
    if request.mem:
        import resource

        # A limit that is there already can be lowered only; -1 is none.
        there = resource.getrlimit(resource.RLIMIT_AS)[1]
        mem = request.mem if there < 0 else min(request.mem, there)

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (mem, mem))
    with log_of(request, job).open("wb") as log:
        log.write(header(request, job))
        log.flush()
        os.set_blocking(log.fileno(), True)
        try:
            process = subprocess.Popen(
                command_of(request, job), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=job_environment(request), start_new_session=True, preexec_fn=limit)
        except OSError as error:
            log.write(os.fsencode(f"{request.prog}: {error.filename}: {error.strerror}\n"))
            process = subprocess.Popen(["false"])
    return process, time.monotonic()


def finish(request, job, process, started):
    """Write a job's trailer; returns its status, 128 + signal if it was killed."""
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    with log_of(request, job).open("ab") as log:
        log.write(trailer(request, status, time.monotonic() - started))
    return status


def stop(request, running):
    """End jobs still running, with all that they started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process, _ in running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        limit = time.monotonic() + GRACE
        for process, _ in running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, limit - time.monotonic()))
    for job, (process, started) in running.items():
        finish(request, job, process, started)


if __name__ == "__main__":
    raise SystemExit(main())
