import numpy as np
import pytest

from utils.lang.dictdir import read_dict
from utils.lang.espeak import Espeak, languages, variants
from utils.lang.prepare_dict_espeak import main
from utils.step import UserError


@pytest.fixture(scope="module")
def english():
    return Espeak("en-us")


@pytest.mark.parametrize(("word", "phones"), [
    ("judge", ["dʒ", "ˈʌ", "dʒ"]),
    ("cheap", ["tʃ", "ˈiː", "p"]),
    ("about", ["ɐ", "b", "ˈaʊ", "t"]),
    ("42", ["f", "ˈɔːɹ", "ɾ", "i", "t", "ˈuː"]),
    ("--", []), ("", []), ("привет", []), ("日本", [])])
def test_phonemes_are_cut_between_sounds(english, word, phones):
    assert english.phonemes(word) == phones


def test_tones_and_language_switches():
    assert Espeak("cmn").phonemes("麻") == ["m", "ˈɑ35"]
    assert Espeak("cmn").phonemes("骂") == ["m", "ˈɑ51"]
    assert Espeak("cmn").phonemes("妈") == ["m", "ˈɑ55"]
    # eSpeak says this one with its English voice and marks it so.
    assert Espeak("fr").phonemes("week-end") == ["w", "ˈiː", "k", "ˈɛ", "n", "d"]
    assert Espeak("fr").phonemes("les") == ["l", "ˈe"]


def test_decomposed_text_sounds_as_composed():
    assert Espeak("fr").phonemes("e\u0301te\u0301") == Espeak("fr").phonemes("été") == \
        ["e", "t", "ˈe"]


def test_instances_do_not_disturb_each_other(english):
    french = Espeak("fr")
    assert english.phonemes("judge") == ["dʒ", "ˈʌ", "dʒ"]
    assert french.phonemes("ami") == ["a", "m", "ˈi"]


def test_synthesis(english):
    samples, rate, events = english.synthesise_with_events("hello brave world")
    assert rate == 22050
    assert samples.dtype == np.int16
    assert 0.5 < len(samples) / rate < 3
    assert np.abs(samples.astype(int)).max() > 1000
    assert [e.text for e in events if e.kind == "word"] == ["hello", "brave", "world"]
    phonemes = [e for e in events if e.kind == "phoneme"]
    assert [e.text for e in phonemes][-4:] == ["w", "ˈɜː", "l", "d"]
    times = [e.seconds for e in events]
    assert times == sorted(times) and times[-1] < len(samples) / rate


def test_synthesis_does_not_depend_on_what_was_said_before(english):
    first, _ = english.synthesise("hello", variant="f3")
    Espeak("fr").synthesise("bonjour", rate_wpm=300)
    english.phonemes("anything")
    again, _ = english.synthesise("hello", variant="f3")
    np.testing.assert_array_equal(first, again)


def test_options_change_the_speech(english):
    plain, _ = english.synthesise("hello brave world")
    fast, _ = english.synthesise("hello brave world", rate_wpm=350)
    other, _ = english.synthesise("hello brave world", variant="f3")
    high, _ = english.synthesise("hello brave world", pitch=90)
    assert len(fast) < 0.7 * len(plain)
    assert not any(len(plain) == len(x) and (plain == x).all() for x in (other, high))


def test_names(english):
    assert {"en-us", "fr", "sw", "cmn"} <= {name.lower() for name in languages()}
    assert "f3" in variants()
    for voice in ("xx", "", "en-us+f3"):
        with pytest.raises(UserError):
            Espeak(voice)
    with pytest.raises(UserError, match="no such voice variant"):
        english.synthesise("hello", variant="nobody")


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text("u1 hello about привет\nu2 hello -- привет\n", "utf-8")
    return path


def test_dict_directory(tmp_path, text, capsys):
    out = tmp_path / "dict"
    assert main(["--language", "en-us", str(text), str(out)]) == 0
    assert (out / "lexicon.txt").read_text("utf-8") == (
        "!SIL SIL\n<UNK> SPN\nabout ɐ b aʊ t\nhello h ə l oʊ\n")
    assert (out / "missing_words.txt").read_text("utf-8") == "привет 2\n-- 1\n"
    read_dict(out)
    assert main(["--language", "en-us", str(text), str(out)]) == 0
    assert "up to date" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "options", "expected"), [
    ("IT IS", [], "ɪ t"), ("IT is", [], "aɪ t iː"), ("IT IS", ["--fold-case", "false"], "aɪ t iː"),
    ("IT is", ["--fold-case", "true"], "ɪ t")])
def test_capitals_are_spelt_out_only_where_they_tell_something(tmp_path, words, options, expected):
    (tmp_path / "text").write_text(f"u1 {words}\n")
    main([*options, str(tmp_path / "text"), str(tmp_path / "dict")])
    assert f"\nIT {expected}\n" in (tmp_path / "dict/lexicon.txt").read_text("utf-8")


def test_stress_tones_and_length_are_questions(tmp_path):
    (tmp_path / "text").write_text("u1 see city seesaw\n")
    main(["--stress", "keep", str(tmp_path / "text"), str(tmp_path / "dict")])
    contents = read_dict(tmp_path / "dict")
    assert ["iː", "ˈiː"] in contents.nonsilence or ["ˈiː"] in contents.nonsilence
    assert any("ˈiː" in question and "ˈɪ" in question for question in contents.extra_questions)
    (tmp_path / "text").write_text("u1 妈 骂\n", "utf-8")
    main(["--language", "cmn", str(tmp_path / "text"), str(tmp_path / "zh")])
    assert ["ɑ51", "ɑ55"] in read_dict(tmp_path / "zh").nonsilence
    main(["--language", "cmn", "--tones", "drop", str(tmp_path / "text"), str(tmp_path / "zh")])
    assert ["ɑ"] in read_dict(tmp_path / "zh").nonsilence


def test_bad_input(tmp_path, text):
    with pytest.raises(UserError, match="xx: eSpeak NG has no such language"):
        main(["--language", "xx", str(text), str(tmp_path / "dict")])
    text.write_text("u1 --\n")
    with pytest.raises(UserError, match="can say none of the words"):
        main([str(text), str(tmp_path / "dict")])
    assert not (tmp_path / "dict").exists()
