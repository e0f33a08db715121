"""Fixtures that every test may use."""

import fcntl
import os
import shutil
from types import SimpleNamespace

import pytest

from tests.fork_server import Server
from tests.recipe_runs import quick_conf, run
from tests.tiny_corpus import make_tiny_corpus
from utils.step import ROOT


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Path of the tiny corpus (see tests/tiny_corpus.py), made once; not to be written into."""
    return make_tiny_corpus(tmp_path_factory.mktemp("tiny") / "corpus")


@pytest.fixture
def tiny_copy(tiny, tmp_path):
    """Path with this test's own copies of the tiny corpus's data/ and dict/."""
    for name in ["data", "dict"]:
        shutil.copytree(tiny / name, tmp_path / "tiny" / name)
    return tmp_path / "tiny"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """tests/fork_server.py at work, for recipes."""
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def root_recipe(server, tmp_path_factory):
    """The root recipe on a tiny corpus, run once for all processes of pytest-xdist.

    .path   where its corpus, data and exp are, for tests/test_step_contract.py alone
    .seen   a copy of data and exp as it left them, not to be written into
    .log    what it wrote to stderr; .again: and when it was run again with nothing changed
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    made = SimpleNamespace(path=base / "root_recipe", seen=base / "root_recipe_seen")
    logs = made.path / "log", made.path / "again"
    with (base / "root_recipe.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.seen.exists():
            assert not made.path.exists(), "the recipe has failed in another process"
            made.path.mkdir()
            for path, text in zip(logs, _run_root_recipe(made.path, server), strict=True):
                path.write_text(text, "utf-8")
            for name in ("data", "exp"):
                shutil.copytree(made.path / name, made.seen / name)
    made.log, made.again = (path.read_text("utf-8") for path in logs)
    return made


def _run_root_recipe(directory, server):
    """What it writes to stderr the first time, and the second."""
    recipe, conf = ROOT / "run.sh", quick_conf(ROOT, directory / "conf")
    options = ["--size", "tiny", "--corpus", directory / "corpus", "--data", directory / "data",
               "--exp", directory / "exp", "--conf", conf, "--nj", 1]
    first = run(recipe, *options, "--stop-stage", 2, server=server)
    # From here on one target tells enough.
    options.append("--targets=fr")
    return (first + run(recipe, *options, "--stage", 3, server=server),
            run(recipe, *options, server=server))
