"""Two languages, which are the tiny corpus with two sets of pdfs."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from steps.hmm.model import read_transitions
from steps.nnet import train_multi
from steps.nnet.network import read_network
from steps.nnet.train_multi import named_pair, shares
from utils.step import UserError

OPTIONS = ["--xla", "false", "--sizes", "hidden_dim=16 window=1 offsets=1", "--num-epochs", "1",
           "--batch-size", "16", "--chunk-frames", "45", "--held-out", "8",
           "--learning-rate", "0.01"]


@pytest.fixture(scope="module")
def multi(speech, mono_ali, tri1, tmp_path_factory):
    root = tmp_path_factory.mktemp("multi")
    arguments = [*OPTIONS, root / "multi", f"aa={speech.train},{mono_ali}",
                 f"b-b={speech.train},{tri1}"]
    assert train_multi.main(arguments) == 0
    return SimpleNamespace(path=root / "multi", arguments=arguments,
                           alidirs={"aa": mono_ali, "b-b": tri1})


def test_each_language_is_a_network_of_its_own_on_one_trunk(multi):
    networks = {name: read_network(multi.path / name) for name in multi.alidirs}
    for name, network in networks.items():
        num_pdfs = read_transitions(multi.alidirs[name] / "final.mdl").num_pdfs
        posteriors = network.log_posteriors(
            np.zeros((30, network.config["feat_dim"]), np.float32))
        assert posteriors.shape == (10, num_pdfs) and network.config["num_pdfs"] == num_pdfs
        assert network.model.layers[-2].name == f"output.{name}"
        assert (multi.path / name / "tree").read_bytes() \
            == (multi.alidirs[name] / "tree").read_bytes()
    first, second = (network.model.weights for network in networks.values())
    assert len(first) == len(second) > 10
    for a, b in zip(first[:-2], second[:-2], strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    assert first[-1].shape != second[-1].shape
    row, = map(json.loads, (multi.path / "train.log.jsonl").read_text().splitlines())
    assert row["valid_loss"] < 4
    for name in networks:
        own, = map(json.loads, (multi.path / name / "train.log.jsonl").read_text().splitlines())
        assert [own["valid_loss"], own["valid_accuracy"]] == row["each"][name]
    losses = [loss for loss, _ in row["each"].values()]
    assert len(losses) == 2 and row["valid_loss"] == pytest.approx(np.mean(losses))
    assert (multi.path / "progress.png").is_file()
    assert not (multi.path / "checkpoints").exists()


def test_a_second_run_does_nothing(multi, capsys):
    train_multi.main(multi.arguments)
    assert "up to date" in capsys.readouterr().err


# a batch's shares

def languages(*frames):
    """Stand-ins of LanguageData: one utterance of that many frames each."""
    return {f"l{n}": SimpleNamespace(train_utts=["u"], labels=SimpleNamespace(index={"u": (0, f)}))
            for n, f in enumerate(frames)}


@pytest.mark.parametrize("seed", range(20))
def test_shares_make_up_the_batch(seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(1, 10 ** rng.integers(1, 8), size=rng.integers(1, 9)).tolist()
    batch_size = int(rng.integers(len(frames), 200))
    for temperature in (0.0, 0.3, 1.0):
        rows = shares(languages(*frames), batch_size, temperature)
        assert sum(rows.values()) == batch_size and min(rows.values()) >= 1
        order = np.argsort(frames, kind="stable")
        assert (np.diff(np.array(list(rows.values()))[order]) >= -1).all()
        weights = np.array(frames) ** temperature
        exact = 1 + (batch_size - len(frames)) * weights / weights.sum()
        assert np.abs(np.array(list(rows.values())) - exact).max() < 1


def test_temperature_brings_shares_together():
    parts = languages(900, 100)
    assert shares(parts, 102, 1.0) == {"l0": 91, "l1": 11}
    assert shares(parts, 102, 0.5) == {"l0": 76, "l1": 26}       # 30 to 10
    assert shares(parts, 102, 0.0) == {"l0": 51, "l1": 51}
    with pytest.raises(UserError, match="--batch-size: is 1 for 2 languages"):
        shares(parts, 1, 0.5)


# what is wrong

def test_languages_on_the_command_line():
    assert named_pair("fr-CA=data/x,exp/y") == ("fr-CA", ("data/x", "exp/y"))
    for text in ("fr", "fr=", "fr=data", "=data,exp", "a/b=data,exp", "fr=data,", "fr=a,b,c",
                 "..=a,b", "français=a,b"):
        with pytest.raises(UserError, match=r"is no language .*NAME=DATA,ALIDIR"):
            named_pair(text)
    with pytest.raises(UserError, match="checkpoints is a directory of training itself"):
        named_pair("checkpoints=data,exp")


def test_a_language_twice(tmp_path):
    with pytest.raises(UserError, match="two have the same name"):
        train_multi.main([tmp_path, "a=x,y", "a=z,y"])


def test_features_that_differ(speech, mono_ali, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in speech.train.iterdir():
        if path.is_file():
            (other / path.name).write_bytes(path.read_bytes())
    feats = json.loads((other / "feats.json").read_text())
    (other / "feats.json").write_text(json.dumps({**feats, "fingerprint": "x", "low_freq": 77}))
    with pytest.raises(UserError, match=str(other)):
        train_multi.main([*OPTIONS, tmp_path / "multi", f"a={speech.train},{mono_ali}",
                          f"b={other},{mono_ali}"])


def test_it_is_not_written_over_alignments(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/a: is both source and destination"):
        train_multi.main([tmp_path, f"a=x,{tmp_path}/a", "b=z,y"])
    (tmp_path / "b").mkdir()
    (tmp_path / "b/.done").write_text('{"train_sat": {}}')
    with pytest.raises(UserError, match=f"{tmp_path}/b: holds a GMM system, which train_multi"):
        train_multi.main([tmp_path, "a=x,w", "b=z,y"])
