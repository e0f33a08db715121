import gzip
import json
import shutil

import kaldiio
import numpy as np
import pytest

from steps.decode import decode
from steps.decode.decoding import decode_utts
from steps.decode.decoding_graph import DecodingGraph
from steps.decode.lattice import read_lattices
from steps.decode.lattice_decoder import DecodeOptions
from steps.decode.lattice_io import lattice_files
from steps.decode.scorers import gmm_scorer
from steps.hmm.model import read_model
from utils.data.datadir import DataDir
from utils.data.tables import read_table
from utils.lang.langdir import read_symbols, symbol_list
from utils.step import UserError


def lattices_of(directory):
    return {utt: lattice for path in lattice_files(directory)
            for utt, lattice in read_lattices(path)}


def test_words_are_recognised(system):
    symbols = symbol_list(read_symbols(system.graph / "words.txt"))
    text = read_table(system.test / "text")
    lattices = lattices_of(system.decode)
    assert sorted(lattices) == sorted(text)
    right = sum(" ".join(symbols[w] for w in lattices[utt].best_path(12)[0]) == words
                for utt, words in text.items())
    assert right >= 0.8 * len(text)


def test_costs_are_those_of_model_and_graph(system):
    transitions, gmm = read_model(system.mono / "final.mdl")
    scorer = gmm_scorer(system.mono, DataDir(system.test))
    for utt, lattice in lattices_of(system.decode).items():
        _, tids, (_, acoustic) = lattice.best_path(1 / 0.0833)
        scores = np.concatenate(list(scorer(utt)))
        assert scores.shape == (len(tids), gmm.num_pdfs)
        of_path = scores[np.arange(len(tids)), transitions.tid2pdf[tids]]
        assert acoustic == pytest.approx(-of_path.sum(), rel=1e-5)


def test_the_core_gives_the_same(system):
    transitions, _ = read_model(system.mono / "final.mdl")
    graph = DecodingGraph.read(system.graph / "HCLG.fst", transitions.tid2pdf)
    data = DataDir(system.test)
    found = list(decode_utts(graph, gmm_scorer(system.mono, data), data.utts, DecodeOptions()))
    lattices = lattices_of(system.decode)
    assert [utt for utt, *_ in found] == data.utts
    for utt, lattice, words, log_like in found:
        assert np.array_equal(lattice.ilabel, lattices[utt].ilabel)
        assert words == lattices[utt].best_path(1 / 0.0833)[0]
        _, tids, (graph_cost, acoustic) = lattice.best_path(1 / 0.0833)
        assert log_like == pytest.approx(-(graph_cost + 0.0833 * acoustic) / len(tids), rel=1e-4)


def test_scores_of_few_frames_at_a_time_give_the_same(system, monkeypatch):
    transitions, _ = read_model(system.mono / "final.mdl")
    graph = DecodingGraph.read(system.graph / "HCLG.fst", transitions.tid2pdf)
    data = DataDir(system.test)
    scorer = gmm_scorer(system.mono, data)
    monkeypatch.setattr("steps.hmm.gmm.BLOCK", 50)
    assert {len(block) for block in list(scorer(data.utts[0]))[:-1]} == {50}
    lattices = lattices_of(system.decode)
    for utt, lattice, *_ in decode_utts(graph, scorer, data.utts[:3], DecodeOptions()):
        assert np.array_equal(lattice.ilabel, lattices[utt].ilabel)
        assert np.array_equal(lattice.dst, lattices[utt].dst)


def test_logs_hold_words_and_speed(system):
    logs = "".join(path.read_text() for path in sorted((system.decode / "log").iterdir()))
    text = read_table(system.test / "text")
    assert all(f"decode: {utt} " in logs for utt in text)
    assert all(f"{utt}: log-likelihood " in logs for utt in text)
    assert logs.count("RTF") == 2
    assert (system.decode / "num_jobs").read_text() == "2\n"


def test_runs_once_and_again_with_other_options(system, tmp_path, capsys):
    command = ["--nj", "1", "--model", system.mono, system.graph, system.test, tmp_path / "decode"]
    decode.main(command)
    first = lattices_of(tmp_path / "decode")
    assert "log-likelihood" in capsys.readouterr().err
    decode.main(command)
    assert "up to date" in capsys.readouterr().err
    decode.main(["--lattice-beam", "1", *command])
    narrow = lattices_of(tmp_path / "decode")
    assert sum(t.num_arcs for t in narrow.values()) < sum(t.num_arcs for t in first.values())


def test_another_models_graph_is_an_error(system, tmp_path):
    shutil.copytree(system.graph, tmp_path / "graph")
    info = json.loads((tmp_path / "graph/graph.json").read_text())
    (tmp_path / "graph/graph.json").write_text(json.dumps({**info, "num_pdfs": 7}))
    command = ["--model", system.mono, tmp_path / "graph", system.test, tmp_path / "decode"]
    with pytest.raises(UserError, match=r"graph.json: num pdfs 7, but .*mono has \d+"):
        decode.main(command)
    (tmp_path / "graph/graph.json").write_text(json.dumps({**info, "feats": "abc"}))
    with pytest.raises(UserError, match=r"graph.json: feats abc"):
        decode.main(command)
    (tmp_path / "graph/HCLG.fst").unlink()
    with pytest.raises(UserError, match=r"HCLG.fst: no such file"):
        decode.main(command)
    assert not (tmp_path / "decode").exists()


