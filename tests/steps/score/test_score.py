import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from steps.decode.lattice import Lattice
from steps.score import score
from steps.score.details import read_utt_table
from steps.score.report import choose
from steps.score.results import main as results
from tests.steps.score.scored import chain, make_data, make_decode, make_graph, sausage
from utils.step import UserError

SCTK = shutil.which("sctk") or shutil.which("sclite")
# yes (1) is better by language, no (2) by sound: no wins while graph + acoustic / weight says so.
DOUBTFUL = [(1, 0.0, 100.0), (2, 10.0, 0.0)]   # 100 / weight against 10: even at weight 10
SMALL = ["--nj", "1", "--min-lmwt", "8", "--max-lmwt", "12"]


@pytest.fixture
def setup(tmp_path):
    data = make_data(tmp_path / "data", {"ann-1": "yes go", "ann-2": "no", "bob-1": "go go",
                                         "bob-2": "yes", "bob-3": ""})
    decode = make_decode(tmp_path / "tri/decode", [
        {"ann-1": sausage(DOUBTFUL, [(3, 0.0, 0.0)]), "ann-2": chain(2)},
        {"bob-1": chain(3), "bob-3": chain(1)}])   # no lattice of bob-2
    return data, make_graph(tmp_path / "graph"), decode


def test_counts_files_and_second_run(setup, capsys):
    data, graph, decode = setup
    assert score.main([*SMALL, data, graph, decode]) == 0
    # At 12 the language model wins: yes is right; go, yes (no lattice) deleted; yes inserted.
    assert (decode / "wer_12_0.0").read_text() == (
        "%WER 50.00 [ 3 / 6, 1 ins, 2 del, 0 sub ]\n%SER 60.00 [ 3 / 5 ]\n"
        "Scored 5 sentences, 1 not present in hyp.\n")
    assert (decode / "wer_8_0.0").read_text().startswith(
        "%WER 66.67 [ 4 / 6, 1 ins, 2 del, 1 sub ]\n")
    # yesgo no gogo yes: 14 letters; deleted go and yes, inserted yes.
    assert (decode / "cer_12_0.0").read_text().startswith(
        "%CER 57.14 [ 8 / 14, 3 ins, 5 del, 0 sub ]\n")
    best = (decode / "best_wer").read_text()
    assert best.startswith(f"%WER 50.00 [ 3 / 6, 1 ins, 2 del, 0 sub ] {decode}/wer_11_0.5 ")
    assert best.count("\n") == 1 and "as Kaldi's scripts do" in best
    assert sorted(p.name for p in decode.iterdir() if p.name.startswith(("wer", "cer"))) == sorted(
        f"{name}_{lmwt}_{wip}" for name in ["wer", "cer"] for lmwt in range(8, 13)
        for wip in ["0.0", "0.5", "1.0"])
    assert not list(decode.glob("hyps*")) and not list(decode.glob(".score*"))

    stamp = (decode / "best_wer").stat().st_mtime_ns
    capsys.readouterr()
    assert score.main([*SMALL, data, graph, decode]) == 0
    assert "up to date" in capsys.readouterr().err
    assert (decode / "best_wer").stat().st_mtime_ns == stamp


def test_the_last_lm_weight_is_told_where_it_is_best(setup, capsys):
    data, graph, decode = setup
    told = {}
    for last in (9, 10, 11, 12):
        score.main(["--nj", "1", "--min-lmwt", "8", "--max-lmwt", str(last), data, graph, decode])
        told[last] = "is best; another --max-lmwt may be better" in capsys.readouterr().err
    # 8 and 9 have as many errors, and the better ones begin at one weight alone.
    assert not told[9] and not told[12] and sum(told.values()) == 1


