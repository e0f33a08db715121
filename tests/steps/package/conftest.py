"""A package of the tiny corpus's network, made once; the sound of its test set."""

from types import SimpleNamespace

import pytest

from steps.package import package
from tests.steps.compress.conftest import scored  # noqa: F401  a fixture
from tests.steps.decode.conftest import system  # noqa: F401  a fixture


@pytest.fixture(scope="session")
def packed(scored, system, tiny, tmp_path_factory):  # noqa: F811
    """Paths .folder, .zip of the package, .arguments it was made with, .wavs by utterance."""
    folder = tmp_path_factory.mktemp("package") / "tiny"
    arguments = ["--dev", scored.baseline, "--decode", scored.baseline, "--beam", "13",
                 "--max-active", "7000", "--name", "Tiny", "--licence", "CC0-1.0",
                 "--lexicon", tiny / "dict/lexicon.txt",
                 scored.network, scored.graph, system.lang_test]
    package.main([*arguments, folder])
    rows = (line.split(" ", 1) for line in (scored.dev / "wav.scp").read_text().splitlines())
    return SimpleNamespace(folder=folder, zip=folder.with_name("tiny.zip"), arguments=arguments,
                           wavs=dict(rows), lang=system.lang_test, **vars(scored))
