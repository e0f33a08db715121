import itertools

import numpy as np
import pytest

from steps.transfer.ipa import NOISE, SILENCE, Sound, sounds_of, split_positions
from steps.transfer.phone_distance import distance, ipa_distance, nearest, phone_weights, segments

CMU = """SIL SPN AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T
    TH UH UW V W Y Z ZH"""


def test_distance_is_a_distance():
    sounds = ["p", "b", "t", "a", "ɑ", "i", "aɪ", "t͡ʃ", "ʃ", "ɹ", "ŋ", "œ̃", "kʰ", "ʔ", "ɝ",
              "t̚", "t", "ia", "ai"]
    for a, b in itertools.product(sounds, repeat=2):
        far = ipa_distance(a, b)
        assert far >= 0 and far == pytest.approx(ipa_distance(b, a))
        assert (far == 0) == (a == b)
    assert ipa_distance("p", "ɑ") > 0.9


@pytest.mark.parametrize("sound, near, farther", [
    ("b", "p", "k"), ("b", "β", "m"), ("n", "m", "l"), ("ʁ", "ɹ", "s"), ("x", "k", "s"),
    ("e", "ɪ", "a"), ("ɛ", "æ", "ɔ"), ("a", "ɑ", "æ"), ("y", "i", "u"), ("ɐ", "a", "e"),
    ("œ̃", "œ", "m"), ("ɲ", "n", "ŋ"), ("ð", "d", "ʒ"), ("j", "i", "k"), ("t͡ʃ", "ʃ", "k"),
    ("ɪ", "i", "aɪ"), ("aɪ", "aʊ", "u"), ("ɚ", "ə", "i"), ("ɚ", "ɹ", "k"), ("s", "ʃ", "x"),
    ("ç", "h", "θ"), ("ç", "x", "c")])
def test_as_a_phonetician_would_say(sound, near, farther):
    assert ipa_distance(sound, near) < ipa_distance(sound, farther)


def test_vowels_with_a_hook_are_r_coloured():
    assert ipa_distance("ɑ˞", "ɹ") < ipa_distance("ɑ", "ɹ")
    assert ipa_distance("ə˞", "ɚ") < ipa_distance("ə˞", "ə")


def test_tone_is_a_weak_feature():
    low, high, other = Sound("a"), Sound("a", "\u0301"), Sound("ɐ")
    assert 0 < distance(low, high) < distance(low, other)


def test_silence_and_noise_are_apart():
    silence, noise, speech = Sound("", kind=SILENCE), Sound("", kind=NOISE), Sound("s")
    assert distance(silence, silence) == 0
    assert distance(silence, noise) == distance(noise, speech) == np.inf


def test_segments():
    assert segments("aɪ").shape[0] == 2
    assert segments("t͡ʃ").shape[0] == 1
    assert segments("ж").shape[0] == 0


def best(text, kind):
    """The phones of `phone expected phone expected ...` with what they are mapped to, alike."""
    target = text.split()[::2]
    found = nearest(sounds_of(target, kind), sounds_of(CMU.split()))
    return " ".join(f"{phone} {entries[0][0][0]}" for phone, entries in found.items())


def test_letters_to_english():
    said = "a AA á AA b B e EY ε EH g G h HH i IY ω AO ώ AO o OW r R u UW y Y z Z SIL SIL"
    assert best(said, "graphemes") == said


def test_espeak_to_english():
    said = "tʃ CH dʒ JH ʁ R ɲ N ɛ̃ EH ɑ̃ AA ɔ̃ AO y IY ʒ ZH iː IY aɪ AY oʊ OW ɚ ER ə AH"
    assert best(said, "espeak") == said


def test_nearest_and_weights():
    source = sounds_of(["SIL", "a_B", "a_I", "p_B", "p_E", "b_I"], "ipa")
    target = sounds_of(["SIL", "SPN", "a_B", "a_E", "p_B"], "ipa")
    found = nearest(target, source, num_nearest=2, temperature=0.1)
    assert found["SIL"] == found["SPN"] == [(["SIL"], 0.0, 1.0)]
    (same, zero, more), (voiced, far, less) = found["p_B"]
    assert (same, zero, voiced) == (["p_B", "p_E"], 0.0, ["b_I"])
    assert more + less == pytest.approx(1) and less / more == pytest.approx(np.exp(-far / 0.1))
    weights = phone_weights(found, split_positions(target), split_positions(source))
    assert weights["p_B"] == pytest.approx({"p_B": more, "b_I": less})
    assert weights["a_B"]["a_B"] > 0.9 and "a_I" not in weights["a_B"]
    assert weights["a_E"]["a_I"] > 0.9 and "a_B" not in weights["a_E"]
    with pytest.raises(ValueError, match="SIL"):
        nearest(target, sounds_of(["a", "b"], "ipa"))


def test_a_source_without_consonants_or_without_vowels():
    target = sounds_of(["i", "u", "w", "p"], "ipa")
    for source, wanted in (("p t s j k", "jjjp"), ("ɑ e o u", "euue")):
        found = nearest(target, sounds_of(source.split(), "ipa"), num_nearest=1)
        assert "".join(entries[0][0][0] for entries in found.values()) == wanted
    found = nearest(target, sounds_of(["t", "k"], "ipa"))
    assert [found[vowel][0][0] for vowel in "iu"] == [["k"], ["k"]]
