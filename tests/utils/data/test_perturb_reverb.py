import argparse
import math
import random
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from utils.data.audio import for_each_utt, read_audio
from utils.data.datadir import DataDir
from utils.data.filters import Room, split_filters
from utils.data.perturb_reverb import draw_room, main
from utils.data.reverb import decay_time, image_response
from utils.data.validate_data_dir import main as validate
from utils.step import ROOT, UserError

ROOM = Room(0.4, (6, 5, 2.8), (1.3, 3.2, 1.5), (3.1, 1.4, 0.9))


def test_copies(tiny, tmp_path, capsys):
    source = DataDir(tiny / "data" / "test")
    arguments = ["--copies", 2, "--t60", "0.3:0.5", source.path, tmp_path / "r"]
    assert main(arguments) == 0
    data = DataDir(tmp_path / "r")
    assert validate(["--no-feats", "--audio", "full", data.path]) == 0
    assert len(data.utts) == 20 and len(set(data.wav_scp.values())) == 20
    assert list(data.spk2utt) == ["reverb1-fay", "reverb1-gus", "reverb2-fay", "reverb2-gus"]
    assert data.table("utt2uniq")["reverb2-gus-003"] == "gus-003"
    for utt, heard, _ in for_each_utt(data, data.utts):
        clean = read_audio(source.wav_scp[data.table("utt2uniq")[utt]])[0]
        assert len(heard) == len(clean)
        assert abs(10 * np.log10(np.mean(heard ** 2) / np.mean(clean ** 2))) < 0.2
        assert 0.3 <= split_filters(data.wav_scp[utt])[1][0][1].t60 <= 0.5
    assert main(arguments) == 0
    assert "up to date" in capsys.readouterr().err


def test_an_impulse_through_a_room_decays_as_asked_and_starts_where_it_was(tmp_path):
    clicks = np.zeros(32000)
    clicks[5000] = 0.9
    soundfile.write(tmp_path / "click.wav", clicks, 16000, subtype="FLOAT")
    command = f"audio_filter.py --reverb '{ROOM}' {tmp_path}/click.wav |"
    heard = read_audio(command)[0]
    assert np.flatnonzero(np.abs(heard) > 0.05)[0] == 5000 and not heard[:5000].any()
    assert decay_time(heard[5000:], 16000) == pytest.approx(0.4, rel=0.1)


def test_measured_responses_of_another_rate(tiny, tmp_path):
    """48 kHz, two channels, an arrival 31.25 ms late: nothing is left of it in the copies"""
    response = np.zeros((20000, 2), np.float32)
    response[1500:, 0] = 0.5 * image_response(*ROOM, 48000)[:18500]
    (tmp_path / "rirs").mkdir()
    soundfile.write(tmp_path / "rirs" / "my room.wav", response, 48000)
    source = DataDir(tiny / "data" / "test")
    assert main(["--rirs", tmp_path / "rirs", source.path, tmp_path / "r"]) == 0
    data = DataDir(tmp_path / "r")
    for utt in data.utts[:3]:
        clean, heard = read_audio(source.wav_scp[utt[8:]])[0], read_audio(data.wav_scp[utt])[0]
        simulated = read_audio(
            f"audio_filter.py --reverb '{ROOM}' {source.wav_scp[utt[8:]]} |")[0]
        assert len(heard) == len(clean)
        assert np.corrcoef(heard, simulated)[0, 1] > 0.9   # the same room, not shifted
    command = data.wav_scp["reverb1-fay-001"]
    done = subprocess.run(["bash", "-c", command.rstrip("|")], cwd=ROOT, check=True,
                          env={"PYTHONPATH": str(ROOT), "PATH": f"{sys.prefix}/bin:/usr/bin:/bin"},
                          capture_output=True)
    (tmp_path / "ran.wav").write_bytes(done.stdout)
    np.testing.assert_array_equal(read_audio(str(tmp_path / "ran.wav"))[0], read_audio(command)[0])
    soundfile.write(tmp_path / "rirs" / "my room.wav", np.zeros(100), 48000)
    with pytest.raises(UserError, match="is silent, and no impulse response"):
        read_audio(command)


def test_a_shell_computes_the_same_room(tiny, tmp_path):
    assert main([tiny / "data" / "test", tmp_path / "r"]) == 0
    assert main(["--prefix", "again", tmp_path / "r", tmp_path / "rr"]) == 0
    command = DataDir(tmp_path / "rr").wav_scp["again1-reverb1-gus-002"]
    done = subprocess.run(["bash", "-c", command.rstrip("|")], cwd=ROOT, check=True,
                          env={"PYTHONPATH": str(ROOT), "PATH": f"{sys.prefix}/bin:/usr/bin:/bin"},
                          capture_output=True)
    (tmp_path / "ran.wav").write_bytes(done.stdout)
    np.testing.assert_array_equal(read_audio(str(tmp_path / "ran.wav"))[0], read_audio(command)[0])


def test_rooms_are_within_the_limits():
    args = argparse.Namespace(t60=(0.2, 0.8), room_size=(3, 10), room_height=(2.4, 4),
                              distance=(0.5, 4))
    rooms = [draw_room(random.Random(seed), args) for seed in range(200)]
    for room in rooms:
        assert Room.parse(str(room)) == room
        assert min(room.size[:2]) >= 3 and max(room.size) <= 10 and 2.4 <= room.size[2] <= 4
        assert all(0.5 <= x <= side - 0.5 for point in (room.source, room.mic)
                   for x, side in zip(point, room.size, strict=True))
        assert 0.48 <= math.dist(room.source, room.mic) <= 4.02
    far = argparse.Namespace(t60=(0.3, 0.3), room_size=(3, 3), room_height=(2.5, 2.5),
                             distance=(50, 50))
    assert all(1.5 < math.dist(room.source, room.mic) < 3.2
               for room in [draw_room(random.Random(seed), far) for seed in range(20)])


@pytest.mark.parametrize(("options", "message"), [
    (["--t60", "0.01"], "--t60: is not from 0.05 to 5"),
    (["--room-size", "0.5:3"], "--room-size: is not from 1 to 100"),
    (["--rirs", "nowhere"], "nowhere: no such file or directory"),
    (["--t60", "0.8:0.2"], "argument --t60: "), (["--distance", "far"], "argument --distance")])
def test_bad_options(tiny, tmp_path, options, message):
    with pytest.raises(SystemExit, match=message):
        main([*options, tiny / "data" / "test", tmp_path / "r"])
    assert not (tmp_path / "r").exists()
