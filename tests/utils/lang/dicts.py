"""A small dict directory for the tests: homophones, prefixes, a word with two pronunciations."""

from pathlib import Path

LEXICON = ("!SIL SIL", "<UNK> SPN", "a AH", "a EY", "ate EY T", "be B IY", "beat B IY T",
           "bee B IY", "eight EY T")
PHONES = ("AH", "B", "EY", "IY", "T")


def make_dict(directory, lexicon=LEXICON, nonsilence=PHONES, questions=()):
    """Write the files as a Kaldi user would and return the directory."""
    directory = Path(directory)
    directory.mkdir(parents=True)
    files = {"lexicon.txt": lexicon, "silence_phones.txt": ["SIL", "SPN"],
             "nonsilence_phones.txt": nonsilence, "optional_silence.txt": ["SIL"],
             "extra_questions.txt": questions}
    for name, lines in files.items():
        (directory / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return directory
