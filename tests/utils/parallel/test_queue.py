"""queue.py against a stand-in for Grid Engine: its qsub starts every task of the array at once."""

import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from utils.parallel import cluster, queue
from utils.step import ROOT

QSUB = """#!{python}
import os, pathlib, subprocess, sys
here = pathlib.Path(__file__).parent
(here / "argv").write_text("\\n".join(sys.argv[1:]))
if "-q" in sys.argv and sys.argv[sys.argv.index("-q") + 1] == "nosuch":
    sys.exit("Unable to run job: unknown queue nosuch.\\nExiting.")
first, last = sys.argv[sys.argv.index("-t") + 1].split("-")
output = sys.argv[sys.argv.index("-o") + 1]
for task in range(int(first), int(last) + 1):
    # As Grid Engine without -V: next to nothing of this environment reaches the task.
    with open(output.replace("$TASK_ID", str(task)), "wb") as file:
        process = subprocess.Popen(["/bin/bash", sys.argv[-1]], stdout=file, stderr=file,
                                   stdin=subprocess.DEVNULL, start_new_session=True,
                                   env=dict(SGE_TASK_ID=str(task), PATH="/usr/bin:/bin"))
    (here / f"task.{{task}}").write_text(str(process.pid))
print(f"77.{{first}}-{{last}}:1")
"""
QSTAT = """#!{python}
import pathlib
print("job-ID  prior  name  user  state submit/start at   queue  slots ja-task-ID\\n" + "-" * 70)
for path in sorted(pathlib.Path(__file__).parent.glob("task.*")):
    try:
        state = pathlib.Path(f"/proc/{{path.read_text()}}/stat").read_text()
    except FileNotFoundError:
        continue
    if state.rsplit(")")[1].split()[0] != "Z":
        print(f"     77 0.55500 x  me  r  11/22/2025 10:00:00 all.q@here  1 {{path.suffix[1:]}}")
        print(f"     76 0.55500 y  me  r  11/22/2025 10:00:00 all.q@here  1 9")
"""
QDEL = """#!{python}
import os, pathlib, signal, sys
here = pathlib.Path(__file__).parent
(here / "deleted").write_text(sys.argv[1])
for path in here.glob("task.*"):
    try:
        os.killpg(int(path.read_text()), signal.SIGTERM)
    except ProcessLookupError:
        pass
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """The stand-in's directory; the working directory is <tmp_path>/work."""
    directory = tmp_path / "bin"
    for name, text in (("qsub", QSUB), ("qstat", QSTAT), ("qdel", QDEL)):
        directory.mkdir(exist_ok=True)
        (directory / name).write_text(text.format(python=sys.executable))
        (directory / name).chmod(0o755)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setattr(sys, "argv", ["queue.py"])
    return directory


def test_an_array_runs_and_qsub_is_asked_as_its_manual_says(engine):
    assert queue.main(["--mem", "2G", "--num-threads", "2", "--max-jobs-run", "3",
                       "--option", "-q all.q -l 'h_rt=60'", "JOB=1:3", "log/1st.JOB.log",
                       "bash", "-c", "echo job JOB in $PWD with $OMP_NUM_THREADS"]) == 0
    for job in (1, 2, 3):
        text = Path(f"log/1st.{job}.log").read_text()
        assert f"job {job} in {Path.cwd()} with 2" in text
        assert "Ended (code 0)" in text
    argv = (engine / "argv").read_text().split("\n")
    asked = dict(pairwise(argv))
    assert (asked["-t"], asked["-tc"], asked["-N"], asked["-q"]) == ("1-3", "3", "j1st", "all.q")
    assert [b for a, b in pairwise(argv) if a == "-l"] == [
        "mem_free=2048M", "h_rt=60"]
    assert argv[argv.index("-pe"):][:3] == ["-pe", "smp", "2"]
    assert not list(Path("log/q").iterdir())


def test_a_name_has_nothing_that_schedulers_take_for_their_own(engine):
    assert queue.main(["JOB=1:2", "log/a:b@c %J*.JOB.log", "true"]) == 0
    asked = dict(pairwise((engine / "argv").read_text().split("\n")))
    assert asked["-N"] == "a_b_c__J"
    assert Path("log/a:b@c %J*.2.log").exists()


def test_failing_jobs_are_named_with_their_tails(engine, capfd):
    assert queue.main(["JOB=1:3", "log/x.JOB.log", "bash", "-c",
                       "echo 'step: file: wrong in JOB' >&2; exit $((JOB == 2))"]) == 1
    told = capfd.readouterr().err
    assert "queue.py: 1 of 3 jobs failed" in told
    assert "log/x.2.log: exit status 1\n  step: file: wrong in 2\n" in told


def test_a_task_that_vanishes_is_noticed(engine, capfd, monkeypatch):
    monkeypatch.setattr(cluster, "LOST_AFTER", 0.5)
    script = f"test JOB = 1 || kill -9 $(cat {engine}/task.JOB); sleep JOB"
    assert queue.main(["JOB=1:2", "log/x.JOB.log", "bash", "-c", script]) == 1
    told = capfd.readouterr().err
    assert "1 of 2 jobs failed" in told
    assert "log/x.2.log: ended without a status" in told


def test_the_others_are_deleted_at_a_failure(engine):
    assert queue.main(["--stop-at-failure", "JOB=1:2", "log/x.JOB.log", "bash", "-c",
                       "test JOB = 1 || sleep 60; exit 1"]) == 1
    assert (engine / "deleted").read_text() == "77"


def test_terminating_it_deletes_its_jobs(engine):
    process = subprocess.Popen([sys.executable, ROOT / "utils/parallel/queue.py", "x.log",
                                "sleep", "60"], stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 10
    while not Path("x.log").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    process.terminate()
    assert "stopped by SIGTERM, job 77 is cancelled" in process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert (engine / "deleted").read_text() == "77"


def test_what_qsub_refuses_is_one_line(engine):
    with pytest.raises(SystemExit, match=r"^queue\.py: qsub: .*unknown queue nosuch"):
        queue.main(["--option", "-q nosuch", "x.log", "true"])


def test_no_grid_engine_here(engine):
    (engine / "qsub").unlink()
    with pytest.raises(SystemExit, match="there is no qsub on this machine"):
        queue.main(["x.log", "true"])
