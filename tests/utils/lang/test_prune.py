"""prune.py and the divergence that it goes by."""

import numpy as np
import pytest

from tests.utils.lang.kneser_ney import made_text
from utils.lang.arpa import ArpaModel, Level
from utils.lang.grammar import history_mass
from utils.lang.lm_mix import renormalise
from utils.lang.lm_prune import perplexity_rise, prune
from utils.lang.prune import main
from utils.lang.train_ngram import main as train
from utils.step import UserError


@pytest.fixture
def arpa(tmp_path):
    sentences = made_text(60, num_words=20)
    (tmp_path / "text").write_text("".join(" ".join(words) + "\n" for words in sentences))
    train(["--order", "3", str(tmp_path / "text"), str(tmp_path / "3.arpa")])
    return tmp_path / "3.arpa"


def without(model, order, row):
    """The model without one n-gram of the highest order, normalised."""
    keep = np.arange(len(model.levels[order - 1])) != row
    levels = [Level(x.context, x.word, x.logprob, x.backoff.copy()) for x in model.levels[:order]]
    top = levels[-1]
    levels[-1] = Level(top.context[keep], top.word[keep], top.logprob[keep], top.backoff[keep])
    result = ArpaModel(model.words, levels)
    renormalise(result)
    return result


def test_rise_is_that_of_really_removing_the_ngram(arpa):
    model = ArpaModel.read(arpa)
    renormalise(model)
    words = [word for word in model.words if word != "<s>"]
    rises = perplexity_rise(model, 3, model)
    ngrams = model.ngrams(3)
    for row in range(0, len(ngrams), len(ngrams) // 12):
        first, second = (model.words[i] for i in ngrams[row, :2])
        smaller = without(model, 3, row)
        prob = 10 ** model.score((first,), second)
        if first != "<s>":
            prob *= 10 ** model.score((), first)
        divergence = sum(
            10 ** model.score((first, second), word) * np.log(10)
            * (model.score((first, second), word) - smaller.score((first, second), word))
            for word in words)
        assert rises[row] == pytest.approx(np.exp(prob * divergence) - 1, rel=2e-3, abs=2e-8)


def test_what_is_kept_and_that_it_is_normalised(arpa):
    model = ArpaModel.read(arpa)
    sizes = [len(model.levels[1]) + len(model.levels[2])]
    for threshold in (1e-5, 1e-4, 1e-3):
        pruned = prune(model, threshold)
        rises = perplexity_rise(model, 3, model)
        rows = {tuple(row) for row in pruned.ngrams(3)} if pruned.order == 3 else set()
        assert rows == {tuple(row) for row in model.ngrams(3)[rises >= threshold]}
        mass = history_mass(pruned, np.ones(len(pruned.words), bool))
        assert mass == pytest.approx(np.ones(len(mass)), abs=1e-5)
        sizes.append(sum(map(len, pruned.levels[1:])))
    assert sizes == sorted(set(sizes), reverse=True)
    assert model.levels[1].backoff.any() and prune(model, 1e9).order == 1


def test_options_keep_short_ngrams_and_ask_another_model(arpa):
    model = ArpaModel.read(arpa)
    assert len(prune(model, 1e9, min_order=3).levels[1]) == len(model.levels[1])
    other = prune(model, 1e-3)
    assert not np.allclose(perplexity_rise(model, 3, model), perplexity_rise(model, 3, other))


def test_command_line(arpa, tmp_path, capfd):
    small = tmp_path / "lm" / "small.arpa.gz"
    options = ["--threshold", "1e-4", str(arpa), str(small)]
    assert main(options) == 0
    assert sum(map(len, ArpaModel.read(small).levels)) < sum(map(len, ArpaModel.read(arpa).levels))
    capfd.readouterr()
    assert main(options) == 0
    assert "up to date" in capfd.readouterr().err
    with pytest.raises(UserError, match="--threshold: must be above 0"):
        main(["--threshold", "0", str(arpa), str(tmp_path / "none" / "arpa")])
    with pytest.raises(UserError, match="is both source and destination"):
        main(["--threshold", "1", str(arpa), str(arpa)])
    assert not (tmp_path / "none").exists()
