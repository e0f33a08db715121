import unicodedata

import pytest

from utils.lang.dictdir import read_dict
from utils.lang.graphemes import graphemes
from utils.lang.prepare_dict_graphemes import main
from utils.step import UserError


@pytest.mark.parametrize(("word", "letter", "separate"), [
    ("Sωndω", ["s", "ω", "n", "d", "ω"], ["s", "ω", "n", "d", "ω"]),
    ("bέ", ["b", "έ"], ["b", "ε", "◌\u0301"]),
    ("bε\u0301", ["b", "έ"], ["b", "ε", "◌\u0301"]),
    ("ɔ\u0301\u0323", ["ɔ\u0323\u0301"], ["ɔ", "◌\u0323", "◌\u0301"]),
    ("कि", ["कि"], ["क", "◌ि"]),
    ("क\u094d\u200dष", ["क\u094d", "ष"], ["क", "◌\u094d", "ष"]),
    ("한글", ["한", "글"], ["\u1112", "\u1161", "\u11ab", "\u1100", "\u1173", "\u11af"]),
    ("שלום", ["ש", "ל", "ו", "ם"], ["ש", "ל", "ו", "ם"]),
    ("你好", ["你", "好"], ["你", "好"]),
    ("\u0301a", ["a"], ["a"]),
])
def test_scripts(word, letter, separate):
    assert graphemes(word)[0] == letter
    assert graphemes(word, "separate")[0] == separate
    for symbol in graphemes(word)[0]:
        assert unicodedata.is_normalized("NFC", symbol)


def test_case_and_punctuation():
    assert graphemes("Don't-X") == (["d", "o", "n", "t", "x"], ["'", "-"])
    assert graphemes("Don't-X", fold_case=False, keep="'-") == (list("Don't-X"), [])
    assert graphemes("a1") == (["a"], ["1"])
    assert graphemes("a1", keep="1") == (["a", "1"], [])
    assert graphemes("…") == ([], ["…"])


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text("u1 Bá ba bá!\nu2 bá -- b2b [noise] <UNK>\n", "utf-8")
    return path


def test_the_directory(tmp_path, text, capsys):
    out = tmp_path / "dict"
    assert main([str(text), str(out)]) == 0
    assert (out / "lexicon.txt").read_text("utf-8") == (
        "!SIL SIL\n<UNK> SPN\nBá b á\nba b a\nbá b á\nbá! b á\n")
    assert (out / "missing_words.txt").read_text() == "-- 1\nb2b 1\n"
    assert (out / "graphemes.tsv").read_text("utf-8") == (
        "symbol\tcount\tcode points\tnames\n"
        "a\t1\tU+0061\tLATIN SMALL LETTER A\nb\t4\tU+0062\tLATIN SMALL LETTER B\n"
        "á\t3\tU+00E1\tLATIN SMALL LETTER A WITH ACUTE\n-\t1\tU+0021\tEXCLAMATION MARK\n")
    assert (out / "nonsilence_phones.txt").read_text("utf-8") == "a\nb\ná\n"
    read_dict(out)
    assert main([str(text), str(out)]) == 0
    assert "up to date" in capsys.readouterr().err


def test_words_stay_as_the_transcripts_have_them(tmp_path):
    path = tmp_path / "text"
    path.write_text("u1 ba\u0301 b\u00e1\n", "utf-8")
    main([str(path), str(tmp_path / "dict")])
    contents = read_dict(tmp_path / "dict")
    assert [(e.word, e.phones) for e in contents.entries[2:]] == [
        ("ba\u0301", ("b", "á")), ("b\u00e1", ("b", "á"))]


def test_letters_with_marks_share_a_root(tmp_path, text):
    main(["--share-base", "true", str(text), str(tmp_path / "dict")])
    contents = read_dict(tmp_path / "dict")
    assert contents.nonsilence == [["a", "á"], ["b"]]
    assert contents.extra_questions == [["á"]]


@pytest.mark.parametrize(("data", "match"), [
    ("u1\n", "text: no words"), ("u1 -- 12\n", "no word has a letter"),
    ("u1 a\u00a0b\n", r"text:1:5: U\+00A0")])
def test_bad_texts_leave_no_output(tmp_path, data, match):
    (tmp_path / "text").write_text(data, "utf-8")
    with pytest.raises(UserError, match=match):
        main([str(tmp_path / "text"), str(tmp_path / "dict")])
    assert not (tmp_path / "dict").exists()
    with pytest.raises(UserError, match="no text given"):
        main([str(tmp_path / "dict")])


def test_a_symbol_of_the_grammar_is_no_word(tmp_path):
    (tmp_path / "text").write_text("u1 room #0 #1\n")
    main(["--keep", "01", str(tmp_path / "text"), str(tmp_path / "dict")])
    assert [entry.word for entry in read_dict(tmp_path / "dict").entries] == \
        ["!SIL", "#1", "<UNK>", "room"]
