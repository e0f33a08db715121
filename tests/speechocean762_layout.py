"""A corpus in the layout in which speechocean762 is published, for tests of its recipe."""

import shutil
from pathlib import Path

from utils.data.tables import read_table

AGES = {"ana": 8, "ben": 30, "cem": 9, "dua": 25, "eli": 12, "fay": 6, "gus": 41}


def make_speechocean762(directory, tiny):
    """The tiny corpus (tests/tiny_corpus.py) dressed up as speechocean762."""
    directory = Path(directory)
    for part in ("train", "test"):
        data = tiny / "data" / part
        tables = {name: read_table(data / name)
                  for name in ("text", "utt2spk", "spk2utt", "wav.scp", "spk2gender")}
        tables["spk2age"] = {spk: AGES[spk] for spk in tables["spk2utt"]}
        tables["text"] = {utt: words.upper() for utt, words in tables["text"].items()}
        for utt, wav in tables["wav.scp"].items():
            name = f"WAVE/SPEAKER{tables['utt2spk'][utt]}/{utt}.WAV"
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(wav, directory / name)
            tables["wav.scp"][utt] = name
        (directory / part).mkdir()
        for name, rows in tables.items():
            lines = [f"{key}\t{value}" for key, value in rows.items()]
            # The published ages are in no order.
            _write(directory / part / name, lines[::-1] if name == "spk2age" else lines)
    lexicon = []
    for line in (tiny / "dict/lexicon.txt").read_text().splitlines():
        word, *phones = line.split()
        if phones not in (["SIL"], ["SPN"]):
            stressed = [phone + "01"[i == 1] if phone in "aeio" else phone
                        for i, phone in enumerate(phones)]
            lexicon.append(f"{word.upper()}\t{' '.join(stressed).upper()}")
    (directory / "resource").mkdir()
    _write(directory / "resource/lexicon.txt", [*lexicon, lexicon[0]])
    return directory


def _write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
