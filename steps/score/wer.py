"""Alignment of words, and the counts and lines of Kaldi's compute-wer.

Two alignments are in use, and neither is the other's special case:

KALDI   substitution, insertion and deletion each cost 1, so the total is the least number of
        errors there can be. WER in this repository means this one, as in Kaldi.
SCLITE  they cost 4, 3 and 3, so that a deletion and an insertion around a correct word win over
        two substitutions. The split into kinds is the more telling one, and the total is now
        and then higher: five substitutions (20) lose to three deletions and three insertions (18).

Ties are broken as the two programs break them, so the split into kinds agrees with theirs too.
"""

import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.json_file import read_json
from utils.step import UserError

CORRECT, SUB, DEL, INS = range(4)
KALDI = (1, 1, 1)
SCLITE = (4, 3, 3)
ERRORS = re.compile(r"%[WC]ER \S+ \[ (\d+) / \d+,")


class Counts(NamedTuple):
    """Errors of one utterance or of many: counts of ref words, and of each kind of error."""

    words: int = 0
    ins: int = 0
    dels: int = 0
    sub: int = 0

    @property
    def errors(self):
        return self.ins + self.dels + self.sub

    def plus(self, other):
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))


def align(ref, hyp, costs=KALDI):
    """The kind of each step of the alignment of two sequences, first to last.

    ref, hyp   sequences of hashable tokens
    costs      KALDI or SCLITE
    returns    uint8 (num_steps,) of CORRECT, SUB, DEL, INS
    """
    ids = {}
    ref_ids = np.array([ids.setdefault(token, len(ids)) for token in ref], np.int32)
    hyp_ids = np.array([ids.setdefault(token, len(ids)) for token in hyp], np.int32)
    return _kernel()(ref_ids, hyp_ids, *costs, costs == KALDI)


def count(ref, hyp, costs=KALDI):
    """Counts of one pair of token sequences."""
    kinds = np.bincount(align(ref, hyp, costs), minlength=4)
    return Counts(len(ref), int(kinds[INS]), int(kinds[DEL]), int(kinds[SUB]))


def count_all(refs, hyps, costs=KALDI):
    """{utt: Counts} over the utterances of refs; one without a hypothesis is all deletions.

    refs, hyps   {utt: list of tokens}
    """
    return {utt: count(ref, hyps.get(utt, ()), costs) for utt, ref in refs.items()}


def total(counts):
    """The sum of some Counts."""
    return Counts(*(int(n) for n in np.array(list(counts), np.int64).reshape(-1, 4).sum(0)))


def characters(words):
    """The characters of some words, as Kaldi's score_kaldi_cer.sh counts them.

    Code points of the NFC form, no space between words; <tags>, [tags] and !SIL stay whole.
    """
    tokens = []
    for word in words:
        whole = (word[0], word[-1]) in {("<", ">"), ("[", "]")} or word == "!SIL"
        tokens.extend([word] if whole else unicodedata.normalize("NFC", word))
    return tokens


def characters_and_spaces(words):
    """As characters, with a space between words counted like a letter."""
    tokens = []
    for word in words:
        tokens.extend([" "] * bool(tokens) + characters([word]))
    return tokens


def percent(errors, number):
    """100 errors / number in single precision, as compute-wer prints it; nan where number is 0."""
    return np.float32(100.0 * errors / number) if number else np.float32("nan")


def error_line(counts, name="WER"):
    """%WER 31.20 [ 312 / 1000, 40 ins, 92 del, 180 sub ]"""
    return (f"%{name} {percent(counts.errors, counts.words):.2f} "
            f"[ {counts.errors} / {counts.words}, {counts.ins} ins, {counts.dels} del, "
            f"{counts.sub} sub ]")


def report(counts, num_missing, name="WER"):
    """The three lines of compute-wer: errors, sentences with errors, sentences scored.

    counts        {utt: Counts}
    num_missing   how many of them have no hypothesis
    """
    wrong = sum(c.errors > 0 for c in counts.values())
    return (f"{error_line(total(counts.values()), name)}\n"
            f"%SER {percent(wrong, len(counts)):.2f} [ {wrong} / {len(counts)} ]\n"
            f"Scored {len(counts)} sentences, {num_missing} not present in hyp.\n")


def read_errors(path):
    """The number of errors of a wer_* or cer_* file; UserError for one that is damaged."""
    found = ERRORS.match(path.read_text("utf-8", "replace"))
    if not found:
        raise UserError(f"{path}:1", "is no line of errors", "run steps/score/score.py --force")
    return int(found[1])


def operations(refs, hyps, costs=KALDI):
    """Counter of (kind, ref word or "", hyp word or "") over all utterances."""
    found = Counter()
    for utt, ref in refs.items():
        for kind, r, h in paired(ref, hyps.get(utt, ()), costs):
            found[kind, r, h] += 1
    return found


def paired(ref, hyp, costs=KALDI):
    """[(kind, ref word or "", hyp word or "")] along the alignment of two lists of words."""
    refs, hyps = iter(ref), iter(hyp)
    return [(int(kind), "" if kind == INS else next(refs), "" if kind == DEL else next(hyps))
            for kind in align(ref, hyp, costs)]


def _kernel():
    from steps.score.edit_distance import align_ids
    return align_ids


def read_summary(decode):
    """The object in a scored decode directory's scoring/summary.json."""
    return read_json(Path(decode) / "scoring/summary.json", "run steps/score/score.py",
                     "not scored yet")
