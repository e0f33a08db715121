import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from utils.parallel import run
from utils.step import ROOT

RUN = str(ROOT / "utils/parallel/run.py")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    return tmp_path


def test_every_job_has_its_number_and_its_log():
    assert run.main(["JOB=2:4", "log/JOB/x.JOB.log", "echo", "split4/JOB", "xJOBy", "a b"]) == 0
    assert sorted(p.name for p in Path("log").iterdir()) == ["2", "3", "4"]
    lines = Path("log/3/x.3.log").read_text().splitlines()
    assert lines[0] == "# echo split4/3 x3y 'a b'"
    assert lines[1].startswith("# Started at ")
    assert lines[2:4] == ["#", "split4/3 x3y a b"]
    assert lines[4].startswith("# Accounting: time=")
    assert lines[5].startswith("# Ended (code 0) at ")


def test_any_variable_a_single_job_and_no_variable():
    assert run.main(["n=5", "x.n.log", "true"]) == 0
    assert Path("x.5.log").exists()
    assert run.main(["x.JOB.log", "echo", "JOB"]) == 0
    assert "\nJOB\n" in Path("x.JOB.log").read_text()


def test_words_reach_the_command_as_they_are():
    words = ["$HOME", "*", "a|b", "'", '"', "", "ü", "--x=1"]
    assert run.main(["x.log", sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]) == 0
    assert repr(words) in Path("x.log").read_text()


def test_failed_jobs_are_named_with_the_tails_of_their_logs(capfd):
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo line$i; done; " \
             "echo 'make_mfcc: data/x/wav.scp:3: no such file' >&2; exit $((JOB % 2 * 3))"
    assert run.main(["JOB=1:4", "x.JOB.log", "bash", "-c", script]) == 1
    told = capfd.readouterr().err.splitlines()
    assert told[0] == "run.py: 2 of 4 jobs failed"
    assert told[1] == "run.py: x.1.log: exit status 3"
    assert told[2:10] == [f"  line{i}" for i in range(3, 10)] + [
        "  make_mfcc: data/x/wav.scp:3: no such file"]
    assert told[10] == "run.py: x.3.log: exit status 3"
    assert "Ended (code 3)" in Path("x.1.log").read_text()


def test_many_failures_are_named_and_a_few_shown(capfd):
    assert run.main(["JOB=1:9", "x.JOB.log", "bash", "-c", "echo why; exit 1"]) == 1
    told = capfd.readouterr().err
    assert all(f"x.{job}.log: exit status 1" in told for job in range(1, 10))
    assert told.count("  why") == 3


def test_a_command_that_is_not_there(capfd):
    assert run.main(["x.log", "no-such-command"]) == 1
    assert "no-such-command: No such file or directory" in capfd.readouterr().err
    assert run.main(["x.log", "no-\udcff-command"]) == 1    # as a byte that is not UTF-8 comes here
    assert b"no-\xff-command: No such file or directory" in Path("x.log").read_bytes()


def test_a_tail_is_never_of_last_time(capfd):
    Path("x.log").write_text("old news\n")
    assert run.main(["x.log", "false"]) == 1
    told = capfd.readouterr().err
    assert "old news" not in told
    assert "(the log is empty)" in told


@pytest.mark.parametrize("limit", [1, 2])
def test_max_jobs_run(limit):
    script = "import pathlib, time; p = pathlib.Path('on.JOB'); p.touch(); " \
             "print('running', len(list(pathlib.Path('.').glob('on.*')))); " \
             "time.sleep(0.2); p.unlink()"
    assert run.main(["--max-jobs-run", str(limit), "JOB=1:4", "x.JOB.log",
                     sys.executable, "-c", script]) == 0
    seen = [int(Path(f"x.{job}.log").read_text().split("running ")[1][0]) for job in range(1, 5)]
    assert max(seen) <= limit
    if limit > 1:
        assert max(seen) == limit


def test_threads_and_memory(capfd):
    script = "echo $OMP_NUM_THREADS $OPENBLAS_NUM_THREADS; ulimit -v"
    assert run.main(["--num-threads", "3", "--mem=1.5G", "x.log", "bash", "-c", script]) == 0
    assert Path("x.log").read_text().splitlines()[3:5] == ["3 3", str(3 << 19)]
    assert run.main(["x.log", "bash", "-c", script]) == 0
    assert Path("x.log").read_text().splitlines()[3] == "1 1"
    assert run.main(["--mem", "100M", "x.log", sys.executable, "-c", "bytearray(10**9)"]) == 1
    assert "MemoryError" in capfd.readouterr().err


