"""lattice_to_nbest.py, lattice_to_ctm.py and rescore.py on the tiny corpus."""

import math
import shutil
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from steps.decode import decode, lattice_to_ctm, lattice_to_nbest, make_graph, rescore
from steps.decode.lattice import read_lattices
from steps.decode.lattice_io import lattice_files
from steps.decode.rescoring import LmScores
from steps.decode.rescoring import rescore as rescore_lattice
from steps.decode.word_list import WordList
from tests.steps.decode.test_posteriors import all_paths, random_lattice
from utils.data.tables import read_table
from utils.lang import format_lm, train_ngram
from utils.lang.arpa import ArpaModel
from utils.lang.langdir import read_symbols, symbol_list
from utils.step import UserError, read_done


def lattices_of(directory):
    return {utt: lattice for path in lattice_files(directory)
            for utt, lattice in read_lattices(path)}


def test_nbest(system, tmp_path, capsys):
    command = ["--nj", "2", "--n", "5", "--lmwt", "10", system.graph, system.decode,
               tmp_path / "nbest"]
    lattice_to_nbest.main(command)
    text = read_table(tmp_path / "nbest/text", empty_ok=True)
    symbols = symbol_list(read_symbols(system.graph / "words.txt"))
    lm, ac = (read_table(tmp_path / "nbest" / name) for name in ("lm_cost", "ac_cost"))
    assert list(text) == list(lm) == list(ac)
    for utt, lattice in lattices_of(system.decode).items():
        words, _, (graph, acoustic) = lattice.best_path(10)
        assert text[f"{utt}-1"] == " ".join(symbols[w] for w in words)
        assert float(lm[f"{utt}-1"]) == pytest.approx(graph, rel=1e-4)
        assert float(ac[f"{utt}-1"]) == pytest.approx(acoustic, rel=1e-5)
        keys = [f"{utt}-{rank}" for rank in range(1, 6) if f"{utt}-{rank}" in text]
        costs = [float(lm[key]) + float(ac[key]) / 10 for key in keys]
        assert np.all(np.diff(costs) > -1e-2)
        assert len({text[key] for key in keys}) == len(keys)
    capsys.readouterr()
    lattice_to_nbest.main(command)
    assert "up to date" in capsys.readouterr().err


def test_ctm_has_the_true_times(system, capsys):
    lattice_to_ctm.main(["--lmwt", "12", system.test, system.graph, system.decode])
    rows = [line.split() for line in (system.decode / "ctm").read_text().splitlines()]
    text = read_table(system.test / "text")
    words = {}
    for utt, channel, start, length, word, confidence in rows:
        assert channel == "1"
        assert 0 <= float(confidence) <= 1
        words.setdefault(utt, []).append((word, float(start), float(start) + float(length)))
    true = {}
    for line in system.ctm.read_text().splitlines():
        utt, _, start, length, phone = line.split()
        if phone != "SIL":
            true.setdefault(utt, []).append((float(start), float(start) + float(length)))
    checked = 0
    for utt, found in words.items():
        if [w for w, _, _ in found] != text[utt].split():
            continue
        assert all(a[2] <= b[1] + 0.011 for a, b in pairwise(found))
        # Every word has four phones.
        for i, (_, start, end) in enumerate(found):
            assert abs(start - true[utt][4 * i][0]) < 0.06
            assert abs(end - true[utt][4 * i + 3][1]) < 0.06
            checked += 1
    assert checked >= 12
    assert np.mean([float(row[5]) for row in rows]) > 0.8
    capsys.readouterr()
    lattice_to_ctm.main(["--lmwt", "12", system.test, system.graph, system.decode])
    assert "up to date" in capsys.readouterr().err
    assert str(system.graph / "phones/optional_silence.int") in \
        read_done(system.decode)["lattice_to_ctm"]["inputs"]


