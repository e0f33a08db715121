"""From sound to words by a package, without TensorFlow, as decode.py does it."""

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from steps.decode import decode, lattice_to_ctm
from steps.features import compute_cmvn, make_mfcc
from steps.package import transcribe
from utils.data.tables import read_table, write_table
from utils.step import ROOT, UserError

SCRIPT = ROOT / "steps/package/transcribe.py"
# Distributions that requirements-run.txt brings along, and the modules that they are imported as.
ALLOWED = {"numpy", "soundfile", "_soundfile", "_soundfile_data", "soxr", "cffi", "_cffi_backend",
           "ai_edge_litert", "flatbuffers", "ml_dtypes", "google", "backports", "kaldi_decoder",
           "kaldifst", "tqdm", "envwrap", "typing_extensions", "steps", "utils"}
HOOK = """
import importlib.abc, runpy, sys
class Forbid(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {allowed} and top[0] != "_":
            raise ImportError("forbidden: " + name)
sys.meta_path.insert(0, Forbid())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(capsys, *argv):
    """Standard output's lines and the exit status."""
    try:
        status = transcribe.main(list(argv))
    except SystemExit as ended:
        status = ended
    return capsys.readouterr().out.splitlines(), status


@pytest.fixture(scope="module")
def decoded(packed, tmp_path_factory):
    """Words and CTM rows by decode.py with each utterance normalised by itself, as files are."""
    return by_decode(packed, {utt: utt for utt in packed.wavs}, tmp_path_factory.mktemp("single"))


def by_decode(packed, utt2spk, work):
    """{utterance: [start, length, word, ...] of each word} of the package's own network."""
    data, out = work / "data", work / "decode"
    write_table(data / "wav.scp", packed.wavs)
    write_table(data / "utt2spk", utt2spk)
    spk2utt = {spk: " ".join(utt for utt in utt2spk if utt2spk[utt] == spk)
               for spk in utt2spk.values()}
    write_table(data / "spk2utt", spk2utt)
    make_mfcc.main(["--nj", "1", data])
    compute_cmvn.main([data])
    best = json.loads((packed.baseline / "scoring/summary.json").read_text())
    decode.main(["--nj", "1", "--acwt", 1 / best["lmwt"], "--model", packed.network,
                 packed.graph, data, out])
    lattice_to_ctm.main(["--lmwt", best["lmwt"], "--model", packed.network, data,
                         packed.graph, out])
    rows = [line.split() for line in (out / "ctm").read_text().splitlines()]
    return {utt: [row[2:] for row in rows if row[0] == utt] for utt in packed.wavs}


def test_words_and_times_are_those_of_decode(packed, decoded, tmp_path, capsys):
    _, status = run(capsys, "--format", "ctm", "--out", tmp_path, packed.zip,
                    *packed.wavs.values())
    assert status == 0
    for utt, expected in decoded.items():
        rows = [line.split() for line in (tmp_path / f"{utt}.ctm").read_text().splitlines()]
        assert [row[4] for row in rows] == [row[2] for row in expected]
        for row, (start, length, *_) in zip(rows, expected, strict=True):
            assert float(row[2]) == pytest.approx(float(start), abs=0.021)
            assert float(row[3]) == pytest.approx(float(length), abs=0.041)
            assert 0 < float(row[5]) <= 1


