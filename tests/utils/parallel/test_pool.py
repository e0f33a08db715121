import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from utils.parallel import pool as pool_module
from utils.parallel.pool import WorkerPool, serve
from utils.step import ROOT, UserError

RUN = str(ROOT / "utils/parallel/run.py")

WORKER = """
import os, sys, time
import numpy as np
from utils.parallel.pool import serve
from utils.step import UserError
directory, job = sys.argv[1], int(sys.argv[2])

def scale(arrays):
    return {"y": arrays["x"] * job, "name": f"{arrays['name'].item()}-{job}"}

def fail(arrays):
    if job == 2:
        raise UserError("data/x/text:3", "no words")
    time.sleep(60)
    return {}

def die(arrays):
    if job == 2:
        os.kill(os.getpid(), 9)
    time.sleep(60)
    return {}

def pid(arrays):
    return {"pid": os.getpid()}

serve(directory, job, {"scale": scale, "fail": fail, "die": die, "pid": pid,
                       "sleep": lambda arrays: time.sleep(60)})
"""


@pytest.fixture
def make_pool(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)

    def make(num_jobs, cmd=RUN):
        command = [sys.executable, script, tmp_path / "msg", "JOB"]
        return WorkerPool(cmd, num_jobs, tmp_path / "log/x.JOB.log", command, tmp_path / "msg")

    return make


def test_every_job_answers_each_task_in_order(make_pool, tmp_path):
    x = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    with make_pool(3) as pool:
        for round_number in range(5):
            results = pool.run("scale", {"x": x, "name": f"round{round_number}", "file": 1})
            for job, result in enumerate(results, 1):
                np.testing.assert_array_equal(result["y"], x * job)
                assert result["y"].dtype == np.float32
                assert result["name"].item() == f"round{round_number}-{job}"
            assert not list((tmp_path / "msg/.pool").glob("*.npz"))
    assert not (tmp_path / "msg/.pool").exists()
    assert "Ended (code 0)" in (tmp_path / "log/x.3.log").read_text()


def test_tasks_start_no_processes(make_pool):
    with make_pool(2) as pool:
        first = [r["pid"].item() for r in pool.run("pid", {})]
        assert [r["pid"].item() for r in pool.run("pid", {})] == first
    assert not any(Path(f"/proc/{pid}").exists() for pid in first)


def test_all_workers_start_whatever_max_jobs_run_says(make_pool):
    with make_pool(3, cmd=f"{RUN} --max-jobs-run 1") as pool:
        assert len(pool.run("pid", {})) == 3


@pytest.mark.parametrize(("task", "told"), [("fail", "data/x/text:3: no words"),
                                            ("die", "killed by SIGKILL"),
                                            ("unheard-of", "no such task: unheard-of")])
def test_a_failing_worker_ends_the_run(make_pool, tmp_path, capfd, task, told):
    started = time.monotonic()
    with pytest.raises(UserError, match=f"workers ended during {task}"), make_pool(3) as pool:
        pool.run(task, {})
    assert time.monotonic() - started < 20
    explained = capfd.readouterr().err
    assert told in explained
    assert "log/x." in explained
    assert not (tmp_path / "msg/.pool").exists()


def test_an_error_of_the_driver_ends_the_workers(make_pool):
    with pytest.raises(ZeroDivisionError), make_pool(2) as pool:
        pids = [r["pid"].item() for r in pool.run("pid", {})]
        raise ZeroDivisionError
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_objects_are_refused(make_pool):
    with make_pool(1) as pool, pytest.raises(ValueError, match="allow_pickle"):
        pool.run("pid", {"x": np.array([{}], dtype=object)})


def test_jobs_that_have_not_started_are_named(make_pool, monkeypatch, capsys):
    monkeypatch.setattr(pool_module, "NOT_STARTED_NOTE", 0.0)
    with make_pool(2) as pool:
        pool.run("pid", {})
    assert "2 of 2 jobs have not started" in capsys.readouterr().err


def test_a_worker_gives_up_when_the_heart_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(pool_module, "DRIVER_GONE", 0.3)
    mail = tmp_path / ".pool"
    mail.mkdir()
    (mail / "heartbeat").write_text("1\n")
    pool_module._create(mail / "driver", "t", 0)
    pool_module._create(mail / "job.1", "t", pool_module.NOT_STARTED)
    with pytest.raises(SystemExit, match="driver of this worker is gone"):
        serve(tmp_path, 1, {})
    with pytest.raises(SystemExit, match="started before"):
        serve(tmp_path, 1, {})


def test_a_worker_of_an_earlier_run_gives_up(tmp_path):
    mail = tmp_path / ".pool"
    mail.mkdir()
    pool_module._create(mail / "driver", "t", 0)
    pool_module._create(mail / "job.1", "t", pool_module.NOT_STARTED)
    driver = pool_module._Driver(mail)
    pool_module._create(mail / "driver", "u", 0)
    with pytest.raises(SystemExit, match="gone"):
        driver.wait(1)


def test_the_heart_beats_while_the_driver_computes_and_stops_with_it(tmp_path):
    driver = subprocess.Popen([sys.executable, "-c", f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from utils.parallel.pool import WorkerPool
with WorkerPool({RUN!r}, 1, {str(tmp_path)!r} + "/x.JOB.log", ["sleep", "100"], {str(tmp_path)!r}):
    print("ready", flush=True)
    sum(range(10**10))   # holds Python's lock
"""], stdout=subprocess.PIPE, text=True)
    try:
        assert driver.stdout.readline() == "ready\n"
        beat = tmp_path / ".pool/heartbeat"
        first = beat.read_text()
        _wait_until(lambda: beat.read_text() not in (first, ""))
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    log = tmp_path / "x.1.log"
    _wait_until(lambda: "Ended (code 143)" in log.read_text())   # run.py ends with its parent
    time.sleep(0.2)
    last = beat.read_text()
    time.sleep(2.5)
    assert beat.read_text() == last


def _wait_until(condition, seconds=10.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)
