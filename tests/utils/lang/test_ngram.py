"""The estimator against a slow one from the paper, and against KenLM's lmplz."""

import shutil
import subprocess

import numpy as np
import pytest

from tests.utils.lang.kneser_ney import KneserNey, made_text
from utils.lang.arpa import ArpaModel
from utils.lang.grammar import history_mass
from utils.lang.lm_score import score_text
from utils.lang.lm_text import BOS, read_text
from utils.lang.ngram import (
    DEFAULT_DISCOUNTS,
    adjusted_counts,
    count_ngrams,
    estimate,
    find_discounts,
)

# Perplexities by KenLM (lmplz and query of kenlm 0.3.0) of made_text(100, 1) after training on
# made_text(800), without its two OOVs.
KENLM = {2: 73.12930528771263, 3: 53.57817496007694, 4: 51.79101012939127, 5: 51.05523905754554}


def write_text(path, sentences):
    path.write_text("".join(" ".join(sentence) + "\n" for sentence in sentences), "utf-8")
    return path


def train(path, order, min_counts=(), **options):
    text = read_text(path, **options)
    bos = text.words.index(BOS)
    levels = count_ngrams(text.tokens, len(text.words), order, bos)
    discounts, how = find_discounts(adjusted_counts(levels))
    return estimate(levels, text.words, bos, discounts, min_counts), how