def test_files_of_one_speaker_are_normalised_together(packed, decoded, tmp_path, capsys):
    together = by_decode(packed, dict.fromkeys(packed.wavs, "spk"), tmp_path)
    assert together != decoded
    (tmp_path / "broken.wav").write_text("no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(320000), 16000)   # of no speaker
    for jobs in ("1", "2"):
        rows, status = run(capsys, "--one-speaker", "--jobs", jobs, "--format", "ctm", packed.zip,
                           tmp_path / "broken.wav", tmp_path / "silent.wav", *packed.wavs.values())
        assert "1 of" in str(status)
        rows = [row.split() for row in rows]
        for utt, expected in together.items():
            found = [row for row in rows if row[0] == utt]
            assert [row[4] for row in found] == [row[2] for row in expected]
            assert [float(row[2]) for row in found] == pytest.approx(
                [float(row[0]) for row in expected], abs=0.021)


def test_formats_on_standard_output(packed, capsys):
    utt, wav = next(iter(packed.wavs.items()))
    text, = run(capsys, packed.zip, wav)[0]
    row = json.loads(run(capsys, "--format", "json", packed.zip, wav)[0][0])
    assert text == f"{utt} {row['text']}" and row["name"] == utt
    words = [word for segment in row["segments"] for word in segment["words"]]
    assert " ".join(word["word"] for word in words) == row["text"]
    assert row["seconds"] == pytest.approx(soundfile.info(wav).duration, abs=0.01)
    assert run(capsys, "--format", "textgrid", packed.zip, wav)[0][1] == 'Object class = "TextGrid"'
    assert " --> " in run(capsys, "--format", "srt", packed.zip, wav)[0][1]


def test_broken_files_are_named_and_the_others_go_on(packed, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    wav = next(iter(packed.wavs.values()))
    samples, rate = soundfile.read(wav)
    soundfile.write(folder / "sub/with space.flac", samples, rate)
    soundfile.write(folder / "short.wav", samples[:100], rate)
    (folder / "bad.wav").write_text("no sound")
    (folder / "empty.mp3").write_bytes(b"")
    (folder / "notes.txt").write_text("not looked at")
    for jobs in ("1", "3"):
        out = tmp_path / jobs
        lines, status = run(capsys, "--jobs", jobs, "--out", out, packed.zip, folder)
        assert "2 of 4 files could not be transcribed" in str(status)
        assert {p.relative_to(out).as_posix() for p in out.rglob("*.txt")} == {
            "short.txt", "sub/with_space.txt"}
        assert (out / "short.txt").read_text() == "short\n"
        words = (out / "sub/with_space.txt").read_text().split()[1:]
        assert words == run(capsys, packed.zip, wav)[0][0].split()[1:]
    assert not lines


def test_what_cannot_be_written_is_named(packed, tmp_path, capsys):
    wav = next(iter(packed.wavs.values()))
    (tmp_path / "file").touch()
    for out in ("file", "file/below"):
        with pytest.raises(UserError, match="file: is a file, and a directory is to be there"):
            transcribe.main(["--out", tmp_path / out, packed.folder, wav])
    name = Path(wav).stem
    (tmp_path / f"out/{name}.txt").mkdir(parents=True)
    with pytest.raises(UserError, match=f"{name}.txt: cannot be written, is a directory"):
        transcribe.main(["--out", tmp_path / "out", packed.folder, wav])
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"{name}.txt"]
    with pytest.raises(UserError, match="--channel: is '²'"):
        transcribe.main(["--channel", "²", packed.folder, wav])
    _, status = run(capsys, packed.folder, "x" * 300)
    assert "1 of 1 files could not be transcribed" in str(status)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_ends_in_one_line(packed):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, SCRIPT, packed.folder,
                               next(iter(packed.wavs.values()))], stdout=full, text=True,
                              stderr=subprocess.PIPE, check=False,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "transcribe: standard output: cannot be written, no space left on device"]


def test_long_sound_is_cut_at_pauses_and_loses_nothing(packed, decoded, tmp_path, capsys,
                                                       monkeypatch):
    from steps.package import recogniser, sound
    monkeypatch.setattr(sound, "SHORTEST", 6.0)
    monkeypatch.setattr(recogniser, "SHORTEST", 1.0)
    parts = [soundfile.read(wav)[0] for wav in packed.wavs.values()]
    gap = 0.001 * np.random.default_rng(0).standard_normal(8000)
    soundfile.write(tmp_path / "long.wav",
                    np.concatenate([x for part in parts for x in (part, gap)]), 16000)
    monkeypatch.setattr(sound.windows, "__defaults__", ("mix", 6.0, 12.0))
    lines, _ = run(capsys, "--format", "json", "--max-segment", "4", packed.zip,
                   tmp_path / "long.wav")
    row = json.loads(lines[0])
    segments = row["segments"]
    assert len(segments) > 5 and segments[0]["start"] == 0
    assert all(s["end"] - s["start"] <= 4.01 for s in segments)
    words = [w for s in segments for w in s["words"]]
    assert all(a["end"] <= b["start"] + 0.001 for a, b in pairwise(words))
    expected = [r[2] for rows in decoded.values() for r in rows]
    found = [w["word"] for w in words]
    assert abs(len(found) - len(expected)) <= 2
    assert sum(a == b for a, b in zip(found, expected, strict=False)) > 0.5 * len(expected)


