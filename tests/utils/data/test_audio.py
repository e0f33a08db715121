import shlex
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from utils.data.audio import (
    AudioError,
    audio_info,
    cut,
    for_each_utt,
    read_audio,
    read_part,
)
from utils.data.datadir import DataDir
from utils.data.filters import add_filter, split_filters
from utils.step import ROOT, UserError

FORMATS = [("wav", None, None), ("flac", None, None), ("ogg", "OGG", "VORBIS"),
           ("opus", "OGG", "OPUS"), ("mp3", "MP3", None)]


def tone(path, seconds=1.0, rate=16000, channels=1, format=None, subtype=None):
    t = np.arange(int(seconds * rate)) / rate
    samples = np.stack([0.3 * np.sin(2 * np.pi * 440 * (side + 1) * t)
                        for side in range(channels)], axis=1)
    soundfile.write(path, samples, rate, format=format, subtype=subtype)
    return str(path)


@pytest.mark.parametrize(("extension", "format", "subtype"), FORMATS)
def test_formats(tmp_path, extension, format, subtype):
    path = tone(tmp_path / f"a.{extension}", format=format, subtype=subtype)
    samples, rate = read_audio(path)
    assert rate == 16000 and samples.dtype == np.float32 and samples.shape == (16000,)
    peak = np.argmax(np.abs(np.fft.rfft(samples)))
    assert peak == 440 and 0.28 < np.abs(samples[4000:8000]).max() < 0.32
    assert audio_info(path) == (16000, 16000, 1)
    assert len(read_audio(f"cat {path} |")[0]) == 16000


def test_samples_that_are_no_numbers(tmp_path):
    samples = np.zeros(16000, np.float32)
    samples[9000] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: .*has samples that are no numbers"):
        read_audio(str(tmp_path / "a.wav"))


@pytest.mark.parametrize(("extension", "format", "subtype"), FORMATS)
def test_truncated_and_empty_are_named(tmp_path, extension, format, subtype):
    path = tmp_path / f"a.{extension}"
    tone(path, seconds=3, format=format, subtype=subtype)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    with pytest.raises(AudioError, match=rf"a\.{extension}: .*(truncated|decoded|malformed)"):
        read_audio(str(path))
    path.write_bytes(b"")
    with pytest.raises(AudioError, match=rf"a\.{extension}: empty file, 0 bytes"):
        read_audio(str(path))
    path.write_bytes(np.random.default_rng(0).bytes(2000))
    with pytest.raises(AudioError, match=rf"a\.{extension}: "):
        read_audio(str(path))


def test_no_samples_no_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    with pytest.raises(AudioError, match=r"a\.wav: has no samples"):
        audio_info(str(tmp_path / "a.wav"))
    with pytest.raises(AudioError, match=r"nope\.wav: no such file, relative to "):
        read_audio("nope.wav")
    for bad in ["", "\0", str(tmp_path)]:
        with pytest.raises(AudioError):
            read_audio(bad)


def test_channels(tmp_path):
    path = tone(tmp_path / "s.wav", channels=2)
    with pytest.raises(UserError, match=r"s\.wav: has 2 channels \(say --channel") as error:
        read_audio(path)
    assert not isinstance(error.value, AudioError)
    left, right, mix = (read_audio(path, channel)[0] for channel in [0, 1, "mix"])
    assert np.argmax(np.abs(np.fft.rfft(left))) == 440
    assert np.argmax(np.abs(np.fft.rfft(right))) == 880
    np.testing.assert_allclose(mix, (left + right) / 2, atol=1e-7)
    with pytest.raises(UserError, match="no channel 2"):
        read_audio(path, 2)
    assert len(read_audio(tone(tmp_path / "m.wav"), 1)[0]) == 16000   # mono is mono


def test_pipes(tmp_path):
    path = tone(tmp_path / "a.wav")
    plain = read_audio(path)[0]
    np.testing.assert_array_equal(read_audio(f" cat {path} | cat |")[0], plain)
    with pytest.raises(AudioError, match=r"ended with status 3: went wrong"):
        read_audio("echo went wrong >&2; exit 3 |")
    with pytest.raises(AudioError, match=r"status 1: cat: .*No such file"):
        read_audio(f"cat {path}x | cat |")
    with pytest.raises(AudioError, match="the command wrote nothing"):
        read_audio("true |")
    with pytest.raises(AudioError, match="output is no sound file"):
        read_audio("echo hello |")
    with pytest.raises(AudioError, match="truncated, 9956 of 32000 bytes"):
        read_audio(f"head -c 10000 {path} |")


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF])
def test_a_stream_that_does_not_know_its_length(tmp_path, size):
    data = (tmp_path / tone(tmp_path / "a.wav")).read_bytes()
    at = data.index(b"data") + 4
    (tmp_path / "b.wav").write_bytes(data[:at] + size.to_bytes(4, "little") + data[at + 4:])
    assert len(read_audio(f"cat {tmp_path}/b.wav |")[0]) == 16000
    # The file itself, as of a recorder whose battery was empty.
    assert audio_info(f"{tmp_path}/b.wav") == (16000, 16000, 1)
    assert np.array_equal(read_audio(f"{tmp_path}/b.wav")[0], read_audio(f"{tmp_path}/a.wav")[0])


def filtered(command):
    """What Kaldi would read: the command run by a shell."""
    env = {"PYTHONPATH": str(ROOT), "PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", command.rstrip("|")], cwd=ROOT, env=env,
                          capture_output=True, check=True)
    return done.stdout


