import subprocess
import sys

import numpy as np
import pytest
import soundfile

from utils.data.audio import for_each_utt, read_audio, read_part
from utils.data.datadir import DataDir
from utils.data.filters import split_filters
from utils.data.perturb_noise import main
from utils.data.perturb_speed import main as perturb_speed
from utils.data.validate_data_dir import main as validate
from utils.step import ROOT, UserError


def snr(clean, noisy, where=slice(None)):
    """dB measured on a result; the gain of the clean sound by least squares"""
    gain = np.sum(noisy * clean, dtype=float) / np.sum(clean * clean, dtype=float)
    noise = (noisy - gain * clean)[where]
    return 10 * np.log10(gain ** 2 * np.mean(clean ** 2, dtype=float) / np.mean(noise ** 2))


def noise_of(command):
    return split_filters(command)[1][-1][1]


@pytest.fixture
def noises(tmp_path):
    """A folder of recordings of noise: other rates, two channels, one shorter than any speech"""
    rng = np.random.default_rng(0)
    (tmp_path / "noises" / "deep").mkdir(parents=True)
    for name, rate, seconds, channels in [("long.wav", 44100, 9, 1), ("deep/two.flac", 16000, 3, 2),
                                          ("short one.wav", 8000, 0.4, 1)]:
        samples = 0.2 * np.cumsum(rng.standard_normal((int(rate * seconds), channels)), axis=0)
        samples -= samples.mean(axis=0)
        soundfile.write(tmp_path / "noises" / name, samples / np.abs(samples).max() / 2, rate)
    return tmp_path / "noises"


def test_copies(tiny, tmp_path, capsys):
    source = DataDir(tiny / "data" / "train")
    arguments = ["--copies", 2, source.path, tmp_path / "n"]
    assert main(arguments) == 0
    data = DataDir(tmp_path / "n")
    assert validate(["--no-feats", "--audio", "full", data.path]) == 0
    assert len(data.utts) == 80 and list(data.spk2utt)[:2] == ["noise1-ana", "noise1-ben"]
    assert data.text["noise2-ana-003"] == source.text["ana-003"]
    assert data.table("utt2uniq")["noise2-ana-003"] == "ana-003"
    assert data.utt2dur["noise2-ana-003"] == source.utt2dur["ana-003"]
    assert data.spk2gender["noise1-ben"] == "m"
    kinds, ratios = set(), set()
    for utt, noisy, _ in for_each_utt(data, data.utts):
        noise = noise_of(data.wav_scp[utt])
        clean = read_audio(source.wav_scp[data.table("utt2uniq")[utt]])[0]
        assert len(clean) == len(noisy)
        assert abs(snr(clean, noisy) - noise.snr) < 0.7   # babble is a little like the speech
        assert abs(10 * np.log10(np.mean(noisy ** 2) / np.mean(clean ** 2))) < 0.05
        kinds.add("babble" if noise.sources[0].kind == "loop" else noise.sources[0].kind)
        ratios.add(noise.snr)
    assert kinds == {"white", "pink", "brown", "babble"} and ratios == {20, 15, 10, 5}
    assert main(arguments) == 0
    assert "up to date" in capsys.readouterr().err
    assert main(["--seed", 1, *arguments]) == 0
    assert DataDir(tmp_path / "n").wav_scp != data.wav_scp


def test_a_draw_depends_on_the_id_alone(tiny, tiny_copy, tmp_path):
    kinds = ["--kinds", "white:pink:brown"]
    assert main([*kinds, tiny / "data" / "train", tmp_path / "a"]) == 0
    part = tiny_copy / "data" / "train"
    for name in ["utt2spk", "wav.scp"]:
        lines = (part / name).read_text().splitlines()[5:9]
        (part / name).write_text("\n".join(lines) + "\n")
    assert main([*kinds, part, tmp_path / "b"]) == 0
    whole, some = DataDir(tmp_path / "a").wav_scp, DataDir(tmp_path / "b").wav_scp
    assert len(some) == 4
    assert all(some[key].split("'")[1] == whole[key].split("'")[1] for key in some)


