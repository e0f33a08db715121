"""Text for language models: sentences from a file, and sentences as one array of word ids.

Words are what ASCII white space separates, as in Kaldi and SRILM: a no-break or ideographic space
is part of a word.
"""

import gzip
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.step import UserError

BOS, EOS = "<s>", "</s>"
NOT_WORDS = ("<eps>", "<epsilon>", "#0", BOS, EOS)
BOM = b"\xef\xbb\xbf"   # of UTF-8, before the first line
SKIPPED = -1   # the id of a word outside the vocabulary


@dataclass
class Text:
    """A text as ids: every sentence is <s>, its words, </s>.

    tokens   int32 (num_tokens,), SKIPPED where a word has no id
    words    the vocabulary as a list indexed by id
    unk      the vocabulary's word for all others, or None
    num_sentences, num_words, num_oovs, num_empty   empty lines are no sentences
    """

    tokens: np.ndarray
    words: list
    unk: str | None
    num_sentences: int
    num_words: int
    num_oovs: int
    num_empty: int


def open_text(path):
    """A binary file to read from; gzip if the name ends in .gz."""
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "no such file")
    return _Gzip(path, "rb") if path.suffix == ".gz" else path.open("rb")


class _Gzip(gzip.GzipFile):
    """A gzipped file of lines; a UserError where it is cut short, damaged or no gzip at all."""

    def readline(self, size=-1):
        try:
            return super().readline(size)
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(self.name, f"cannot be decompressed: {error}",
                            "make it again") from None


def read_sentences(path, utt_ids=False):
    """Yield (utt, words) for each line; words are bytes, without <s> and </s> at the ends.

    utt_ids   the file is a Kaldi `text`: its first field is the utterance, else utt is b""
    raises    UserError with file and line: not UTF-8, <s> or </s> inside a sentence
    """
    bos, eos = BOS.encode(), EOS.encode()
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(BOM)
            if not line.isascii():
                _check_utf8(path, number, line)
            words = line.split()
            utt = words.pop(0) if utt_ids and words else b""
            if words and words[0] == bos:
                del words[0]
            if words and words[-1] == eos:
                del words[-1]
            if bos in words or eos in words:
                raise UserError(f"{path}:{number}", f"{BOS} or {EOS} inside a sentence",
                                "one sentence a line; they are added to it here")
            yield utt, words


def _check_utf8(path, number, line):
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}:{number}:{error.start + 1}",
                        f"byte 0x{line[error.start]:02x} is not UTF-8",
                        "convert the file with iconv") from None


def read_text(path, vocab=None, unk="<unk>", utt_ids=False, min_count=1):
    """Read the text that a model is trained on.

    vocab      the words to know; None for those of the text seen min_count times
    unk        what any other word becomes; None to skip it and the n-grams that span it
    returns    Text with words [unk], <s>, </s>, then the rest by code point
    """
    found = _Numbering()
    tokens = array("i")
    num_sentences = num_empty = 0
    for _, words in read_sentences(path, utt_ids):
        if not words:
            num_empty += 1
            continue
        num_sentences += 1
        tokens.append(-1)   # the last of new_ids below
        tokens.extend(map(found.__getitem__, words))
        tokens.append(-2)
    tokens = np.frombuffer(tokens, dtype=np.int32) if tokens else np.zeros(0, np.int32)
    seen = [word.decode() for word in found]
    if vocab is None:
        counts = np.bincount(tokens[tokens >= 0], minlength=len(seen))
        vocab = [word for word, count in zip(seen, counts.tolist(), strict=True)
                 if count >= min_count]
    special = ([unk] if unk else []) + [BOS, EOS]
    words = special + sorted(set(vocab) - set(special))
    ids = {word: ident for ident, word in enumerate(words)}
    others = ids[unk] if unk else SKIPPED
    new_ids = np.array([ids.get(word, others) for word in seen] + [ids[EOS], ids[BOS]], np.int32)
    known = np.array([word in ids for word in seen] + [True, True])
    num_words = len(tokens) - 2 * num_sentences
    num_oovs = len(tokens) - int(np.count_nonzero(known[tokens]))
    return Text(new_ids[tokens], words, unk, num_sentences, num_words, num_oovs, num_empty)


class _Numbering(dict):
    """Gives each new key the next number."""

    def __missing__(self, key):
        self[key] = number = len(self)
        return number


def vocab_files(path):
    """The files that read_vocab(path) may read, whether they are there or not."""
    path = Path(path)
    lang = path if path.is_dir() else path.parent
    return [path, *(lang / name for name in ("words.txt", "oov.txt", "phones/align_lexicon.txt",
                                             "phones/optional_silence.txt"))]


def read_vocab(path):
    """The words of a vocabulary, and the word for all others if the vocabulary names one.

    path      a file of one word a line; or a lang directory's words.txt, or the lang directory.
              <eps>, #0, <s>, </s> are left out, and so are the words of a lang directory that
              are only ever pronounced as silence (!SIL): a recogniser should not guess them
    returns   list of words; the word in oov.txt beside words.txt, else None
    """
    path = Path(path)
    lang = path if path.is_dir() else path.parent
    if path.is_dir():
        path = path / "words.txt"
    with open_text(path) as file:
        rows = []
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(BOM)
            _check_utf8(path, number, line)
            rows.append(line.decode("utf-8").strip(" \t\r\n").replace("\t", " ").split(" "))
    rows = [row for row in rows if row != [""]]
    symbols = bool(rows) and all(len(row) == 2 and row[1].isdigit() for row in rows)
    for row in rows:
        if len(row) > 1 and not symbols:
            raise UserError(path, f"expected one word a line, found {' '.join(row)!r}",
                            "or `word id` on every line")
    is_lang = symbols and (lang / "phones").is_dir()
    oov = (lang / "oov.txt") if is_lang else None
    unk = oov.read_text("utf-8").strip() if oov and oov.is_file() else None
    skip = set(NOT_WORDS) | (_silent_words(lang) if is_lang else set())
    skip.discard(unk)
    words = list(dict.fromkeys(row[0] for row in rows if row[0] not in skip))
    if not words:
        raise UserError(path, "has no words")
    return words, unk


def _silent_words(lang):
    """Words whose every pronunciation is the optional silence."""
    lexicon, silence = lang / "phones/align_lexicon.txt", lang / "phones/optional_silence.txt"
    if not lexicon.is_file() or not silence.is_file():
        return set()
    phone = silence.read_text("utf-8").strip()
    silent, spoken = set(), set()
    for line in lexicon.read_text("utf-8").split("\n"):
        fields = line.split()
        if len(fields) > 2:
            is_silent = len(fields) == 3 and fields[2] in (phone, f"{phone}_S")
            (silent if is_silent else spoken).add(fields[0])
    return silent - spoken
