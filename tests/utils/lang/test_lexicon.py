import pytest

from utils.lang.lexicon import (
    Entry,
    add_disambig,
    mark_positions,
    read_lexicon,
    read_source_lexicon,
    scan_lexicon,
)
from utils.step import UserError


def entries(*lines):
    return [Entry(line.split()[0], 1.0, tuple(line.split()[1:])) for line in lines]


def pronunciations(found):
    return [" ".join((e.word, *e.phones)) for e in found]


def test_disambiguation_symbols_as_kaldis():
    # Homophones count up, a prefix of a longer pronunciation gets one, unique ones none; the
    # numbers start again for each pronunciation.
    found, highest = add_disambig(entries("a A", "bee B IY", "be B IY", "b B IY", "beat B IY T",
                                          "ab A B", "see S IY", "c S IY", "tea T IY"))
    assert pronunciations(found) == [
        "a A #1", "bee B IY #1", "be B IY #2", "b B IY #3", "beat B IY T", "ab A B",
        "see S IY #1", "c S IY #2", "tea T IY"]
    assert highest == 3


def test_no_disambiguation_needed():
    assert add_disambig(entries("a A", "b B")) == (entries("a A", "b B"), 0)


def test_positions():
    assert pronunciations(mark_positions(entries("a A", "ab A B", "cats C A T S"))) == [
        "a A_S", "ab A_B B_E", "cats C_B A_I T_I S_E"]


def test_probabilities(tmp_path):
    path = tmp_path / "lexiconp.txt"
    path.write_text("a 1.0 A\na\t0.25\tB  C\n")
    assert read_lexicon(path, 1) == [Entry("a", 1.0, ("A",)), Entry("a", 0.25, ("B", "C"))]


@pytest.mark.parametrize(("line", "num_probs", "match"), [
    ("a", 0, "a has no pronunciation"),
    ("", 0, "empty line"),
    ("<eps> A", 0, "<eps> may not be"),
    ("<s> A", 0, "<s> may not be"),
    ("#0 A", 0, "#0 may not be"),
    ("a 0 A", 1, "0 is not a probability"),
    ("a 1.5 A", 1, "1.5 is not a probability"),
    ("a nan A", 1, "nan is not a probability"),
    ("a x A", 1, "x is not a probability"),
    ("a 0.5", 1, "a has no pronunciation"),
    ("first F", 0, "stands in line 1"),
])
def test_bad_lines(tmp_path, line, num_probs, match):
    path = tmp_path / "lexicon.txt"
    path.write_text(f"first {'1.0 ' * num_probs}F\n{line}\n")
    _, problems = scan_lexicon(path, num_probs)
    assert [p.where for p in problems] == [f"{path}:2"]
    with pytest.raises(UserError, match=rf"lexicon\.txt:2: .*{match}"):
        read_lexicon(path, num_probs)


def test_cmudict(tmp_path):
    path = tmp_path / "cmudict"
    path.write_text(";;; comment\n!EXCLAMATION  EH2 K S\r\nREAD  R EH1 D\nREAD(2)  R IY1 D\n"
                    "aalborg AO1 L # place, danish\nf(2) EH1 F\nREAD(3)  R EH2 D\n")
    found, notes = read_source_lexicon(path)
    assert pronunciations(found) == [
        "!EXCLAMATION EH2 K S", "READ R EH1 D", "READ R IY1 D", "aalborg AO1 L", "f(2) EH1 F",
        "READ R EH2 D"]
    assert notes == [f"{path}: 2 lines WORD(n) are variants of WORD"]
    found, notes = read_source_lexicon(path, case="lower", drop_stress=True)
    assert pronunciations(found)[1:3] == ["read R EH D", "read R IY D"]
    assert notes[1] == f"{path}: 1 pronunciations are repeated, each kept once"


def test_probabilities_are_recognised_or_told(tmp_path):
    path = tmp_path / "lexicon"
    path.write_text("a 0.5 A\nb 1 B\n")
    assert [e.prob for e in read_source_lexicon(path)[0]] == [0.5, 1.0]
    assert read_source_lexicon(path, "false")[0][1].phones == ("1", "B")
    path.write_text("a 1\nb 1 B\n")
    assert read_source_lexicon(path)[0] == entries("a 1", "b 1 B")
    with pytest.raises(UserError, match=r"lexicon:1: a has no pronunciation"):
        read_source_lexicon(path, "true")
    for line, what in (("c 0 C", "c: 0 is not"), ("c C", "c: C is not"), ("c 1.2 C", "c: 1.2 is")):
        path.write_text(f"a 0.5 A\n{line}\n")   # not phones of these names
        with pytest.raises(UserError, match=f"lexicon:2: {what}"):
            read_source_lexicon(path)


def test_white_space_inside_a_word(tmp_path):
    path = tmp_path / "lexicon"
    path.write_text("a A\nb\u00a0c B\n", "utf-8")
    with pytest.raises(UserError, match=r"lexicon:2:2: U\+00A0"):
        read_source_lexicon(path)
