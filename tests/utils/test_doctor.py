"""What a machine lacks, and what a recipe takes."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from utils import doctor
from utils.recipe import checks, machine
from utils.step import ROOT, UserError


def bare_python():
    """A Python of the system, without the environment's packages."""
    return getattr(sys, "_base_executable", sys.executable)


def test_it_runs_without_the_environment_and_quickly(tmp_path):
    started = time.process_time(), os.times().children_user
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV")}
    done = subprocess.run([bare_python(), "-I", "-S", ROOT / "utils/doctor.py"], cwd=tmp_path,
                          env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.times().children_user - started[1] < 2
    levels = {line[:5].strip() for line in done.stdout.splitlines() if line[0] != " "}
    assert levels <= {"ok", "note"}
    for what in ("Python 3", "packages: all", "sound: ", "WAV", "eSpeak NG: 1", "bash ", "cores",
                 "memory: ", "disk: ", "GPU"):
        assert what in done.stdout, what


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A repository with an environment of two packages, and nothing on the PATH but bash."""
    site = tmp_path / ".venv/lib/python3.11/site-packages"
    for name, version in (("numpy", "2.4.9"), ("Ai_Edge.LiteRT", "2.3.0")):
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (tmp_path / ".venv/bin").mkdir()
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    (site / "espeakng_loader/espeak-ng-data/lang").mkdir(parents=True)
    (site / "espeakng_loader/espeak-ng-data/lang/sw").touch()
    (tmp_path / "requirements.txt").write_text("# all\nnumpy~=2.4.6\nai-edge-litert~=2.3.0\n")
    shutil.copy(ROOT / "cmd.sh", tmp_path)
    monkeypatch.setattr(machine, "sound_formats",
                        lambda python: (["FLAC", "MP3", "OGG", "WAV"], "1.2.2"))
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    monkeypatch.setattr(checks, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(checks, "REQUIREMENTS", tmp_path / "requirements.txt")
    return tmp_path


def test_packages_that_are_old_or_missing(house, capsys):
    assert doctor.main([]) == 0
    assert "packages: all 2 of requirements.txt" in capsys.readouterr().out
    (house / "requirements.txt").write_text("numpy~=2.5.0\nkaldiio~=2.18.1\n")
    with pytest.raises(UserError, match=r"1 of \d+ are wrong") as ended:
        doctor.main([])
    assert ended.value.code
    told = capsys.readouterr().out
    assert "WRONG  packages: numpy is 2.4.9, ~=2.5.0 is needed; kaldiio is missing" in told
    assert f"-> {house}/.venv/bin/python -m pip install -r {house}/requirements.txt" in told


def test_no_environment_yet(house, capsys, monkeypatch):
    shutil.rmtree(house / ".venv")
    assert doctor.main([]) == 0
    assert "note   no .venv yet; ./run.sh makes it" in capsys.readouterr().out
    monkeypatch.setattr(machine, "can_make_venv", lambda: False)
    with pytest.raises(UserError):
        doctor.main([])
    assert "apt-get install python3-venv" in capsys.readouterr().out


def test_voices_sound_shell_memory_and_disk(house, capsys, monkeypatch):
    (house / ".venv/lib/python3.11/site-packages/espeakng_loader/espeak-ng-data/lang/sw").unlink()
    monkeypatch.setattr(machine, "sound_formats", lambda python: None)
    monkeypatch.setattr(machine, "bash_version", lambda: (3, 2))
    monkeypatch.setattr(machine, "memory", lambda: (2.0, 0.5))
    monkeypatch.setattr(machine, "disk", lambda path: 0.2)
    with pytest.raises(UserError, match="5 of"):
        doctor.main([])
    told = capsys.readouterr().out
    for line in ("WRONG  eSpeak NG: no voices", "WRONG  sound: soundfile does not load",
                 "WRONG  bash: 3.2, 4.4 or newer", "WRONG  memory: 0.5 of 2.0 GB free, 2 are",
                 "WRONG  disk: 0 GB free"):
        assert line in told, line


def test_a_cluster_that_cmd_sh_asks_for(house, capsys, monkeypatch):
    there = {"qsub"}
    monkeypatch.setattr(shutil, "which", lambda name: f"/x/{name}" if name in there else None)
    monkeypatch.setattr(machine, "bash_version", lambda: (5, 2))
    doctor.main([])
    assert "ok     cluster: /x/qsub\n       -> cmd.sh runs jobs on this" in capsys.readouterr().out
    text = (house / "cmd.sh").read_text().replace('# train_cmd="utils/parallel/slurm',
                                                  'train_cmd="utils/parallel/slurm')
    (house / "cmd.sh").write_text(text)
    with pytest.raises(UserError):
        doctor.main([])
    assert "WRONG  cmd.sh uses slurm.py, but there is no sbatch here" in capsys.readouterr().out


def test_estimates_and_whether_they_fit(house, tiny, capsys, monkeypatch):
    doctor.main(["--recipe", ROOT / "egs/mboshi", "--hours", "4"])
    told = capsys.readouterr().out
    assert "4.00 hours to train on and 0.80 to test: about " in told and "(estimated)" in told
    doctor.main(["--data", tiny / "data"])
    assert "a recipe" not in capsys.readouterr().out
    recipe = house / "mine"
    (recipe / "conf").mkdir(parents=True)
    shutil.copy(ROOT / "egs/TEMPLATE/run.sh", recipe)
    with pytest.raises(UserError, match="how much speech is it"):
        doctor.main(["--recipe", recipe])
    (recipe / "conf/corpus.json").write_text(
        json.dumps({"hours": {"train": 2000, "dev": 1, "test": 1}}))
    monkeypatch.setattr(machine, "disk", lambda path: 50.0)
    capsys.readouterr()
    with pytest.raises(UserError):
        doctor.main(["--recipe", recipe])
    assert "GB are needed, 50.0 are free\n       -> make room" in capsys.readouterr().out
    backwards = house / "backwards"
    backwards.mkdir()
    (backwards / "utt2dur").write_text("a -5\n")
    with pytest.raises(UserError, match=r"backwards: has -0.00138889 hours of speech to train on"):
        doctor.main(["--data", backwards])
    for hours in ("0", "inf"):
        with pytest.raises(UserError, match="expected hours above 0"):
            doctor.main(["--hours", hours])
    with pytest.raises(SystemExit, match="--nj: must be at least 1, not 0"):
        doctor.main(["--hours", "1", "--nj", "0"])


@pytest.mark.parametrize("hours", [3, {"train": "x", "dev": 1, "test": 1}])
def test_a_damaged_corpus_json_is_named(tmp_path, hours):
    (tmp_path / "conf").mkdir()
    shutil.copy(ROOT / "egs/TEMPLATE/run.sh", tmp_path)
    (tmp_path / "conf/corpus.json").write_text(json.dumps({"hours": hours}))
    with pytest.raises(UserError, match=r"corpus\.json: is damaged, hours are "):
        doctor.main(["--recipe", tmp_path])
