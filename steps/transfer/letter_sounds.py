"""The sound of each letter of an orthography, learnt from words and eSpeak's rules of a language.

    letter_sounds(["chat", "tasse", ...], Espeak("fr"))     # {"c": "k", "h": "ʃ", "a": "a", ...}
"""

import math
from collections import Counter, defaultdict

from steps.transfer.symbols import LETTERS
from utils.lang.graphemes import graphemes

ROUNDS = 5
MAX_WORDS = 3000
SMOOTHING = 0.1
LIKELY = 5.0       # times likelier at first is what the letter stands for in most languages
SPREAD = 4.0       # how sharply a letter's phonemes are first looked for at its place in the word


def letter_sounds(words, espeak):
    """{letter: IPA of the phonemes it most often stands for} of the words that eSpeak can say.

    words   strings, of which MAX_WORDS at most are used, here and there, as they may be sorted;
            letters whose sound is not clear from them are left out
    espeak  anything whose phonemes(word) is a list of IPA symbols
    """
    pairs = []
    for word in words[::max(1, math.ceil(len(words) / MAX_WORDS))]:
        letters, _ = graphemes(word)
        phonemes = [p.strip("ˈˌ") for p in espeak.phonemes(word.lower())]
        if letters and phonemes:
            pairs.append((letters, phonemes))
    counts = _first_counts(pairs)
    for _ in range(ROUNDS):
        counts = _recount(pairs, counts)
    sounds = {}
    for letter, said in counts.items():
        sound = _choose(letter, {sound: count for sound, count in said.items() if sound})
        if sound:
            sounds[letter] = "".join(sound)
    return sounds


def _choose(letter, spoken):
    """The tuple of phonemes that a letter stands for, None if that is not clear: letters that a
    language does not have are spelt out by eSpeak, with their names' phonemes here and there."""
    sound = max(spoken, key=spoken.get, default=None)
    usual = LETTERS.get(letter),
    if sound is None or spoken.get(usual, 0) >= 0.5 * spoken[sound]:
        return usual if spoken.get(usual) else None
    share = spoken[sound] / sum(spoken.values())
    return sound if share >= (0.3 if len(sound) == 1 else 0.5) else None


def _first_counts(pairs):
    counts = defaultdict(Counter)
    for letters, phonemes in pairs:
        for i, letter in enumerate(letters):
            likely = LETTERS.get(letter)
            for j, phoneme in enumerate(phonemes):
                away = abs((i + 0.5) / len(letters) - (j + 0.5) / len(phonemes))
                counts[letter][phoneme,] += (
                    math.exp(-SPREAD * away) * (LIKELY if phoneme == likely else 1))
    return counts


def _recount(pairs, counts):
    """How often each letter stands for which 0, 1 or 2 phonemes in the best alignments."""
    totals = {letter: sum(said.values()) for letter, said in counts.items()}
    after = defaultdict(Counter)
    for letters, phonemes in pairs:
        for letter, sound in zip(letters, _align(letters, phonemes, counts, totals) or (),
                                 strict=False):
            after[letter][sound] += 1
    return after


def _align(letters, phonemes, counts, totals):
    """The most likely tuple of phonemes of each letter, in order; None if there are too many."""
    best = {0: (0.0, ())}
    for letter in letters:
        said, total = counts[letter], totals.get(letter, 0)
        following = {}
        for at, (score, path) in best.items():
            for length in range(min(3, len(phonemes) - at + 1)):
                sound = tuple(phonemes[at:at + length])
                # Two phonemes of a letter, or none, are to be rarer than one at first.
                seen = said[sound] + SMOOTHING * (1 if length == 1 else 0.1)
                here = score + math.log(seen / (total + 1))
                if here > following.get(at + length, (-math.inf,))[0]:
                    following[at + length] = here, (*path, sound)
        best = following
    return best.get(len(phonemes), (0, None))[1]
