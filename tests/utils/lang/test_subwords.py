import random

import pytest

from utils.lang.apply_subwords import main as apply_subwords
from utils.lang.dictdir import read_dict
from utils.lang.langdir import LangDir
from utils.lang.prepare_dict_subwords import main
from utils.lang.prepare_lang import main as prepare_lang
from utils.lang.subwords import Subwords, clusters, decode, unit_list, word_spans
from utils.step import UserError, read_done


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Words of random syllables, with an accent that has no code point of its own."""
    rng = random.Random(0)
    syllables = ["ka", "ki", "ko\u0301", "ta", "tɔ\u0301", "ɔ\u0301n", "ma", "mi", "ɔm"]
    vocabulary = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(60)]
    path = tmp_path_factory.mktemp("text") / "text"
    path.write_text("".join(f"utt{n:03d} {' '.join(rng.choices(vocabulary, k=6))}\n"
                            for n in range(100)), "utf-8")
    return path


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def directory(request, text, tmp_path_factory):
    path = tmp_path_factory.mktemp("dict") / "dict"
    assert main(["--type", request.param, "--vocab-size", "40", str(text), str(path)]) == 0
    return path


def kind_of(directory):
    return read_done(directory)["prepare_dict_subwords"]["options"]["type"]


def test_text_goes_to_units_and_back(directory, text, tmp_path):
    units, words = tmp_path / "units" / "text", tmp_path / "words" / "text"
    assert apply_subwords([str(directory), str(text), str(units)]) == 0
    assert apply_subwords(["--decode", str(directory), str(units), str(words)]) == 0
    assert words.read_bytes() == text.read_bytes()
    used = {u for line in units.read_text("utf-8").splitlines() for u in line.split()[1:]}
    assert used <= {e.word for e in read_dict(directory).entries}
    assert any(len(u) > 3 for u in used)
    assert "<UNK>" not in used


def test_words_never_seen_can_be_written(directory):
    subwords = Subwords(directory)
    for word in ("ɔ\u0301ɔ\u0301kt", "nnn", "o\u0301", "mikɔ\u0301nta"):
        units = subwords.encode(word)
        assert decode(units) == [word]
        assert set(units) <= subwords.units
        assert not any(u.startswith(("\u0301", "▁\u0301")) for u in units)
    assert subwords.encode("kaxx ka") == ["<UNK>", *subwords.encode("ka")]
    assert subwords.encode("<UNK> ka !SIL")[0] == "<UNK>"
    assert subwords.encode("") == []


def test_a_lang_directory_of_units(directory, tmp_path):
    prepare_lang(["--position-dependent-phones", "false", str(directory), "<UNK>",
                  str(tmp_path / "lang")])
    lang = LangDir(tmp_path / "lang")
    assert Subwords(lang.path).encode("katɔ\u0301") == Subwords(directory).encode("katɔ\u0301")
    assert set(lang.phones) >= {"ɔ\u0301", "k", "ó"}
    assert (lang.path / "bpe.model").read_bytes() == (directory / "bpe.model").read_bytes()


def test_decode():
    assert decode(["▁ka", "ki", "▁to"]) == ["kaki", "to"]
    assert decode(["ka", "▁to", "<UNK>", "ki", "!SIL", "ta"]) == \
        ["ka", "to", "<UNK>", "ki", "!SIL", "ta"]
    assert decode([]) == []
    assert word_spans(["▁ka", "ki", "<UNK>", "▁to", "ma"]) == [
        ("kaki", 0, 2), ("<UNK>", 2, 3), ("toma", 3, 5)]


def test_clusters():
    assert clusters("kɔ\u0301\u0323n") == ["k", "ɔ\u0301\u0323", "n"]
    assert clusters("'l'a-b'") == ["'l'", "a-", "b'"]
    assert clusters("'l'a-b'", "'") == ["'", "l", "'", "a-", "b", "'"]


@pytest.mark.parametrize("keep, phones", [("", "begmno"), ("'", "'begmno")])
def test_punctuation_inside_words(tmp_path, capsys, keep, phones):
    """Silent, it is a part of its letter; or a phone of its own. Digits are no letters."""
    words = ["ng'ombe", "'mbo", "ngo-ngo", "o'o'", "mbe", "b2", "''"]
    (tmp_path / "text").write_text("".join(f"utt{n} {' '.join(words)}\n" for n in range(9)))
    main(["--vocab-size", "30", f"--keep={keep}", tmp_path / "text", tmp_path / "dict"])
    subwords, entries = Subwords(tmp_path / "dict"), read_dict(tmp_path / "dict").entries
    for word in [*words[:5], "o'g'be", "'mo'"]:
        assert decode(subwords.encode(word)) == [word], subwords.encode(word)
    heard = {phone for entry in entries for phone in entry.phones}
    assert heard == {"SIL", "SPN", *phones}
    assert all(entry.phones for entry in entries)
    lacking = ["''", "b2"] if not keep else ["b2"]
    assert subwords.encode(" ".join(lacking)) == ["<UNK>"] * len(lacking)
    assert sorted(line.split()[0] for line in (
        tmp_path / "dict/missing_words.txt").read_text().splitlines()) == lacking
    assert f"{len(lacking)} words cannot be written with units" in capsys.readouterr().err


def test_units_hold_every_letter_at_begin_and_inside(directory):
    units = unit_list((directory / "bpe.model").read_bytes(), {"ka": 1, "tɔ\u0301": 1})
    assert {"k", "▁k", "a", "▁a", "ɔ\u0301", "▁ɔ\u0301"} <= set(units)
    assert "▁" not in units and "\u0301" not in units


def test_training_is_repeatable(directory, text, tmp_path, capsys):
    options = ["--type", kind_of(directory), "--vocab-size", "40", str(text), str(tmp_path / "d")]
    main(options)
    for name in ("units.txt", "lexicon.txt"):
        assert (tmp_path / "d" / name).read_bytes() == (directory / name).read_bytes()
    main(options)
    assert "up to date" in capsys.readouterr().err


def test_units_of_a_lexicon(text, directory, tmp_path):
    lexicon = tmp_path / "units"
    units = (directory / "units.txt").read_text("utf-8").split()
    lexicon.write_text("".join(f"{u} {'Y' if u == '▁k' else 'X'}\n" for u in units), "utf-8")
    options = ["--type", kind_of(directory), "--vocab-size", "40", "--lexicon", str(lexicon),
               str(text)]
    main([*options, str(tmp_path / "dict")])
    contents = read_dict(tmp_path / "dict")
    assert {e.word: e.phones for e in contents.entries}["▁k"] == ("Y",)
    assert contents.nonsilence == [["X"], ["Y"]]
    lexicon.write_text("k K\n")
    with pytest.raises(UserError, match="no pronunciation of the unit"):
        main([*options, str(tmp_path / "dict2")])
    assert not (tmp_path / "dict2").exists()


@pytest.mark.parametrize(("options", "match"), [
    (["--vocab-size", "5"], "5 units are too few"),
    (["--vocab-size", "5", "--plain-text"], "no such file")])
def test_bad_input_leaves_no_output(text, tmp_path, options, match):
    options = [*options, str(tmp_path / "nowhere")] if "--plain-text" in options else options
    with pytest.raises(UserError, match=match):
        main([*options, str(text), str(tmp_path / "dict")])
    assert not (tmp_path / "dict").exists()


def test_bad_models(directory, text, tmp_path):
    with pytest.raises(UserError, match=r"bpe\.model: no such file"):
        apply_subwords([str(tmp_path), str(text), str(tmp_path / "out" / "text")])
    (tmp_path / "bpe.model").write_bytes(b"junk")
    (tmp_path / "units.txt").write_text("a\n")
    with pytest.raises(UserError, match=r"bpe\.model: not a sentencepiece model"):
        apply_subwords([str(tmp_path), str(text), str(tmp_path / "out" / "text")])
    with pytest.raises(UserError, match="is both source and destination"):
        apply_subwords([str(directory), str(text), str(text)])
