import re
import shutil

import kaldiio
import numpy as np
import pytest

from steps.decode import decode, decode_fmllr, make_graph
from steps.decode.lattice import read_lattices
from steps.decode.lattice_io import lattice_files
from steps.features.pipeline import FeaturePipeline
from steps.hmm.model import read_model
from steps.hmm.triphones import front_end_of
from utils.data.datadir import DataDir
from utils.data.tables import read_table
from utils.lang.langdir import read_symbols, symbol_list
from utils.step import UserError, read_done

# The jobs may be more than the speakers; the tiny corpus has 400 frames of speech a speaker.
OPTIONS = ["--nj", "3", "--fmllr-min-count", "100"]


@pytest.fixture(scope="module")
def graph(system, tri3b):
    make_graph.main([system.lang_test, tri3b, tri3b / "graph"])
    return tri3b / "graph"


@pytest.fixture(scope="module")
def decoded(system, tri3b, graph):
    decode_fmllr.main([*OPTIONS, graph, system.test, tri3b / "decode"])
    return tri3b / "decode"


def transforms_of(directory):
    return {spk: np.array(matrix) for path in sorted(directory.glob("trans.*"))
            for spk, matrix in kaldiio.load_ark(str(path))}


def best_paths(directory):
    return {utt: lattice.best_path(12) for path in lattice_files(directory)
            for utt, lattice in read_lattices(path)}


def test_words_are_recognised(system, graph, decoded):
    symbols = symbol_list(read_symbols(graph / "words.txt"))
    text, paths = read_table(system.test / "text"), best_paths(decoded)
    assert sorted(paths) == sorted(text)
    right = sum(" ".join(symbols[w] for w in paths[utt][0]) == text[utt] for utt in text)
    assert right >= 0.7 * len(text)
    assert (decoded / "num_jobs").read_text() == "2\n"     # as many as speakers


def test_transforms_improve_the_likelihood(system, tri3b, decoded):
    """Of the decoded paths, with the determinant counted, against no transform."""
    data, transforms = DataDir(system.test), transforms_of(decoded)
    assert sorted(transforms) == ["fay", "gus"]
    transitions, model = read_model(tri3b / "final.mdl")
    front_end, lda = front_end_of(tri3b)
    plain = FeaturePipeline(data, front_end, lda)
    adapted = FeaturePipeline(data, front_end, lda, transforms)
    gains = {spk: [] for spk in transforms}
    for utt, (_, tids, _) in best_paths(decoded).items():
        pdfs, spk = transitions.tid2pdf[tids], data.utt2spk[utt]
        rows = np.arange(len(pdfs))
        before, after = (model.log_likes(p.load(utt))[rows, pdfs] for p in (plain, adapted))
        stretch = np.linalg.slogdet(transforms[spk][:, :-1].astype(float))[1]
        gains[spk].append((after - before).mean() + stretch)
    assert all(np.mean(values) > 0.3 for values in gains.values())


def test_lattices_are_scored_with_the_adapted_features(system, tri3b, decoded):
    data = DataDir(system.test)
    transitions, model = read_model(tri3b / "final.mdl")
    pipeline = FeaturePipeline(data, *front_end_of(tri3b), transforms_of(decoded))
    for utt, (_, tids, (_, acoustic)) in best_paths(decoded).items():
        scores = model.log_likes(pipeline.load(utt))
        of_path = scores[np.arange(len(tids)), transitions.tid2pdf[tids]].sum()
        assert acoustic == pytest.approx(-of_path, rel=1e-4)


def test_gains_are_told(decoded):
    logs = "".join(path.read_text() for path in sorted((decoded / "log").iterdir()))
    first = re.findall(r"fMLLR of the first pass gains ([\d.]+) nats", logs)
    second = re.findall(r"of the second, (-?[\d.]+)", logs)
    assert len(first) == len(second) == 2
    assert all(float(gain) > 0.2 for gain in first)
    assert all(float(gain) >= 0 for gain in second)


def test_runs_once(system, graph, decoded, tri3b, capsys):
    decode_fmllr.main([*OPTIONS, graph, system.test, decoded])
    assert "up to date" in capsys.readouterr().err
    inputs = read_done(decoded)["decode_fmllr"]["inputs"]
    assert {str(graph / "phones/silence.int"), str(tri3b / "final.alimdl")} <= set(inputs)


def test_too_little_speech_is_decoded_without_a_transform(system, graph, tri3b, tmp_path, capsys):
    """Then the second pass is that of the adapted model on features as they are."""
    decode_fmllr.main(["--nj", "1", "--fmllr-min-count", "100000", "--model", tri3b, graph,
                       system.test, tmp_path / "decode"])
    for matrix in transforms_of(tmp_path / "decode").values():
        assert np.array_equal(matrix, np.eye(20, 21, dtype=np.float32))
    assert "is adapted to speakers" not in capsys.readouterr().err
    decode.main(["--nj", "1", "--model", tri3b, graph, system.test, tmp_path / "plain"])
    assert "tri3b is adapted to speakers, and features are decoded as they are" in \
        capsys.readouterr().err
    plain, found = best_paths(tmp_path / "plain"), best_paths(tmp_path / "decode")
    assert {utt: words for utt, (words, _, _) in found.items()} == {
        utt: words for utt, (words, _, _) in plain.items()}
    # A directory that was of the one becomes wholly the other's.
    decode.main(["--nj", "1", "--model", tri3b, graph, system.test, tmp_path / "decode"])
    assert sorted(best_paths(tmp_path / "decode")) == sorted(plain)
    assert not list((tmp_path / "decode").glob("trans.*"))
    assert list(read_done(tmp_path / "decode")) == ["decode"]


def test_a_poor_first_pass_is_made_good_by_the_last(system, graph, tri3b, tmp_path):
    """With next to no beam its lattices are one path or none."""
    decode_fmllr.main(["--nj", "1", "--first-beam", "0.0001", "--fmllr-min-count", "100",
                       "--model", tri3b, graph, system.test, tmp_path / "decode"])
    assert sorted(transforms_of(tmp_path / "decode")) == ["fay", "gus"]
    assert len(best_paths(tmp_path / "decode")) == 10


def test_bad_input_names_the_file(system, graph, tri3b, tri2b, tmp_path):
    with pytest.raises(UserError, match=r"tri2b/final.alimdl: no such file .*train_sat"):
        shutil.copytree(graph, tmp_path / "graph")
        (tmp_path / "graph/graph.json").unlink()
        decode_fmllr.main(["--model", tri2b, tmp_path / "graph", system.test, tmp_path / "decode"])
    with pytest.raises(UserError, match=r"graph.json: "):
        decode_fmllr.main(["--model", tri2b, graph, system.test, tmp_path / "decode"])
    with pytest.raises(UserError, match=r"nothere: no such data directory"):
        decode_fmllr.main(["--model", tri3b, graph, tmp_path / "nothere", tmp_path / "decode"])
    assert not (tmp_path / "decode").exists()
