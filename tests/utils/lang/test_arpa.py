"""ARPA files: what is read, scored and written."""

import gzip
import math

import numpy as np
import pytest

from utils.lang.arpa import ArpaModel
from utils.step import UserError

# Unigrams of a, b and </s>, and not all bigrams; numbers with more and fewer digits than ours.
SMALL = """a comment

\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-99\t<s>\t-0.301030
-0.60206\t</s>
-0.4771212547\ta\t-0.1760913
-0.9\tb\t-0.25
-1.5\t<unk>

\\2-grams:
-0.39794\t<s> a\t-0.1
-0.5\ta b\t-0.2
-0.7\tb b
-0.2\tb </s>

\\3-grams:
-0.12\t<s> a b
-0.3\ta b </s>

\\end\\
"""


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.arpa").write_text(SMALL)
    return tmp_path / "small.arpa"


def test_score_backs_off(small):
    model = ArpaModel.read(small)
    assert model.order == 3
    assert model.score(("<s>", "a"), "b") == -0.12
    assert model.score(("b", "a"), "b") == -0.5                      # b a is no history
    assert model.score(("<s>", "a"), "a") == pytest.approx(-0.1 - 0.1760913 - 0.4771212547)
    assert model.score(("a", "b"), "b") == pytest.approx(-0.2 - 0.7)
    assert model.score((), "a") == -0.4771212547
    assert model.score(("b",) * 9 + ("<s>", "a"), "b") == -0.12      # only the end counts
    assert model.score(("<s>", "a"), "zebra") == pytest.approx(-0.1 - 0.1760913 - 1.5)
    assert model.score(("zebra",), "a") == -0.4771212547


def test_unknown_words_are_impossible_without_unk(tmp_path):
    (tmp_path / "a").write_text(SMALL.replace("-1.5\t<unk>\n", "").replace("1=5", "1=4"))
    assert ArpaModel.read(tmp_path / "a").score((), "zebra") == -math.inf


def test_log_probs_are_those_of_score(small):
    model = ArpaModel.read(small)
    rng = np.random.default_rng(0)
    ngrams = rng.integers(0, 5, (200, 4))
    expected = [model.score(tuple(model.words[i] for i in row[:-1]), model.words[row[-1]])
                for row in ngrams]
    assert model.log_probs(ngrams) == pytest.approx(expected)


def test_state_is_the_shortest_history_with_the_same_future(small):
    model = ArpaModel.read(small)
    assert model.state(("<s>", "a")) == ("<s>", "a")
    assert model.state(("b", "b", "a", "b")) == ("a", "b")
    assert model.state(("a", "b", "b")) == ("b",)        # b b has no followers, no back-off weight
    assert model.state(("b", "</s>")) == ()
    assert model.state(("zebra",)) == () == model.state(())
    words = ["a", "b", "<s>", "</s>", "zebra"]
    for first in words:
        for second in words:
            state = model.state((first, second))
            for word in words:
                assert model.score(state, word) == pytest.approx(model.score((first, second), word))


@pytest.mark.parametrize("name", ["copy.arpa", "copy.arpa.gz"])
def test_numbers_are_the_same_after_writing_and_reading(small, tmp_path, name):
    model = ArpaModel.read(small)
    model.write(tmp_path / name)
    copy = ArpaModel.read(tmp_path / name)
    assert copy.words == model.words and copy.order == model.order
    for mine, other in zip(model.levels, copy.levels, strict=True):
        for field in ("context", "word", "logprob", "backoff"):
            assert np.array_equal(getattr(mine, field), getattr(other, field))
    first = (tmp_path / name).read_bytes()
    copy.write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == first
    if name.endswith("gz"):
        assert gzip.decompress(first).startswith(b"\\data\\\nngram 1=5\n")


def test_ngrams_without_their_history_are_left_out_and_counted(tmp_path):
    (tmp_path / "a").write_text(SMALL.replace("-0.12\t<s> a b", "-0.12\tb a b"))
    model = ArpaModel.read(tmp_path / "a")
    assert model.skipped == 1 and len(model.levels[2]) == 1


@pytest.mark.parametrize("old, new, line, what", [
    ("\\data\\", "\\dat\\", r"\d+", r"ends before .data.* begins with it"),
    ("-0.9\tb", "-0.9\tb\0", 12, "zero byte"),
    ("ngram 2=4", "ngram 3=4", 5, "expected `ngram 2=`"),
    ("-0.9\tb", "-0.9x\tb", 12, "is no number"),
    ("-0.9\tb", "nan\tb", 12, "is no number"),
    ("-0.9\tb", "0.9\tb", 12, "above 0"),
    ("-0.9\tb\t-0.25", "-0.9 b -0.25 c", 12, "expected a log probability"),
    ("-0.9\tb", "-0.9\ta", 12, "a is here twice"),
    ("-0.7\tb b", "-0.7\tb c", 18, "c is not among the unigrams"),
    ("-0.7\tb b", "-0.7\ta b", 18, "a b is here twice"),
    ("-0.7\tb b\n", "", 20, "before as many 2-grams"),
    ("ngram 3=2", "ngram 3=1", 23, r"expected \\end"),
    ("\\end\\\n", "", r"\d+", "ends before"),
    ("-0.3\ta b </s>\n\n\\end\\\n", "", r"\d+", "ends among the 3-grams"),
])
def test_malformed_files_are_named_with_the_line(tmp_path, old, new, line, what):
    assert old in SMALL
    (tmp_path / "bad.arpa").write_text(SMALL.replace(old, new, 1))
    with pytest.raises(UserError, match=f"bad.arpa:{line}: .*{what}"):
        ArpaModel.read(tmp_path / "bad.arpa")


def test_no_such_file(tmp_path):
    with pytest.raises(UserError, match=r"none\.arpa: no such file"):
        ArpaModel.read(tmp_path / "none.arpa")


def test_counts_of_none(tmp_path):
    text = SMALL[:SMALL.index("\\2-grams:")].replace("ngram 2=4", "ngram 2=0").replace(
        "ngram 3=2", "ngram 3=0") + "\\2-grams:\n\n\\3-grams:\n\n\\end\\\n"
    (tmp_path / "none.arpa").write_text(text)
    model = ArpaModel.read(tmp_path / "none.arpa")
    ngrams = [("<s>", "a", "b"), ("b", "b", "a"), ("a", "b", "</s>")]
    found = model.log_probs(np.array([[model.ids[word] for word in ngram] for ngram in ngrams]))
    np.testing.assert_allclose(found, [model.score(ngram[:2], ngram[2]) for ngram in ngrams])


def test_a_damaged_gzip_is_named(tmp_path):
    whole = gzip.compress(SMALL.encode())
    for data in (whole[:-12], b"\\data\\\n", whole[:40] + b"x" + whole[41:]):
        (tmp_path / "bad.arpa.gz").write_bytes(data)
        with pytest.raises(UserError, match=r"bad.arpa.gz(:\d+)?: "):
            ArpaModel.read(tmp_path / "bad.arpa.gz")