def assert_normalised(model):
    """Every history's probabilities sum to 1, added up word by word."""
    words = [word for word in model.words if word != BOS]
    histories = [()]
    for order in range(1, model.order):
        ngrams = model.ngrams(order)
        histories += [tuple(model.words[i] for i in row) for row in ngrams[:: len(ngrams) // 7 + 1]]
    for history in [*histories, ("<s>", "never", "seen")]:
        assert sum(10 ** model.score(history, word) for word in words) == pytest.approx(1, abs=1e-5)
    mass = history_mass(model, np.ones(len(model.words), bool))
    assert mass == pytest.approx(np.ones(len(mass)), abs=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_agrees_with_the_paper(tmp_path, order):
    sentences = made_text(800)
    model, how = train(write_text(tmp_path / "text", sentences), order)
    assert set(how) == {"modified Kneser-Ney"}
    slow = KneserNey(sentences, order)
    for sentence in made_text(15, seed=2):
        history = ("<s>",)
        for word in [*sentence, "</s>"]:
            word = word if word in slow.vocab else "<unk>"
            assert 10 ** model.score(history, word) == pytest.approx(slow.prob(history, word), 2e-6)
            history += (word,)
    assert_normalised(model)


@pytest.mark.parametrize("order", sorted(KENLM))
def test_perplexity_is_kenlms(tmp_path, order):
    model, _ = train(write_text(tmp_path / "text", made_text(800)), order)
    scores = score_text(model, write_text(tmp_path / "test", made_text(100, 1)))
    assert scores.is_oov.sum() == 2
    mean = scores.logprob[~scores.is_oov].mean()
    assert 10 ** -mean == pytest.approx(KENLM[order], rel=1e-5)


def test_every_number_is_lmplzs(tmp_path):
    if not shutil.which("lmplz"):
        pytest.skip("KenLM's lmplz is not installed; test_perplexity_is_kenlms has its results")
    text = write_text(tmp_path / "text", made_text(800))
    arpa = subprocess.run(["lmplz", "-o", "3", "-S", "200M", "-T", str(tmp_path)], check=True,
                          input=text.read_bytes(), capture_output=True).stdout
    (tmp_path / "kenlm.arpa").write_bytes(arpa)
    theirs = ArpaModel.read(tmp_path / "kenlm.arpa")
    ours, _ = train(text, 3)
    ids = np.array([ours.ids[word] for word in theirs.words])
    for order in (1, 2, 3):
        ngrams = theirs.ngrams(order)
        rows = ours.rows(ids[ngrams])
        assert len(rows) == len(ours.levels[order - 1]) and (rows >= 0).all()
        told = ngrams[:, -1] != theirs.ids[BOS]
        for mine, other in [(ours.levels[order - 1].logprob, theirs.levels[order - 1].logprob),
                            (ours.levels[order - 1].backoff, theirs.levels[order - 1].backoff)]:
            assert mine[rows][told] == pytest.approx(other[told], abs=2e-6)


@pytest.mark.parametrize("sentences", [
    [["yes"]], [["yes"], ["no"]], [["zero"]] * 50 + [["one"]] * 50, [["a", "b", "a", "c"]],
    [["a"] * 30] * 9, [["a", "b", "c"], ["a", "b", "d"], ["a", "b", "c"]],
    [[f"w{i}"] for i in range(40)], made_text(20), made_text(60), made_text(948, num_words=9)])
@pytest.mark.parametrize("order", [1, 3, 5])
def test_small_texts_give_normalised_models(tmp_path, sentences, order):
    model, how = train(write_text(tmp_path / "text", sentences), order)
    assert model.order <= order and len(how) >= model.order
    for level in model.levels:
        assert np.isfinite(level.logprob).all() and np.isfinite(level.backoff).all()
        assert (level.logprob <= 0).all()
    assert_normalised(model)


def test_discounts_and_their_fallbacks():
    enough = np.repeat([1, 2, 3, 4, 5], [50, 20, 10, 5, 5])
    y = 50 / 90
    modified = (1 - 2 * y * 20 / 50, 2 - 3 * y * 10 / 20, 3 - 4 * y * 5 / 10)
    no_fours = np.repeat([1, 2, 3, 9], [50, 20, 10, 2])
    below_zero = np.repeat([1, 2, 3, 4], [50, 5, 40, 10])
    no_ones = np.array([2, 2, 7])
    values, how = find_discounts([enough, no_fours, below_zero, no_ones, no_ones])
    assert values[0] == pytest.approx(modified)
    assert values[1] == pytest.approx((50 / 90,) * 3)
    assert values[2] == pytest.approx((50 / 60,) * 3)
    assert values[3] == values[4] == values[2]
    assert how == ["modified Kneser-Ney", "absolute", "absolute", "of order 3", "of order 4"]
    assert find_discounts([no_ones, enough])[0][0] == pytest.approx(modified)
    assert find_discounts([no_ones, no_ones]) == ([DEFAULT_DISCOUNTS] * 2, ["default"] * 2)


def test_min_counts_leave_out_rare_ngrams_and_stay_normalised(tmp_path):
    text = write_text(tmp_path / "text", made_text(800))
    whole, _ = train(text, 4)
    model, _ = train(text, 4, min_counts=(1, 1, 2, 3))
    assert len(model.levels[1]) == len(whole.levels[1])
    counts = {}
    for sentence in made_text(800):
        padded = ["<s>", *sentence, "</s>"]
        for i in range(len(padded) - 2):
            ngram = tuple(padded[i:i + 3])
            counts[ngram] = counts.get(ngram, 0) + 1
    kept = {tuple(model.words[i] for i in row) for row in model.ngrams(3)}
    assert kept == {ngram for ngram, count in counts.items() if count >= 2}
    assert_normalised(model)


def test_skipped_words_break_ngrams_and_close_the_vocabulary(tmp_path):
    text = write_text(tmp_path / "text", [["a", "x", "b", "a", "b"], ["x", "b"], ["a", "b"]])
    model, _ = train(text, 3, vocab=["a", "b", "c"], unk=None)
    assert set(model.words) == {"a", "b", "c", "<s>", "</s>"}
    bigrams = {tuple(model.words[i] for i in row) for row in model.ngrams(2)}
    assert bigrams == {("<s>", "a"), ("b", "a"), ("a", "b"), ("b", "</s>")}
    assert np.isfinite(model.score((), "c"))
    assert_normalised(model)
