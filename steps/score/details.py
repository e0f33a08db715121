"""Tables of a scoring: per utterance, speaker and group, confusions, and .trn files for sclite."""

import numpy as np

from steps.score.bootstrap import interval, sums_by
from steps.score.wer import CORRECT, DEL, INS, SUB, Counts, error_line, paired, percent
from utils.data.tables import read_lines
from utils.step import UserError

KINDS = {CORRECT: "correction", SUB: "substitution", INS: "insertion", DEL: "deletion"}
LETTERS = {CORRECT: "C", SUB: "S", INS: "I", DEL: "D"}
COLUMNS = ["words", "ins", "del", "sub", "chars", "char_ins", "char_del", "char_sub"]


def per_utt(refs, hyps):
    """Kaldi's per_utt: four lines an utterance, words above each other.

    refs, hyps   {utt: list of words}
    """
    lines = []
    for utt, ref in refs.items():
        steps = paired(ref, hyps.get(utt, ()))
        rows = [["ref", "hyp", "op"]] + [[r or "***", h or "***", LETTERS[kind]]
                                         for kind, r, h in steps]
        widths = [max(map(len, row)) for row in rows]
        for line in range(3):
            cells = (row[line].ljust(width) for row, width in zip(rows, widths, strict=True))
            lines.append(f"{utt} {'  '.join(cells)}".rstrip())
        kinds = [kind for kind, _, _ in steps]
        lines.append(f"{utt} #csid {' '.join(str(kinds.count(k)) for k in LETTERS)}")
    return "".join(line + "\n" for line in lines)


def per_spk(counts, utt2spk):
    """Kaldi's per_spk: counts (raw) and percentages (sys) of each speaker and of all.

    counts   {utt: Counts}
    """
    names, sums = sums_by([utt2spk[utt] for utt in counts],
                          [[1, *c, c.errors > 0] for c in counts.values()])
    width = max([10, *map(len, names)])
    lines = [f"{'SPEAKER':<{width}} id  " + " ".join(f"{name:>10}" for name in (
        "#SENT", "#WORD", "Corr", "Sub", "Ins", "Del", "Err", "S.Err"))]
    for name, row in [*zip(names, sums, strict=True), ("SUM", sums.sum(0))]:
        sents, words, ins, dels, sub, wrong = (int(n) for n in row)
        kinds = [words - dels - sub, sub, ins, dels, ins + dels + sub]
        cells = [f"{n:>10}" for n in [sents, words, *kinds, wrong]]
        lines.append(f"{name:<{width}} raw {' '.join(cells)}")
        cells = [f"{n:>10}" for n in [sents, words]]
        cells += [f"{percent(*of):>10.2f}" for of in [*((n, words) for n in kinds), (wrong, sents)]]
        lines.append(f"{name:<{width}} sys {' '.join(cells)}")
    return "".join(line + "\n" for line in lines)


def per_group(counts, groups, name, seed=0):
    """A %WER line of each group with its interval over utterances, where it has several.

    counts   {utt: Counts}
    groups   {utt: group}
    name     what the groups are, such as accent
    seed     of the bootstrap
    """
    lines = []
    for group in sorted({groups[utt] for utt in counts}):
        rows = np.array([c for utt, c in counts.items() if groups[utt] == group])
        low, high = interval(rows[:, 1:].sum(1), rows[:, 0], seed=seed)
        line = error_line(Counts(*(int(n) for n in rows.sum(0))))
        spread = f"95 % {low:.2f} to {high:.2f}  " if len(rows) > 1 else ""
        lines.append(f"{line}  {spread}{name} {group}, {len(rows)} utterances\n")
    return "".join(lines)


def operations_table(operations):
    """Kaldi's ops: kind, ref word, hyp word, count; within a kind the most frequent first.

    operations   Counter of steps.score.wer.operations
    """
    rows = sorted(operations.items(),
                  key=lambda item: (KINDS[item[0][0]], -item[1], item[0][1], item[0][2]))
    return "".join(f"{KINDS[kind]}\t{ref or '***'}\t{hyp or '***'}\t{number}\n"
                   for (kind, ref, hyp), number in rows)


def trn(texts, utts):
    """sclite's transcripts, `words (utt)`; run sclite with -s, as case counts here."""
    return "".join(f"{' '.join([*texts.get(utt, ()), f'({utt})'])}\n" for utt in utts)


def kaldi_text(texts, utts):
    """Kaldi's `utt words`; without words where there is no text."""
    return "".join(f"{' '.join([utt, *texts.get(utt, ())])}\n" for utt in utts)


def utt_table(word_counts, char_counts, utt2spk):
    """Tab-separated counts of each utterance, under a line with the columns' names."""
    lines = ["\t".join(["utt", "spk", *COLUMNS])]
    for utt, words in word_counts.items():
        lines.append("\t".join([utt, utt2spk[utt], *map(str, words), *map(str, char_counts[utt])]))
    return "".join(line + "\n" for line in lines)


def read_utt_table(path):
    """utts, speakers (lists) and int64 (num_utts, 8) of utt_table.

    raises UserError for a file that is not there or damaged
    """
    utts, spks, counts = [], [], []
    for number, line in enumerate(read_lines(path)[1:], 2):
        utt, *row = line.split("\t")
        if len(row) != 1 + len(COLUMNS) or not all(n.isascii() and n.isdigit() for n in row[1:]):
            raise UserError(f"{path}:{number}", f"expected utt, spk and {len(COLUMNS)} counts",
                            "run steps/score/score.py --force")
        utts.append(utt)
        spks.append(row[0])
        counts.append(row[1:])
    return utts, spks, np.array(counts, np.int64).reshape(len(utts), len(COLUMNS))
