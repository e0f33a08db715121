"""The grammar G.fst of an n-gram model, and what becomes of the model in it."""

import math
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from utils.lang.arpa import NEVER
from utils.lang.lm_text import BOM, BOS, open_text
from utils.step import UserError


def arpa_to_fst(arpa, words_txt, fst):
    """Write G.fst as Kaldi's arpa2fst --disambig-symbol=#0 does: back-off arcs read #0, <s> and
    </s> leave no symbol, n-grams with words that words.txt lacks are dropped, sorted by input."""
    import kaldifst
    import kaldilm

    with tempfile.TemporaryDirectory(dir=Path(fst).parent) as work:
        plain = Path(work) / "arpa"
        with plain.open("wb") as file:
            file.writelines(_plain_lines(arpa))
        messages = Path(work) / "messages"
        try:
            with _stderr_to(messages):
                kaldilm.arpa2fst(str(plain), str(fst), disambig_symbol="#0",
                                 read_symbol_table=str(words_txt), max_arpa_warnings=0)
        except RuntimeError as error:
            last = messages.read_text("utf-8", "replace").strip().split("\n")[-1]
            raise UserError(arpa, f"kaldilm could not read it: {error}; {last}") from None
    grammar = kaldifst.StdVectorFst.read(str(fst))
    if grammar is None or grammar.start < 0 or grammar.num_states == 0:
        raise UserError(arpa, f"gives an empty grammar with {words_txt}",
                        f"do they share words, and has the model {BOS}?")
    return grammar


def _plain_lines(arpa):
    """The lines of a model as kaldilm takes them: it ends the process where there is -inf, a weight
    of the longest n-grams or a space before a \\, and a CR is to it a part of the word."""
    longest = order = 0
    with open_text(arpa) as file:
        for line in file:
            if line[:1] in (b"-", b"0") and b"\r" not in line and b"inf" not in line.lower() \
                    and line.count(b"\t") + line.count(b" ") <= order + (order < longest):
                yield line   # nearly all are
                continue
            fields = line.removeprefix(BOM).split()
            if fields and fields[0][:1] == b"\\":
                order += fields[0].endswith(b"-grams:")
                longest = longest if order else 0   # what stands before \\data\\ is a comment
            elif order:
                fields = fields[:order + 1] if order == longest else fields
                if b"inf" in line.lower():
                    fields[::order + 1] = [b"%g" % NEVER if float(field) == -math.inf else field
                                           for field in fields[::order + 1]]
            elif fields and fields[0] == b"ngram":
                longest += 1
            yield b" ".join(fields) + b"\n"


@contextmanager
def _stderr_to(path):
    """kaldilm's C++ writes progress straight to file descriptor 2."""
    saved = os.dup(2)
    try:
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def without_words(model, known):
    """Which n-grams use only words of a set.

    known     bool (num_words,)
    returns   list of bool (num_ngrams,), one for each order
    """
    keep = [known]
    for level in model.levels[1:]:
        keep.append(keep[-1][level.context] & known[level.word])
    return keep


def history_mass(model, known):
    """The sum of p(w | h) over the words of a set, backing off, for every history of such words.

    known     bool (num_words,)
    returns   float64 (num_histories + 1,), the empty history's first: 1 all over for a model
              that is normalised, if the set is all of its words
    """
    keep = without_words(model, known)
    predicted = known.copy()
    if BOS in model.ids:
        predicted[model.ids[BOS]] = False
    prob = 10.0 ** model.levels[0].logprob
    empty = float(prob[predicted].sum())
    masses = []     # of the n-grams of each order as histories
    for order in range(2, model.order + 1):
        below, level = model.levels[order - 2], model.levels[order - 1]
        count = len(below)
        listed = np.bincount(level.context, keep[order - 1] * 10.0 ** level.logprob, count)
        lower = 10.0 ** model.log_probs(model.ngrams(order)[:, 1:])
        lower = np.bincount(level.context, keep[order - 1] * lower, count)
        shorter = np.full(count, empty)
        histories = model.ngrams(order - 1)
        for length in range(1, order - 1):
            row = model.rows(histories[:, -length:])
            shorter = np.where(row >= 0, masses[length - 1][row], shorter)
        masses.append(listed + 10.0 ** below.backoff * (shorter - lower))
    kept = [mass[keep[n] & (model.num_children(n + 1) > 0)] for n, mass in enumerate(masses)]
    return np.concatenate([[empty], *kept])
