"""path.sh in a copy of the house, with a stand-in for Python that notes what it is asked for."""

import shutil
import subprocess

import pytest

from utils.step import ROOT

PYTHON = """#!/bin/bash
case "$*" in
  -c*) exit ${OLD_PYTHON:-0} ;;
  "-m venv"*) echo venv >>calls; rm -rf .venv/*; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip"*) echo "pip ${@: -1}" >>calls; echo "no matching distribution"; exit ${PIP_FAILS:-0} ;;
esac
"""


@pytest.fixture
def house(tmp_path):
    root = tmp_path / "my house"
    (root / "egs/x").mkdir(parents=True)
    shutil.copy(ROOT / "path.sh", root)
    (root / "egs/x/path.sh").write_text('. "$(dirname "${BASH_SOURCE[0]}")/../../path.sh"\n')
    (root / "requirements.txt").write_text("numpy\n")
    (root / "requirements-dev.txt").write_text("-r requirements.txt\npytest\n")
    python = tmp_path / "python3"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return root


def source(root, script, directory=".", options="-euo pipefail", **environment):
    return subprocess.run(
        ["bash", "-c", f"set {options}; {script}"], cwd=root / directory, text=True,
        capture_output=True, check=False,
        env={"PATH": f"{root.parent}:/usr/bin:/bin", "LANG": "C", **environment})


def calls(root):
    path = root / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_makes_venv_once(house):
    result = source(house, ". ./path.sh; echo done")
    assert (result.stdout, result.returncode) == ("done\n", 0)
    assert result.stderr == "path.sh: making .venv from requirements.txt, once; a few minutes\n"
    assert calls(house) == ["venv", "pip requirements.txt"]
    result = source(house, ". ./path.sh")
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)
    assert calls(house) == []


def test_a_link_to_anothers_venv_is_replaced_and_that_left_alone(house, tmp_path):
    (tmp_path / "other/bin").mkdir(parents=True)
    (tmp_path / "other/bin/python").write_text("another's\n")
    (house / ".venv").symlink_to(tmp_path / "other")
    assert source(house, ". ./path.sh").returncode == 0
    assert not (house / ".venv").is_symlink()
    assert (tmp_path / "other/bin/python").read_text() == "another's\n"


def test_changed_requirements_are_installed(house):
    source(house, ". ./path.sh")
    calls(house)
    (house / "requirements.txt").write_text("numpy\nscipy\n")
    source(house, ". ./path.sh")
    assert calls(house) == ["pip requirements.txt"]


def test_development_requirements_are_kept_once_asked_for(house):
    source(house, ". ./path.sh")
    calls(house)
    source(house, ". ./path.sh", GRAFT_DEV="1")
    assert calls(house) == ["pip requirements-dev.txt"]
    source(house, ". ./path.sh")
    assert calls(house) == []
    (house / "requirements-dev.txt").write_text("-r requirements.txt\nruff\n")
    source(house, ". ./path.sh")
    assert calls(house) == ["pip requirements-dev.txt"]


def test_half_a_venv_never_looks_finished(house):
    result = source(house, ". ./path.sh; echo not reached", PIP_FAILS="1")
    assert (result.stdout, result.returncode) == ("", 1)
    assert "no matching distribution\n" in result.stderr
    assert result.stderr.endswith("requirements.txt: pip could not install it, see .venv.log\n")
    calls(house)
    assert source(house, ". ./path.sh").returncode == 0
    assert calls(house) == ["venv", "pip requirements.txt"]


def test_a_venv_from_elsewhere_is_made_anew(house):
    source(house, ". ./path.sh")
    moved = house.rename(house.with_name("moved"))
    calls(moved)
    source(moved, ". ./path.sh")
    assert calls(moved) == ["venv", "pip requirements.txt"]


def test_too_old_a_python_is_one_line(house):
    result = source(house, ". ./path.sh; echo not reached", OLD_PYTHON="1", PYTHON="python3")
    assert (result.stdout, result.returncode) == ("", 1)
    assert result.stderr == ("path.sh: python3: Python 3.11, 3.12 or 3.13 is needed "
                             "(install it, or name it: PYTHON=/path/to/python3.11)\n")


def test_by_hand_a_failure_leaves_the_shell(house):
    result = source(house, ". ./path.sh; echo status $?", options="+e", OLD_PYTHON="1",
                    PYTHON="python3")
    assert result.stdout == "status 1\n"


@pytest.mark.parametrize(("directory", "script"), [
    (".", ". ./path.sh"), ("egs/x", ". ./path.sh"), ("..", '. "my house/path.sh"')])
def test_the_environment_is_the_same_from_everywhere(house, directory, script):
    shown = "$PYTHONPATH|$PYTHONSAFEPATH|$LC_ALL|$OMP_NUM_THREADS|$NUMBA_CACHE_DIR|$PATH"
    result = source(house, f'{script}; {script}; echo "{shown}"; compgen -v graft || true',
                    directory, LC_ALL="en_US.UTF-8")
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        f"{house}|1|C.UTF-8|1|{house}/.venv/numba|"
        f"{house}/.venv/bin:{house}/utils:{house.parent}:/usr/bin:/bin\n")


def test_sorting_goes_by_code_point(house):
    result = source(house, r'. ./path.sh; printf "b\nA\na\nB\né\n" | sort')
    assert result.stdout.split() == ["A", "B", "a", "b", "é"]