def test_scoring_tables(setup):
    data, graph, decode = setup
    score.main([*SMALL, data, graph, decode])
    scoring = decode / "scoring"
    assert (scoring / "hyp.txt").read_text() == (
        "ann-1 yes go\nann-2 no\nbob-1 go\nbob-2\nbob-3 yes\n")
    assert (scoring / "ref.trn").read_text().splitlines()[-1] == "(bob-3)"
    per_utt = (scoring / "per_utt").read_text()
    assert (
        "bob-1 ref  go  go\nbob-1 hyp  go  ***\nbob-1 op   C   D\nbob-1 #csid 1 0 0 1\n") in per_utt
    per_spk = (scoring / "per_spk").read_text()
    assert re.search(r"^ann +raw +2 +3 +3 +0 +0 +0 +0 +0$", per_spk, re.M)
    assert re.search(r"^bob +sys +3 +3 +33.33 +0.00 +33.33 +66.67 +100.00 +100.00$", per_spk, re.M)
    assert re.search(r"^SUM +raw +5 +6 +4 +0 +1 +2 +3 +3$", per_spk, re.M)
    assert (scoring / "ops").read_text().splitlines() == [
        "correction\tgo\tgo\t2", "correction\tno\tno\t1", "correction\tyes\tyes\t1",
        "deletion\tgo\t***\t1", "deletion\tyes\t***\t1", "insertion\t***\tyes\t1"]
    by_gender = (scoring / "by_gender").read_text()
    assert "%WER 0.00 [ 0 / 3" in by_gender and "gender f, 2 utterances" in by_gender
    utts, spks, counts = read_utt_table(scoring / "utts.tsv")
    assert utts[2] == "bob-1" and spks[2] == "bob" and counts[2].tolist() == [2, 0, 1, 0,
                                                                             4, 0, 2, 0]
    summary = json.loads((scoring / "summary.json").read_text())
    assert summary["wer"]["percent"] == 50.0 and summary["missing"] == 1
    low, high = summary["wer"]["interval"]
    assert low < 50 < high


def test_dev_chooses(setup, tmp_path, capsys):
    data, graph, decode = setup
    # On this one "no" is right, so low weights are.
    dev_data = make_data(tmp_path / "dev", {"cat-1": "no"})
    dev = make_decode(tmp_path / "tri/decode_dev", [{"cat-1": sausage(DOUBTFUL)}])
    with pytest.raises(UserError, match=r"decode_dev/wer_8_0.0: no such file"):
        score.main([*SMALL, "--dev", dev, data, graph, decode])
    assert not (decode / "best_wer").exists()
    score.main([*SMALL, dev_data, graph, dev])
    score.main([*SMALL, "--dev", dev, data, graph, decode])
    chosen, kaldis = (decode / "best_wer").read_text().splitlines()
    assert f"4 / 6, 1 ins, 2 del, 1 sub ] {decode}/wer_8_0.5 " in chosen
    assert chosen.endswith(f"chosen on {dev}")
    assert "3 / 6" in kaldis and kaldis.endswith("as Kaldi's scripts do")
    assert "ann-1 no go\n" in (decode / "scoring/hyp.txt").read_text()
    capsys.readouterr()
    results(["--out", tmp_path / "results", decode, dev])
    lines = (tmp_path / "results").read_text().splitlines()
    assert lines == capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"%WER 66.67 [ 4 / 6, 1 ins, 2 del, 1 sub ]  {decode}  95 % ")
    assert "(Kaldi's way) 50.00" in lines[0]
    (dev / "wer_8_0.0").write_text("%WER 10")
    with pytest.raises(UserError, match=r"wer_8_0\.0:1: is no line of errors"):
        score.main([*SMALL, "--dev", dev, data, graph, decode])


