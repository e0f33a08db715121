import json
import shutil

import numpy as np
import pytest

from steps.decode import decode, decode_fmllr, lattice_to_ctm, make_graph
from steps.decode.decoding import decode_utts
from steps.decode.decoding_graph import DecodingGraph
from steps.decode.fingerprints import check_graph
from steps.decode.lattice_decoder import DecodeOptions
from steps.decode.scorers import scorer_of
from steps.hmm.model import read_transitions
from steps.nnet import network as networks
from tests.steps.decode.test_decode import lattices_of
from utils.data.datadir import DataDir
from utils.data.tables import read_table
from utils.lang.langdir import read_symbols, symbol_list
from utils.step import UserError


@pytest.fixture(scope="module")
def decoded(system, network):
    """The network's graph and decode directory."""
    make_graph.main([system.lang_test, network, network / "graph"])
    decode.main(["--nj", "2", network / "graph", system.test, network / "decode"])
    return network / "graph", network / "decode"


def test_words_are_recognised(system, decoded):
    symbols = symbol_list(read_symbols(decoded[0] / "words.txt"))
    text, lattices = read_table(system.test / "text"), lattices_of(decoded[1])
    assert sorted(lattices) == sorted(text)
    right = sum(" ".join(symbols[w] for w in lattices[utt].best_path(12)[0]) == words
                for utt, words in text.items())
    assert right >= 0.8 * len(text)


def test_acoustic_costs_are_the_networks(system, network, decoded):
    transitions = read_transitions(network / "final.mdl")
    loaded, data = networks.read_network(network), DataDir(system.test)
    scorer = scorer_of(network, data)
    for utt, lattice in lattices_of(decoded[1]).items():
        _, tids, (_, acoustic) = lattice.best_path(1 / 0.0833)
        scores = np.concatenate(list(scorer(utt)))
        assert scores.shape == (len(tids), loaded.config["num_pdfs"])
        assert acoustic == pytest.approx(
            -scores[np.arange(len(tids)), transitions.tid2pdf[tids]].sum(), rel=1e-4)


def test_the_tree_s_graph_is_the_gmms(system, network, decoded):
    assert ((network / "graph/HCLG.fst").read_bytes()
            == (system.mono / "graph/HCLG.fst").read_bytes())


def test_the_gmms_graph_serves_whatever_the_features(system, network, tmp_path):
    """HCLG depends on tree and transitions alone."""
    transitions = read_transitions(network / "final.mdl")
    check_graph(system.graph, network, transitions)
    info = json.loads((system.graph / "graph.json").read_text())
    shutil.copyfile(system.graph / "phones.txt", tmp_path / "phones.txt")
    (tmp_path / "graph.json").write_text(json.dumps({**info, "feats": "abc"}))
    check_graph(tmp_path, network, transitions)
    with pytest.raises(UserError, match=r"graph.json: feats abc"):
        check_graph(tmp_path, system.mono, transitions)
    (tmp_path / "graph.json").write_text(json.dumps({**info, "transition_ids": "abc"}))
    with pytest.raises(UserError, match=r"graph.json: transition ids abc"):
        check_graph(tmp_path, network, transitions)


def test_blocks_change_nothing(system, network, decoded, monkeypatch):
    loaded, data = networks.read_network(network), DataDir(system.test)
    scorer = scorer_of(network, data)
    graph = DecodingGraph.read(decoded[0] / "HCLG.fst",
                               read_transitions(network / "final.mdl").tid2pdf)
    utts = data.utts[:3]
    whole = {utt: list(scorer(utt)) for utt in utts}
    lattices = {utt: lattice for utt, lattice, *_ in
                decode_utts(graph, scorer, utts, DecodeOptions())}
    monkeypatch.setattr(networks, "BLOCK", 40)
    for utt, lattice, *_ in decode_utts(graph, scorer, utts, DecodeOptions()):
        blocks = list(scorer(utt))
        assert len(whole[utt]) == 1
        assert len(blocks) > 2
        assert all(len(block) == 39 for block in blocks[:-1])
        assert np.allclose(np.concatenate(blocks), whole[utt][0], atol=1e-4)
        assert np.array_equal(lattice.ilabel, lattices[utt].ilabel)
        assert np.array_equal(lattice.dst, lattices[utt].dst)
    loaded.recurrent = True
    assert len(list(loaded.log_posterior_blocks(np.zeros((400, 13), np.float32)))) == 1


def test_one_trace_serves_all_lengths(network):
    loaded = networks.read_network(network)
    for length in (1, 2, 3, 50, 333):
        assert loaded.log_likes(np.zeros((length, 13), np.float32)).shape == (
            length, loaded.config["num_pdfs"])
    assert loaded._run.experimental_get_tracing_count() == 1


def test_each_job_takes_one_thread(decoded):
    for path in (decoded[1] / "log").iterdir():
        log = path.read_text()
        assert "network on 1 CPU thread" in log
        assert "RTF" in log


def test_another_network_is_decoded_anew(system, network, decoded, capsys):
    decode.main(["--nj", "2", network / "graph", system.test, network / "decode"])
    assert "up to date" in capsys.readouterr().err
    inputs = json.loads((network / "decode/.done").read_text())["decode"]["inputs"]
    for name in ("final.keras", "config.json", "priors", "final.mdl", "front_end.json"):
        assert str(network / name) in inputs


def test_words_have_times(system, network, decoded):
    lattice_to_ctm.main([system.test, decoded[0], decoded[1]])
    rows = (decoded[1] / "ctm").read_text().splitlines()
    assert len(rows) >= len(" ".join(read_table(system.test / "text").values()).split()) - 3


def test_what_does_not_fit_is_told_before_any_job(system, network, decoded, tmp_path):
    shutil.copytree(network, tmp_path / "network")
    command = ["--nj", "1", tmp_path / "network/graph", system.test, tmp_path / "network/decode_x"]
    with pytest.raises(UserError, match=r"final.alimdl: no such file"):
        decode_fmllr.main(command)
    shutil.copytree(system.test, tmp_path / "data")
    info = json.loads((tmp_path / "data/feats.json").read_text())
    (tmp_path / "data/feats.json").write_text(json.dumps({**info, "fingerprint": "abc"}))
    with pytest.raises(UserError, match=r"data/feats.json: features abc are not"):
        decode.main([*command[:3], tmp_path / "data", command[-1]])
    (tmp_path / "network/final.keras").unlink()
    with pytest.raises(UserError, match=r"network/final.keras: no such file"):
        decode.main(command)
    assert not (tmp_path / "network/decode_x").exists()
