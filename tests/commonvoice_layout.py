"""Corpora in the layout in which Common Voice is published, for tests of its recipe."""

import hashlib
import io
import tarfile
from pathlib import Path

import soundfile
import soxr

from utils.data.tables import read_table

RELEASE = "cv-corpus-17.0-2024-03-15"
COLUMNS = ["client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes",
           "down_votes", "age", "gender", "accents", "variant", "locale", "segment"]
ACCENTS = {"north": "Scottish English", "south": "India and South Asia (India, Pakistan, "
           "Sri Lanka)|Learned, at school", "": ""}
GENDERS = {"f": "female_feminine", "m": "male_masculine"}
RATE = 32000


def make_commonvoice(directory, tiny, language="fr", release=RELEASE):
    """The tiny corpus (tests/tiny_corpus.py) dressed up as a language of Common Voice.

    Of its test speakers fay is dev and gus is test; eli says nothing of accent and gender.
    validated.tsv has all of them.
    """
    source = Path(directory) / release / language
    (source / "clips").mkdir(parents=True)
    rows, durations = {"train": [], "dev": [], "test": []}, []
    for part in ("train", "test"):
        data = tiny / "data" / part
        text, utt2spk, wavs, accents, genders = (read_table(data / table) for table in (
            "text", "utt2spk", "wav.scp", "utt2accent", "spk2gender"))
        for utt, words in text.items():
            spk = utt2spk[utt]
            name = f"common_voice_{language}_{int(hashlib.md5(utt.encode()).hexdigest()[:6], 16)}"
            samples, rate = soundfile.read(wavs[utt], dtype="float32")
            soundfile.write(source / f"clips/{name}.mp3", soxr.resample(samples, rate, RATE), RATE,
                            format="MP3")
            durations.append(f"{name}.mp3\t{len(samples) * 1000 // rate}")
            row = dict.fromkeys(COLUMNS, "")
            row.update(client_id=client(spk), path=f"{name}.mp3", sentence=sentence(words),
                       up_votes="2", down_votes="0", locale=language)
            if spk != "eli":
                row.update(accents=ACCENTS[accents[utt]], gender=GENDERS[genders[spk]],
                           age="twenties")
            rows["train" if part == "train" else {"fay": "dev", "gus": "test"}[spk]].append(row)
    rows["validated"] = [row for some in rows.values() for row in some]
    for name, some in rows.items():
        write_tsv(source / f"{name}.tsv", some)
    lines = ["clip\tduration[ms]", *durations]
    (source / "clip_durations.tsv").write_text("".join(f"{line}\n" for line in lines))
    (source / "reported.tsv").write_text("sentence\n")
    return source


def client(spk):
    """A client_id."""
    return hashlib.sha512(spk.encode()).hexdigest()


def sentence(words):
    """As people write: `Fasi, fono-"mano".`"""
    first, *rest = words.split()
    return f"{first.capitalize()}, \u201c{'-'.join(rest)}\u201d."


def write_tsv(path, rows):
    lines = ["\t".join(COLUMNS), *("\t".join(row[name] for name in COLUMNS) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def read_tsv(path):
    return [dict(zip(COLUMNS, line.split("\t"), strict=True))
            for line in path.read_text("utf-8").splitlines()[1:]]


def pack_commonvoice(source):
    """The bytes of a language's .tar.gz, clips before lists as they come."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                tar.add(path, str(path.relative_to(source.parent.parent)))
    return packed.getvalue()
