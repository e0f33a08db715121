from steps.transfer.letter_sounds import letter_sounds
from utils.lang.espeak import Espeak

FRENCH = "jaune chat je jour joue tasse cour coq car vache riche chou moto lune ruse dure"


class Rules:
    """c is k, h says nothing, j is ʒ, x is ks; w is a stranger, spelt out in different ways."""

    def phonemes(self, word):
        names = {"c": ["k"], "h": [], "j": ["ʒ"], "x": ["k", "s"], "w": [word[0], "m", word[-1]]}
        return [p for letter in word for p in names.get(letter, [letter])]


def test_rules_are_learnt():
    words = ["taca", "cato", "aho", "hata", "jato", "tija", "oxo", "taxi", "icho", "atito", "mot",
             "wat", "tawo", "iwa", "mowi"]
    sounds = letter_sounds(words, Rules())
    assert {k: sounds.get(k) for k in "acjxtoh"} == {
        "a": "a", "c": "k", "j": "ʒ", "x": "ks", "t": "t", "o": "o", "h": None}
    assert "w" not in sounds


def test_words_from_all_over_a_sorted_list():
    asked = []

    class Heard(Rules):
        def phonemes(self, word):
            asked.append(word)
            return super().phonemes(word)

    words = sorted(80 * [f"{a}{b}{c}{d}" for a in "abct" for b in "aoi" for c in "tjnm"
                         for d in "aoiu"])
    sounds = letter_sounds(words, Heard())
    assert 1500 <= len(asked) <= 3000 and {word[0] for word in asked} == set("abct")
    assert sounds["t"] == "t" and sounds["c"] == "k"


def test_french():
    words = FRENCH.split()
    sounds = letter_sounds(words, Espeak("fr"))
    assert sounds["j"] == "ʒ" and sounds["r"] == "ʁ" and sounds["c"] == "k"
    assert sounds["t"] == "t" and sounds["a"] == "a"
