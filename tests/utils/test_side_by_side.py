import os
import signal
import subprocess
import time

import pytest

from utils.step import ROOT

RECIPE = """\
set -euo pipefail
. ROOT/utils/side_by_side.sh
work() {
  BODY
}
if true; then
  side_by_side MOST work ITEMS
fi
echo all
"""


@pytest.fixture
def recipe(tmp_path):
    def start(most, items, body, **options):
        text = RECIPE
        for name, value in (("ROOT", ROOT), ("MOST", most), ("ITEMS", items), ("BODY", body)):
            text = text.replace(name, str(value), 1)
        (tmp_path / "run.sh").write_text(text)
        return subprocess.Popen(["bash", tmp_path / "run.sh"], cwd=tmp_path, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    return start


def end(process):
    out, err = process.communicate(timeout=30)
    return out.splitlines(), err.splitlines(), process.returncode


def test_two_at_a_time_and_each_line_says_whose_it_is(recipe):
    # Each waits for its neighbour to have begun: alone it would wait for ever.
    body = ('touch "begun.$1"; echo "working on $1" >&2\n'
            '  case $1 in en) other=fr ;; fr) other=en ;; cy) other=br ;; *) other=cy ;; esac\n'
            '  while [[ ! -e begun.$other ]]; do sleep 0.02; done; echo "$1"')
    out, err, status = end(recipe(2, "en fr cy br", body))
    assert status == 0 and sorted(out[:-1]) == ["br", "cy", "en", "fr"] and out[-1] == "all"
    assert sorted(err) == [f"[{name}] working on {name}" for name in ("br", "cy", "en", "fr")]


def test_never_more_than_that(recipe):
    body = 'touch "at.$1"; sleep 0.2; set -- "$1" at.*; echo $(($# - 1)); rm "at.$1"'
    out, _, status = end(recipe(2, "a b c d e", body))
    assert status == 0 and len(out) == 6 and max(map(int, out[:-1])) == 2


def test_their_share_of_the_cores(recipe):
    body = 'echo "${GRAFT_THREADS:-none}"'
    cores = len(os.sched_getaffinity(0))
    environment = {name: value for name, value in os.environ.items() if name != "GRAFT_THREADS"}
    out = end(recipe(2, "a b", body, env=environment))[0]
    assert out == [str(-(-cores // 2))] * 2 + ["all"]
    assert end(recipe(1, "a b", body, env=environment))[0] == ["none", "none", "all"]
    assert end(recipe(2, "a b", body, env={**environment, "GRAFT_THREADS": "7"}))[0][:1] == ["7"]


@pytest.mark.parametrize("most", [1, 2])
def test_a_failure_ends_the_recipe_and_begins_no_other(recipe, most):
    body = 'echo "$1"; if [[ $1 == b ]]; then false; fi; sleep 0.3; echo "end $1"'
    out, err, status = end(recipe(most, "a b c d e f", body))
    assert status == 1 and "all" not in out and not err
    # The one that had begun is done; c may have begun in the place of a.
    assert "end a" in out and not {"d", "e", "f"} & set(out)
    assert ("c" in out) == ("end c" in out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stopped_it_stops_all(recipe, tmp_path, number):
    process = recipe(2, "a b c", 'sh -c \'echo $$ >"$0"; exec sleep 60\' "pid.$1"',
                     start_new_session=True,   # and not deaf, whatever these tests are:
                     preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    paths = [tmp_path / "pid.a", tmp_path / "pid.b"]
    until(lambda: all(path.exists() and path.read_text() for path in paths))
    process.send_signal(number)
    out, _, status = end(process)
    assert status == -number and not out
    for path in paths:
        pid = int(path.read_text())
        until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"))   # noqa: PTH110
    assert not (tmp_path / "pid.c").exists()


def until(true, seconds=10):
    """Wait until something is true; fails if it does not come."""
    end_at = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_at
        time.sleep(0.02)
