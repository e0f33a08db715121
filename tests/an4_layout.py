"""Corpora in the layout in which AN4 is published, for tests of its recipe."""

import shutil
from pathlib import Path

from utils.data.tables import read_table


def make_an4(directory, tiny):
    """The tiny corpus (tests/tiny_corpus.py) dressed up as AN4."""
    directory = Path(directory)
    (directory / "etc").mkdir(parents=True)
    for part, name in (("train", "an4_train"), ("test", "an4_test")):
        data = tiny / "data" / part
        text, utt2spk, wavs, gender = (read_table(data / table) for table in (
            "text", "utt2spk", "wav.scp", "spk2gender"))
        fileids, transcription = [], []
        for utt, words in text.items():
            spk = gender[utt2spk[utt]] + utt2spk[utt]
            file = f"an{utt[-3:]}-{spk}-b"
            fileids.append(f"{name}_clstk/{spk}/{file}".replace("train_", ""))
            words = f"<s> {words.upper()} </s>" if part == "train" else words.upper()
            transcription.append(f"{words} ({file})")
            wav = directory / "wav" / f"{fileids[-1]}.wav"
            wav.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(wavs[utt], wav)
        _write(directory / f"etc/{name}.fileids", fileids)
        _write(directory / f"etc/{name}.transcription", transcription)
    lexicon, seen = [], {}
    for line in (tiny / "dict/lexicon.txt").read_text().splitlines():
        word, _, phones = line.partition(" ")
        if phones not in ("SIL", "SPN"):
            seen[word] = seen.get(word, 0) + 1
            variant = f"({seen[word]})" if seen[word] > 1 else ""
            lexicon.append(f"{word.upper()}{variant}    {phones.upper()}")
    _write(directory / "etc/an4.dic", lexicon)
    return directory


def subset_an4(source, directory, train_spks, test_spks):
    """AN4 with only the first speakers of its train and test lists; sound is linked."""
    source, directory = Path(source), Path(directory)
    (directory / "etc").mkdir(parents=True)
    (directory / "wav").symlink_to(source / "wav")
    shutil.copyfile(source / "etc/an4.dic", directory / "etc/an4.dic")
    for name, number in (("an4_train", train_spks), ("an4_test", test_spks)):
        fileids = (source / f"etc/{name}.fileids").read_text().splitlines()
        spks = sorted({line.split("/")[1] for line in fileids})
        spks = set(spks[::max(1, len(spks) // number)][:number])
        keep = [line for line in fileids if line.split("/")[1] in spks]
        files = {line.split("/")[2] for line in keep}
        _write(directory / f"etc/{name}.fileids", keep)
        _write(directory / f"etc/{name}.transcription", [
            line for line in (source / f"etc/{name}.transcription").read_text().splitlines()
            if line[line.rindex("(") + 1:].rstrip(") ") in files])
    return directory


def _write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
