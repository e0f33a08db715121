"""The minute of sound that a package is measured on, before a stand-in for transcribing."""

import json
import os
import subprocess

import numpy as np
import pytest
import soundfile

from steps.package import measure
from utils.data.tables import write_table
from utils.step import UserError


@pytest.fixture
def data(tmp_path):
    """Makes a data directory of {recording: seconds of sound, or text in its place}."""
    def make(**lengths):
        paths = {}
        for name, length in lengths.items():
            paths[name] = tmp_path / f"{name}.wav"
            if isinstance(length, str):
                paths[name].write_text(length)
            else:
                soundfile.write(paths[name], np.zeros((round(8000 * length), 2)), 8000)
        rows = {name: str(path) for name, path in paths.items()} | {"z": "cat z.wav |"}
        write_table(tmp_path / "data/wav.scp", rows)
        return tmp_path / "data"
    return make


@pytest.fixture
def heard(monkeypatch):
    """{name: seconds} of what was to be transcribed; .said and .status of the stand-in."""
    def run(command, stdout, **_):
        heard.update({os.path.basename(path): soundfile.info(path).duration  # noqa: PTH119
                      for path in command[9:]})
        stdout.write(run.said.encode())
        with open(command[3], "w") as usage:  # noqa: PTH123
            json.dump([run.status, 2.0, 1 << 20], usage)

    heard = {}
    run.said, run.status, run.heard = "done", 0, heard
    monkeypatch.setattr(subprocess, "run", run)
    return run


def test_a_minute_is_heard_of_a_long_file(data, heard):
    found = measure.measure("package", data(a=130.5))
    assert heard.heard == {"0.wav": 60}
    assert (found["seconds"], found["times_real_time"]) == (60, 30)


def test_short_files_are_heard_whole(data, heard):
    found = measure.measure("package", data(a=40, b="no sound", c=30, d=5))
    assert heard.heard == {"0.wav": 40, "1.wav": 30} and found["seconds"] == 70


def test_what_transcribing_said_is_told(data, heard):
    heard.status = 1
    for said, line in (("x\nt: a.wav: broken\nt: 1 of 2 files could not, see above",
                        "be transcribed: t: a.wav: broken$"), ("x\nt: no memory",
                                                              "be transcribed: t: no memory$")):
        heard.said = said
        with pytest.raises(UserError, match=line):
            measure.measure("package", data(a=1))


def test_why_there_is_no_sound_is_told(data, heard):
    with pytest.raises(UserError, match=r"wav.scp: has no sound files \(pipes are not trans"):
        measure.measure("package", data())
    with pytest.raises(UserError, match=r"has no sound that can be read: .*a.wav: "):
        measure.measure("package", data(a="no sound"))