def test_mbr_takes_the_words_of_least_risk(tmp_path):
    data = make_data(tmp_path / "data", {"ann-1": "go yes"})
    graph = make_graph(tmp_path / "graph")
    # "yes yes" is the likeliest of three; each place has a likelier word of its own.
    arcs = [(0, 1, 1, 1, 0, 0), (0, 2, 1, 3, 0, 0), (0, 3, 1, 3, 0, 0),
            (1, 4, 1, 1, -np.log(0.4), 0), (2, 4, 1, 1, -np.log(0.3), 0),
            (3, 4, 1, 2, -np.log(0.3), 0)]
    final = [np.inf] * 4 + [0]
    decode = make_decode(tmp_path / "tri/decode", [
        {"ann-1": Lattice(*zip(*arcs, strict=True), final, final)}])
    score.main([*SMALL, data, graph, decode])
    assert "ann-1 yes yes\n" in (decode / "scoring/hyp.txt").read_text()
    score.main([*SMALL, "--mbr", "true", data, graph, decode])
    assert "ann-1 go yes\n" in (decode / "scoring/hyp.txt").read_text()
    with pytest.raises(UserError, match="was not scored with --mbr false"):
        score.main([*SMALL, "--dev", decode, data, graph, decode])


def test_two_jobs_agree_with_one(setup, monkeypatch):
    data, graph, decode = setup
    score.main(["--nj", "2", *SMALL[2:], data, graph, decode])
    assert not (decode / "log").exists()   # so little is done at once
    monkeypatch.setattr(score, "JOB_BYTES", 1)
    files = {p: p.read_text() for p in [*decode.glob("wer_*"), *(decode / "scoring").iterdir()]}
    score.main([*SMALL[2:], "--nj", "3", "--force", data, graph, decode])
    assert files == {p: p.read_text() for p in files}
    assert len(list((decode / "log").iterdir())) == 2   # no more jobs than archives


def test_filter_and_spaces(tmp_path):
    data = make_data(tmp_path / "data", {"ann-1": "yes <UNK> go", "ann-2": "né"})
    decode = make_decode(tmp_path / "decode", [{"ann-1": chain(1, 4, 2), "ann-2": chain(5)}])
    graph = make_graph(tmp_path / "graph")
    (tmp_path / "filter").write_text("# noises are not words\n<UNK>\nno  go on\n")
    score.main([*SMALL, "--filter", tmp_path / "filter", "--cer-spaces", data, graph, decode])
    assert (decode / "scoring/ref.txt").read_text() == "ann-1 yes go\nann-2 né\n"
    assert (decode / "scoring/hyp.txt").read_text() == "ann-1 yes go on\nann-2 né\n"
    assert "[ 1 / 3, 1 ins, 0 del, 0 sub ]" in (decode / "best_wer").read_text()
    assert "[ 3 / 8, 3 ins, 0 del, 0 sub ]" in (decode / "best_cer").read_text()   # " on"


def test_subwords_are_joined(tmp_path):
    data = make_data(tmp_path / "data", {"ann-1": "yes nose"})
    graph = make_graph(tmp_path / "graph")
    (graph / "words.txt").write_text("<eps> 0\n▁y 1\nes 2\n▁no 3\nse 4\n<UNK> 5\n")
    (graph / "bpe.model").write_bytes(b"")
    decode = make_decode(tmp_path / "decode", [{"ann-1": chain(1, 2, 5, 3, 4)}])
    score.main([*SMALL, data, graph, decode])
    assert (decode / "scoring/hyp.txt").read_text() == "ann-1 yes <UNK> nose\n"


