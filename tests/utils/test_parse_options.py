import os
import signal
import subprocess
import time

import pytest

from utils.step import ROOT

RECIPE = f"""\
#!/usr/bin/env bash
# Says what it was told, in no time.
#
#   ./run.sh --stage 2
set -euo pipefail

stage=0           # first stage to run
stop_stage=99     # last stage to run
target_sets="fr cy"   # one data/<target> each
quick=false       # smaller models
extra=            # more options
systems="mono tri3b"   # which ones
train_cmd=run.py
. {ROOT}/utils/parse_options.sh
parse_options "$@"
demand systems tri3b
inside=1

if begin 0 "download"; then
  echo "<$target_sets> <$quick> <$extra> <$train_cmd>"
fi
if begin 08 "graft \\"en\\" onto each target"; then
  echo eight
fi
if begin 10 "score"; then echo ten; fi
"""


@pytest.fixture
def recipe(tmp_path):
    script = tmp_path / "run.sh"
    script.write_text(RECIPE)

    def run(*options, **environment):
        return subprocess.run(["bash", script, *options], capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", **environment}, check=False)

    return run


def test_defaults(recipe):
    result = recipe()
    assert result.stdout == "<fr cy> <false> <> <run.py>\neight\nten\n"
    assert [line.split(" (")[0] for line in result.stderr.splitlines()] == [
        "== 0 download", '== 08 graft "en" onto each target', "== 10 score"]
    assert result.returncode == 0


def test_both_forms_and_values_as_they_are(recipe):
    result = recipe("--target-sets", "a  $(b)", "--quick=true", "--extra=--x='$y'", "--train_cmd",
                    "slurm.py --mem 1G", "--stop-stage", "0")
    assert result.stdout == "<a  $(b)> <true> <--x='$y'> <slurm.py --mem 1G>\n"


@pytest.mark.parametrize("systems", ["mono", "mono tri3b_bpe", ""])
def test_a_word_that_an_option_needs(recipe, systems):
    result = recipe(f"--systems={systems}")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (f"run.sh: --systems {systems}: tri3b is missing, "
                             "which later stages need\n")


@pytest.mark.parametrize(("options", "ran"), [
    (["--stage", "8"], "eight\nten\n"), (["--stage", "9"], "ten\n"),
    (["--stage=08", "--stop-stage=08"], "eight\n"), (["--stop-stage", "0", "--stage", "1"], "")])
def test_stages(recipe, options, ran):
    result = recipe(*options)
    assert (result.stdout, result.returncode) == (ran, 0)


def test_help_is_the_head_comment_the_options_and_the_stages(recipe):
    result = recipe("--stage", "3", "--help")
    assert result.returncode == 0
    head, options, stages = result.stdout.split("\n\noptions\n")[0], *result.stdout.split(
        "\n\noptions\n")[1].split("\n\nstages\n")
    assert head == "Says what it was told, in no time.\n\n  ./run.sh --stage 2"
    assert [" ".join(line.split()) for line in options.splitlines()][:3] == [
        "--stage first stage to run (default 0)",
        "--stop-stage last stage to run (default 99)",
        '--target-sets one data/<target> each (default "fr cy")']
    assert "more options (default none)" in options
    assert "inside" not in options
    assert stages.splitlines()[0].split() == ["0", "download"]
    assert stages.splitlines()[-1].split() == ["10", "score"]


def test_a_recipe_that_has_gone_to_its_folder(tmp_path):
    folder = tmp_path / "egs/x"
    folder.mkdir(parents=True)
    (folder / "run.sh").write_text(RECIPE.replace("\nstage=0", '\ncd "$(dirname "$0")"\nstage=0'))
    result = subprocess.run(["bash", "egs/x/run.sh", "--stage", "10"], cwd=tmp_path,
                            capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("ten\n", 0), result.stderr


def test_a_recipe_may_call_its_options_as_it_likes(tmp_path):
    script = tmp_path / "run.sh"
    script.write_text(RECIPE.replace("target_sets=", "name=x\nvalue=y\ntarget_sets=").replace(
        "inside=1", 'echo "$name $value"'))
    result = subprocess.run(["bash", script, "--name", "a", "--value", "b", "--stop-stage", "0"],
                            capture_output=True, text=True, check=False)
    assert result.stdout.startswith("a b\n"), result.stderr


def test_stages_that_ended_are_noted_run_after_run(tmp_path):
    script = tmp_path / "run.sh"
    script.write_text(RECIPE.replace("\nstage=0", f"\nexp={tmp_path}/exp\nstage=0").replace(
        "echo ten", "(exit 3)"))
    for options in (["--stop-stage", "0"], ["--stage", "8", "--stop-stage", "8"], ["--stage", "8"]):
        subprocess.run(["bash", script, *options], capture_output=True, check=False)
    rows = [line.split("\t") for line in (tmp_path / "exp/stages.tsv").read_text().splitlines()]
    assert [row[:2] for row in rows] == [
        ["0", "download"], ["08", 'graft "en" onto each target'],
        ["08", 'graft "en" onto each target'], ["10", "score"]]
    assert all(int(row[2]) <= int(row[3]) < int(row[2]) + 60 and len(row) == 4 for row in rows)


def test_a_stage_that_is_interrupted_is_noted_too(tmp_path):
    script = tmp_path / "run.sh"
    script.write_text(RECIPE.replace("\nstage=0", f"\nexp={tmp_path}/exp\nstage=0").replace(
        "echo eight", "echo eight; sleep 60"))
    # Tests that run in the background have it ignored, and what they start would too.
    run = subprocess.Popen(["bash", script], stdout=subprocess.PIPE, start_new_session=True,
                           preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert [run.stdout.readline() for _ in range(2)][1] == b"eight\n"
    time.sleep(0.5)                     # until sleep has begun
    os.killpg(run.pid, signal.SIGINT)   # as Ctrl-C does
    run.communicate(timeout=20)
    assert run.returncode == -signal.SIGINT
    assert (tmp_path / "exp/stages.tsv").read_text().splitlines()[-1].startswith("08\t")


def test_without_exp_nothing_is_noted(recipe, tmp_path):
    assert recipe().returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run.sh"]


@pytest.mark.parametrize(("options", "message"), [
    (["--foo", "1"], "no such option: --foo (try --help)"),
    (["--foo=1"], "no such option: --foo (try --help)"),
    (["--inside", "2"], "no such option: --inside (try --help)"),
    (["--http-proxy", "x"], "no such option: --http-proxy (try --help)"),
    (["--name", "x"], "no such option: --name (try --help)"),
    (["--recipe", "x"], "no such option: --recipe (try --help)"),
    (["--known", "x"], "no such option: --known (try --help)"),
    (["--PATH", "x"], "no such option: --PATH (try --help)"),
    (["stage"], "no such option: stage (try --help)"),
    (["--stage"], "--stage needs a value (--stage=value if it begins with --)"),
    (["--stage", "--quick"], "--stage needs a value (--stage=value if it begins with --)"),
    (["--stage", "a[$(touch x)]"],
     "--stage: expected the number of a stage, not a[$(touch x)] (try --help)"),
    (["--quick", "yes"], "--quick: expected true or false, not yes"),
    (["--stage", "11"], "--stage 11: the last one is 10")])
def test_mistakes_are_one_line_and_status_1(recipe, options, message):
    result = recipe(*options, http_proxy="there")
    assert result.stderr == f"run.sh: {message}\n"
    assert (result.stdout, result.returncode) == ("", 1)
