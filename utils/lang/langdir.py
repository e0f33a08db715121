"""Read a lang directory, ours or Kaldi's.

    lang = LangDir("data/lang")
    lang.phones["AH_B"], lang.words["hello"], lang.silence_phones, lang.oov_id
"""

from functools import cached_property
from pathlib import Path

from utils.data.tables import read_lines
from utils.step import UserError

KEPT_LM = "lm.arpa.gz"   # the n-gram of G.fst, as format_lm.py keeps it
MAX_DIGITS = 8    # of an id: lists are made that have a place for each


def read_symbols(path):
    """{symbol: id} of phones.txt or words.txt, in the file's order.

    raises UserError with file and line: not two fields, not a number, symbol or id twice
    """
    symbols, seen = {}, set()
    for number, line in enumerate(read_lines(path), 1):
        fields = line.replace("\t", " ").split(" ")
        fields = [field for field in fields if field]
        if len(fields) != 2 or not fields[1].isascii() or not fields[1].isdigit():
            raise UserError(f"{path}:{number}", f"expected `symbol id`, found {line!r}")
        symbol, ident = fields[0], int(fields[1][:MAX_DIGITS + 1])
        if ident >= 10 ** MAX_DIGITS:
            raise UserError(f"{path}:{number}", f"{symbol} has the id {fields[1][:20]}, out of all "
                            "proportion", "number symbols from 0")
        if symbol in symbols or ident in seen:
            raise UserError(f"{path}:{number}", f"{symbol} or its id {ident} is here twice")
        symbols[symbol] = ident
        seen.add(ident)
    return symbols


def symbol_list(symbols):
    """The symbols as a list indexed by id; "" where an id is not used."""
    result = [""] * (max(symbols.values(), default=-1) + 1)
    for symbol, ident in symbols.items():
        result[ident] = symbol
    return result


class LangDir:
    """A lang directory, each file read when it is first asked for. Phones and words are ids."""

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_dir():
            raise UserError(path, "no such lang directory",
                            "make it with utils/lang/prepare_lang.py")

    @cached_property
    def phones(self):
        """{phone: id}, with <eps> and the disambiguation symbols."""
        return read_symbols(self.path / "phones.txt")

    @cached_property
    def words(self):
        """{word: id}, with <eps>, #0, <s>, </s>."""
        return read_symbols(self.path / "words.txt")

    @cached_property
    def phone_symbols(self):
        """Phones as a list indexed by id."""
        return symbol_list(self.phones)

    @cached_property
    def word_symbols(self):
        """Words as a list indexed by id."""
        return symbol_list(self.words)

    @cached_property
    def silence_phones(self):
        """Silence and noise phones, ids in the file's order."""
        return self._column("silence")

    @cached_property
    def nonsilence_phones(self):
        return self._column("nonsilence")

    @cached_property
    def context_indep(self):
        """Phones whose models do not look at their neighbours."""
        return self._column("context_indep")

    @cached_property
    def disambig(self):
        """Ids of #0, #1, ... among the phones."""
        return self._column("disambig")

    @cached_property
    def optional_silence(self):
        """Id of the phone that may stand between words."""
        return self._column("optional_silence")[0]

    @cached_property
    def sets(self):
        """Lists of phones that share a base phone: those which differ in position or stress."""
        return [self._ints(where, fields) for where, fields in self._rows("phones/sets.int")]

    @cached_property
    def roots(self):
        """[(shared, split, phones)]: the phones of each tree root, whether all HMM states share
        it (shared), and whether the tree may ask questions below it (split)."""
        result = []
        for where, fields in self._rows("phones/roots.int"):
            if len(fields) < 3 or fields[0] not in ("shared", "not-shared") \
                    or fields[1] not in ("split", "not-split"):
                raise UserError(where, "expected `shared|not-shared split|not-split phones`")
            result.append((fields[0] == "shared", fields[1] == "split",
                           self._ints(where, fields[2:])))
        return result

    @cached_property
    def extra_questions(self):
        """Lists of phones that the tree may ask about besides the questions it finds itself."""
        if not (self.path / "phones/extra_questions.int").is_file():
            return []
        return [self._ints(where, fields)
                for where, fields in self._rows("phones/extra_questions.int") if fields]

    @cached_property
    def word_boundary(self):
        """{phone: "begin" | "internal" | "end" | "singleton" | "nonword"}, {} if the phones do
        not depend on the position."""
        if not (self.path / "phones/word_boundary.int").is_file():
            return {}
        result = {}
        for where, fields in self._rows("phones/word_boundary.int"):
            if len(fields) != 2:
                raise UserError(where, "expected `phone-id begin|internal|end|singleton|nonword`")
            result[self._ints(where, fields[:1])[0]] = fields[1]
        return result

    @cached_property
    def align_lexicon(self):
        """{word: [phone tuples]} for utils/lang/word_align.py; word 0 is the optional silence."""
        result = {}
        for where, fields in self._rows("phones/align_lexicon.int"):
            ids = self._ints(where, fields)
            if len(ids) < 2:
                raise UserError(where, "expected `word word phones`")
            result.setdefault(ids[0], []).append(tuple(ids[2:]))
        return result

    @cached_property
    def oov(self):
        """The word that stands for every word not in words.txt."""
        rows = self._rows("oov.txt")
        if len(rows) != 1 or len(rows[0][1]) != 1:
            raise UserError(self.path / "oov.txt", "expected one word")
        return rows[0][1][0]

    @cached_property
    def oov_id(self):
        if self.oov not in self.words:
            raise UserError(self.path / "oov.txt", f"{self.oov} is not in words.txt")
        return self.words[self.oov]

    def word_ids(self, words):
        """Ids of words given as strings; those not in words.txt become oov_id."""
        return [self.words.get(word, self.oov_id) for word in words]

    def phone(self, ident):
        """A phone's symbol without its position: 5 -> AH for AH_B."""
        symbol = self.phone_symbols[ident]
        return symbol[:-2] if self.word_boundary and symbol[-2:] in ("_B", "_E", "_I", "_S") \
            else symbol

    def _rows(self, name):
        path = self.path / name
        return [(f"{path}:{number}", line.replace("\t", " ").split())
                for number, line in enumerate(read_lines(path), 1)]

    def _column(self, name):
        rows = self._rows(f"phones/{name}.int")
        if not rows or any(len(fields) != 1 for _, fields in rows):
            raise UserError(self.path / f"phones/{name}.int", "expected one phone id a line")
        return [self._ints(where, fields)[0] for where, fields in rows]

    def _ints(self, where, fields):
        try:
            return [int(field) for field in fields]
        except ValueError:
            raise UserError(where, f"expected ids, found {' '.join(fields)}") from None
