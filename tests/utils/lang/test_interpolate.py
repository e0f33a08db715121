"""interpolate.py from the command line."""

from pathlib import Path

import numpy as np
import pytest

from tests.utils.lang.kneser_ney import made_text
from utils.lang.arpa import ArpaModel
from utils.lang.grammar import history_mass
from utils.lang.interpolate import main
from utils.lang.lm_mix import mix, tune_weight
from utils.lang.train_ngram import main as train
from utils.step import UserError


@pytest.fixture
def models(tmp_path):
    """Paths of two models of different order and vocabulary, and of a text between them."""
    first = made_text(200)
    second = [["w1", "other", "w2"], ["another", "w3"], *made_text(150, 7, num_words=80)]
    texts = {"a": first, "b": second, "dev": made_text(20, 5) + made_text(20, 8, num_words=80)}
    for name, sentences in texts.items():
        (tmp_path / name).write_text("".join(" ".join(words) + "\n" for words in sentences))
    train(["--order", "3", str(tmp_path / "a"), str(tmp_path / "a.arpa")])
    train(["--order", "2", str(tmp_path / "b"), str(tmp_path / "b.arpa")])
    return [str(tmp_path / name) for name in ("a.arpa", "b.arpa", "dev", "mixed.arpa")]


def score(model, history, word):
    """A model's probability of a word; 0 if it lacks it."""
    return 10 ** model.score(history, word) if word in model.ids else 0.0


def test_listed_ngrams_are_mixed_and_all_is_normalised(models):
    a, b = (ArpaModel.read(path) for path in models[:2])
    main(["--weight", "0.3", models[0], models[1], models[3]])
    mixed = ArpaModel.read(models[3])
    assert set(mixed.words) == set(a.words) | set(b.words)
    for order in range(1, 4):
        listed = {tuple(mixed.words[i] for i in row) for row in mixed.ngrams(order)}
        either = {tuple(model.words[i] for i in row) for model in (a, b) if order <= model.order
                  for row in model.ngrams(order)}
        assert listed == either
        for ngram in sorted(listed)[::17]:
            if ngram != ("<s>",):
                expected = 0.3 * score(a, ngram[:-1], ngram[-1]) \
                    + 0.7 * score(b, ngram[:-1], ngram[-1])
                assert 10 ** mixed.score(ngram[:-1], ngram[-1]) == pytest.approx(expected, 1e-5)
    mass = history_mass(mixed, np.ones(len(mixed.words), bool))
    assert mass == pytest.approx(np.ones(len(mass)), abs=1e-5)
    words = [word for word in mixed.words if word != "<s>"]
    for history in [("<s>", "w1"), ("w2", "w3"), ("never", "seen"), ("w1", "other")]:
        assert sum(10 ** mixed.score(history, word) for word in words) == pytest.approx(1, abs=1e-5)


def test_a_model_mixed_with_itself_is_itself(models):
    a = ArpaModel.read(models[0])
    mixed = mix(a, a, 0.4)
    assert mixed.words == a.words
    for mine, other in zip(mixed.levels, a.levels, strict=True):
        assert mine.logprob == pytest.approx(other.logprob, abs=2e-7)
        assert mine.backoff == pytest.approx(other.backoff, abs=2e-5)


def test_weight_is_tuned_by_em(models, capfd):
    main(["--tune", models[2], *models[:2], models[3]])
    message = capfd.readouterr().err
    weight = float(message.split(": weight ")[1].split()[0])
    a, b = (ArpaModel.read(path) for path in models[:2])

    def log_likelihood(share):
        total = 0.0
        for line in Path(models[2]).read_text().splitlines():
            history = ("<s>",)
            for word in [*line.split(), "</s>"]:
                prob = share * score(a, history, word) + (1 - share) * score(b, history, word)
                total += np.log(prob) if prob else 0.0
                history += (word,)
        return total

    assert 0.05 < weight < 0.95
    best = log_likelihood(weight)
    assert best > log_likelihood(weight - 0.05) and best > log_likelihood(weight + 0.05)
    capfd.readouterr()
    main(["--tune", models[2], *models[:2], models[3]])
    assert "up to date" in capfd.readouterr().err


def test_em_on_known_mixtures():
    rng = np.random.default_rng(0)
    first, second = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    tokens = rng.choice(3, 20000, p=0.25 * first + 0.75 * second)
    weight, ppl = tune_weight(first[tokens], second[tokens])
    assert weight == pytest.approx(0.25, abs=0.03)
    true = np.log(0.25 * first + 0.75 * second)[tokens]
    assert ppl == pytest.approx(np.exp(-true.mean()), 1e-3)


@pytest.mark.parametrize("options, message", [
    ([], "one of --weight and --tune"), (["--weight", "1.5"], "--weight: must be between"),
    (["--weight", "0.5", "--tune", "x"], "one of"), (["--tune", "none"], "none: no such file")])
def test_mistakes(models, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        main([*options, *models[:2], str(tmp_path / "out" / "arpa")])
    assert not (tmp_path / "out").exists()
    before = Path(models[0]).read_bytes()
    with pytest.raises(UserError, match="is both source and destination"):
        main(["--weight", "0.5", *models[:2], f"{Path(models[0]).parent}/./{Path(models[0]).name}"])
    assert Path(models[0]).read_bytes() == before
