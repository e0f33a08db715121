"""Sizes, estimates and hours."""

import json
import wave
import zipfile

import pytest

from utils.recipe import hours, sizes
from utils.recipe.estimate import estimate, told
from utils.recipe.machine import satisfies
from utils.recipe.source import features_of, find_network
from utils.step import ROOT, UserError


def test_sizes_are_near_those_of_the_recipes():
    # egs/mboshi, conf/tri_<minutes>.conf and nnet_<minutes>.conf
    for minutes, leaves, gaussians, epochs in ((10, 300, 1500, 18), (30, 600, 3500, 10),
                                               (60, 1000, 6000, 7), (230, 2000, 16000, 5)):
        h = minutes / 60
        assert abs(sizes.leaves(h) - leaves) <= 0.25 * leaves
        assert abs(sizes.gaussians(h) - gaussians) <= 0.1 * gaussians
        assert abs(sizes.epochs(h) - epochs) <= 0.2 * epochs
    grown = [(sizes.leaves(h), sizes.gaussians(h), -sizes.epochs(h))
             for h in (0.01, 0.1, 1, 10, 100, 1000)]
    assert grown == sorted(grown) and grown[-1] == (4500, 40000, -3)


def test_options_are_set_in_conf_files():
    text = "# tri, for an hour of speech\n--num-leaves=1000   # at most\n--x=1\n"
    assert sizes.set_options(text, {"num-leaves": 50, "y": 2}, 0.5) == \
        "# tri, for 30 minutes of speech\n--num-leaves=50   # at most\n--x=1\n--y=2\n"


def test_an_estimate_is_near_what_was_measured():
    # egs/an4/RESULTS: all four GMM systems 174 s on two cores.
    assert 174 / 60 / 2 < estimate(0.7, 0.1).minutes < 174 / 60 * 2
    one, two = (estimate(4, 0.8, 9, networks=n) for n in (1, 2))
    assert two.parts["networks"] == 2 * one.parts["networks"]
    assert estimate(4, 0.8, nj=1).parts["GMMs"] == 2 * estimate(4, 0.8, nj=2).parts["GMMs"]
    assert estimate(4, 0.8, nj=8, cores=2).minutes == estimate(4, 0.8, nj=2).minutes
    assert one.memory > estimate(4, 0.8).memory and one.disk > estimate(4, 0.8).disk
    assert "(estimated)" in str(one)
    assert [told(m) for m in (0.2, 60, 120, 6000)] == ["1 minute", "60 minutes", "2.0 hours",
                                                       "4.2 days"]


def test_hours_of_data(tiny, tmp_path):
    expected = sum(float(line.split()[1]) for line in
                   (tiny / "data/train/utt2dur").read_text().splitlines()) / 3600
    assert hours.of_data(tiny / "data/train") == pytest.approx(expected)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "wav.scp").write_text((tiny / "data/train/wav.scp").read_text())
    assert hours.of_data(bare) == pytest.approx(expected, rel=1e-3)
    (bare / "segments").write_text("a r 0.5 2.5\nb r 3 7\n")
    assert hours.of_data(bare) == pytest.approx(6 / 3600)
    train, held_out = hours.train_and_held_out(tiny / "data")
    assert train == pytest.approx(expected) and 0 < held_out < train
    for line in ("a r 5 1", "a r nan 1", "a r 1"):
        (bare / "segments").write_text(f"{line}\n")
        with pytest.raises(UserError, match="segments: a "):
            hours.of_data(bare)
    (bare / "segments").unlink()
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(bytes(64000))
    header = (tmp_path / "a.wav").read_bytes()   # as a pipe's writer leaves it
    (tmp_path / "a.wav").write_bytes(header[:40] + b"\xff" * 4 + header[44:])
    (bare / "wav.scp").write_text(f"a {tmp_path}/a.wav\n")
    assert hours.of_data(bare) == pytest.approx(2 / 3600, rel=1e-3)
    (bare / "wav.scp").write_text("a sox x.mp3 -t wav - |\n")
    with pytest.raises(UserError, match="say --hours"):
        hours.of_data(bare)


def test_networks_of_recipes(tmp_path):
    assert hours.networks_of(ROOT / "egs/TEMPLATE") == (8, 1)   # no source, so no transfer
    assert hours.networks_of(ROOT / "egs/mboshi")[1] == 7
    with pytest.raises(UserError, match=r"no run\.sh here"):
        hours.networks_of(tmp_path)
    assert hours.of_recipe(tmp_path) is None
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/corpus.json").write_text(
        json.dumps({"hours": {"train": 2, "dev": 0.25, "test": 0.5}}))
    assert hours.of_recipe(tmp_path) == (2, 0.75)


@pytest.mark.parametrize(("version", "operator", "wanted", "good"), [
    ("2.4.6", "~=", "2.4.6", True), ("2.4.10", "~=", "2.4.6", True),
    ("2.5.0", "~=", "2.4.6", False), ("2.4.5", "~=", "2.4.6", False),
    ("0.6", "==", "0.6", True), ("0.6.0", "==", "0.6", True),
    ("0.7", "==", "0.6", False), ("3.0", ">=", "2.9", True), ("2.21.0+cpu", "~=", "2.21.0", True)])
def test_versions(version, operator, wanted, good):
    assert satisfies(version, operator, wanted) is good


def test_a_source_is_a_whole_network(tmp_path):
    with pytest.raises(UserError, match="no such directory"):
        find_network(tmp_path / "x")
    (tmp_path / "model.tflite").touch()
    with pytest.raises(UserError, match=r"has no final\.keras .*packed or quantized"):
        find_network(tmp_path)
    network = tmp_path / "0"
    network.mkdir()
    (network / "final.keras").touch()
    with pytest.raises(UserError, match=r"config\.json: no such file"):
        find_network(tmp_path)
    for name in ("config.json", "final.mdl", "tree", "phones.txt", "priors"):
        (network / name).write_text("{}")
    feats = {"kind": "fbank", "feat_dim": 40, "sample_rate": 8000, "snip_edges": True,
             "num_mel_bins": 40, "fingerprint": "x", "content": "y"}
    (network / "front_end.json").write_text(json.dumps({"feats": feats}))
    assert find_network(tmp_path) == network.resolve()
    assert features_of(network) == ("fbank", {"sample-rate": 8000, "snip-edges": "true",
                                              "num-mel-bins": 40}, 8000)
    with zipfile.ZipFile(tmp_path / "en.zip", "w") as archive:
        for name, text in (("manifest.json", "{}"), ("model/front_end.json",
                                                     json.dumps({"feats": feats}))):
            archive.writestr(name, text)
    with pytest.raises(UserError, match="cannot be trained on"):
        find_network(tmp_path / "en.zip")
    with zipfile.ZipFile(tmp_path / "en.zip", "a") as archive:
        archive.writestr("adapt/final.keras", "")
        archive.extractall(tmp_path / "en")
    for package in (tmp_path / "en.zip", tmp_path / "en"):
        assert features_of(find_network(package)) == features_of(network)
    (tmp_path / "bad.zip").touch()
    with pytest.raises(UserError, match="is no package"):
        find_network(tmp_path / "bad.zip")
    (network / "front_end.json").write_text(json.dumps({"feats": {**feats, "kind": "fmllr"}}))
    with pytest.raises(UserError, match="its features are fmllr"):
        features_of(network)
