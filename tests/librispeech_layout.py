"""A corpus in the layout in which LibriSpeech is published, for tests of its recipe."""

import io
import tarfile
from pathlib import Path

import soundfile

from utils.data.tables import read_table

READERS = {"ana": 1088, "ben": 163, "cem": 19, "dua": 4640, "eli": 7367, "fay": 1272, "gus": 84}
SPEAKERS = """\
; Some pseudo-anonymized information about the readers
;
;ID  |SEX| SUBSET           |MINUTES| NAME
"""


def make_librispeech(directory, tiny, train="train-clean-5", dev="dev-clean-2"):
    """The tiny corpus (tests/tiny_corpus.py) dressed up as LibriSpeech; its test set is dev.

    Each reader reads a chapter 1000 and a chapter 1001, but readers of dev one only. Lexicon and
    a published LM stand in ../lm, as local/download.py would put them.
    """
    directory = Path(directory)
    speakers = []
    for part, name in (("train", train), ("test", dev)):
        data = tiny / "data" / part
        text, utt2spk, wavs, gender = (read_table(data / table) for table in (
            "text", "utt2spk", "wav.scp", "spk2gender"))
        lines = {}
        for utt, words in text.items():
            reader, number = READERS[utt2spk[utt]], int(utt[-3:]) - 1
            chapter = 1000 + (number % 2 if part == "train" else 0)
            file = directory / name / f"{reader}/{chapter}/{reader}-{chapter}-{number:04d}.flac"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, *soundfile.read(wavs[utt], dtype="int16"))
            lines.setdefault(file.parent, []).append(f"{file.stem} {words.upper()}")
        for chapter, rows in lines.items():
            _write(chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt", sorted(rows))
        speakers += [f"{READERS[spk]:<5}| {sex.upper()} | {name:<17}| 25.03 | |{spk}|Ünal"
                     for spk, sex in gender.items()]
    (directory / "SPEAKERS.TXT").write_text(SPEAKERS + "\n".join(speakers) + "\n", "utf-8")
    for name in ("LICENSE", "README", "CHAPTERS", "BOOKS"):
        (directory / f"{name}.TXT").write_text(f"{name}\n")
    lexicon = []
    for line in (tiny / "dict/lexicon.txt").read_text().splitlines():
        word, *phones = line.split()
        if phones not in (["SIL"], ["SPN"]):
            stressed = [phone + "01"[i == 1] if phone in "aeio" else phone
                        for i, phone in enumerate(phones)]
            lexicon.append(f"{word}\t{' '.join(stressed)}".upper())
    (directory.parent / "lm").mkdir(exist_ok=True)
    _write(directory.parent / "lm/librispeech-lexicon.txt", [*lexicon, "ZEBRA\tS I1 M O0"])
    return directory


def pack_librispeech(directory, part):
    """The bytes of <part>.tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in sorted(directory.iterdir()):
            if path.is_file():
                tar.add(path, f"LibriSpeech/{path.name}")
        tar.add(directory / part, f"LibriSpeech/{part}")
    return packed.getvalue()


def _write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
