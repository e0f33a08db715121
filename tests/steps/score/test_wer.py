"""Word errors against Kaldi's algorithm written out plainly, rapidfuzz, and sclite itself."""

import random
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from steps.score.wer import (
    DEL,
    INS,
    KALDI,
    SCLITE,
    SUB,
    Counts,
    align,
    characters,
    characters_and_spaces,
    count,
    count_all,
    error_line,
    operations,
    paired,
    report,
    total,
)
from utils.step import ROOT

SCTK = shutil.which("sctk") or shutil.which("sclite")


def random_pairs(number, seed=0):
    """Pairs of word sequences over few words, so that alignments are full of ties."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(number):
        words = "abcdefghi"[:rng.choice([3, 5, 9])]
        pairs.append(([rng.choice(words) for _ in range(rng.randint(1, 12))],
                      [rng.choice(words) for _ in range(rng.randint(0, 12))]))
    return pairs


def kaldi_counts(ref, hyp):
    """LevenshteinEditDistance of Kaldi's util/edit-distance-inl.h, line by line."""
    e = [(i, 0, i, 0) for i in range(len(ref) + 1)]   # total cost, ins, del, sub
    for h in hyp:
        cur = [(e[0][0] + 1, e[0][1] + 1, e[0][2], e[0][3])]
        for i, r in enumerate(ref, 1):
            ins_err, del_err = e[i][0] + 1, cur[i - 1][0] + 1
            sub_err = e[i - 1][0] + (h != r)
            if sub_err < ins_err and sub_err < del_err:
                _, ins, dels, sub = e[i - 1]
                cur.append((sub_err, ins, dels, sub + (h != r)))
            elif del_err < ins_err:
                _, ins, dels, sub = cur[i - 1]
                cur.append((del_err, ins, dels + 1, sub))
            else:
                _, ins, dels, sub = e[i]
                cur.append((ins_err, ins + 1, dels, sub))
        e = cur
    return Counts(len(ref), *e[-1][1:])


def test_counts_are_compute_wers():
    for ref, hyp in random_pairs(800):
        assert count(ref, hyp) == kaldi_counts(ref, hyp), (ref, hyp)


def test_total_is_the_edit_distance():
    for ref, hyp in random_pairs(500, seed=1):
        assert count(ref, hyp).errors == Levenshtein.distance(ref, hyp)


@pytest.mark.parametrize("costs", [KALDI, SCLITE])
def test_alignment_spells_both_sequences(costs):
    for ref, hyp in random_pairs(200, seed=2):
        steps = paired(ref, hyp, costs)
        assert [r for _, r, _ in steps if r] == ref
        assert [h for _, _, h in steps if h] == hyp
        assert all((kind == SUB) == (r != h) for kind, r, h in steps if r and h)


def test_the_two_alignments_differ_where_expected():
    ref, hyp = list("xab"), list("aby")
    assert count(ref, hyp) == count(ref, hyp, SCLITE) == Counts(3, 1, 1, 0)
    # Fewest errors: five substitutions; sclite keeps the a and the b.
    ref, hyp = list("abpqr"), list("tuvab")
    assert count(ref, hyp) == Counts(5, 0, 0, 5)
    assert count(ref, hyp, SCLITE) == Counts(5, 3, 3, 0)


@pytest.mark.skipif(not SCTK, reason="sclite is not installed (Debian package sctk)")
def test_sclite_agrees_utterance_by_utterance(tmp_path):
    pairs = random_pairs(1500, seed=3)
    for name, side in (("ref", 0), ("hyp", 1)):
        (tmp_path / name).write_text("".join(
            f"{' '.join(pair[side])} (s-{i})\n" for i, pair in enumerate(pairs)))
    command = [SCTK, *(["sclite"] if SCTK.endswith("sctk") else []), "-r", tmp_path / "ref", "trn",
               "-h", tmp_path / "hyp", "trn", "-i", "spu_id", "-s", "-o", "pra", "stdout"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"id: \(s-(\d+)\)\nScores: \(#C #S #D #I\) \d+ (\d+) (\d+) (\d+)", text)
    assert len(found) == len(pairs)
    for i, sub, dels, ins in (map(int, row) for row in found):
        assert count(*pairs[i], SCLITE) == Counts(len(pairs[i][0]), ins, dels, sub), pairs[i]


def test_lines_are_kaldis():
    assert error_line(Counts(1000, 40, 92, 180)) == \
        "%WER 31.20 [ 312 / 1000, 40 ins, 92 del, 180 sub ]"
    refs = {"u1": ["a", "b"], "u2": ["c"], "u3": ["d"]}
    counts = count_all(refs, {"u1": ["a", "b"], "u2": ["c", "c"]})
    assert report(counts, 1) == ("%WER 50.00 [ 2 / 4, 1 ins, 1 del, 0 sub ]\n"
                                 "%SER 66.67 [ 2 / 3 ]\n"
                                 "Scored 3 sentences, 1 not present in hyp.\n")
    assert "nan" in error_line(Counts())
    assert total([]) == Counts()


def test_operations_count_each_confusion():
    found = operations({"u": ["a", "b", "c"], "v": ["a"]}, {"u": ["a", "x", "c", "d"]})
    assert found[SUB, "b", "x"] == 1 and found[INS, "", "d"] == 1 and found[DEL, "a", ""] == 1
    assert sum(found.values()) == 5


def test_characters():
    assert characters(["né", "<unk>", "[noise]", "ab"]) == ["n", "é", "<unk>", "[noise]",
                                                                   "a", "b"]
    assert characters_and_spaces(["ab", "c"]) == ["a", "b", " ", "c"]


def test_empty_sequences():
    assert align([], []).tolist() == []
    assert align(["a"], []).tolist() == [DEL]
    assert np.array_equal(align([], ["a", "b"]), [INS, INS])


def test_memory_of_a_long_utterance():
    """A byte for each pair of characters: of 6000 by 6000, some ten minutes of speech, 36 MB."""
    found = subprocess.run([sys.executable, "-c", """
import resource
from steps.score.wer import count
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count("a", "b")
before = peak()
count("ab" * 3000, "ba" * 3000)
print(peak() - before)"""], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    assert int(found.stdout) * 1024 < 100e6
