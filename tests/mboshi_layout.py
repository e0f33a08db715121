"""A corpus in the layout in which Mboshi is published, for tests of its recipe."""

import shutil
from pathlib import Path

from utils.data.tables import read_table

LETTERS = str.maketrans("ae", "áε")   # of more than one byte, one with a tone


def make_mboshi(directory, tiny):
    """The tiny corpus (tests/tiny_corpus.py) dressed up as Mboshi; its test set is the dev set."""
    directory = Path(directory)
    for part, name in (("train", "train"), ("test", "dev")):
        out = directory / "full_corpus_newsplit" / name
        out.mkdir(parents=True)
        data = tiny / "data" / part
        wavs = read_table(data / "wav.scp")
        for utt, words in read_table(data / "text").items():
            spk, number = utt.split("-")
            stem = out / f"{spk}_2015-09-08-11-33-57_samsung-SM-T530_mdw_elicit_Dico1_{number}"
            shutil.copyfile(wavs[utt], f"{stem}.wav")
            text = words.translate(LETTERS)
            for suffix, line in ((".mb", text.capitalize().replace("s", "s' ")),
                                 (".mb.cleaned", text), (".fr", "Il pleut")):
                Path(f"{stem}{suffix}").write_text(f"{line}\n", "utf-8")
    return directory
