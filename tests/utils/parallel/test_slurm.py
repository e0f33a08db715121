"""slurm.py against a Slurm of our own: controller, one node and munge, all on this machine."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from utils.parallel import cluster, slurm
from utils.parallel.pool import WorkerPool
from utils.step import ROOT

CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={dir}/munge.socket
CredType=cred/munge
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool
SlurmctldPidFile={dir}/slurmctld.pid
SlurmdPidFile={dir}/slurmd.pid
SlurmctldLogFile={dir}/slurmctld.log
SlurmdLogFile={dir}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
MpiDefault=none
KillWait=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def slurm_conf(tmp_path_factory):
    """The path of a running Slurm's slurm.conf."""
    programs = {name: shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
                for name in ("slurmctld", "slurmd", "munged", "sbatch")}
    missing = [name for name, path in programs.items() if not path]
    if missing:
        pytest.skip(f"Slurm is not installed: no {' '.join(missing)}")
    directory = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (directory / name).mkdir()
    key = directory / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    conf = directory / "slurm.conf"
    conf.write_text(CONF.format(dir=directory, host=socket.gethostname().split(".")[0],
                                ports=free_ports(2), user=Path("/proc/self").owner()))
    commands = [
        [programs["munged"], "--foreground", "--force", f"--key-file={key}",
         f"--socket={directory}/munge.socket", f"--pid-file={directory}/munged.pid",
         f"--seed-file={directory}/munge.seed", f"--log-file={directory}/munged.log"],
        [programs["slurmctld"], "-D", "-f", str(conf)],
        [programs["slurmd"], "-D", "-f", str(conf)]]
    environment = dict(os.environ, SLURM_CONF=str(conf))
    daemons = []
    try:
        for command in commands:
            with (directory / f"{Path(command[0]).name}.out").open("wb") as output:
                daemons.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                                stderr=output, env=environment))
            time.sleep(0.5)
        why = wait_for_node(environment, daemons)
        if why:
            logs = "".join(path.read_text(errors="replace")[-300:]
                           for path in sorted(directory.glob("*.out")))
            pytest.skip(f"Slurm cannot be started here: {why} {logs}")
        yield conf
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def wait_for_node(environment, daemons, seconds=30):
    """None when the node is idle, otherwise why it is not."""
    limit = time.monotonic() + seconds
    state = ""
    while time.monotonic() < limit:
        if any(daemon.poll() is not None for daemon in daemons):
            return "a daemon ended"
        sinfo = subprocess.run(["sinfo", "-h", "-o", "%t"], env=environment, text=True,
                               capture_output=True, check=False)
        state = sinfo.stdout.strip() or sinfo.stderr.strip()
        if state == "idle":
            return None
        time.sleep(0.2)
    return f"the node is {state}"


@pytest.fixture
def here(slurm_conf, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(slurm_conf))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setattr(sys, "argv", ["slurm.py"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def squeue():
    return subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True).stdout


def test_an_array_runs_in_slurm(here):
    script = 'echo "job JOB of $SLURM_ARRAY_JOB_ID in $PWD, $OMP_NUM_THREADS threads"'
    assert slurm.main(["--mem", "50M", "--num-threads", "2", "--max-jobs-run", "2",
                       "--option", "--time=5 --comment='two words'",
                       "JOB=1:3", "log/x.JOB.log", "bash", "-c", script]) == 0
    for job in (1, 2, 3):
        text = (here / f"log/x.{job}.log").read_text()
        assert f"job {job} of " in text
        assert f" in {here}, 2 threads" in text
        assert "Ended (code 0)" in text
    assert not list((here / "log/q").iterdir())


def test_a_folder_whose_name_slurm_would_fill_in(here, monkeypatch):
    (here / "50%a").mkdir()
    monkeypatch.chdir(here / "50%a")
    assert slurm.main(["JOB=1:1", "x.JOB.log", "false"]) == 1   # so q/ is kept
    assert [path.name for path in Path("q").glob("*/output.*")] == ["output.1"]


def test_failing_jobs_are_named_with_their_tails(here, capfd):
    assert slurm.main(["JOB=1:3", "log/x.JOB.log", "bash", "-c",
                       "echo 'step: file: wrong in JOB' >&2; test JOB = 2"]) == 1
    told = capfd.readouterr().err
    assert "slurm.py: 2 of 3 jobs failed" in told
    for job in (1, 3):
        assert f"log/x.{job}.log: exit status 1\n  step: file: wrong in {job}\n" in told
    assert "x.2.log" not in told


def test_a_killed_task_is_noticed(here, capfd, monkeypatch):
    monkeypatch.setattr(cluster, "LOST_AFTER", 1.0)
    # The batch script, this command's grandparent, goes as if its machine were out of memory.
    script = "read -r _ _ _ batch _ </proc/$PPID/stat; test JOB = 1 || kill -9 $batch; sleep JOB"
    assert slurm.main(["JOB=1:2", "log/x.JOB.log", "bash", "-c", script]) == 1
    told = capfd.readouterr().err
    assert "1 of 2 jobs failed" in told
    assert "log/x.2.log: ended without a status" in told


def test_the_others_are_cancelled_at_a_failure(here):
    started = time.monotonic()
    assert slurm.main(["--stop-at-failure", "JOB=1:2", "log/x.JOB.log", "bash", "-c",
                       "test JOB = 1 || sleep 100; exit 1"]) == 1
    assert time.monotonic() - started < 50
    wait_until(lambda: squeue() == "")


def test_terminating_it_cancels_its_jobs(here):
    process = subprocess.Popen([ROOT / "utils/parallel/slurm.py", "JOB=1:2", "log/x.JOB.log",
                                "sleep", "100"], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: (here / "log/x.2.log").exists())
    process.send_signal(signal.SIGTERM)
    assert "stopped by SIGTERM" in process.communicate(timeout=30)[1]
    assert process.returncode == 1
    wait_until(lambda: squeue() == "")


def test_what_sbatch_refuses_is_one_line(here):
    with pytest.raises(SystemExit, match=r"slurm\.py: sbatch: .*invalid partition"):
        slurm.main(["--option", "-p nosuch", "log/x.log", "true"])


def test_a_pool_works_through_slurm(here):
    worker = here / "worker.py"
    worker.write_text("import sys\nfrom utils.parallel.pool import serve\njob = int(sys.argv[1])\n"
                      "serve('work', job, {'times': lambda a: {'y': a['x'] * job}})\n")
    command = [sys.executable, worker, "JOB"]
    with WorkerPool(str(ROOT / "utils/parallel/slurm.py"), 2, "log/w.JOB.log", command,
                    "work") as pool:
        for x in range(3):
            assert [r["y"].item() for r in pool.run("times", {"x": x})] == [x, 2 * x]


def wait_until(condition, seconds=30.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.1)