@pytest.mark.skipif(not SCTK, reason="sclite is not installed (Debian package sctk)")
def test_sclite_totals_of_the_trn_files(setup):
    data, graph, decode = setup
    score.main([*SMALL, data, graph, decode])
    scoring = decode / "scoring"
    command = [SCTK, *(["sclite"] if SCTK.endswith("sctk") else []), "-s", "-i", "spu_id",
               "-r", scoring / "ref.trn", "trn", "-h", scoring / "hyp.trn", "trn",
               "-o", "rsum", "stdout"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(
        r"Sum *\| +(\d+) +(\d+) *\| +\d+ +(\d+) +(\d+) +(\d+) +\d+ +(\d+) ", text)
    summary = json.loads((scoring / "summary.json").read_text())["sclite"]
    assert [int(n) for n in found.groups()] == [5, summary["words"], summary["sub"],
                                                summary["dels"], summary["ins"], 3]


def test_bad_input_names_the_file(setup, tmp_path):
    data, graph, decode = setup
    with pytest.raises(UserError, match="nowhere: no num_jobs"):
        score.main([data, graph, tmp_path / "nowhere"])
    (data / "spk2age").write_text("ann 7\n")
    with pytest.raises(UserError, match="spk2age: bob is not here"):
        score.main([*SMALL, "--group", "spk2age", data, graph, decode])
    other = make_data(tmp_path / "other", {"cat-1": "yes"})
    with pytest.raises(UserError, match=r"has no lattice of an utterance of .*other/text"):
        score.main([*SMALL, other, graph, decode])
    (graph / "words.txt").write_text("<eps> 0\nyes 1\n")
    with pytest.raises(UserError, match=r"words.txt: no word \d, which is in the lattice of ann-"):
        score.main([*SMALL, data, graph, decode])
    assert not (decode / "scoring").exists() and not (decode / ".done").exists()
    (decode / ".done").write_text(json.dumps({"decode": {"inputs": {"g/words.txt": "abc"}}}))
    with pytest.raises(UserError, match=r"decode: was not decoded with .*graph/words.txt as it is"):
        score.main([*SMALL, data, graph, decode])
    with pytest.raises(UserError, match="are not numbers"):
        score.main(["--word-ins-penalty", "0,x", data, graph, decode])
    (decode / "lat.2.gz").unlink()
    with pytest.raises(UserError, match=r"lat.2.gz: no such file"):
        score.main([*SMALL, data, graph, decode])


def test_a_gender_that_is_not_known_and_groups_of_one(setup, capsys):
    data, graph, decode = setup
    (data / "spk2gender").write_text("bob m\n")
    (data / "utt2accent").write_text("ann-1 scottish\n")
    score.main([*SMALL, data, graph, decode])
    assert "5 utterances, 1 of them without a lattice" in capsys.readouterr().err
    male, unknown = (decode / "scoring/by_gender").read_text().splitlines()
    assert "gender m, 3 utterances" in male and "gender unknown, 2 utterances" in unknown
    scottish, others = (decode / "scoring/by_accent").read_text().splitlines()
    assert scottish.endswith("]  accent scottish, 1 utterances") and "  95 % " in others


def test_one_speaker_has_no_interval_over_speakers(tmp_path):
    data = make_data(tmp_path / "data", {"ann-1": "yes go", "ann-2": "no"})
    graph = make_graph(tmp_path / "graph")
    decode = make_decode(tmp_path / "decode", [{"ann-1": chain(1), "ann-2": chain(2)}])
    score.main([*SMALL, data, graph, decode])
    report = (decode / "scoring/report.txt").read_text()
    assert "over 2 utterances\n" in report and "speakers" not in report


def test_choose_takes_the_middle_of_equals():
    assert choose({(7, "0.0"): 5, (8, "0.0"): 3, (9, "0.0"): 3, (10, "0.0"): 3}) == (9, "0.0")
    assert choose({(10, "0.0"): 3, (7, "1.0"): 4}) == (10, "0.0")


@pytest.mark.parametrize(("penalties", "count", "message"), [
    ("0.0,nan", "2", "--word-ins-penalty: 0.0,nan are not numbers"),
    ("0.0,", "2", "--word-ins-penalty: 0.0, are not numbers"),
    ("0.0", "two", "num_jobs: expected a number of jobs, found 'two'"),
    ("0.0", "0", "num_jobs: expected a number of jobs, found '0'"),
])
def test_numbers_that_are_none(setup, penalties, count, message):
    data, graph, decode = setup
    (decode / "num_jobs").write_text(count + "\n")
    with pytest.raises(UserError, match=message):
        score.main([*SMALL, "--word-ins-penalty", penalties, data, graph, decode])
    assert not (decode / "best_wer").exists()