def test_ctm_times_are_the_recordings(system, tmp_path):
    shutil.copytree(system.test, tmp_path / "data")
    utts = sorted(read_table(system.test / "utt2spk"))
    (tmp_path / "data/segments").write_text(
        "".join(f"{utt} rec {100 + 10 * i} {102 + 10 * i}\n" for i, utt in enumerate(utts)))
    (tmp_path / "data/reco2file_and_channel").write_text("rec rec B\n")
    shutil.copytree(system.decode, tmp_path / "decode")
    lattice_to_ctm.main(["--model", system.mono, tmp_path / "data", system.graph,
                         tmp_path / "decode"])
    rows = [line.split() for line in (tmp_path / "decode/ctm").read_text().splitlines()]
    assert {tuple(row[:2]) for row in rows} == {("rec", "2")}
    starts = [float(row[2]) for row in rows]
    assert starts == sorted(starts)
    assert starts[0] > 100


def test_rescoring_changes_each_path_by_the_two_models():
    symbols = ["<eps>", "a", "b", "c"]

    class Bigram:
        """Costs by hand: log10 p = -0.1 * (5 * last + next), history of one word."""

        def __init__(self, scale):
            self.scale = scale

        def state(self, history):
            return history[-1:]

        def score(self, history, word):
            names = ["<s>", "a", "b", "c", "</s>"]
            return -self.scale * (5 * names.index(history[-1]) + names.index(word))

    for seed in range(4):
        lattice = random_lattice(np.random.default_rng(seed))
        old, new = LmScores(Bigram(0.1), symbols), LmScores(Bigram(0.3), symbols)
        result = rescore_lattice(lattice, old, new)

        def costs_of(lattice, add):
            found = []
            for arcs, last in all_paths(lattice):
                words = [w for w in lattice.olabel[arcs].tolist() if w]
                change, history = 0.0, 0
                for word in [*words, 4]:
                    change += math.log(10) * 0.2 * (5 * history + word)
                    history = word
                cost = lattice.graph_cost[arcs].sum() + lattice.final_graph_cost[last]
                found.append((tuple(lattice.ilabel[arcs]), round(float(
                    lattice.acoustic_cost[arcs].sum()), 3), cost + add * change))
            return sorted(found)

        expected, found = costs_of(lattice, 1.0), costs_of(result, 0.0)
        assert [f[:2] for f in found] == [e[:2] for e in expected]
        assert np.allclose([f[2] for f in found], [e[2] for e in expected], atol=1e-3)


def test_rescored_lattices_are_those_of_the_new_graph(system, tmp_path):
    train_ngram.main(["--order", "1", system.text, tmp_path / "one.arpa"])
    format_lm.main([system.lang, tmp_path / "one.arpa", tmp_path / "lang_one"])
    make_graph.main([tmp_path / "lang_one", system.mono, tmp_path / "graph"])
    wide = ["--nj", "1", "--beam", "40", "--lattice-beam", "20", "--model", system.mono]
    decode.main([*wide, system.graph, system.test, tmp_path / "decode_two"])
    decode.main([*wide, tmp_path / "graph", system.test, tmp_path / "decode_one"])
    command = ["--nj", "2", tmp_path / "graph", tmp_path / "one.arpa", system.arpa,
               tmp_path / "decode_one", tmp_path / "rescored"]
    rescore.main(command)
    direct, rescored = lattices_of(tmp_path / "decode_two"), lattices_of(tmp_path / "rescored")
    assert direct.keys() == rescored.keys()
    for utt in direct:
        words, _, costs = direct[utt].best_path(12)
        new_words, _, new_costs = rescored[utt].best_path(12)
        assert new_words == words
        # Of a word's own way and the one through the back-off a lattice keeps one, not always the
        # cheaper.
        assert sum(new_costs) == pytest.approx(sum(costs), abs=1.0)
    scored = ArpaModel.read(system.arpa)
    assert scored.order == 2
    lattice = next(iter(direct.values()))
    word = lattice.best_path(12)[0][0]
    symbols = WordList(system.graph).symbols
    other = tmp_path / "other.arpa"
    with other.open("w") as file:
        for line in (tmp_path / "one.arpa").read_text().splitlines(keepends=True):
            file.write(line.replace(f"\t{symbols[word]}", "\tother").replace("<unk>", "another"))
    with pytest.raises(UserError, match=r"other.arpa: does not allow \S+, which is in the lattice"):
        rescore.rescore_share(SimpleNamespace(
            graph=system.graph, old=other, new=system.arpa, lm_scale=1.0, work=tmp_path, job=1),
            [(1, next(iter(lattice_files(tmp_path / "decode_one"))))])


