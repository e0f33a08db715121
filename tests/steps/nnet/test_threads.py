import os

import pytest

from steps.nnet.threads import cores, threads_asked_for, told
from utils.step import UserError


@pytest.mark.parametrize(("text", "number"), [("", 0), (" 3 ", 3), ("0", 0), ("16", 16)])
def test_threads_of_the_environment(text, number, monkeypatch):
    monkeypatch.setenv("GRAFT_THREADS", text)
    assert threads_asked_for() == number
    monkeypatch.delenv("GRAFT_THREADS")
    assert threads_asked_for() == 0


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "\u0663"])
def test_no_number_of_threads(text, monkeypatch):
    monkeypatch.setenv("GRAFT_THREADS", text)
    with pytest.raises(UserError, match=rf"GRAFT_THREADS: is {text} \(expected a number"):
        threads_asked_for()


def test_in_words():
    assert cores() == len(os.sched_getaffinity(0))
    assert [told(1), told(2)] == ["1 CPU thread", "2 CPU threads"]
