"""Options, .done and whole-or-nothing outputs, with a step of a few lines."""

import os
import signal
import subprocess
import sys

import pytest

from utils import step as house
from utils.step import (
    ROOT,
    Step,
    UserError,
    archive_of,
    fingerprint,
    numbered,
    read_done,
    run_command,
    split_command,
)

COPY = """
import sys, time
from utils.step import Step
def main(argv=None):
    step = Step(__file__, "copies a file")
    step.add("--times", type=int, default=1)
    step.add("--wait", type=float, default=0)
    step.add("source")
    step.add("dir")
    args = step.parse(argv)
    if step.up_to_date(args.dir, [args.source]):
        return 0
    with step.output(args.dir) as out:
        (out / "first").write_text(open(args.source).read() * args.times)
        print("half", flush=True)
        time.sleep(args.wait)
        (out / "second").write_text("")
    return step.finish("1 file")
raise SystemExit(main())
"""


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "copy.py").write_text(COPY)
    (tmp_path / "source").write_text("a")
    environment = dict(os.environ, PYTHONPATH=str(ROOT))

    def start(*options):
        return subprocess.Popen(
            [sys.executable, tmp_path / "copy.py", *options, tmp_path / "source", tmp_path / "out"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    return start


def test_runs_again_only_for_a_reason(copy, tmp_path):
    def ran(*options):
        process = copy(*options)
        _, err = process.communicate()
        assert process.returncode == 0
        return "up to date" not in err

    assert ran()
    assert not ran()
    assert ran("--times", "2")
    assert (tmp_path / "out/first").read_text() == "aa"
    (tmp_path / "source").write_text("b")
    assert ran("--times", "2")
    assert not ran("--times", "2")
    assert ran("--times", "2", "--force")
    (tmp_path / "out/second").unlink()
    assert ran("--times", "2")


def test_an_option_that_came_later_changes_nothing_at_its_default(copy, tmp_path):
    def told(*options):
        return copy(*options).communicate()[1]

    told()
    script = tmp_path / "copy.py"
    script.write_text(script.read_text().replace(
        'step.add("source")', 'step.add("--more", default="")\n    step.add("source")'))
    assert "up to date" in told()
    assert "up to date" not in told("--more", "yes")
    assert "up to date" in told("--more", "yes") and "up to date" not in told()


def member(name, options, directory, outputs):
    """Run a step of that name which writes the outputs; whether it had to."""
    step = Step(ROOT / f"{name}.py", "doc")
    step.add("dir")
    step.parse([*options, directory])
    if step.up_to_date(directory, []):
        return False
    with step.output(directory) as out:
        for output in outputs:
            (out / output).write_text(name)
    return True


@pytest.fixture
def family(monkeypatch):
    monkeypatch.setattr(house, "KINDS", {"models": ("plain", "adapted"), "maps": ("mapped",)})


def test_a_directory_is_of_the_one_of_a_family_that_ran_last(tmp_path, family):
    path = tmp_path / "out"

    def plain(*options):
        return member("plain", options, path, ["final.mdl"])

    def adapted(*options):
        return member("adapted", options, path, ["final.mdl", "final.mat"])

    def names():
        return sorted(p.name for p in path.iterdir())

    assert member("score", [], path, ["wer"])
    assert plain() and not plain()
    assert adapted() and not adapted()
    assert names() == [".done", "final.mat", "final.mdl", "wer"]
    assert plain() and not plain()
    assert names() == [".done", "final.mdl", "wer"]
    assert adapted("--force") and plain("--force")
    assert names() == [".done", "final.mdl", "wer"]
    assert not member("score", [], path, ["wer"])


def test_records_of_two_of_a_family_are_not_believed(tmp_path, monkeypatch):
    """Steps that know nothing of each other leave such."""
    assert member("plain", [], tmp_path / "out", ["final.mdl"])
    assert member("adapted", [], tmp_path / "out", ["final.mdl"])
    monkeypatch.setattr(house, "KINDS", {"models": ("plain", "adapted")})
    assert member("plain", [], tmp_path / "out", ["final.mdl"])
    assert list(read_done(tmp_path / "out")) == ["plain"]


def test_a_directory_of_another_kind_is_left_alone(tmp_path, family):
    path = tmp_path / "out"
    assert member("score", [], path, ["wer"])
    assert member("plain", [], path, ["final.mdl"])
    before = (path / ".done").read_text()
    with pytest.raises(UserError, match=r"out: holds models, which mapped.py does not"):
        member("mapped", ["--force"], path, ["final.mdl"])
    assert (path / ".done").read_text() == before
    assert member("score", ["--force"], path, ["wer"])
    (tmp_path / "data").mkdir()
    (tmp_path / "data/utt2spk").write_text("u s\n")
    with pytest.raises(UserError, match=r"data: holds data, which plain.py does not"):
        member("plain", [], tmp_path / "data", ["final.mdl"])
    assert member("score", [], tmp_path / "data", ["wer"])


def test_where_there_is_no_record(tmp_path):
    for text in ("", "{", "[1, 2]", '"x"'):
        (tmp_path / ".done").write_text(text)
        assert read_done(tmp_path) == {}
    assert read_done(tmp_path / ".done") == read_done(tmp_path / "nowhere") == {}


def test_archives_of_kaldi_are_seen_to_change(tmp_path):
    archive, scp = tmp_path / "raw.ark", tmp_path / "feats.scp"
    archive.write_bytes(b"a")
    scp.write_text(f"utt1 {archive}:5\nutt2 {archive}:90[0:7]\nutt3 copy-feats x.ark - |\n")
    assert archive_of("a b[1]/x.ark:12[0:7]") == ("a b[1]/x.ark", 12)
    assert archive_of("a[1]:2/x.ark") == ("a[1]:2/x.ark", 0)
    before = fingerprint([scp])
    assert set(before) == {str(scp), str(archive)}
    archive.write_bytes(b"ab")
    assert fingerprint([scp]) != before
    (tmp_path / "feats.json").write_text("{}")     # of our own features, which it tells apart
    assert set(fingerprint([scp])) == {str(scp)}


def test_a_killed_step_leaves_what_was_there(copy, tmp_path):
    copy().communicate()
    killed = copy("--times", "3", "--wait", "60")
    assert killed.stdout.readline() == "half\n"
    killed.kill()
    killed.communicate()
    assert (tmp_path / "out/first").read_text() == "a"
    _, err = copy().communicate()
    assert "up to date" in err
    process = copy("--times", "3")
    process.communicate()
    assert (tmp_path / "out/first").read_text() == "aaa"
    assert not list((tmp_path / "out").glob(".*.tmp"))   # nor what the killed one left


def test_a_file_where_a_directory_is_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(house, "_name", "step")
    (tmp_path / "file").write_text("")
    step = Step(__file__, "a step")
    step.parse([])
    for directory in (tmp_path / "file", tmp_path / "file/exp/mono"):
        with pytest.raises(UserError, match="file: is a file, and a directory is to be there"):
            step.up_to_date(directory, [])
        with pytest.raises(UserError, match="file: is a file"), step.output(directory):
            pass
    assert step.up_to_date(tmp_path / "new", []) is False


@pytest.mark.parametrize(("there", "message"), [
    ("model/old", "model: is a directory, and a file is to be there"),
    ("parts", "parts: is a file, and a directory is to be there")])
def test_a_directory_where_a_file_is_to_be_and_the_other_way_round(tmp_path, there, message):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).touch()
    step = Step(__file__, "two files")
    step.parse([])
    step.inputs = {}
    with pytest.raises(UserError, match=message), step.output(tmp_path) as work:
        (work / "first").touch()
        (work / "model").touch()
        (work / "parts").mkdir()
        (work / "parts/second").touch()
    assert not (tmp_path / "first").exists() and not (tmp_path / ".done").exists()
    assert (tmp_path / there).is_file()


@pytest.mark.parametrize(("conf", "message"), [
    (b"--bogus=1\n", "conf:1: --bogus is no option"),
    (b"# notes\n\nbogus\n", "conf:3: bogus is no option"),
    (b"--config=other.conf\n", "conf:1: --config is for the command line alone"),
    (b"--help\n", "conf:1: --help is for the command line alone"),
    (b"--times=1\n--caf\xe9=1\n", "conf:2:6: byte 0xe9 is not UTF-8"),
])
def test_lines_of_a_conf_file_are_named(tmp_path, conf, message):
    (tmp_path / "conf").write_bytes(conf)
    step = Step(__file__, "a step")
    step.add("--times", type=int, default=1)
    with pytest.raises(UserError, match=message):
        step.parse(["--config", tmp_path / "conf"])


def test_conf_files_of_another_system_and_the_command_line_wins(tmp_path):
    (tmp_path / "conf").write_bytes("\ufeff--times=2   # twice\r\n--name=x y\r\n".encode())
    step = Step(__file__, "a step")
    step.add("--times", type=int, default=1)
    step.add("--name", default="")
    args = step.parse(["--config", tmp_path / "conf", "--times", "3"])
    assert (args.times, args.name) == (3, "x y")


def test_a_cmd_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"--cmd: .*nope.py cannot be run, no such file"):
        run_command([tmp_path / "nope.py", "JOB=1:2", tmp_path / "log", "true"])


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="a: cannot be written, is a directory"):
        house.write_atomic(tmp_path / "a", "x")
    with pytest.raises(UserError, match="cannot be written, file name too long"):
        house.write_atomic(tmp_path / ("x" * 300), "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    step = Step(__file__, "")
    with pytest.raises(UserError, match="cannot be written to, "), step.output("/proc/none/x"):
        raise AssertionError


def test_an_unknown_option_is_told_with_what_was_meant():
    step = Step("make_mfcc.py", "")
    step.add("--num-ceps", type=int, default=13)
    step.add("data")
    with pytest.raises(SystemExit) as ended:
        step.parse(["--num-cep", "12", "data/x"])
    assert ended.value.code == ("make_mfcc.py: no such option: --num-cep, is it --num-ceps? "
                                "(try --help)")
    with pytest.raises(SystemExit, match=r"no such option: --zzz \(try"):
        step.parse(["data/x", "--zzz=1"])
    with pytest.raises(SystemExit, match="unrecognized arguments: data/y"):
        step.parse(["data/x", "data/y"])


def interrupted(script):
    """The process of a script that says `here`, and then is sent SIGINT."""
    process = subprocess.Popen(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    return process


def test_an_interruption_is_one_line(tmp_path):
    script = tmp_path / "wait.py"
    script.write_text('import time\nfrom utils.step import Step\nStep(__file__, "Wait.").parse()\n'
                      'print("here", flush=True)\ntime.sleep(60)\n')
    process = interrupted(script)
    err = process.communicate(timeout=30)[1]
    assert process.returncode == -signal.SIGINT
    assert err.splitlines()[1:] == ["wait: interrupted, and nothing is half done (run it again)"]


def test_the_jobs_number_is_in_no_other_word(tmp_path):
    assert numbered(2, "log/x.JOB.log", ["a", "--job", "JOB"]) == [
        "JOB=1:2", "log/x.JOB.log", "a", "--job", "JOB"]
    assert numbered(2, "myJOBS/log/x.JOB.log", ["/JOBX/a", "--job", "JOB"]) == [
        "JOBXX=1:2", "myJOBS/log/x.JOBXX.log", "/JOBX/a", "--job", "JOBXX"]


def test_a_command_of_jobs_that_cannot_be_read():
    with pytest.raises(UserError, match=r"--cmd: run.py 'x cannot be split into words"):
        split_command("run.py 'x")


def test_an_interruption_waits_for_the_jobs_to_end(tmp_path):
    """The command that runs jobs is asked to stop, and what it says then is still said."""
    slow = tmp_path / "slow.py"
    slow.write_text("import signal, sys, time\n"
                    "def stop(*_):\n    time.sleep(1)\n    print('jobs ended', flush=True)\n"
                    "    sys.exit(1)\n"
                    "signal.signal(signal.SIGTERM, stop)\nprint('here', flush=True)\n"
                    "time.sleep(60)\n")
    script = tmp_path / "wait.py"
    script.write_text("import sys\nfrom utils.step import Step, run_command\n"
                      'Step(__file__, "Wait.").parse([])\n'
                      f"run_command([sys.executable, {str(slow)!r}])\n")
    process = interrupted(script)
    out, err = process.communicate(timeout=30)
    assert out == "jobs ended\n" and "interrupted" in err
    assert process.returncode == -signal.SIGINT


def test_a_config_without_a_file():
    step = Step("make_mfcc.py", "")
    step.add("data")
    with pytest.raises(SystemExit) as ended:
        step.parse(["data/x", "--config"])
    assert str(ended.value.code).startswith("make_mfcc.py: argument --config: expected one")


def test_a_full_disk_is_one_line(tmp_path):
    script = tmp_path / "fill.py"
    script.write_text('from pathlib import Path\nfrom utils.step import Step\n'
                      'Step(__file__, "Fill.").parse()\n'
                      'Path("/dev/full").write_text("x" * 99999)\n')
    done = subprocess.run([sys.executable, script], env={**os.environ, "PYTHONPATH": str(ROOT)},
                          text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "fill: cannot be written, no space left on device (make room and run it again)"]


def test_where_jobs_run():
    assert split_command(house.RUN) == [str(ROOT / "utils/parallel/run.py")]


def test_a_record_of_its_own_for_each_file(tmp_path):
    """Steps that add what they make to their name, as train_ngram.py, know their own outputs."""
    for name, file in (("a", "a.1"), ("b", "b.1"), ("a", "a.2")):
        step = Step(ROOT / "steps/x.py", "")
        step.name += f":{name}"
        step.parse(["--force"])
        step.up_to_date(tmp_path, [])
        with step.output(tmp_path) as out:
            (out / file).write_text("")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".done", "a.2", "b.1"]