def test_the_old_lm_is_that_of_the_graph(system, tmp_path):
    train_ngram.main(["--order", "1", system.text, tmp_path / "one.arpa"])
    rest = [system.arpa, system.decode, tmp_path / "rescored"]
    for graph in (system.graph, system.lang_test):
        with pytest.raises(UserError, match=r"one.arpa: is not the LM that \S+ was built with"):
            rescore.main([graph, tmp_path / "one.arpa", *rest])
    (tmp_path / "cut.gz").write_bytes((system.lang_test / "lm.arpa.gz").read_bytes()[:-9])
    with pytest.raises(UserError, match=r"cut.gz: cannot be read .*is it whole"):
        rescore.main([system.graph, tmp_path / "cut.gz", *rest])
    assert not (tmp_path / "rescored").exists()
    assert rescore.main(["--nj", "1", system.graph, system.lang_test / "lm.arpa.gz", *rest]) == 0


def test_missing_files_are_named(system, tmp_path):
    with pytest.raises(UserError, match=r"no num_jobs"):
        lattice_to_nbest.main([system.graph, tmp_path, tmp_path / "nbest"])
    with pytest.raises(UserError, match=r"big.arpa: no such file"):
        rescore.main([system.graph, system.arpa, tmp_path / "big.arpa", system.decode,
                      tmp_path / "rescored"])
    assert not (tmp_path / "rescored").exists()
    with pytest.raises(UserError, match=r"words.txt: no such file"):
        lattice_to_ctm.main([system.test, tmp_path, system.decode])


@pytest.mark.parametrize("lmwt", ["0", "-3", "nan"])
def test_lm_weights_are_above_0(system, tmp_path, lmwt):
    with pytest.raises(UserError, match=f"--lmwt: is {lmwt}"):
        lattice_to_ctm.main(["--lmwt", lmwt, system.test, system.graph, system.decode])
    with pytest.raises(UserError, match=f"--lmwt: is {lmwt}"):
        lattice_to_nbest.main(["--lmwt", lmwt, system.graph, system.decode, tmp_path / "nbest"])


@pytest.mark.parametrize("wip", ["inf", "nan"])
def test_word_insertion_penalties_are_numbers(system, tmp_path, wip):
    with pytest.raises(UserError, match=f"--wip: is {wip}"):
        lattice_to_ctm.main(["--wip", wip, system.test, system.graph, system.decode])
    with pytest.raises(UserError, match=f"--wip: is {wip}"):
        lattice_to_nbest.main(["--wip", wip, system.graph, system.decode, tmp_path / "nbest"])


@pytest.fixture
def subwords(system, tmp_path):
    """A graph whose words are units, two for each of the tiny corpus's words but the first."""
    graph = tmp_path / "graph"
    shutil.copytree(system.graph, graph)
    rows = []
    for symbol, ident in read_symbols(system.graph / "words.txt").items():
        plain = symbol[:1] in "<#" or symbol == "!SIL"
        rows.append(f"{symbol if plain else ('▁' if ident % 2 else '') + symbol} {ident}\n")
    (graph / "words.txt").write_text("".join(rows))
    (graph / "bpe.model").write_bytes(b"")
    return graph