@pytest.mark.parametrize("options", [
    ["--kinds", "pink"], ["--kinds", "babble"], ["--noise"], ["--noise", "--foreground"]])
def test_a_shell_computes_the_same(tiny, noises, tmp_path, options):
    """What Kaldi would read, with filters upon filters and names that need quotes"""
    if "--noise" in options:
        options = ["--noise", noises, *options[1:]]
    assert perturb_speed(["0.9", tiny / "data" / "train", tmp_path / "sp"]) == 0
    assert main([*options, tmp_path / "sp", tmp_path / "n"]) == 0
    assert main(["--noise", noises, "--prefix", "more", tmp_path / "n", tmp_path / "nn"]) == 0
    scp = DataDir(tmp_path / "nn").wav_scp
    command = next(iter(scp.values()))
    assert len(split_filters(command)[1]) == 3
    done = subprocess.run(["bash", "-c", command.rstrip("|")], cwd=ROOT, check=True,
                          env={"PYTHONPATH": str(ROOT), "PATH": f"{sys.prefix}/bin:/usr/bin:/bin"},
                          capture_output=True)
    (tmp_path / "ran.wav").write_bytes(done.stdout)
    np.testing.assert_array_equal(read_audio(str(tmp_path / "ran.wav"))[0], read_audio(command)[0])


def test_recorded_noise_is_resampled_and_looped(tiny, noises, tmp_path):
    source = DataDir(tiny / "data" / "train")
    assert main(["--noise", noises, "--snrs", "3", source.path, tmp_path / "n"]) == 0
    data, used = DataDir(tmp_path / "n"), set()
    for utt in data.utts:
        noise = noise_of(data.wav_scp[utt])
        used.add(noise.sources[0].rxfilename.rpartition("/")[2])
        clean, noisy = read_audio(source.wav_scp[utt[7:]])[0], read_audio(data.wav_scp[utt])[0]
        assert abs(snr(clean, noisy) - 3) < 0.7
        if "short" in noise.sources[0].rxfilename:   # repeats after 0.4 s
            rest = noisy - np.sum(noisy * clean) / np.sum(clean ** 2) * clean
            assert np.corrcoef(rest[:6400], rest[6400:12800])[0, 1] > 0.95
    assert used == {"long.wav", "two.flac", "short one.wav"}


def test_read_part(noises):
    for name in ["long.wav", "deep/two.flac", "short one.wav"]:
        path = str(noises / name)
        whole, rate = read_audio(path, channel=0)
        for start, seconds in [(0, 0.1), (0.25, 2), (2.9, 12.5)]:
            at = round(start * rate) % len(whole)
            part, found = read_part(path, start, seconds)
            assert found == rate and len(part) >= seconds * rate
            np.testing.assert_array_equal(part, np.tile(whole, 99)[at:at + len(part)])
            np.testing.assert_array_equal(part, read_part(f"cat '{path}' |", start, seconds)[0])


def test_foreground_noises_are_heard_once(tiny, noises, tmp_path):
    source = DataDir(tiny / "data" / "train")
    (tmp_path / "noise.scp").write_text(f"s1 {noises}/short one.wav\n")
    assert main(["--noise", tmp_path / "noise.scp", "--foreground", "--interval", "0.3:0.5",
                 source.path, tmp_path / "n"]) == 0
    data = DataDir(tmp_path / "n")
    for utt in data.utts[:10]:
        noise = noise_of(data.wav_scp[utt])
        clean, noisy = read_audio(source.wav_scp[utt[7:]])[0], read_audio(data.wav_scp[utt])[0]
        heard = np.zeros(len(clean), bool)
        for event in noise.sources:
            at = round(event.value * 16000)
            heard[at:at + 6400] = True
        assert 1 <= len(noise.sources) <= 4 and 0.1 < heard.mean() < 1
        assert abs(snr(clean, noisy, heard) - noise.snr) < 0.7
        gain = np.sum(noisy * clean) / np.sum(clean ** 2)
        if not heard[:1000].any():
            np.testing.assert_allclose(noisy[:1000], gain * clean[:1000], atol=0.002)


