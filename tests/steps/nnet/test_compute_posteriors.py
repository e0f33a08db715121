import json
import shutil

import kaldiio
import numpy as np
import pytest

from steps.nnet import compute_posteriors
from steps.nnet.jobs import pipeline_of
from steps.nnet.network import read_network
from utils.data.datadir import DataDir
from utils.step import UserError


@pytest.fixture(scope="module")
def made(speech, network):
    out = speech.root / "post"
    compute_posteriors.main(["--nj", "2", speech.test, network, out])
    return out


def test_posteriors_are_the_networks(speech, network, made):
    data, loaded = DataDir(speech.test), read_network(network)
    pipeline = pipeline_of(network, data)
    found = kaldiio.load_scp(str(made / "post.scp"))
    assert sorted(found) == data.utts
    for utt in data.utts:
        feats = pipeline.load(utt)
        assert found[utt].dtype == np.float32
        assert found[utt].shape == (-(-len(feats) // 3), loaded.config["num_pdfs"])
        assert np.allclose(found[utt].sum(1), 1, atol=1e-5)
        assert np.allclose(found[utt], np.exp(loaded.log_posteriors(feats)), atol=1e-5)
    about = json.loads((made / "post.json").read_text())
    assert about.pop("made_from")
    assert about == {"num_pdfs": loaded.config["num_pdfs"], "subsampling": 3, "temperature": 1.0}


def test_a_second_run_does_nothing(speech, network, made, capsys):
    compute_posteriors.main(["--nj", "2", speech.test, network, made])
    assert "up to date" in capsys.readouterr().err


def test_another_network_is_told_from_the_first(speech, network, made, tmp_path):
    other = tmp_path / "network"
    shutil.copytree(network, other)
    before = json.loads((made / "post.json").read_text())["made_from"]
    found = set()
    for _ in range(2):
        compute_posteriors.main(["--nj", "1", speech.test, other, tmp_path / "post"])
        found.add(json.loads((tmp_path / "post/post.json").read_text())["made_from"])
        priors = (other / "priors").read_text()
        (other / "priors").write_text(priors.replace("[ ", "[  ", 1))
    assert len(found) == 2 and before not in found


def test_a_higher_temperature_is_softer(speech, network, made, tmp_path, capsys):
    compute_posteriors.main(["--nj", "1", "--temperature", "2", speech.test, network,
                             tmp_path / "post"])
    assert "posteriors of 10 utterances" in capsys.readouterr().err
    plain, soft = (kaldiio.load_scp(str(d / "post.scp")) for d in (made, tmp_path / "post"))
    for utt in plain:
        root = np.sqrt(plain[utt])           # softmax(z / 2)
        assert np.allclose(soft[utt], root / root.sum(1, keepdims=True), atol=1e-4)


def test_softmax_by_hand():
    logits = np.log(np.array([[0.64, 0.32, 0.04]], np.float32))
    assert np.allclose(compute_posteriors.posteriors(logits, 2.0),
                       np.array([[0.8, 0.5657, 0.2]]) / 1.5657, atol=1e-4)
    extreme = np.array([[-1000.0, -2000.0]], np.float32)
    assert np.array_equal(compute_posteriors.posteriors(extreme, 0.5), [[1, 0]])


def test_bad_input_names_the_file(speech, network, tmp_path):
    with pytest.raises(UserError, match=r"--temperature: is 0"):
        compute_posteriors.main(["--temperature", "0", speech.test, network, tmp_path / "post"])
    shutil.copytree(network, tmp_path / "network")
    (tmp_path / "network/priors").unlink()
    with pytest.raises(UserError, match=r"network/priors: no such file"):
        compute_posteriors.main([speech.test, tmp_path / "network", tmp_path / "post"])
    shutil.copyfile(network / "priors", tmp_path / "network/priors")
    (tmp_path / "network/tree").unlink()
    with pytest.raises(UserError, match=r"network/tree: no such file"):
        compute_posteriors.main([speech.test, tmp_path / "network", tmp_path / "post"])
    assert not (tmp_path / "post").exists()
    shutil.copyfile(network / "tree", tmp_path / "network/tree")
    (tmp_path / "network/final.keras").write_bytes(b"PK and no more")
    with pytest.raises(SystemExit):
        compute_posteriors.main(["--nj", "1", speech.test, tmp_path / "network", tmp_path / "post"])
    assert not list((tmp_path / "post").glob("post*"))
    log = (tmp_path / "post/log/compute_posteriors.1.log").read_text()
    assert "network/final.keras: cannot be read" in log
