"""steps/nnet/benchmark.py: what is counted, rounds on the tiny corpus, the repeated corpus."""

import json

import numpy as np
import pytest

from steps.features.archive import MatrixReader
from steps.nnet import benchmark, labels
from utils.data.datadir import DataDir
from utils.step import UserError

DNN = ["--arch", "dnn", "--sizes", "hidden_dim=16 num_layers=2 window=3"]


def test_training_macs_of_a_dnn():
    from steps.nnet.architectures import add_output, build_trunk
    sizes = {"subsampling": 3, "hidden_dim": 8, "num_layers": 2, "window": 2}
    trunk, left, right = build_trunk("dnn", sizes, 5)
    model = add_output(trunk, 11)
    # 4 output frames; 7 frames of 5 values into the first layer, whose input learns nothing
    expected = 4 * (2 * 7 * 5 * 8 + 3 * 8 * 8 + 3 * 8 * 11)
    assert benchmark.training_macs(model, left + 3 * 4 + right) == expected


def test_training_macs_count_context():
    from steps.nnet.architectures import add_output, build_trunk
    sizes = {"subsampling": 1, "hidden_dim": 8, "window": 0, "offsets": (2,)}
    trunk, left, right = build_trunk("tdnn", sizes, 5)
    assert (left, right) == (2, 2)
    # the first layer on 4 frames more than come out
    expected = (10 + 4) * 2 * 5 * 8 + 10 * 3 * (3 * 8 * 8 + 8 * 11)
    assert benchmark.training_macs(add_output(trunk, 11), 14) == expected


def test_training_macs_of_an_lstm():
    from steps.nnet.architectures import add_output, build_trunk
    sizes = {"subsampling": 1, "hidden_dim": 8, "num_layers": 1, "window": 0, "warm_up": 2,
             "look_ahead": 1}
    trunk, left, right = build_trunk("lstm", sizes, 5)
    assert (left, right) == (2, 1)
    expected = 13 * (2 * 5 * 32 + 3 * 8 * 32) + 10 * 3 * 8 * 11
    assert benchmark.training_macs(add_output(trunk, 11), 13) == expected


def test_speed_on_the_tiny_corpus(speech, mono_ali, tmp_path, capsys):
    file = tmp_path / "speed.json"
    assert benchmark.main([*DNN, "--batch-size", "4", "--rounds", "2", "--seconds", "0.01",
                           speech.train, mono_ali, file]) == 0
    speed = json.loads(file.read_text())["speed"]
    assert len(speed["rounds"]) == 2
    for measured in speed["rounds"]:
        fastest = max(measured["numpy"], measured["tensorflow"])
        assert measured["ratio"] == pytest.approx(measured["training"] / fastest)
    assert speed["lowest_ratio"] <= speed["ratio"] <= speed["highest_ratio"]
    assert speed["training"] == pytest.approx(speed["macs_per_step"] / speed["seconds_per_step"])
    # an epoch is all of the speech that is not held out
    data = DataDir(speech.train)
    train, _ = labels.split_held_out(data, 0.05, 0)
    frames = sum(labels.lengths_of(data)[utt] for utt in train)
    assert speed["speech_per_second"] * speed["seconds_per_epoch"] == pytest.approx(frames * 0.01)
    assert "GMAC/s" in capsys.readouterr().out


def test_the_repeated_corpus_can_be_trained_on(speech, mono_ali, tmp_path):
    repeated = DataDir(benchmark.repeat(speech.train, 3, tmp_path))
    source = DataDir(speech.train)
    utt, reader = source.utts[0], MatrixReader()
    assert len(repeated.utts) == 3 * len(source.utts)
    archives = {repeated.feats_scp[name].rpartition(":")[0]
                for name in (utt, f"copy1-{utt}", f"copy2-{utt}")}
    assert len(archives) == 3
    np.testing.assert_array_equal(reader.read(repeated.feats_scp[f"copy2-{utt}"]),
                                  reader.read(source.feats_scp[utt]))
    transitions = labels.transitions_of([mono_ali])
    found = labels.write_labels(tmp_path / "labels", repeated, [mono_ali], transitions,
                                labels.lengths_of(repeated))
    np.testing.assert_array_equal(found.of(f"copy1-{utt}"), found.of(utt))


def test_peak_memory_of_a_training(speech, mono_ali, tmp_path):
    options = [*DNN, "--batch-size=4"]
    peak = benchmark.peak_memory(options, speech.train, mono_ali, tmp_path / "network")
    assert 100 < peak < 4000
    assert (tmp_path / "network/final.keras").is_file()


def test_options_of_the_training_are_handed_on():
    step = benchmark.make_step()
    step.parse(["--num-epochs", "3", "--rounds", "2", "--memory", "data", "ali", "file"])
    options = benchmark.training_options(step)
    assert "--num-epochs=3" in options and "--arch=tdnn" in options
    assert not [option for option in options if "rounds" in option or "memory" in option]


def test_missing_alignments(speech, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        benchmark.main([speech.train, tmp_path / "nowhere", tmp_path / "file"])
    assert not (tmp_path / "file").exists()
