"""Proposed rules of normalisation."""

from utils.data.normalise import normalise, parse_rules
from utils.recipe.rules import propose_rules


def apply(texts):
    """The rules' lines, and what becomes of the texts."""
    proposed = propose_rules(texts)
    rules = parse_rules(proposed.splitlines(), "n.tsv")
    return proposed, [normalise(text, rules)[0] for text in texts]


def test_punctuation_case_quotes_and_noises():
    texts = ["Hello, «World»!", "L’eau d'ici — 'bon'", "well-known [cough] \u200bword"] * 4
    proposed, words = apply(texts)
    assert words[:3] == ["hello world", "l'eau d'ici bon", "well known word"]
    assert "between letters: - 4 times" in proposed
    assert "\\u200b" in proposed and "\u200b" not in proposed


def test_what_is_read_aloud_is_not_dropped_unseen():
    texts = ["Fasi mano"] * 20 + ["mano 12", "5 % & more"]
    proposed, words = apply(texts)
    assert words[-2:] == ["", ""] and words[0] == "fasi mano"
    assert "digits in 2 utterances" in proposed and "% in 1, & in 1" in proposed


def test_tone_digits_belong_to_the_spelling():
    proposed, words = apply(["ma1 ma3 ba2", "ba1 ba4"] * 5)
    assert words[0] == "ma1 ma3 ba2" and "belong to the spelling" in proposed


def test_the_lms_text_has_what_transcripts_have_not():
    transcripts, news = ["fasi mano"] * 5, ["Fasi, «mano»!", "L’eau [1]", "In 2020: mano"]
    rules = parse_rules(propose_rules(transcripts, news).splitlines(), "n.tsv")
    assert [normalise(text, rules)[0] for text in news] == ["fasi mano", "l'eau", ""]
    assert normalise(transcripts[0], rules)[0] == transcripts[0]
    assert propose_rules(transcripts, ()) == propose_rules(transcripts)


def test_scripts_without_case_and_marks_are_left_alone():
    texts = ["नमस्ते दुनिया।", "क्\u200dष"]
    proposed, words = apply(texts)
    assert "case" not in proposed.split("Change")[1]
    assert words == ["नमस्ते दुनिया", "क्\u200dष"]
    assert apply(["IŞIK ağaç İyi"])[1] == ["ışık ağaç iyi"]
