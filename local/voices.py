"""Who speaks: voice variants of eSpeak NG, kept apart between train, dev and test."""

import zlib

import numpy as np

TRAIN = [
    "m1", "f1", "Andy", "Annie", "m2", "f2", "Gene", "belinda", "m3", "f3", "paul", "linda",
    "m4", "Alicia", "max", "steph", "adam", "anika", "Denis", "Andrea", "david", "f4", "Hugo",
    "aunty", "Lee", "shelby", "ed", "grandma", "boris", "Henrique", "Jacky", "Mario", "caleb",
    "antonio", "Marco", "edward", "gustave", "ian", "Michael", "john", "marcelo", "Mike",
    "miguel", "norbert", "quincy", "robert", "sandro"]
DEV = [
    "m5", "f5", "pablo", "Diogo", "victor", "travis"]
TEST = [
    "m7", "Alex", "klatt4", "Reed", "pedro", "m8", "steph3", "rob", "benjamin", "michel"]
VOICES = {"train": TRAIN, "dev": DEV, "test": TEST}


def generator(*names):
    """A random generator that depends on these names only."""
    return np.random.default_rng(zlib.crc32(" ".join(map(str, names)).encode()))


def draw_stretch(rng):
    """How much slower than spoken a speaker is played: lower and of a longer vocal tract."""
    return rng.uniform(0.9, 1.1)


def draw_speech(rng):
    """A speaker's habits as arguments of Espeak.synthesise."""
    return {"rate_wpm": int(rng.integers(140, 205)), "pitch": int(rng.integers(25, 76)),
            "pitch_range": int(rng.integers(30, 76)), "word_gap": int(rng.integers(0, 3))}
