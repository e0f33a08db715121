import unicodedata

import pytest

from steps.transfer.ipa import (
    NOISE,
    SILENCE,
    SPEECH,
    Sound,
    clean,
    guess_kind,
    read_table,
    sounds_of,
    split_positions,
)
from utils.step import UserError

CMU = ["SIL", "SIL_B", "SPN", "SPN_S", "AA_B", "AA_E", "CH_I", "HH_S", "NG_E"]
MBOSHI = ["SIL", "a", "á", "b", "é", "ε", "έ", "g", "n", "ω", "ώ", "y"]
FRENCH = ["SIL", "a", "tʃ", "œ̃", "ɑ̃", "iː", "ʁ", "ɡ"]


@pytest.mark.parametrize("kind, phones", [
    ("arpabet", [*CMU, "<eps>", "#0", "#1"]), ("arpabet", ["SIL", "aa1", "ih0", "b", "dh"]),
    ("ipa", FRENCH), ("xsampa", ["SIL", "a~", "E", "S", "tS", "i:", "p"]),
    ("graphemes", MBOSHI), ("graphemes", ["a", "b", "ɛ", "ɛ́", "ɔ", "ŋ"]),
    ("graphemes", ["A", "B", "D", "F"]), ("graphemes", ["a_B", "a_E", "ng_I", "o_S", "SIL"]),
    ("graphemes", [*"abcçdefghijklmnopqrstuvwxyzàâéèêëîïôû"]),
    ("graphemes", [*"αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ"]), ("ipa", ["θ", "χ", "a"]),
    ("ipa", ["θ", "ε", "ʃ"]),
    ("graphemes", ["SIL", "a1", "a4", "ai1", "b", "zh"]), ("xsampa", ["i:6", "E6", "a", "t"])])
def test_the_kind_of_symbols_is_guessed(kind, phones):
    assert guess_kind(phones) == kind


@pytest.mark.parametrize("kind, symbol, ipa, tone", [
    ("arpabet", "AH0", "ə", ""), ("arpabet", "AH1", "ʌ", ""), ("arpabet", "ch", "t͡ʃ", ""),
    ("arpabet", "ER2", "ɝ", ""),
    ("xsampa", "tS", "t͡ʃ", ""), ("xsampa", "9~", "œ̃", ""), ("xsampa", "r\\", "ɹ", ""),
    ("espeak", "ˈaɪ", "aɪ", ""), ("espeak", "dʒ", "d͡ʒ", ""), ("espeak", "tS", "t͡ʃ", ""),
    ("espeak", "I2", "ɪ", ""), ("espeak", "n^", "ɲ", ""), ("espeak", "3:", "ɜː", ""),
    ("espeak", "ˈaː35", "aː", "35"), ("espeak", "a#", "ɐ", ""), ("espeak", "@L", "əl", ""),
    ("espeak", "J", "ɟ", ""), ("espeak", "8", "ɵ", ""), ("espeak", "%aI", "aɪ", ""),
    ("xsampa", "a_R", "a", "\u030c"), ("xsampa", "a_F", "a", "\u0302"), ("xsampa", "t_j", "tʲ", ""),
    ("xsampa", "v\\", "ʋ", ""), ("xsampa", "=\\", "ǂ", ""), ("xsampa", "dz`", "ɖ͡ʐ", ""),
    ("xsampa", "%aI", "aɪ", ""),
    ("ipa", "á", "a", "\u0301"), ("ipa", "t͜s", "t͡s", ""), ("ipa", "ɛ̃", "ɛ̃", ""),
    ("ipa", "ə˞", "ɚ", ""), ("ipa", "ɑ˞", "ɑ˞", ""),
    ("ipa", "g", "ɡ", ""), ("ipa", "ʦ", "t͡s", ""),
    ("ipa", "cç", "c͡ç", ""), ("ipa", "ç", "ç", ""),
    ("ipa", "ᵐb", "mb", ""), ("ipa", "ⁿd͡ʒ", "nd͡ʒ", ""), ("ipa", "ˈᵑǃ", "ŋǃ", ""),
    ("ipa", "bʱ", "b̤", ""), ("ipa", "dʒʱ", "d͡ʒ̤", ""), ("ipa", "tʂʰ", "ʈ͡ʂʰ", ""),
    ("ipa", "ŋ̍", "ŋ̩", ""), ("ipa", "ɽ̊", "ɽ̥", ""), ("ipa", "k'", "kʼ", ""),
    ("ipa", "ts’", "t͡sʼ", ""), ("ipa", "'a", "a", ""), ("ipa", "a⁵¹", "a", "⁵¹"),
    ("graphemes", "á", "a", "\u0301"), ("graphemes", "ώ", "ɔ", "\u0301"),
    ("graphemes", "ɛ́", "ɛ", "\u0301"), ("graphemes", "š", "ʃ", ""), ("graphemes", "ã", "ã", ""),
    ("graphemes", "Y", "j", ""), ("graphemes", "ny", "ɲ", ""), ("graphemes", "mb", "mb", ""),
    ("graphemes", "ö̀", "ø", "\u0300")])
