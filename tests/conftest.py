"""Fixtures that every test may use."""

import shutil

import pytest

from tests.tiny_corpus import make_tiny_corpus


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
