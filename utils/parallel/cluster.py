"""An array job on a cluster: written as a script, submitted, waited for, explained.

Each task of the array runs its job through run.py, which writes the log, and then leaves its exit
status in a file: neither accounting nor the scheduler's idea of an exit status is needed. Files
are in <log directory>/q/<log name>.*/, which must be on a file system that all machines share.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from utils.parallel.jobs import describe, explain, log_of, parse, prepare_logs
from utils.parallel.signals import Signals

RUN = Path(__file__).resolve().with_name("run.py")
# Exported by the script itself, as some sites pass nothing on from the submitting shell.
VARIABLES = ("PATH", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONUTF8", "LC_ALL", "VIRTUAL_ENV",
             "NUMBA_CACHE_DIR", "LD_LIBRARY_PATH")
POLL = 0.1, 1.0      # seconds between looks at the status files, at first and at most
ASK_EVERY = 10.0     # seconds between questions to the scheduler
LOST_AFTER = 30.0    # seconds from when the scheduler has forgotten a task to when we do


def run_on(scheduler, doc, argv=None):
    """main() of slurm.py and queue.py.

    scheduler  .task_variable, name of the variable that holds a task's number
               .submit(script, name, request, output) -> id; raises SystemExit
               .tasks(id) -> set of task numbers that wait or run, None if it cannot say
               .cancel(id)
    """
    request = parse(doc, sys.argv[1:] if argv is None else argv)
    prepare_logs(request)
    work = make_work(request)
    with Signals() as signals:
        script = write_script(request, work, scheduler.task_variable)
        job_id = scheduler.submit(script, name_of(request), request, work)
        finished = False
        try:
            failed = wait(request, scheduler, job_id, work, signals)
            finished = len(failed) == 0 or not request.stop_at_failure
        finally:
            if signals.asked or not finished:
                scheduler.cancel(job_id)
    if signals.asked:
        print(f"{request.prog}: stopped by {signals.asked}, job {job_id} is cancelled",
              file=sys.stderr)
        return 1
    if failed:
        explain(request, failed)
        return 1
    shutil.rmtree(work, ignore_errors=True)
    return 0


def name_of(request):
    """The job's name in the scheduler's lists: train.JOB.log is train.

    Grid Engine takes none with : @ * and the like, and Slurm fills in what follows a %.
    """
    name = Path(request.log).name.removesuffix(".log").replace(request.variable or "\0", "")
    return re.sub(r"[^\w.+-]", "_", name).strip("._-") or "job"


def make_work(request):
    folder = log_of(request, request.jobs[0]).absolute().parent / "q"
    folder.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=name_of(request) + ".", dir=folder))
    work.chmod(0o755)
    return work


def write_script(request, work, task_variable):
    """The script that all tasks of the array run."""
    job = [sys.executable, str(RUN), "--num-threads", str(request.num_threads)]
    words = shlex.join(job)
    if request.variable:
        words += f' {request.variable}="$task:$task"'
    words += " " + shlex.join([request.log, *request.command])
    exports = "".join(f"export {name}={shlex.quote(os.environ[name])}\n"
                      for name in VARIABLES if name in os.environ)
    script = work / "job.sh"
    script.write_bytes(os.fsencode(f"""#!/bin/bash
task=${task_variable}
status_file={shlex.quote(str(work))}/status.$task
{exports}cd {shlex.quote(str(Path.cwd()))} && {words}
status=$?
echo $status >"$status_file.tmp" && mv "$status_file.tmp" "$status_file"
exit $status
"""))
    script.chmod(0o755)
    return script


def wait(request, scheduler, job_id, work, signals):
    """Wait for every task; returns {failed job: why}."""
    waiting, failed, gone_since = set(request.jobs), {}, {}
    pause, asked_at = POLL[0], time.monotonic()
    while True:
        for job, status in statuses(work, waiting).items():
            waiting.discard(job)
            if status:
                failed[job] = describe(status)
        if not waiting or signals.asked or (failed and request.stop_at_failure):
            return failed
        now = time.monotonic()
        if now - asked_at >= min(ASK_EVERY, LOST_AFTER / 3):
            asked_at = now
            tasks = scheduler.tasks(job_id)
            gone = set() if tasks is None else waiting - tasks
            gone_since = {job: gone_since.get(job, now) for job in gone}
            for job in [j for j, since in gone_since.items() if now - since >= LOST_AFTER]:
                waiting.discard(job)
                failed[job] = (f"ended without a status: killed by the scheduler, or its machine "
                               f"failed (see {work}/output.{job})")
        signals.wait(pause)
        pause = min(pause * 1.1, POLL[1])


def statuses(work, jobs):
    """{job: exit status} of those that have left one."""
    # A file made here and removed makes NFS forget what it remembers of the directory.
    probe = work / "probe"
    probe.touch()
    probe.unlink()
    names = {path.name for path in work.iterdir()}
    return {job: int((work / f"status.{job}").read_text()) for job in jobs
            if f"status.{job}" in names}


def ask(command):
    """(exit status, stdout, stderr) of one of the scheduler's commands."""
    prog = Path(sys.argv[0]).name
    try:
        process = subprocess.run(command, capture_output=True, text=True, errors="replace",
                                 stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        raise SystemExit(f"{prog}: there is no {command[0]} on this machine "
                         f"(choose where jobs run in cmd.sh)") from None
    return process.returncode, process.stdout.strip(), process.stderr.strip()


def submitted(command):
    """What the submitting command printed; its refusal ends this process with one line."""
    status, output, errors = ask(command)
    if status or not output:
        why = " ".join(errors.split()) or f"exit status {status} and no job number"
        raise SystemExit(f"{Path(sys.argv[0]).name}: {command[0]}: {why}")
    return output