def test_symbols_to_ipa(kind, symbol, ipa, tone):
    sound = sounds_of([symbol], kind)[symbol]
    assert sound.ipa == unicodedata.normalize("NFD", ipa)
    assert (sound.tone, sound.kind, sound.guessed) == (tone, SPEECH, kind == "graphemes")


def test_the_same_in_every_kind():
    assert {sounds_of([s], k)[s].ipa for s, k in [
        ("CH", "arpabet"), ("tS", "xsampa"), ("tʃ", "espeak"), ("t͡ʃ", "ipa"), ("ʧ", "ipa"),
        ("ch", "graphemes")]} == {"t͡ʃ"}


def test_silence_and_noise():
    sounds = sounds_of(["<eps>", *CMU, "#0"])
    assert list(sounds) == CMU
    assert [sounds[p].kind for p in CMU[:4]] == [SILENCE, SILENCE, NOISE, NOISE]
    assert sounds["AA_B"] == sounds["AA_E"] == Sound("ɑ")
    told = sounds_of(["p", "hum"], "ipa", silences={"hum": NOISE})
    assert told["hum"].kind == NOISE and told["p"].kind == SPEECH


def test_positions():
    assert split_positions(["SIL", "SIL_B", "a_B", "b_E"]) == {
        "SIL": ("SIL", ""), "SIL_B": ("SIL", "_B"), "a_B": ("a", "_B"), "b_E": ("b", "_E")}
    assert split_positions(["SIL", "a", "x_E"])["x_E"] == ("x_E", "")


def test_a_table_goes_first_and_what_is_unknown_is_named(tmp_path):
    (tmp_path / "table").write_text("ж ʒ\nq ʔ\nhm SPN\n")
    table = read_table(tmp_path / "table")
    sounds = sounds_of(["ж", "q", "hm", "a"], "graphemes", table)
    assert [s.ipa for s in sounds.values()] == ["ʒ", "ʔ", "", "a"]
    assert [s.guessed for s in sounds.values()] == [False, False, False, True]
    assert sounds["hm"].kind == NOISE
    with pytest.raises(UserError, match=r"x/phones.txt: no sound is known for ж as graphemes"):
        sounds_of(["ж", "a"], "graphemes", where="x/phones.txt")
    with pytest.raises(UserError, match="no sound is known for aʢ as ipa"):
        sounds_of(["aʢ", "ɚ", "aɝ"], "ipa")
    with pytest.raises(UserError, match="no sound is known for QQ as arpabet"):
        sounds_of(["QQ", "AA"], "arpabet")
    assert sounds_of(["x", "y"], table={"x": "[a]", "y": "[sil]"}) == {
        "x": Sound("a"), "y": Sound("", kind=SILENCE)}
    (tmp_path / "table").write_text("a b c\n")
    with pytest.raises(UserError, match="table:1: expected `symbol IPA`"):
        read_table(tmp_path / "table")
    (tmp_path / "table").write_text("a b\na c\n")
    with pytest.raises(UserError, match="table:2: a is here twice"):
        read_table(tmp_path / "table")


def test_letters_learnt_go_before_the_usual_ones():
    assert sounds_of(["j"], "graphemes", letters={"j": "ʒ"})["j"].ipa == "ʒ"
    assert clean("/ˈtʃ/") == Sound("t͡ʃ")
