"""A corpus in the layout in which the Free Spoken Digit Dataset is published."""

from pathlib import Path

import numpy as np
import soundfile

from tests.tiny_corpus import RATE, speak
from utils.data.audio import resample

SPEAKERS = {"george": ("GRC/Greek", 110, 0.98), "jackson": ("USA/neutral", 95, 0.94),
            "lucas": ("DEU/German", 130, 1.0)}
# Digits as the tiny corpus's phones have them, each another one
SOUNDS = ["si", "ma", "fo", "se", "no", "fi", "mi", "sa", "ne", "fe"]


def make_fsdd(directory, takes):
    """Some speakers' digits, so many recordings of each, in sounds of tests/tiny_corpus.py."""
    directory = Path(directory)
    (directory / "recordings").mkdir(parents=True)
    rng = np.random.default_rng(3)
    for spk, (_, pitch, scale) in SPEAKERS.items():
        for digit, phones in enumerate(SOUNDS):
            for number in range(takes):
                samples, _ = speak([list(phones)], pitch, scale, rng)
                soundfile.write(directory / f"recordings/{digit}_{spk}_{number}.wav",
                                resample(samples, RATE, 8000), 8000, subtype="PCM_16")
    rows = "".join(f"    '{spk}': {{\n        'gender': 'male',\n    \t'accent': '{row[0]}',\n"
                   f"        'language': 'english'\n    }},\n" for spk, row in SPEAKERS.items())
    (directory / "metadata.py").write_text(
        f'"""About the speakers."""\n\nmetadata = {{\n{rows}}}\n')
    (directory / "README.md").write_text("# Free Spoken Digit Dataset (FSDD)\n")
    return directory
