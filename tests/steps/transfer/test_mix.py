"""Mixtures of tiny networks against numpy."""

import json

import numpy as np
import pytest
from scipy import sparse

from steps.nnet import info
from steps.nnet.network import read_network
from steps.transfer import mix, transfer
from steps.transfer.mix import posterior_map
from tests.steps.transfer.tiny_source import make_source
from utils.step import UserError

FEATS = np.random.default_rng(0).normal(0, 1, (40, 13)).astype(np.float32)


@pytest.fixture(scope="module")
def networks(speech, mono_ali, tmp_path_factory):
    """Of three architectures, whose contexts differ."""
    root = tmp_path_factory.mktemp("mix")
    return {arch: make_source(root / arch, speech.train, mono_ali, arch, seed)
            for seed, arch in enumerate(("tdnn", "dnn", "lstm"))}


def log_posteriors(directory):
    return read_network(directory).log_posteriors(FEATS)


@pytest.mark.parametrize(("one", "two"), [("tdnn", "dnn"), ("lstm", "tdnn")])
def test_both_forms(one, two, networks, tmp_path, capsys):
    a, b = networks[one], networks[two]
    log_a, log_b = log_posteriors(a), log_posteriors(b)
    mix.main(["--weight", "0.3", a, b, tmp_path / "linear"])
    found = np.exp(log_posteriors(tmp_path / "linear"))
    assert found == pytest.approx(0.3 * np.exp(log_a) + 0.7 * np.exp(log_b), abs=1e-5)
    mix.main(["--weight", "0.3", "--form", "loglinear", a, b, tmp_path / "log"])
    product = np.exp(0.3 * log_a + 0.7 * log_b)
    assert np.exp(log_posteriors(tmp_path / "log")) == pytest.approx(
        product / product.sum(1, keepdims=True), abs=1e-5)
    for weight, wanted in (("1", log_a), ("0", log_b)):
        mix.main(["--weight", weight, a, b, tmp_path / weight])
        assert log_posteriors(tmp_path / weight) == pytest.approx(wanted, abs=1e-4)
    config = json.loads((tmp_path / "linear/config.json").read_text())
    parts = [read_network(d).config for d in (a, b)]
    assert config["left_context"] == max(part["left_context"] for part in parts)
    assert read_network(tmp_path / "linear").recurrent == ("lstm" in (one, two))
    info.main([tmp_path / "linear"])
    assert "a.output" in capsys.readouterr().out
    priors = [np.exp(read_network(d).log_priors) for d in (tmp_path / "linear", a, b)]
    assert priors[0] == pytest.approx(0.3 * priors[1] + 0.7 * priors[2], abs=1e-6)
    mix.main(["--weight", "0.3", a, b, tmp_path / "linear"])
    assert "up to date" in capsys.readouterr().err


@pytest.mark.parametrize("weight, weights", [("", [1 / 3] * 3), ("0.5,0,0.5", [0.5, 0, 0.5])])
def test_three_networks(weight, weights, networks, tmp_path):
    parts = [networks[arch] for arch in ("dnn", "lstm", "tdnn")]
    logs = [log_posteriors(part) for part in parts]
    mix.main(["--weight", weight, *parts, tmp_path / "linear"])
    expected = np.average(np.exp(logs), axis=0, weights=weights)
    assert np.exp(log_posteriors(tmp_path / "linear")) == pytest.approx(expected, abs=1e-5)
    mix.main(["--weight", weight, "--form", "loglinear", *parts, tmp_path / "log"])
    product = np.exp(np.average(logs, axis=0, weights=weights))
    assert np.exp(log_posteriors(tmp_path / "log")) == pytest.approx(
        product / product.sum(1, keepdims=True), abs=1e-5)
    network = read_network(tmp_path / "log")
    assert network.config["mixture"]["networks"] == [str(part) for part in parts]
    log_priors = [read_network(part).log_priors for part in parts]
    assert np.exp(read_network(tmp_path / "linear").log_priors) == pytest.approx(
        np.average(np.exp(log_priors), axis=0, weights=weights), abs=1e-6)
    # Scores are the mixture of the networks' scores, up to a constant for each frame.
    apart = product / product.sum(1, keepdims=True)
    apart = np.log(apart) - network.log_priors - np.average(
        [log - prior for log, prior in zip(logs, log_priors, strict=True)], axis=0, weights=weights)
    assert apart == pytest.approx(np.repeat(apart[:, :1], apart.shape[1], 1), abs=1e-3)