def test_subwords_are_joined_in_time_and_text(system, subwords, tmp_path):
    units = tmp_path / "units"
    shutil.copytree(system.decode, units)
    (units / ".done").unlink()
    tell = ["--model", system.mono, "--lmwt", "12", "--decimals", "4", system.test]
    lattice_to_ctm.main([*tell, subwords, units])
    joined = [line.split() for line in (units / "ctm").read_text().splitlines()]
    (subwords / "bpe.model").unlink()
    lattice_to_ctm.main([*tell, subwords, units])
    apart = [line.split() for line in (units / "ctm").read_text().splitlines()]
    assert len(joined) < len(apart) and not any("▁" in row[4] for row in joined)
    for utt in {row[0] for row in apart}:
        mine, parts = ([row for row in rows if row[0] == utt] for rows in (joined, apart))
        assert "".join(row[4] for row in mine) == "".join(row[4] for row in parts).replace("▁", "")
        assert mine[0][2] == parts[0][2]
        ends = [float(rows[-1][2]) + float(rows[-1][3]) for rows in (mine, parts)]
        assert ends[0] == pytest.approx(ends[1], abs=1e-3)
        assert math.prod(float(row[5]) for row in mine) == pytest.approx(
            math.prod(float(row[5]) for row in parts), abs=1e-2)
    (subwords / "bpe.model").write_bytes(b"")
    lattice_to_nbest.main(["--nj", "1", "--lmwt", "12", subwords, units, tmp_path / "nbest"])
    text = read_table(tmp_path / "nbest/text", empty_ok=True)
    for utt in {row[0] for row in joined}:
        assert text[f"{utt}-1"].split() == [row[4] for row in joined if row[0] == utt]


def test_words_of_another_graph(system, tmp_path):
    other = tmp_path / "graph"
    shutil.copytree(system.graph, other)
    lines = (system.graph / "words.txt").read_text().splitlines(keepends=True)
    (other / "words.txt").write_text("".join(lines[:2]))
    decode_dir = tmp_path / "decode"
    shutil.copytree(system.decode, decode_dir)
    told = r"decode: was not decoded with .*graph/words.txt as it is now .give the graph it"
    for step, rest in ((lattice_to_ctm, [system.test, other, decode_dir]),
                       (lattice_to_nbest, [other, decode_dir, tmp_path / "nbest"]),
                       (rescore, [other, system.arpa, system.arpa, decode_dir, tmp_path / "new"])):
        with pytest.raises(UserError, match=told):
            step.main([*(["--model", system.mono] if step is lattice_to_ctm else []), *rest])
    (decode_dir / ".done").unlink()     # as Kaldi's, which tells nothing
    wrong = r"words.txt: no word \d+, which is in the lattice of .* .give the graph"
    with pytest.raises(UserError, match=wrong):
        lattice_to_ctm.main(["--model", system.mono, system.test, other, decode_dir])
    for step, rest in ((lattice_to_nbest, [decode_dir, tmp_path / "nbest"]),
                       (rescore, [system.arpa, system.arpa, decode_dir, tmp_path / "new"])):
        with pytest.raises((UserError, SystemExit)):
            step.main(["--nj", "1", other, *rest])
    assert "no word" in (tmp_path / "nbest/log/lattice_to_nbest.1.log").read_text()
    assert "no word" in (tmp_path / "new/log/rescore.1.log").read_text()


def test_times_by_another_model(system, tri1, tmp_path):
    make_graph.main([system.lang_test, tri1, tmp_path / "graph"])
    decode.main(["--nj", "1", "--model", tri1, tmp_path / "graph", system.test,
                 tmp_path / "decode"])
    command = ["--model", system.mono, system.test, system.graph, tmp_path / "decode"]
    with pytest.raises(UserError, match=r"decode: was not decoded with .*mono/final.mdl as it is"):
        lattice_to_ctm.main(command)
    (tmp_path / "decode/.done").unlink()
    with pytest.raises(UserError, match=r"mono/final.mdl: no transition-id \d+, which is in the"):
        lattice_to_ctm.main(command)
    assert not (tmp_path / "decode/ctm").exists()


def test_lattices_are_not_rescored_in_their_own_place(system, tmp_path):
    before = (system.decode / "lat.1.gz").read_bytes()
    with pytest.raises(UserError, match="is both source and destination"):
        rescore.main([system.graph, system.arpa, system.arpa, system.decode,
                      system.decode / "../" / system.decode.name])
    with pytest.raises(UserError, match="--lm-scale: is 0"):
        rescore.main(["--lm-scale", "0", system.graph, system.arpa, system.arpa, system.decode,
                      tmp_path / "new"])
    assert (system.decode / "lat.1.gz").read_bytes() == before
