"""Workers that live as long as a training, so that an iteration starts no processes.

The driver, a step:

    command = [sys.executable, __file__, ..., "--job", "JOB", "--work", directory]
    with WorkerPool(args.cmd, num_jobs, "exp/mono/log/train.JOB.log", command, directory) as pool:
        for iteration in range(40):
            results = pool.run("accumulate", {"means": means, "beam": 10.0})
            stats = sum(r["stats"] for r in results)

and each worker, the same step with --job:

    serve(directory, job, {"accumulate": lambda arrays: {"stats": ...}})

They talk through files in <directory>/.pool, so that workers may be on other machines:

    driver              token and number of the task to do, or STOP
    job.<job>           token and number of the task this worker has done, 0 when ready
    heartbeat           changes every 2 s while the driver lives
    task.<number>.npz, result.<number>.<job>.npz    the arrays; removed when the task is done

`driver` and `job.*` are there from the start, keep their length and are overwritten in place:
opening a file that exists shows its latest content even on NFS, whose clients may be slow to see
new names. The arrays are in place before the numbers say so.
"""

import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np

from utils.step import ROOT, UserError, log, numbered, split_command

PAUSE = 0.001, 0.05      # seconds between looks at a file, at first and at most
NOT_STARTED_NOTE = 30.0  # seconds until the driver says which workers have not started
DRIVER_GONE = 60.0       # seconds without a heartbeat until a worker gives up
STOP_WAIT = 60.0         # seconds that workers have to end when told to stop
NOT_STARTED, STOP = -1, -2

# Not a thread: a long call that holds Python's lock must not stop the heart. It ends with the
# driver, whatever ends that, as its standard input ends.
_HEART = 'while read -r -t 2; [[ $? -gt 128 ]]; do echo "$((++n))" >"$1"; done'


class WorkerPool:
    """num_jobs workers started through cmd; a context manager.

    cmd          utils/parallel/run.py, slurm.py or queue.py, with options, as one string. All
                 workers must be there at once, so that a --max-jobs-run among them is overridden.
    log_pattern  "dir/log/x.JOB.log"
    command      list of words of a worker's command, with JOB in it; it ends up in serve()
    directory    where messages go, in a .pool that is removed in the end; on a file system that
                 all machines share, and for one pool at a time
    """

    def __init__(self, cmd, num_jobs, log_pattern, command, directory):
        self.cmd = cmd
        self.num_jobs = num_jobs
        self.directory = Path(directory) / ".pool"
        self.token = secrets.token_hex(8)   # tells these workers from an earlier run's
        self.number = 0
        self.command = [*split_command(cmd), "--max-jobs-run", str(num_jobs), "--stop-at-failure",
                        *numbered(num_jobs, log_pattern, command)]

    def __enter__(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        for job in range(1, self.num_jobs + 1):
            _create(self.directory / f"job.{job}", self.token, NOT_STARTED)
        (self.directory / "heartbeat").write_text("0\n")
        _create(self.directory / "driver", self.token, 0)
        self.heart = subprocess.Popen(
            ["bash", "-c", _HEART, "heart", str(self.directory / "heartbeat")],
            stdin=subprocess.PIPE, start_new_session=True)
        search = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL,
                env=dict(os.environ, PYTHONSAFEPATH="1", PYTHONPATH=os.pathsep.join(search)))
        except OSError as error:
            self.heart.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise UserError("--cmd", f"{self.command[0]} cannot be run, {error.strerror.lower()}",
                            "such as utils/parallel/run.py") from None
        self.note_at = time.monotonic() + NOT_STARTED_NOTE
        return self

    def run(self, task, arrays):
        """Have every worker do a task; returns their results, a list of num_jobs dicts of arrays.

        task    name of one of the workers' handlers
        arrays  {name: array, number or string}; workers get numbers and strings as 0-d arrays
        raises  SystemExit if a worker fails, which cmd has explained by then
        """
        self.number += 1
        message = self.directory / f"task.{self.number}.npz"
        _write_arrays(message, task, arrays)
        _post(self.directory / "driver", self.token, self.number)
        results = [None] * self.num_jobs
        pause = PAUSE[0]
        while waiting := [j for j, result in enumerate(results, 1) if result is None]:
            ended = self.process.poll() is not None   # asked first: a last result still counts
            progress = False
            for job in waiting:
                if self._done(job) == self.number:
                    path = self.directory / f"result.{self.number}.{job}.npz"
                    results[job - 1] = _read_arrays(path)[1]
                    path.unlink()
                    progress = True
            if progress:
                pause = PAUSE[0]
            elif ended:
                raise UserError(self.directory, f"the workers ended during {task}",
                                "see the log files named above")
            else:
                self._note_not_started()
                time.sleep(pause)
                pause = min(pause * 1.1, PAUSE[1])
        message.unlink()
        return results

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            if kind is None:
                _post(self.directory / "driver", self.token, STOP)
            else:
                self.process.terminate()
            try:
                self.process.wait(STOP_WAIT)
            except subprocess.TimeoutExpired:
                self.process.terminate()
                self.process.wait()
        self.heart.stdin.close()
        self.heart.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        if kind is None and self.process.returncode:
            raise UserError(self.directory, "workers failed at their end",
                            "see the log files named above")

    def _done(self, job):
        token, number = _look(self.directory / f"job.{job}")
        return number if token == self.token else None

    def _note_not_started(self):
        if time.monotonic() < self.note_at:
            return
        self.note_at = float("inf")
        late = [str(j) for j in range(1, self.num_jobs + 1) if self._done(j) == NOT_STARTED]
        if late:
            log(f"after {NOT_STARTED_NOTE:.0f} s {len(late)} of {self.num_jobs} jobs have not "
                f"started, waiting for {self.cmd}: job {' '.join(late)}")