def test_a_mixture_may_be_mixed(networks, tmp_path):
    mix.main([networks["tdnn"], networks["dnn"], tmp_path / "two"])
    mix.main(["--weight", "0.4", tmp_path / "two", networks["tdnn"], tmp_path / "again"])
    logs = [log_posteriors(networks[arch]) for arch in ("tdnn", "dnn")]
    assert np.exp(log_posteriors(tmp_path / "again")) == pytest.approx(
        np.average(np.exp(logs), axis=0, weights=[0.8, 0.2]), abs=1e-5)


@pytest.mark.parametrize("weight, said", [
    ("much", "much are no numbers"), ("0.2,0.3,0.5", "are 3 weights of 2 networks"),
    ("0.2,0.3", "no weights from 0 to 1 that sum to 1"), ("1.5", "no weights from 0 to 1")])
def test_weights_that_cannot_be(networks, tmp_path, weight, said):
    with pytest.raises(UserError, match=said):
        mix.main(["--weight", weight, networks["tdnn"], networks["dnn"], tmp_path / "nn"])
    with pytest.raises(UserError, match="one network cannot be mixed"):
        mix.main([networks["tdnn"], tmp_path / "nn"])


def test_mapped_posteriors(networks, tmp_path):
    a, b = (read_network(networks[arch]) for arch in ("tdnn", "dnn"))
    num_pdfs = a.config["num_pdfs"]
    weights = np.random.default_rng(1).dirichlet(np.full(num_pdfs, 0.3), num_pdfs)
    sparse.save_npz(tmp_path / "pdf_map.npz", sparse.csr_matrix(weights.astype(np.float32)))
    mix.main(["--weight", "1", "--pdf-map", tmp_path, networks["tdnn"], networks["dnn"],
              tmp_path / "nn"])
    mixture = read_network(tmp_path / "nn")
    assert np.array_equal(mixture.log_priors, b.log_priors)
    likelihoods = np.exp(a.log_posteriors(FEATS) - a.log_priors) @ weights.T     # of target pdfs
    expected = likelihoods * np.exp(b.log_priors)
    assert np.exp(mixture.log_posteriors(FEATS)) == pytest.approx(
        expected / expected.sum(1, keepdims=True), abs=1e-5)


def test_a_map_to_itself_keeps_posteriors():
    priors, posteriors = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.6, 0.3])
    assert posteriors @ posterior_map(np.eye(3), priors, priors) == pytest.approx(posteriors)


def test_networks_that_cannot_be_mixed(speech, mono_ali, networks, tmp_path):
    other = make_source(tmp_path / "other", speech.train, mono_ali)
    (other / "tree").write_text("{}")
    with pytest.raises(UserError, match="is another tree than"):
        mix.main([networks["tdnn"], other, tmp_path / "nn"])
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "subsampling": 2}))
    with pytest.raises(UserError, match=r"subsampling is 2, in .*tdnn 3"):
        mix.main([networks["tdnn"], other, tmp_path / "nn"])
    front_end = json.loads((other / "front_end.json").read_text())
    (other / "front_end.json").write_text(json.dumps({**front_end, "norm_vars": False}))
    with pytest.raises(UserError, match="norm_vars is False"):
        mix.main([networks["tdnn"], other, tmp_path / "nn"])
    assert not (tmp_path / "nn/final.keras").exists()


def test_a_mixture_is_no_source(speech, mono_ali, networks, tmp_path):
    mix.main([networks["tdnn"], networks["dnn"], tmp_path / "nn"])
    with pytest.raises(UserError, match="has no output layer of its own"):
        transfer.main(["--num-epochs", "0", tmp_path / "nn", speech.train, mono_ali,
                       tmp_path / "x"])