def test_babble_is_of_others(tiny, tmp_path):
    assert perturb_speed(["0.9,1.1", tiny / "data" / "train", tmp_path / "sp"]) == 0
    options = ["--kinds", "babble", "--voices", 3, "--copies", 2, "--include-original"]
    assert main([*options, tmp_path / "sp", tmp_path / "n"]) == 0
    data = DataDir(tmp_path / "n")
    assert validate(["--no-feats", data.path]) == 0
    assert len(data.utts) == 240 and "sp0.9-ana-001" in data.utts
    for utt in data.utts:
        if utt.startswith("noise"):
            sources = noise_of(data.wav_scp[utt]).sources
            voices = {source.rxfilename.rpartition("/")[2][:3] for source in sources}
            assert len(voices) == 3 and utt.split("-")[2] not in voices


def test_segments(tiny_copy, tmp_path):
    path = tiny_copy / "data" / "test"
    utts = DataDir(path).utts
    (path / "segments").write_text("".join(
        f"{utt} {'gus-001' if utt < 'g' else 'gus-002'} 0.{number} 0.{number + 3}\n"
        for number, utt in enumerate(utts, 1) if number < 7))
    (path / "utt2spk").write_text("".join(f"{utt} {utt}x\n" for utt in utts[:6]))
    (path / "utt2dur").unlink()
    assert main(["--kinds", "pink:babble", path, tmp_path / "n"]) == 0   # without babble
    data = DataDir(tmp_path / "n")
    assert list(data.wav_scp) == ["noise1-gus-001", "noise1-gus-002"]
    assert data.segments["noise1-fay-001"] == ("noise1-gus-001", 0.1, 0.4)
    assert all("pink" in command for command in data.wav_scp.values())
    assert main(["--noise", path, "--foreground", path, tmp_path / "f"]) == 0
    assert len(list(for_each_utt(DataDir(tmp_path / "f"), data.utts))) == 6


@pytest.mark.parametrize(("options", "message"), [
    (["--snrs", "loud"], "--snrs: 'loud' is no list of dB"),
    (["--snrs", "10:nan"], "--snrs: "),
    (["--kinds", "pink:blue"], "--kinds: pink:blue is not of white:pink:brown:babble"),
    (["--kinds", "babble"], "2 speakers with recordings of their own are too few for babble"),
    (["--foreground"], "--foreground: needs recordings"),
    (["--noise", "nowhere"], "nowhere: no such file or directory"),
    (["--noise", "EMPTY"], "EMPTY: has no sounds"),
    (["--noise", "BAD"], r"BAD/a\.wav: not readable as sound")])
def test_bad_options(tiny, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "BAD").mkdir()
    (tmp_path / "BAD" / "a.wav").write_text("no sound")
    with pytest.raises(UserError, match=message):
        main([*options, tiny / "data" / "test", tmp_path / "n"])
    assert not (tmp_path / "n").exists()


def test_ids_that_clash_and_noise_that_has_gone(tiny, tmp_path, noises, capsys):
    noisy = ["--noise", noises, "--include-original"]
    assert main([*noisy, tiny / "data" / "test", tmp_path / "n"]) == 0
    with pytest.raises(UserError, match="has ids that begin with noise1-"):
        main([*noisy, tmp_path / "n", tmp_path / "m"])
    assert not (tmp_path / "m").exists()
    for file in noises.rglob("*.wav"):
        file.unlink()
    data = DataDir(tmp_path / "n")
    with pytest.raises(UserError, match="utterances are broken"):
        list(for_each_utt(data, data.utts))
    assert "no such file" in capsys.readouterr().err
