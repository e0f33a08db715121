"""Training by sequences after training by frames, on the tiny corpus."""

import json
import re
import shutil

import pytest

from steps.features import compute_cmvn
from steps.features.archive import MatrixReader, MatrixWriter
from steps.hmm.ali import each_ali, write_ali
from steps.nnet import checkpoints, train, train_mmi
from steps.nnet.network import read_network
from utils.data.datadir import DataDir
from utils.data.tables import write_table
from utils.step import UserError

COMMON = ["--xla", "false", "--batch-size", "16", "--chunk-frames", "45", "--held-out", "8"]


@pytest.fixture(scope="module")
def network(speech, mono_ali, tmp_path_factory):
    directory = tmp_path_factory.mktemp("by-frames") / "nn"
    train.main([*COMMON, "--sizes", "hidden_dim=16 window=1 offsets=1", "--num-epochs", "1",
                "--learning-rate", "0.01", speech.train, mono_ali, directory])
    return directory


def run(speech, mono_ali, network, directory, *options):
    return train_mmi.main([*COMMON, "--num-epochs", "3", "--learning-rate", "0.005", *options,
                           speech.train, mono_ali, network, directory])


def rows(directory):
    return [json.loads(line) for line in (directory / "train.log.jsonl").read_text().splitlines()]


def test_the_criterion_rises_and_a_second_run_does_nothing(speech, mono_ali, network, tmp_path,
                                                           capsys):
    assert run(speech, mono_ali, network, tmp_path / "mmi") == 0
    losses = [row["valid_loss"] for row in rows(tmp_path / "mmi")]
    assert 0 < losses[-1] < losses[0]
    assert (tmp_path / "mmi/priors").read_bytes() == (network / "priors").read_bytes()
    assert read_network(tmp_path / "mmi").config == read_network(network).config
    assert (tmp_path / "mmi/final.keras").read_bytes() != (network / "final.keras").read_bytes()
    assert not (tmp_path / "mmi/checkpoints").exists()
    capsys.readouterr()
    run(speech, mono_ali, network, tmp_path / "mmi")
    assert "up to date" in capsys.readouterr().err


def test_what_the_network_may_know_is_told(speech, mono_ali, network, tmp_path, capsys):
    run(speech, mono_ali, network, tmp_path / "mmi", "--num-epochs", "1")
    assert "WARNING" not in capsys.readouterr().err
    held_out = (network / "held_out").read_text().split()
    assert (tmp_path / "mmi/held_out").read_text().split() == held_out and len(held_out) == 8
    run(speech, mono_ali, network, tmp_path / "other", "--num-epochs", "1", "--held-out", "16")
    assert re.search(f"WARNING: 8 of 16 utterances held out here, such as .*, were not when "
                     f"{network} was trained", capsys.readouterr().err)


def test_killed_it_goes_on_to_the_same_bytes(speech, mono_ali, network, tmp_path, monkeypatch):
    run(speech, mono_ali, network, tmp_path / "whole", "--num-epochs", "2")

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "mean_weights", interrupt)
        run(speech, mono_ali, network, tmp_path / "killed", "--num-epochs", "2")
    assert not (tmp_path / "killed/final.keras").exists()
    run(speech, mono_ali, network, tmp_path / "killed", "--num-epochs", "2")
    for name in ("final.keras", "priors"):
        assert (tmp_path / "killed" / name).read_bytes() \
            == (tmp_path / "whole" / name).read_bytes()


def test_alignments_of_another_tree(speech, mono_ali, network, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in mono_ali.iterdir():
        if path.is_file():
            (other / path.name).write_bytes(path.read_bytes())
    with (other / "tree").open("a") as file:
        file.write("\n")
    with pytest.raises(UserError, match=r"other/tree: is not the tree of .*align with that"):
        run(speech, other, network, tmp_path / "mmi")
    assert not (tmp_path / "mmi/final.keras").exists()
    shutil.copytree(network, tmp_path / "network")
    (tmp_path / "network/tree").unlink()
    with pytest.raises(UserError, match=r"network/tree: no such file"):
        run(speech, mono_ali, tmp_path / "network", tmp_path / "mmi")


def test_no_network_and_no_backoff(speech, mono_ali, network, tmp_path):
    with pytest.raises(UserError, match=r"final\.keras: no such file"):
        run(speech, mono_ali, tmp_path, tmp_path / "mmi")
    with pytest.raises(UserError, match="--backoff: is 0"):
        run(speech, mono_ali, network, tmp_path / "mmi", "--backoff", "0")


def test_it_is_not_written_over_what_it_is_made_from(speech, mono_ali, network):
    before = (network / "final.keras").read_bytes()
    for directory in (network, network / ".." / network.name, mono_ali):
        with pytest.raises(UserError, match="is both source and destination"):
            run(speech, mono_ali, network, directory, "--num-epochs", "1")
    assert (network / "final.keras").read_bytes() == before


def with_feats(speech, directory, change):
    """A copy of the training data whose features are changed, as if Kaldi had made them."""
    data = DataDir(speech.train)
    shutil.copytree(speech.train, directory)
    (directory / "feats.json").unlink()
    with MatrixWriter(directory / "feats.ark") as feats:
        for utt in data.feats_scp:
            feats.write(utt, change(MatrixReader().feats(data, utt)))
    write_table(directory / "feats.scp", feats.index)
    compute_cmvn.main(["--force", directory])
    return directory


def test_features_of_another_dimension_that_tell_nothing_of_themselves(speech, mono_ali, network,
                                                                       tmp_path):
    shutil.copytree(network, tmp_path / "nn")
    front_end = json.loads((network / "front_end.json").read_text())
    (tmp_path / "nn/front_end.json").write_text(json.dumps({**front_end, "feats": {}}))
    data = with_feats(speech, tmp_path / "data", lambda feats: feats[:, :10])
    with pytest.raises(UserError, match=r"feats.scp: has 10 values a frame, .*nn was trained"):
        train_mmi.main([*COMMON, data, mono_ali, tmp_path / "nn", tmp_path / "mmi"])


def test_utterances_too_short_for_a_sequence(speech, mono_ali, network, tmp_path):
    data = with_feats(speech, tmp_path / "data", lambda feats: feats[:3])
    shutil.copytree(mono_ali, tmp_path / "ali")
    (tmp_path / "ali/num_jobs").write_text("1\n")
    write_ali(tmp_path / "ali/ali.1.gz", [(u, tids[:3]) for u, tids in each_ali(mono_ali)])
    with pytest.raises(UserError, match="no utterance has more than 3 frames"):
        train_mmi.main([*COMMON, data, tmp_path / "ali", network, tmp_path / "mmi"])