def test_other_rates_and_channels(packed, tmp_path, capsys):
    import soxr
    wav = next(iter(packed.wavs.values()))
    samples, rate = soundfile.read(wav)
    up = soxr.resample(samples, rate, 44100)
    soundfile.write(tmp_path / "x.wav", np.stack([up, up * 0], 1), 44100, subtype="FLOAT")
    expected = run(capsys, packed.zip, wav)[0][0].split()[1:]
    assert run(capsys, "--channel", "0", packed.zip, tmp_path / "x.wav")[0][0].split()[1:] \
        == expected
    assert "1 of 1 files" in str(run(capsys, "--channel", "2", packed.zip, tmp_path / "x.wav")[1])


def test_nothing_but_the_run_requirements_is_imported(packed, tmp_path):
    """Every other package is forbidden in a process of its own, which starts in under 2 s."""
    utt, wav = next(iter(packed.wavs.items()))
    done = subprocess.run(
        [sys.executable, "-c", HOOK.replace("{allowed}", repr(ALLOWED)), SCRIPT, "--format", "ctm",
         packed.zip, wav], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{utt} 1 ")


def test_starting_takes_under_two_seconds_and_300_mb(packed, tmp_path):
    runner = ("import json, resource, subprocess, sys\n"
              "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
              "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
              "print(used.ru_utime + used.ru_stime, used.ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", runner, sys.executable, SCRIPT, packed.zip,
                           next(iter(packed.wavs.values()))], capture_output=True, text=True,
                          check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    seconds, kilobytes = map(float, done.stdout.split())
    assert seconds < 2 and kilobytes < 300 << (10 if sys.platform == "linux" else 20)


def test_an_environment_of_the_run_requirements(packed, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    installed = subprocess.run([python, "-m", "pip", "install", "-q", "-r",
                                ROOT / "requirements-run.txt"], check=False)
    if installed.returncode:
        pytest.skip("packages cannot be installed here")
    for absent in ("tensorflow", "numba", "scipy"):
        assert subprocess.run([python, "-c", f"import {absent}"], stderr=subprocess.DEVNULL,
                              check=False).returncode
    utt, wav = next(iter(packed.wavs.items()))
    started = time.time()
    done = subprocess.run([python, SCRIPT, packed.zip, wav], capture_output=True, text=True,
                          check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{utt} ") and time.time() - started < 20


@pytest.mark.parametrize("options, what", [
    (["--format", "doc"], "'doc' is none"), (["--beam", "0"], "--beam: is 0"),
    (["--max-active", "3000000000"], "at most 2.14748e.09"),
    (["--channel", "left"], "'left'"), (["--max-segment", "0.5"], "is 0.5"),
    (["--format", "srt"], "--out: is needed for 10 files")])
def test_bad_options(packed, options, what):
    with pytest.raises(UserError, match=what):
        transcribe.main([*options, packed.zip, *packed.wavs.values()])


def test_digital_silence_has_no_words(packed, tmp_path, capsys):
    wav = next(iter(packed.wavs.values()))
    speech, rate = soundfile.read(wav, dtype="int16")
    soundfile.write(tmp_path / "none.wav", np.zeros(2 * rate, np.int16), rate)
    out, status = run(capsys, "--format", "json", packed.folder, tmp_path / "none.wav")
    told = json.loads("".join(out))
    assert status == 0 and "words" in json.dumps(told) and not words_of(told)
    soundfile.write(tmp_path / "some.wav", speech, rate)
    out, _ = run(capsys, "--format", "json", packed.folder, tmp_path / "some.wav")
    assert words_of(json.loads("".join(out)))


def words_of(told):
    """All words anywhere in what JSON tells."""
    if isinstance(told, dict):
        return [word for key, value in told.items()
                for word in (value if key == "words" else words_of(value))]
    return [word for item in told for word in words_of(item)] if isinstance(told, list) else []


def test_a_text_beside_the_sound_is_not_written_over(packed, tmp_path, capsys):
    for name, wav in zip(("talk", "walk"), packed.wavs.values(), strict=False):
        shutil.copy(wav, tmp_path / f"{name}.wav")
    (tmp_path / "talk.txt").write_text("by hand\n")
    command = ["--out", tmp_path, packed.folder, tmp_path]
    transcribe.main(command)
    shown = capsys.readouterr().err
    assert f"{tmp_path}/talk.txt: there already beside the sound" in shown and " 1 files" in shown
    assert (tmp_path / "talk.txt").read_text() == "by hand\n"
    assert (tmp_path / "walk.txt").read_text().startswith("walk ")
    transcribe.main(command)
    shown = capsys.readouterr().err
    assert "talk.txt and 1 more: there already" in shown and " 0 files" in shown
    (tmp_path / "walk.txt").unlink()
    transcribe.main(["--format", "text,srt", "--one-speaker", *command])
    assert " 2 files" in capsys.readouterr().err
    assert (tmp_path / "talk.txt").read_text() == "by hand\n"
    assert all((tmp_path / name).is_file() for name in ("walk.txt", "walk.srt", "talk.srt"))
    transcribe.main(["--out", tmp_path / "out", packed.folder, tmp_path])
    transcribe.main(["--out", tmp_path / "out", packed.folder, tmp_path])
    assert (tmp_path / "out/talk.txt").is_file()


def test_hidden_files_are_no_sound(packed, tmp_path):
    for name in ("a.WAV", "b.aifc", "._a.wav", "notes.txt"):
        (tmp_path / name).touch()
    assert [str(called) for _, called in transcribe.find_sound([tmp_path])] == ["a.WAV", "b.aifc"]


def test_no_sound_in_a_folder(packed, tmp_path):
    with pytest.raises(UserError, match="has no sound files"):
        transcribe.main([packed.zip, tmp_path])


def test_names_that_would_be_the_same_keep_their_suffix():
    names = transcribe.names_of([(Path("/x/a.wav"), Path("a.wav")), (Path("/x/a.mp3"),
                                 Path("a.mp3")), (Path("/y/b c.wav"), Path("b c.wav"))])
    assert list(names) == ["a.wav", "a.mp3", "b_c"]


def test_package_of_other_sizes_is_refused(packed, tmp_path):
    import shutil

    from steps.package.archive import write_manifest
    folder = tmp_path / "p"
    shutil.copytree(packed.folder, folder)
    (folder / "model/priors").write_text(" [ 0.5 0.5 ]\n")
    write_manifest(folder, {})
    with pytest.raises(UserError, match="files are of different networks"):
        transcribe.main([folder, next(iter(packed.wavs.values()))])
    assert read_table(packed.dev / "wav.scp") == packed.wavs


def test_files_of_the_same_name_have_their_folders_before_it():
    names = transcribe.names_of([(Path(f"/x/{folder}/1.wav"), Path("1.wav"))
                                 for folder in ("a", "b")])
    assert names == {"a_1": Path("/x/a/1.wav"), "b_1": Path("/x/b/1.wav")}


def test_it_starts_without_path_sh(tmp_path):
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    done = subprocess.run([sys.executable, SCRIPT, "--help"],
                          cwd=tmp_path, env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and "Transcribe sound with a package" in done.stdout, done.stderr
