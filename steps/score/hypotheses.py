"""Words to be scored: those of lattices, subwords joined, words replaced or left out."""

import json
import unicodedata
from pathlib import Path

from steps.decode.word_list import WordList
from utils.data.tables import read_lines, read_table
from utils.lang.lexicon import split_fields
from utils.step import UserError

GROUPS = ("utt2accent", "spk2gender")   # scored apart wherever a data directory has them
UNKNOWN = "unknown"                     # group of who is not in one of these


def words_of(lattice_files, settings, mbr=False):
    """Iterator of (utt, [word ids of each setting]) over lattices.

    settings   [(LM weight, word insertion penalty)]
    mbr        those of minimum Bayes risk, and not the best path's
    """
    from steps.decode.lattice import read_lattices
    from steps.decode.mbr import least_risk
    settings = [(float(lmwt), float(wip)) for lmwt, wip in settings]
    for lattices in lattice_files:
        for utt, lattice in read_lattices(lattices):
            yield utt, least_risk(lattice, settings) if mbr else [
                lattice.best_path(*setting)[0] for setting in settings]


def write_words(path, pairs):
    """Write a line of JSON for each (utt, [word ids of each setting])."""
    with Path(path).open("w", encoding="utf-8") as file:
        for utt, words in pairs:
            file.write(json.dumps([utt, words]) + "\n")


def read_words(paths, settings, graph, mapping):
    """{setting: {utt: words}} of write_words' files.

    graph     directory with words.txt; with bpe.model its words are subwords, to be joined
    mapping   of read_filter
    """
    words = WordList(graph)
    texts = {setting: {} for setting in settings}
    for path in paths:
        for line in read_lines(path):
            utt, ids_of_settings = json.loads(line)
            for setting, ids in zip(settings, ids_of_settings, strict=True):
                texts[setting][utt] = filtered(words.text(ids, utt), mapping)
    return texts


def read_references(data, mapping):
    """{utt: words} of <data>/text, and <data>/utt2spk; a reference may be empty."""
    refs = {utt: filtered(split_fields(text), mapping)
            for utt, text in read_table(Path(data) / "text", empty_ok=True).items()}
    utt2spk = read_table(Path(data) / "utt2spk")
    for utt in refs:
        if utt not in utt2spk:
            raise UserError(f"{data}/utt2spk", f"{utt} of text is not here", "fix_data_dir.py")
    if not any(refs.values()):
        raise UserError(f"{data}/text", "there is no word to score")
    return refs, utt2spk


def read_groups(data, name, utt2spk):
    """{utt: group} of a utt2* or spk2* table of a data directory; only those of GROUPS may have
    gaps, as transcripts often know the gender or the accent of some."""
    table = read_table(Path(data) / name)
    groups = {}
    for utt, spk in utt2spk.items():
        key = spk if name.startswith("spk2") else utt
        if key not in table and name not in GROUPS:
            raise UserError(f"{data}/{name}", f"{key} is not here", "every one needs its group")
        groups[utt] = table.get(key, UNKNOWN)
    return groups


def read_filter(path):
    """{word: [words in its place]} from lines `word [word ...]`; a word alone is left out.

    A line that starts with "# " is a comment. No path, no words.
    """
    mapping = {}
    for number, line in enumerate(read_lines(path) if path else [], 1):
        fields = [unicodedata.normalize("NFC", word) for word in line.split()]
        if not fields or line.startswith("# "):
            continue
        if fields[0] in mapping:
            raise UserError(f"{path}:{number}", f"{fields[0]} is here twice")
        mapping[fields[0]] = fields[1:]
    return mapping


def filtered(words, mapping):
    """Words in NFC, so that what looks the same is the same, replaced as read_filter says."""
    words = [unicodedata.normalize("NFC", word) for word in words]
    if not mapping:
        return words
    return [new for word in words for new in mapping.get(word, [word])]
