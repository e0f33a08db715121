"""Several processes, on one machine or more, that train one network together.

    train.py --num-workers 2 --cmd "utils/parallel/slurm.py --num-threads 8" ...

starts itself as jobs 1 to 2 through --cmd. They find each other through files in <dir>/.workers,
which all machines must share, and then talk through TensorFlow's own
tf.distribute.MultiWorkerMirroredStrategy: unencrypted gRPC, on a port that is free, so only on a
network that is trusted. The first worker writes checkpoints, logs and the network. If any ends,
all do, and the same command goes on from the last checkpoint, with as many workers or others.
"""

import argparse
import os
import shutil
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from utils.parallel.jobs import THREAD_VARIABLES
from utils.step import (
    RUN,
    UserError,
    log,
    numbered,
    positive,
    run_command,
    split_command,
    write_atomic,
)

NOTE_AFTER = 30.0      # seconds until a worker says for which others it waits
WAIT_FOR = 3600.0      # seconds until it gives up: jobs may wait long in a cluster's queue
PAUSE = 0.1


def add_options(step):
    step.add("--num-workers", type=positive, default=1,
             help="processes that train together, each with its share of every batch (default 1)")
    step.add("--cmd", default=RUN,
             help="how several workers are run: utils/parallel/run.py, slurm.py or queue.py, with "
                  "options; its --num-threads are those of a worker")
    step.add("--job", type=int, default=0, help=argparse.SUPPRESS)
    step.add("--work", default="", help=argparse.SUPPRESS)


def wanted(args):
    """True in a process that is to start several workers."""
    return args.num_workers > 1 and not args.job


def run(step, directory):
    """Run a step's own command line as its workers, through --cmd."""
    count, work = step.args.num_workers, Path(directory) / ".workers"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    log(f"{count} workers, {directory}/log/{step.name}.1.log is the first one's log")
    try:
        run_command([*split_command(step.args.cmd), "--max-jobs-run", count, "--stop-at-failure",
                     *numbered(count, f"{directory}/log/{step.name}.JOB.log", [
                         sys.executable, step.file, *step.argv, "--job", "JOB", "--work", work])])
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return step.finish(f"{directory}: trained by {count} workers")


def scratch_of(args, directory):
    """Where a process keeps what it makes for itself: directory, unless it is a further worker."""
    return Path(args.work) / str(args.job) if args.job > 1 else Path(directory)


def join(step):
    """The Workers that this process is one of; None if it trains alone.

    To be called before TensorFlow is loaded
    """
    args = step.args
    if not args.job:
        return None
    step.argv = step.argv[:-4]      # .done is to show what the user typed
    os.environ.setdefault("GRAFT_THREADS", os.environ.get(THREAD_VARIABLES[0], "0"))
    addresses = meet(Path(args.work), args.job, args.num_workers)
    log(f"worker {args.job} of {', '.join(addresses)}")
    return Workers(args.job - 1, addresses, Path(args.work) / str(args.job))


def meet(directory, job, count):
    """["host:port" of each of count workers]; port is one that was free on that host just now.

    The ports stay taken until all are there, so that workers of one machine get different ones.
    """
    with socket.socket() as mine:
        mine.bind(("", 0))
        write_atomic(directory / f"worker.{job}",
                     f"{socket.gethostname()} {mine.getsockname()[1]}\n")
        found = _wait(directory, count)
        if len({host for host, _ in found}) == 1:
            return [f"127.0.0.1:{port}" for _, port in found]
        return [f"{host}:{port}" for host, port in found]


def _wait(directory, count):
    """[(host, port)] of all workers, once they have written them."""
    started, noted = time.monotonic(), False
    while True:
        found = {}
        for job in range(1, count + 1):
            with suppress(FileNotFoundError):
                found[job] = tuple((directory / f"worker.{job}").read_text().split())
        missing = [str(job) for job in range(1, count + 1) if job not in found]
        if not missing:
            return list(found.values())
        waited = time.monotonic() - started
        if waited > WAIT_FOR:
            raise UserError("--num-workers", f"worker {', '.join(missing)} of {count} has not "
                            "started in an hour", "all must run at the same time")
        if waited > NOTE_AFTER and not noted:
            log(f"waits for worker {', '.join(missing)}")
            noted = True
        time.sleep(PAUSE)


class Workers:
    """One of several workers, as it sees them all.

    number     of this one, from 0;  addresses  ["host:port"] of all
    scratch    a directory of its own
    .count     of all;  .first  True for the one that writes
    """

    def __init__(self, number, addresses, scratch):
        self.number, self.count, self.scratch = number, len(addresses), scratch
        self.first = number == 0
        self._sum = _all_reduce(number, addresses)

    def sum(self, vector):
        """The sum over workers of a tensor or array of one dimension, as a tensor.

        Bit for bit the same for all. SystemExit if one of them is gone
        """
        from steps.nnet.tf import tf
        try:
            return self._sum(tf.convert_to_tensor(vector))
        except tf.errors.OpError as error:
            raise SystemExit(
                f"worker {self.number + 1} of {self.count}: another worker has ended or is out of "
                f"reach, so this one ends; the same command goes on from the last checkpoint "
                f"({error.message.strip().splitlines()[-1]})") from None

    def part(self):
        """To be called by all at the end: none goes before the others have what they need of it."""
        self.sum([0.0])


def _all_reduce(number, addresses):
    """Start TensorFlow's server of this worker; returns function(tensor) -> its sum over all."""
    from steps.nnet.tf import tf
    tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(
            tf.distribute.cluster_resolver.SimpleClusterResolver(
                tf.train.ClusterSpec({"worker": addresses}), task_type="worker", task_id=number,
                rpc_layer="grpc"))
    except tf.errors.OpError as error:
        raise SystemExit(f"worker {number + 1}: TensorFlow cannot start at {addresses[number]}: "
                         f"{error.message.strip()}") from None

    def replica(vector):
        # identity() puts it where the strategy looks for it.
        return tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(vector))
    return tf.function(lambda vector: strategy.run(replica, (vector,)), reduce_retracing=False)
