"""Training by two workers on this machine's loopback, against training alone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from steps.nnet import train, training, workers
from utils.step import ROOT, Step, UserError

# Without dropout, batch norm alone differs: each worker takes mean and variance over its own
# rows. On this data losses then differ by 1 % (training) and 2.5 % (held out).
OPTIONS = ["--num-epochs", "6", "--batch-size", "16", "--chunk-frames", "60", "--held-out", "8",
           "--learning-rate", "0.005", "--arch", "tdnn", "--xla", "false",
           "--sizes", "hidden_dim=48 offsets=1,1 dropout=0"]


def losses(path, key="loss"):
    return np.array([json.loads(line)[key]
                     for line in (path / "train.log.jsonl").read_text().splitlines()])


def process_of(job, work):
    """The process of a worker, once there is one."""
    wanted = ["--job", str(job), "--work", str(work)]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if words[-5:-1] == wanted and "python" in words[0] and "utils/parallel" not in words[1]:
                return int(path.parent.name)
    return None


def wait_for(condition, process):
    while not (found := condition()):
        assert process.poll() is None, "training ended before it was killed"
        time.sleep(0.005)
    return found


def test_a_worker_is_killed_and_then_two_learn_as_one_does(speech, mono_ali):
    path, inputs = speech.root / "together", [str(speech.train), str(mono_ali)]
    command = [*OPTIONS, "--num-workers", "2", "--checkpoint-minutes", "0", *inputs, str(path)]
    with subprocess.Popen([sys.executable, train.__file__, *command], stderr=subprocess.PIPE,
                          text=True, env=dict(os.environ, PYTHONPATH=str(ROOT))) as process:
        victim = wait_for(lambda: process_of(2, path / ".workers"), process)
        wait_for((path / "checkpoints/last.npz").exists, process)
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        errors = process.communicate()[1]
    assert process.returncode == 1
    assert time.monotonic() - killed < 60
    assert "jobs failed" in errors
    assert not (path / "final.keras").exists()
    assert not (path / ".workers").exists()

    train.main(command)
    assert "goes on from" in (path / "log/train.1.log").read_text()
    assert "goes on from" in (path / "log/train.2.log").read_text()
    assert json.loads((path / ".done").read_text())["train"]["command"].endswith(str(path))
    assert not (path / "checkpoints").exists()
    train.main([*OPTIONS, *inputs, speech.root / "alone"])
    for key, tolerance in (("loss", 0.04), ("valid_loss", 0.1)):
        np.testing.assert_allclose(losses(path, key), losses(speech.root / "alone", key),
                                   rtol=tolerance)


def test_rows_of_workers_are_the_batch(speech, mono_ali, tmp_path):
    step = Step(train.__file__, "")
    training.add_options(step)
    args = step.parse(["--chunk-frames", "60", "--held-out", "0.2"])
    language = training.LanguageData(args, speech.train, mono_ali, tmp_path)
    whole, parts = [], [[], [], []]
    for rows, worker in ((whole, None), *((part, n) for n, part in enumerate(parts))):
        for reader in language.readers(8, 8, 3, 16):
            reader.batch_size = 16
            if worker is not None:
                reader.take_rows(worker, 3)
            rows += [reader.batch(1, 1), *reader.valid_batches()]
    for expected, *found in zip(whole, *parts, strict=True):
        assert {len(batch[0]) for batch in found} == {5, 6}
        for arrays in zip(expected, *found, strict=True):
            np.testing.assert_array_equal(arrays[0], np.concatenate(arrays[1:]))
    with pytest.raises(UserError, match="--num-workers: is 17 for 16 chunks"):
        reader.take_rows(0, 17)


def test_workers_meet(tmp_path):
    found = {}

    def one(job):
        found[job] = workers.meet(tmp_path, job, 3)
    threads = [threading.Thread(target=one, args=[job]) for job in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found[1] == found[2] == found[3]
    assert len(set(found[1])) == 3
    assert all(address.startswith("127.0.0.1:") for address in found[1])


def test_workers_of_several_machines(tmp_path, monkeypatch):
    (tmp_path / "worker.2").write_text("b.example 4321\n")
    monkeypatch.setattr(workers.socket, "gethostname", lambda: "a.example")
    first, second = workers.meet(tmp_path, 1, 2)
    assert first.startswith("a.example:")
    assert second == "b.example:4321"


def test_a_worker_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "WAIT_FOR", 0.0)
    with pytest.raises(UserError, match="worker 2, 3 of 3 has not started"):
        workers.meet(tmp_path, 1, 3)


def test_another_worker_is_gone(monkeypatch, tmp_path):
    from steps.nnet.tf import tf

    def gone(vector):
        raise tf.errors.UnavailableError(None, None, "a trace\nConnection reset by peer")
    monkeypatch.setattr(workers, "_all_reduce", lambda number, addresses: gone)
    with pytest.raises(SystemExit, match=r"worker 2 of 2: another worker.*\(Connection reset"):
        workers.Workers(1, ["a:1", "b:2"], tmp_path).sum([1.0])