def serve(directory, job, handlers):
    """Do tasks until the driver says stop, or is gone.

    handlers  {task name: function(arrays: {name: array}) -> {name: array}}
    """
    directory = Path(directory) / ".pool"
    mine = directory / f"job.{job}"
    driver = _Driver(directory)
    if _look(mine) != (driver.token, NOT_STARTED):
        raise SystemExit(f"{mine}: this worker was started before and cannot go on from there")
    _post(mine, driver.token, 0)
    number = 1
    while driver.wait(number):
        task, arrays = _read_arrays(directory / f"task.{number}.npz")
        if task not in handlers:
            raise SystemExit(f"{mine}: no such task: {task} (known: {' '.join(sorted(handlers))})")
        _write_arrays(directory / f"result.{number}.{job}.npz", task, handlers[task](arrays) or {})
        _post(mine, driver.token, number)
        number += 1


class _Driver:
    """A worker's view of the driver."""

    def __init__(self, directory):
        self.directory = directory
        self.token, _ = _look(directory / "driver")
        self._beat, self._beat_at = None, time.monotonic()

    def wait(self, number):
        """Wait for task number; False if the driver wants no more. SystemExit if it is gone."""
        pause = PAUSE[0]
        while True:
            token, posted = _look(self.directory / "driver")
            if token == self.token and posted == number:
                return True
            if token == self.token and posted == STOP:
                return False
            if token not in (self.token, None) or not self._alive():
                raise SystemExit(f"{self.directory}: the driver of this worker is gone")
            time.sleep(pause)
            pause = min(pause * 1.1, PAUSE[1])

    def _alive(self):
        now = time.monotonic()
        try:
            beat = (self.directory / "heartbeat").read_bytes()
        except OSError:
            beat = b""
        if beat and beat != self._beat:
            self._beat, self._beat_at = beat, now
        return now - self._beat_at < DRIVER_GONE


def _line(token, number):
    return f"{token} {number:012d}\n".encode()


def _create(path, token, number):
    path.write_bytes(_line(token, number))


def _post(path, token, number):
    """Overwrite in place with one write of the same length."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, _line(token, number))
    finally:
        os.close(descriptor)


def _look(path):
    """(token, number), or (None, None) where there is no such file or half a line."""
    try:
        token, number = path.read_bytes().decode().split()
        return token, int(number)
    except (OSError, ValueError):
        return None, None


def _write_arrays(path, task, arrays):
    """An uncompressed .npz, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:   # names get a prefix, as savez has arguments of its own
        np.savez(file, allow_pickle=False, task=np.asarray(task),
                 **{f"in.{name}": np.asarray(array) for name, array in arrays.items()})
    temporary.replace(path)


def _read_arrays(path):
    """The task's name, and {name: array}."""
    with np.load(path, allow_pickle=False) as archive:
        return archive["task"].item(), {name.removeprefix("in."): archive[name]
                                        for name in archive.files if name != "task"}
