"""How far apart two sounds are in articulation, and the nearest phones of another language.

A segment is a vector of panphon's features (Mortensen et al. 2016), weighted. Its vowels are
binary, so that a is ɑ there and ɐ is e: their heights and places are the IPA chart's instead.
"""

import unicodedata
from functools import cache

import numpy as np

from steps.transfer.ipa import NOISE, SILENCE, SPEECH, panphon

WEIGHTS = {"syl": 1, "son": 1, "cons": 1, "cont": 0.5, "delrel": 0.25, "lat": 0.5, "nas": 1,
           "strid": 0.5, "voi": 0.5, "sg": 0.125, "cg": 0.125, "ant": 0.25, "cor": 0.25,
           "distr": 0.125, "lab": 0.25, "hi": 0.5, "lo": 0.5, "back": 0.5, "round": 0.375,
           "velaric": 0.25, "long": 0.125, "rhotic": 0.75}
FARTHEST = 4.0        # weighted difference that counts as distance 1: an open vowel from a stop
TONE = 0.02           # distance of two phones that differ in tone only
UNHEARD = 0.01        # of two that differ in what panphon does not know, or in order, only
LENGTHS = 0.04        # added where one has more segments than the other, as a diphthong

# Height 1 (close) to -1 (open), place -1 (front) to 1 (back), rounding -1 or 1.
VOWELS = """
    i 1 -1 -1, y 1 -1 1, ɨ 1 0 -1, ʉ 1 0 1, ɯ 1 1 -1, u 1 1 1,
    ɪ .67 -.7 -1, ʏ .67 -.7 1, ʊ .67 .7 1,
    e .33 -1 -1, ø .33 -1 1, ɘ .33 0 -1, ɵ .33 0 1, ɤ .33 1 -1, o .33 1 1, ə 0 0 -1,
    ɛ -.33 -1 -1, œ -.33 -1 1, ɜ -.33 0 -1, ɞ -.33 0 1, ʌ -.45 .4 -1, ɔ -.33 1 1,
    æ -.67 -1 -1, ɐ -.67 0 -1, a -1 0 -1, ɶ -1 -1 1, ɑ -1 .7 -1, ɒ -1 .9 1"""
VOWELS = {name: tuple(map(float, values))
          for name, *values in (row.split() for row in VOWELS.split(","))}
# Where the phonologists' class is not what an acoustic model hears: [h] is noise, an English ɹ
# constricts as much as other rhotics, a French ʁ is mostly an approximant, palatals are coronal.
CONSONANTS = {"h": {"son": -1}, "ɦ": {"son": -1}, "ʔ": {"son": -1},
              "ɹ": {"cons": 0, "hi": -1, "round": 0}, "ɻ": {"cons": 0, "hi": -1, "round": 0},
              "ʁ": {"son": 0, "cons": 0, "strid": -1, "cont": 1}, "ɾ": {"cont": 0},
              "ɲ": {"cor": 1, "distr": 1, "hi": 0}, "c": {"cor": 1, "distr": 1, "hi": 0},
              "ɟ": {"cor": 1, "distr": 1, "hi": 0}}
RHOTICS = set("ɹɻɾɽrʀʁ")
R_COLOURED = {"ɚ": "ə", "ɝ": "ɜ"}      # unknown to panphon


@cache
def segments(ipa):
    """Feature vectors of an IPA string's segments: float64 (num_segments, len(WEIGHTS))."""
    table = panphon()
    plain = "".join(R_COLOURED.get(c, c) for c in ipa)
    coloured = iter([c in R_COLOURED for c in ipa if R_COLOURED.get(c, c) in VOWELS])
    vectors = []
    for segment in table.ipa_segs(plain):
        letter = segment[0]
        values = dict(zip(table.names, table.word_to_vector_list(segment, numeric=True)[0],
                          strict=True))
        values["rhotic"] = 1 if letter in RHOTICS else -1
        values.update(CONSONANTS.get(unicodedata.normalize("NFC", segment)[0], {}))   # ç is no c
        if letter in VOWELS:
            height, place, rounding = VOWELS[letter]
            values.update(hi=height, lo=-height, back=place, round=rounding, lab=-1, delrel=-1,
                          nas=values["nas"] / 2,
                          rhotic=0 if next(coloured) or "˞" in segment else -1)
        vectors.append([values[name] for name in WEIGHTS])
    return np.array(vectors, float).reshape(-1, len(WEIGHTS))


def ipa_distance(a, b):
    """Distance of two IPA strings, 0 if they are the same, about 1 of an open vowel from a stop.

    Each segment of one is compared with the nearest of the other, and these distances are
    averaged, from both sides, so that aɪ is near to a, to ɪ, and to aʊ.
    """
    weights = np.array(list(WEIGHTS.values())) / 2 / FARTHEST
    pairs = np.abs(segments(a)[:, None] - segments(b)[None]) @ weights
    far = (pairs.min(1).mean() + pairs.min(0).mean()) / 2
    far += LENGTHS * (pairs.shape[0] != pairs.shape[1])
    return float(far or UNHEARD * (a != b))


def distance(a, b):
    """Distance of two Sounds; silence and noise are infinitely far from speech."""
    if a.kind != b.kind:
        return np.inf
    if a.kind != SPEECH:
        return 0.0
    return ipa_distance(a.ipa, b.ipa) + TONE * (a.tone != b.tone)


def nearest(target, source, num_nearest=3, temperature=0.05):
    """For each target phone the nearest sounds of the source: their phones, distance, weight.

    target, source  {phone: Sound}
    returns         {target phone: [(list of source phones, distance, weight), ...]}, weights
                    softmax(-distance / temperature), nearest first, summing to 1. Source phones
                    that are one sound, as they differ in position or stress, are one entry.
    raises          ValueError naming a phone that nothing answers, such as silence
    """
    groups = {}
    for phone, sound in source.items():
        groups.setdefault((sound.ipa, sound.tone, sound.kind), []).append(phone)
    entries = [(source[phones[0]], phones) for phones in groups.values()]
    return {phone: _weighted(phone, sound, entries, num_nearest, temperature)
            for phone, sound in target.items()}


def _weighted(phone, sound, entries, num_nearest, temperature):
    if sound.kind == NOISE and not any(other.kind == NOISE for other, _ in entries):
        sound = sound._replace(kind=SILENCE)
    found = sorted(((distance(sound, other), order) for order, (other, _) in enumerate(entries)))
    found = [(d, order) for d, order in found[:num_nearest] if np.isfinite(d)]
    if not found:
        raise ValueError(phone)
    distances = np.array([d for d, _ in found])
    weights = np.exp((distances[0] - distances) / temperature)
    return [(entries[order][1], float(d), float(w)) for (d, order), w in
            zip(found, weights / weights.sum(), strict=True)]


def phone_weights(neighbours, target_positions, source_positions):
    """Weights of single source phones: {target phone: {source phone: weight}}, summing to 1.

    neighbours                 of nearest()
    *_positions                of split_positions(). Among source phones of one sound, those in
                               the target phone's word position share its weight; if none is,
                               or the target has no positions, those inside a word; or all
    """
    result = {}
    for phone, found in neighbours.items():
        weights = result[phone] = {}
        for phones, _, weight in found:
            place = target_positions[phone][1]
            found_here = [p for p in phones if source_positions[p][1] == place] \
                or [p for p in phones if source_positions[p][1] == "_I"] or phones
            for name in found_here:
                weights[name] = weight / len(found_here)
    return result
