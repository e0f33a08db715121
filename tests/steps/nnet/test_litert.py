"""Network directories with a LiteRT model in the place of the Keras one."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from steps.decode import decode
from steps.nnet import network as networks
from steps.nnet.jobs import check_network, network_of
from steps.nnet.litert import LiteRtNetwork
from tests.steps.decode.conftest import system  # noqa: F401  a fixture
from tests.steps.decode.test_decode import lattices_of
from tests.steps.transfer.tiny_source import make_source
from utils.data.datadir import DataDir
from utils.step import ROOT, UserError

FEATS = np.random.default_rng(0).normal(0, 1, (100, 13)).astype(np.float32)
FORBIDDEN = """import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "scipy", "numba", "h5py"):
            raise ImportError(f"{name} is forbidden")
sys.meta_path.insert(0, Finder())
import numpy as np
from steps.nnet.network import read_network
feats = np.random.default_rng(0).normal(0, 1, (100, 13)).astype(np.float32)
np.save(sys.argv[2], read_network(sys.argv[1]).log_likes(feats))
"""


def make_compiled(path, source):
    from steps.compress.litert import export
    shutil.copytree(source, path)
    model = networks.load_model(path / "final.keras")
    (path / "final.keras").unlink()
    (path / "model.tflite").write_bytes(export(model))
    return path


@pytest.fixture(scope="module", params=["tdnn", "lstm"])
def both(request, speech, mono_ali, tmp_path_factory):
    """Directories of one network, with Keras and with LiteRT."""
    root = tmp_path_factory.mktemp("litert")
    source = make_source(root / "keras", speech.train, mono_ali, request.param)
    return source, make_compiled(root / "litert", source)


def test_scores_are_the_same_in_blocks_and_whole(both, monkeypatch):
    expected = networks.read_network(both[0]).log_likes(FEATS)
    network = networks.read_network(both[1])
    assert isinstance(network, LiteRtNetwork)
    assert expected.shape == (100, network.config["num_pdfs"])
    np.testing.assert_allclose(network.log_likes(FEATS), expected, atol=1e-4)
    monkeypatch.setattr(networks, "BLOCK", 12)
    blocks = list(network.log_like_blocks(FEATS))
    assert len(blocks) == (1 if network.recurrent else 9)
    np.testing.assert_allclose(np.concatenate(blocks), expected, atol=1e-4)
    for length in (1, 2, 3, 50):
        assert network.log_likes(FEATS[:length]).shape == expected[:length].shape


def test_it_needs_no_tensorflow(both, tmp_path):
    subprocess.run([sys.executable, "-c", FORBIDDEN, both[1], tmp_path / "scores.npy"],
                   check=True, cwd=ROOT)
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"),
                               networks.read_network(both[0]).log_likes(FEATS), atol=1e-4)


def test_it_is_a_network_directory(both, speech, monkeypatch, capsys):
    assert networks.is_network(both[1])
    assert networks.is_compiled(both[1])
    assert not networks.is_compiled(both[0])
    assert check_network(both[1], DataDir(speech.test))[0]["feat_dim"] == 13
    monkeypatch.setenv("GRAFT_THREADS", "3")
    network_of(both[1], 2)
    assert "network on 3 CPU threads (LiteRT)" in capsys.readouterr().err


def test_words_are_recognised(scored_network, tmp_path):
    network, graph, test = scored_network
    compiled = make_compiled(tmp_path / "compiled", network)
    decode.main(["--nj", "1", graph, test, compiled / "decode"])
    decode.main(["--nj", "1", "--model", network, graph, test, tmp_path / "decode"])
    words = [{utt: lattice.best_path(12)[0] for utt, lattice in lattices_of(d).items()}
             for d in (compiled / "decode", tmp_path / "decode")]
    assert len(words[0]) == 10
    assert words[0] == words[1]
    inputs = json.loads((compiled / "decode/.done").read_text())["decode"]["inputs"]
    assert str(compiled / "model.tflite") in inputs


@pytest.fixture
def scored_network(system, network):  # noqa: F811
    from steps.decode import make_graph
    graph = system.train.parent.parent / "litert_graph"
    make_graph.main([system.lang_test, network, graph])
    return network, graph, system.test


def test_damaged_files_are_named(both, tmp_path):
    shutil.copytree(both[1], tmp_path / "nn")
    (tmp_path / "nn/model.tflite").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"nn/model.tflite: cannot be read \("):
        networks.read_network(tmp_path / "nn")
    (tmp_path / "nn/model.tflite").unlink()
    with pytest.raises(UserError, match=r"nn/final.keras: no such file"):
        networks.read_network(tmp_path / "nn")
