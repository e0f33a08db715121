import json
from pathlib import Path

import pytest

from steps.report.errors import read_groups, who
from steps.report.gather import find, inputs_of, read_test_sets, resolve
from steps.score.bootstrap import interval
from utils.step import UserError

HEAD = "utt\tspk\twords\tins\tdel\tsub\tchars\tchar_ins\tchar_del\tchar_sub\n"


def make_scored(path, errors, refs="u1 a b\nu2 c\n", data="data/test", date="", chosen_on=None):
    """A decode directory with errors in two words and in one."""
    scoring = path / "scoring"
    scoring.mkdir(parents=True)
    (scoring / "ref.txt").write_text(refs)
    (scoring / "utts.tsv").write_text(
        HEAD + "".join(f"u{i}\ts{i}\t{3 - i}\t0\t0\t{e}\t9\t0\t0\t0\n"
                       for i, e in enumerate(errors, 1)))
    wer = {"percent": 100 * sum(errors) / 3, "interval": [0.0, 99.0]}
    (scoring / "summary.json").write_text(json.dumps(
        {"chosen_on": str(chosen_on or path), "wer": wer, "cer": wer}))
    (path / ".done").write_text(json.dumps(
        {"score": {"date": date, "options": {"data": data, "graph": "g"}, "outputs": []}}))
    return path


def test_systems_seeds_and_targets(tmp_path):
    exp = tmp_path / "exp"
    make_scored(exp / "fr/tdnn/0/decode_test", (1, 0), "u1 à\n", "data/fr/nnet/test", "2")
    make_scored(exp / "fr/tdnn/1/decode_test", (2, 1), "u1 à\n", "data/fr/nnet/test", "2")
    make_scored(exp / "fr/mono/decode_test", (2, 0), "u1 à\n", "data/fr/test", "1")
    make_scored(exp / "fr/mono/decode_test_bpe", (1, 0), "u1 à\n", "data/fr/test", "3")
    make_scored(exp / "en/mono/decode_test", (0, 0), "u1 a\n", "data/en/test", "0")
    make_scored(exp / "fr/tdnn/0/source/decode_test", (0, 1), "u1 a\n", "data/en/test", "4")
    en, fr = read_test_sets(exp)
    assert [system.name for system in en.systems] == ["mono", "fr/tdnn/0/source"]
    assert (en.name, fr.name) == ("en", "fr")
    assert [(s.name, len(s.seeds)) for s in fr.systems] == [
        ("mono", 1), ("tdnn", 2), ("mono decode_test_bpe", 1)]
    tdnn = fr.systems[1]
    assert tdnn.wer == pytest.approx((100 / 3 + 100) / 2)
    assert tdnn.interval() == interval([3, 1], [4, 2])
    assert fr.best.name == "mono decode_test_bpe" and not fr.by_dev
    assert (fr.num_utts, fr.num_words, fr.num_spks) == (2, 3, 2)
    # B has fewer errors than A in every replicate with the first utterance in it.
    assert fr.systems[0].p(fr.best) == pytest.approx(0.5, abs=0.06)   # and two sides


def test_the_best_is_chosen_before_the_test(tmp_path):
    exp, dev = tmp_path / "exp", "u9 d\n"
    for name, on_dev, on_test in (("a", (0, 0), (2, 1)), ("b", (1, 0), (0, 0))):
        make_scored(exp / name / "decode_dev", on_dev, dev, "data/dev")
        make_scored(exp / name / "decode_test", on_test,
                    chosen_on=Path("exp") / name / "decode_dev")   # as seen from the recipe
    make_scored(exp / "tune/decode", (0, 0), dev, "data/dev")      # of the development set too
    (one,) = read_test_sets(exp)
    assert one.name == "test" and one.by_dev and one.best.name == "a"


def test_a_network_is_no_seed_of_the_one_above_it(tmp_path):
    exp = tmp_path / "exp"
    make_scored(exp / "tdnn/decode_test", (1, 0))
    make_scored(exp / "tdnn/1/decode_test", (2, 1))
    (one,) = read_test_sets(exp)
    assert sorted((system.name, len(system.seeds)) for system in one.systems) == [
        ("tdnn", 1), ("tdnn/1", 1)]


def test_what_chose_is_an_input(tmp_path):
    exp = tmp_path / "exp"
    make_scored(exp / "a/decode_dev", (0, 0), "u9 d\n", "data/dev")
    make_scored(exp / "a/decode_test", (2, 1), chosen_on=exp / "a/decode_dev")
    assert exp / "a/decode_dev/scoring/summary.json" in inputs_of(read_test_sets(exp))


def test_of_development_sets_alone_those_are_shown(tmp_path):
    make_scored(tmp_path / "exp/a/decode_dev", (0, 0), data="data/dev")
    (one,) = read_test_sets(tmp_path / "exp")
    assert (one.name, one.best.name, one.by_dev) == ("dev", "a", False)


def test_skipped_directories_are_not_read(tmp_path):
    make_scored(tmp_path / "exp/a/decode", (0, 0))
    make_scored(tmp_path / "exp/tune/x/decode", (0, 0))
    make_scored(tmp_path / "exp/.score.1.tmp/decode", (0, 0))
    (one,) = read_test_sets(tmp_path / "exp", ["tune"])
    assert [system.name for system in one.systems] == ["a"]
    assert len(find(tmp_path / "exp", "summary.json", limit=2)) == 0


def test_a_broken_scoring_is_named(tmp_path):
    decode = make_scored(tmp_path / "exp/a/decode", (0, 0))
    (decode / "scoring/utts.tsv").write_text(HEAD + "u1\ts1\tx\n")
    with pytest.raises(UserError, match=r"a/decode/scoring/utts\.tsv:2: expected utt, spk"):
        read_test_sets(tmp_path / "exp")


def test_paths_are_looked_for_in_the_recipe_and_here(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    assert resolve("data", tmp_path) == tmp_path / "data"
    (tmp_path / "elsewhere/data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resolve("data", tmp_path) == tmp_path / "data"
    assert resolve("data", tmp_path / "nowhere") == Path("data")
    assert resolve("nothing", tmp_path) is resolve(None, tmp_path) is None


def test_what_several_systems_hear_together(tmp_path):
    exp = tmp_path / "exp"
    make_scored(exp / "mono/decode_test", (2, 0), date="1")
    together = make_scored(exp / "together/decode_test", (0, 0), date="2")
    done = (together / ".done").read_text()
    (together / ".done").write_text(done.replace('"score"', '"combine"'))
    one, = read_test_sets(exp)
    assert one.name == "test" and [s.name for s in one.systems] == ["mono", "together"]


def test_groups_without_words_or_of_one_utterance(tmp_path):
    path = make_scored(tmp_path / "exp/mono/decode_test", (1, 0))
    (path / "scoring/by_accent").write_text(
        "%WER nan [ 0 / 0, 0 ins, 0 del, 0 sub ]  95 % nan to nan  accent a, 2 utterances\n"
        "%WER 50.00 [ 1 / 2, 0 ins, 0 del, 1 sub ]  accent b, 1 utterances\n"
        "%WER 25.00 [ 1 / 4, 0 ins, 0 del, 1 sub ]  95 % 0.00 to 50.00  accent c c, 2 utterances\n")
    one, = read_test_sets(tmp_path / "exp")
    assert read_groups(one.best.seeds[0])["accent"] == [
        ("b", 50.0, 50.0, 50.0, 2, 1), ("c c", 25.0, 0.0, 50.0, 4, 2)]
    page = str(who([one]))
    assert "0.0 to 50.0" in page and "nan" not in page and "50.0 to 50.0" not in page