def test_a_flac_that_does_not_tell_its_length(tmp_path):
    whole = tone(tmp_path / "whole.flac")
    data = bytearray((tmp_path / "whole.flac").read_bytes())
    data[21] &= 0xF0    # the lower half of this byte, and four more: the number of samples
    data[22:26] = bytes(4)
    path = tmp_path / "stream.flac"
    path.write_bytes(data)
    for name in (str(path), f"cat {path} |"):
        assert np.array_equal(read_audio(name)[0], read_audio(whole)[0])
        assert audio_info(name) == (16000, 16000, 1)
    assert np.array_equal(read_part(str(path), 0.25, 0.5)[0], read_part(whole, 0.25, 0.5)[0])
    path.write_bytes(data[:len(data) // 2])
    with pytest.raises(AudioError, match=r"stream\.flac: cannot be decoded"):
        read_audio(str(path))


def test_a_format_without_seeking(tmp_path):
    path = tone(tmp_path / "a.wav", rate=8000, subtype="GSM610")
    samples, rate = read_audio(path)
    assert rate == 8000 and 8000 <= len(samples) < 8640    # blocks of 320
    assert np.argmax(np.abs(np.fft.rfft(samples[:8000]))) == 440
    assert audio_info(path) == (len(samples), 8000, 1)
    assert read_part(path, 0.5, 1.0)[0].shape == (8001,)


def test_our_filters_are_computed_as_they_would_run(tmp_path):
    path = tone(tmp_path / "a 'b.flac")
    command = add_filter(add_filter(path, "speed", 0.9), "volume", 3.5)
    assert split_filters(command) == (path, [("speed", 0.9), ("volume", 3.5)])
    (tmp_path / "out.wav").write_bytes(filtered(command))
    ran, rate = read_audio(str(tmp_path / "out.wav"))
    computed, computed_rate = read_audio(command)
    assert rate == computed_rate == 16000 and len(computed) == round(16000 / 0.9)
    np.testing.assert_array_equal(ran, computed)
    assert audio_info(command) == (len(computed), 16000, 1)
    assert np.argmax(np.abs(np.fft.rfft(computed[:16000]))) == 396   # 440 Hz at 0.9
    assert computed.max() > 0.99   # 0.3 * 3.5, clipped


def test_filters_after_a_pipe(tmp_path):
    path = tone(tmp_path / "a.wav")
    command = add_filter(f"true; cat {path} |", "volume", 0.5)
    assert split_filters(command) == (f"(true; cat {path}) |", [("volume", 0.5)])
    np.testing.assert_allclose(read_audio(command)[0], read_audio(path)[0] / 2, atol=2e-5)


@pytest.mark.parametrize("command", [
    "sox a.wav -t wav - |", "x/audio_filter.py --speed $F a.wav |", "a.wav",
    "audio_filter.py --speed 0.9 a.wav > b |", "audio_filter.py --speed 0.9 - |",
    "audio_filter.py --speed fast a.wav |", "audio_filter.py --pitch 2 a.wav |",
    "audio_filter.py --speed 0.9 'a.wav |", "cat b | audio_filter.py --speed 0.9 a.wav |"])
def test_other_commands_are_left_to_bash(command):
    assert split_filters(command) == (command, [])


def test_each_recording_is_read_once_and_resampled_with_one_note(tiny_copy, capsys, monkeypatch):
    import utils.data.audio as audio
    path = tiny_copy / "data" / "test"
    recording = shlex.quote((path / "wav.scp").read_text().split()[1])
    utts = (path / "utt2spk").read_text().split()[::2]
    (path / "wav.scp").write_text(f"r1 {recording}\nr2 cat {recording} |\n")
    (path / "segments").write_text("".join(
        f"{utt} r{1 + number % 2} 0.1{number} {'-1' if number < 4 else '0.75'}\n"
        for number, utt in enumerate(utts)))
    reads, load = [], audio.load
    monkeypatch.setattr(audio, "load", lambda name: reads.append(name) or load(name))
    data = DataDir(path)
    found = {utt: samples for utt, samples, rate in for_each_utt(data, data.utts, 8000)}
    assert sorted(found) == data.utts and len(reads) == 2
    assert len(found[utts[5]]) == round(0.75 * 8000) - round(0.15 * 8000)
    assert capsys.readouterr().err.count("resampling 16000 Hz to 8000 Hz") == 1


def test_few_broken_are_skipped_many_are_an_error(tiny_copy, capsys):
    path = tiny_copy / "data" / "train"
    lines = (path / "wav.scp").read_text().splitlines()
    lines[3] += "x"
    (path / "wav.scp").write_text("\n".join(lines) + "\n")
    data = DataDir(path)
    assert len(list(for_each_utt(data, data.utts))) == 39
    assert "skipped ana-004: " in capsys.readouterr().err
    (path / "wav.scp").write_text("\n".join(line + "x" for line in lines) + "\n")
    data = DataDir(path)
    with pytest.raises(UserError, match=r"3 of 40 utterances are broken, more than 5%"):
        list(for_each_utt(data, data.utts))


def test_cut():
    samples = np.arange(1000)
    assert list(cut(samples, 100, 9.5, -1, "")) == list(range(950, 1000))
    assert list(cut(samples, 100, 9.98, 10.4, "")) == [998, 999]
    assert list(cut(samples, 100, 1, 1.02, "")) == [100, 101]
    for start, end in [(0, 10.6), (10, -1), (11, 12)]:
        with pytest.raises(AudioError, match=r"segments: .*of a recording of 10.00 s"):
            cut(samples, 100, start, end, "segments")


def test_a_rate_that_cannot_be(tmp_path):
    """A header with 1 Hz makes hours of a second."""
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 1)
    with pytest.raises(AudioError, match="its header says 1 Hz"):
        read_audio(str(tmp_path / "a.wav"))
