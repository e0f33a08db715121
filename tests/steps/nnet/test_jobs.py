import os

import pytest

from steps.nnet import jobs


@pytest.mark.parametrize(("given", "num_jobs", "expected"), [
    (None, 1, None), (None, 4, "1"), ("3", 4, "3")])
def test_threads_of_a_job(monkeypatch, given, num_jobs, expected):
    monkeypatch.setattr(jobs, "read_network", lambda directory: directory)
    monkeypatch.setenv("GRAFT_THREADS", given or "")
    if given is None:
        monkeypatch.delenv("GRAFT_THREADS")
    assert jobs.network_of("exp/tdnn", num_jobs) == "exp/tdnn"
    assert os.environ.get("GRAFT_THREADS") == expected
