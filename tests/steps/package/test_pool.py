"""Files one after the other, before stand-ins for a package and its recogniser."""

from types import SimpleNamespace

import numpy as np
import pytest

from steps.package import pool

FEATS = {"kind": "mfcc", "feat_dim": 13, "sample_rate": 16000, "frame_shift": 0.01,
         "frame_length": 0.025}


@pytest.fixture
def recogniser(monkeypatch):
    """.listened: files whose statistics were asked for; its transcripts are their statistics."""
    class StandIn:
        listened = []    # noqa: RUF012 (of the class, on purpose)

        def __init__(self, package):
            self.listened.clear()

        def statistics(self, path):
            self.listened.append(path)
            return np.ones(2)

        def transcribe(self, path, progress, stats):
            return stats

    monkeypatch.setattr(pool, "Recogniser", StandIn)
    return StandIn


@pytest.mark.parametrize("cmvn", ["speaker", "utterance", "sliding", "none"])
def test_files_are_heard_twice_only_where_it_matters(recogniser, cmvn, capsys):
    package = SimpleNamespace(source="p", json=lambda name: {"feats": FEATS, "cmvn": cmvn})
    files = {"a": "/no/a.wav", "b": "/no/b.wav"}
    found = [stats for _, stats, _ in pool.transcripts(package, {}, files, 1, SimpleNamespace(
        update=None), one_speaker=True)]
    if cmvn == "speaker":
        assert recogniser.listened == list(files.values()) and found[1].tolist() == [2, 2]
        assert not capsys.readouterr().err
    else:
        assert recogniser.listened == [] and found == [None, None]
        assert capsys.readouterr().err.count("--one-speaker changes nothing") == 1