def test_more_memory_than_there_is_leave_for():
    script = "ulimit -v 4000000; exec \"$0\" --mem 8G x.log bash -c 'ulimit -v'"
    subprocess.run(["bash", "-c", script, RUN], check=True)
    assert Path("x.log").read_text().splitlines()[3] == "4000000"


def test_a_device_stays_when_it_is_the_log(monkeypatch):
    removed = []
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: removed.append(path))
    assert run.main(["/dev/null", "true"]) == 0
    assert Path("/dev/null").is_char_device() and not removed


def test_the_others_end_at_a_failure():
    started = time.monotonic()
    assert run.main(["--max-jobs-run", "2", "--stop-at-failure", "JOB=1:3", "x.JOB.log",
                     "bash", "-c", "test JOB = 1 || sleep 60; exit 1"]) == 1
    assert time.monotonic() - started < 10
    assert "Ended (code 143)" in Path("x.2.log").read_text()
    assert not Path("x.3.log").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_jobs_and_all_they_started(number):
    process = subprocess.Popen([RUN, "--max-jobs-run", "2", "JOB=1:2", "x.JOB.log", "bash", "-c",
                                "sleep 60 & echo $! >pid.JOB; trap '' TERM; sleep 60"],
                               stderr=subprocess.PIPE, text=True)
    _wait_until(lambda: all(Path(f"pid.{j}").exists() and Path(f"pid.{j}").read_text()
                            for j in (1, 2)))
    process.send_signal(number)
    told = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert f"stopped by {signal.Signals(number).name}" in told
    for job in (1, 2):
        assert not _running(Path(f"pid.{job}").read_text().strip())


def test_jobs_end_with_the_process_that_started_run():
    parent = subprocess.Popen(["bash", "-c", f"{RUN} x.log bash -c 'echo $$; sleep 60'; true"],
                              stderr=subprocess.DEVNULL)
    _wait_until(lambda: Path("x.log").exists() and len(Path("x.log").read_text().split("\n")) > 4)
    pid = Path("x.log").read_text().splitlines()[3]
    parent.kill()
    parent.wait()
    _wait_until(lambda: not _running(pid))


@pytest.mark.parametrize(("argv", "message"), [
    ([], "needs a log file and a command"),
    (["x.log"], "needs a log file and a command"),
    (["JOB=1:2", "x.log", "true"], r"x\.log: 2 jobs would share this log \(put JOB into its name"),
    (["JOB=3:2", "x.JOB.log", "true"], "JOB=3:2: job numbers rise from 1 on"),
    (["JOB=0:2", "x.JOB.log", "true"], "job numbers rise from 1 on"),
    (["--foo", "x.log", "true"], "no such option: --foo"),
    (["--mem", "much", "x.log", "true"], "expected a size such as 500M or 2G, not much"),
    (["--mem", "infG", "x.log", "true"], "expected a size such as 500M or 2G, not infG"),
    (["--mem=-1G", "x.log", "true"], "expected a size such as 500M or 2G, not -1G"),
    (["--mem=9000000T", "x.log", "true"], "expected a size such as 500M or 2G, not 9000000T"),
    (["--option", "--comment=it's", "x.log", "true"], "--option: --comment=it's cannot be split"),
    (["file/x.log", "true"], "file/x.log: cannot be written, file exists"),
    (["file/y/x.log", "true"], "file/y/x.log: cannot be written, not a directory"),
    (["folder", "true"], "folder: cannot be written, is a directory"),
    (["full.log", "true"], "full.log: cannot be written, no space left on device"),
    (["--mem"], "--mem needs a value"),
    (["--max-jobs-run", "0", "x.log", "true"], "--max-jobs-run: expected a number from 1 on"),
])
def test_mistakes_are_one_line(argv, message):
    Path("file").touch()
    Path("folder").mkdir()
    Path("full.log").symlink_to("/dev/full")   # a full disk
    with pytest.raises(SystemExit, match=f"^run.py: .*{message}") as caught:
        run.main(argv)
    assert "\n" not in str(caught.value)


def _running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_until(condition, seconds=10.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)