def test_a_model_of_as_many_other_phones_is_an_error(system, tmp_path):
    shutil.copytree(system.mono, tmp_path / "other", ignore=shutil.ignore_patterns("graph"))
    phones = (tmp_path / "other/phones.txt").read_text()
    (tmp_path / "other/phones.txt").write_text(phones.replace("a_B ", "z_B "))
    with pytest.raises(UserError, match=r"graph/phones.txt: a_B is \d+, in .*other/phones.txt it "
                                        r"is not there"):
        decode.main(["--model", tmp_path / "other", system.graph, system.test,
                     tmp_path / "decode"])
    assert not (tmp_path / "decode").exists()


def test_a_model_and_a_graph_keep_their_files(system, tmp_path):
    shutil.copytree(system.mono, tmp_path / "mono", ignore=shutil.ignore_patterns("decode"))
    for own in ("mono", "mono/graph"):
        with pytest.raises(UserError, match=f"{own}: is both source and destination"):
            decode.main(["--model", tmp_path / "mono", tmp_path / "mono/graph", system.test,
                         tmp_path / own])


@pytest.mark.parametrize("option", [
    ["--beam", "-1"], ["--lattice-beam", "0"], ["--acwt", "nan"], ["--max-active", "1"]])
def test_bad_options_are_told_before_any_job(system, tmp_path, option):
    with pytest.raises(UserError, match=f"{option[0]}: is {option[1]}"):
        decode.main([*option, "--model", system.mono, system.graph, system.test,
                     tmp_path / "decode"])
    assert not (tmp_path / "decode").exists()


def test_other_features_are_told_before_any_job(system, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(system.test, data)
    command = ["--model", system.mono, system.graph, data, tmp_path / "decode"]
    info = json.loads((data / "feats.json").read_text())
    (data / "feats.json").write_text(
        json.dumps({**info, "num_mel_bins": 17, "fingerprint": "abc"}))
    with pytest.raises(UserError, match=r"feats.json: features abc are not .* num_mel_bins is 17"):
        decode.main(command)
    (data / "feats.json").unlink()   # as Kaldi has it: the dimension tells
    feats = {utt: np.zeros((50, 12), np.float32) for utt in read_table(data / "utt2spk")}
    kaldiio.save_ark(str(data / "wide.ark"), feats, scp=str(data / "feats.scp"))
    with pytest.raises(UserError, match=r"feats.scp: "):
        decode.main(command)
    (data / "feats.scp").write_text("")
    with pytest.raises(UserError, match=r"feats.scp: no features of any utterance"):
        decode.main(command)
    assert not (tmp_path / "decode").exists()


def test_a_failing_job_leaves_no_lattices(system, tmp_path):
    shutil.copytree(system.test, tmp_path / "data")
    rows = (tmp_path / "data/feats.scp").read_text().splitlines()
    rows[-1] = f"{rows[-1].split()[0]} {tmp_path}/gone.ark:7"
    (tmp_path / "data/feats.scp").write_text("\n".join(rows) + "\n")
    with pytest.raises(SystemExit):
        decode.main(["--nj", "1", "--model", system.mono, system.graph, tmp_path / "data",
                     tmp_path / "decode"])
    assert not list((tmp_path / "decode").glob("lat.*"))
    assert not (tmp_path / "decode/.done").exists()


def test_scores_that_are_no_numbers_are_named(system):
    transitions, gmm = read_model(system.mono / "final.mdl")
    graph = DecodingGraph.read(system.graph / "HCLG.fst", transitions.tid2pdf)
    bad = np.full((10, gmm.num_pdfs), np.nan, np.float32)
    with pytest.raises(UserError, match=r"utt-9: .*no numbers"):
        list(decode_utts(graph, lambda utt: bad, ["utt-9"], DecodeOptions()))


def test_too_short_for_a_word_is_told(system, capsys):
    transitions, gmm = read_model(system.mono / "final.mdl")
    graph = DecodingGraph.read(system.graph / "HCLG.fst", transitions.tid2pdf)
    short = np.zeros((1, gmm.num_pdfs), np.float32)
    [(_, lattice, _, _)] = decode_utts(graph, lambda utt: short, ["utt-1"], DecodeOptions())
    assert "utt-1: did not reach a final state" in capsys.readouterr().err
    assert lattice.num_states > 0


def test_lattices_are_gzipped_kaldi_archives(system):
    data = gzip.decompress(lattice_files(system.decode)[0].read_bytes())
    utt, rest = data.split(b" ", 1)
    assert utt.decode() in read_table(system.test / "text")
    assert rest[:4] == bytes([0xD6, 0xFD, 0xB2, 0x7E])
