"""The rules of the house, held by every file of it."""

import ast
import importlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from utils.step import ROOT

# A folder imports from itself and from lower floors.
FLOORS = {"utils": 0, "steps/features": 1, "steps/hmm": 2, "steps/nnet": 3, "steps/decode": 4,
          "steps/transfer": 4, "steps/score": 5, "steps/compress": 6, "steps/package": 7,
          "steps/report": 8}
NOT_STORED = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SOURCES = sorted(p for top in ("steps", "utils", "local", "egs", "tests")
                 for p in (ROOT / top).rglob("*.py")
                 if not {"data", "exp", "corpus", "__pycache__"} & set(p.parts[len(ROOT.parts):]))
LIBRARY = [p for p in SOURCES if p.relative_to(ROOT).parts[0] in ("steps", "utils")]
RECIPES = sorted([*ROOT.glob("run.sh"), *ROOT.glob("egs/*/run.sh")])


def short(path):
    return str(path.relative_to(ROOT))


def has_main(path):
    return "__name__" in path.read_text("utf-8") and "def main(" in path.read_text("utf-8")


def floor(path):
    parts = path.relative_to(ROOT).parts
    return parts[0] if parts[0] == "utils" else "/".join(parts[:2])


def shell_scripts():
    for path in tracked():
        text = (ROOT / path).read_bytes() if (ROOT / path).is_file() else b""
        if path.endswith(".sh") or text.startswith((b"#!/usr/bin/env bash", b"#!/bin/bash")):
            yield path, text.decode("utf-8")


def tracked():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git working tree")
    return listing.stdout.decode("utf-8").rstrip("\0").split("\0")


@pytest.mark.parametrize("path", list(filter(has_main, LIBRARY)), ids=short)
def test_a_step_can_be_run_and_explains_itself(path, capsys):
    lines = path.read_text("utf-8").splitlines()
    assert os.access(path, os.X_OK), "chmod +x"
    assert lines[0] == "#!/usr/bin/env python3"
    assert lines[-2:] == ['if __name__ == "__main__":', "    raise SystemExit(main())"]
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code in (0, None)
    shown = capsys.readouterr().out
    assert module.__doc__.strip().splitlines()[0] in shown
    assert "e.g." in shown


@pytest.mark.parametrize("path", LIBRARY, ids=short)
def test_imports_go_down(path):
    here = floor(path)
    assert here in FLOORS, f"{here} has no floor"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            names = [node.module]
            if node.module == "steps":
                names = [f"steps.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            assert parts[0] not in ("local", "egs", "tests"), f"line {node.lineno}: {name}"
            if parts[0] in ("steps", "utils"):
                there = "utils" if parts[0] == "utils" else "/".join(parts[:2])
                assert there == here or FLOORS[there] < FLOORS[here], (
                    f"line {node.lineno}: {here} stands below {there}")


@pytest.mark.parametrize("path", [p for p in SOURCES if "tests" not in p.parts], ids=short)
def test_nothing_is_pickled_or_evaluated(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert not NOT_STORED & {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in NOT_STORED
        elif isinstance(node, ast.Call):
            assert not (isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"))
            assert not any(k.arg == "allow_pickle" and getattr(k.value, "value", True)
                           for k in node.keywords)


def test_shell_scripts_are_plain():
    for path, text in shell_scripts():
        checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True,
                                 check=False)
        assert checked.returncode == 0, f"{path}: {checked.stderr}"
        for number, line in enumerate(text.splitlines(), 1):
            code = line.split("#")[0]
            where = f"{path}:{number}"
            assert not re.search(r"(^|[;&|(]|\bthen|\bdo)\s*eval\s", code), f"{where}: eval"
            assert not re.search(r"(^|[;&|(]|\s)perl\s", code), f"{where}: perl"
            if re.search(r"\bawk\b", code):
                assert code.count("'") % 2 == 0, f"{where}: an awk program of several lines"


@pytest.mark.parametrize("recipe", RECIPES, ids=short)
def test_a_recipe_lists_its_stages(recipe):
    text = recipe.read_text("utf-8")
    assert os.access(recipe, os.X_OK)
    assert "set -euo pipefail" in text
    told = subprocess.run([recipe, "--help"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    head = next(line for line in text.splitlines() if re.match("#[^!]", line))
    assert told.stdout.startswith(head.removeprefix("#").strip())
    assert re.search(r"stages\n +0", told.stdout)


@pytest.mark.parametrize("recipe", [p for p in RECIPES if p.parent != ROOT], ids=short)
def test_a_recipe_is_shaped_like_the_root(recipe):
    folder = recipe.parent
    for name in ("steps", "utils"):
        assert (folder / name).readlink() == Path("../..") / name
    for name in ("path.sh", "cmd.sh", "conf", "local", "README.md", "RESULTS"):
        assert (folder / name).exists(), name


def test_the_readme_knows_every_folder():
    readme = (ROOT / "README.md").read_text("utf-8")
    drawn = re.search(r"```\n(README\.md .*?)```", readme, re.S)[1]
    known, parent = set(), ""
    for indent, name in re.findall(r"^( *)(\S+)", drawn, re.M):
        known.add(f"{parent}{name}" if indent else name)
        parent = parent if indent else name
    there = set()
    for path in tracked():
        parts = Path(path).parts
        if parts[0].startswith("."):
            continue
        there.add(parts[0] + "/" * (len(parts) > 1))
        if parts[0] in ("steps", "utils", "egs") and len(parts) > 2:
            there.add(f"{parts[0]}/{parts[1]}/")
    assert known == there


def test_the_readme_names_scripts_that_are_there():
    readme = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"\b(?:steps|utils)/[\w/]+\.py\b", readme))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
