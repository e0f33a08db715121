"""Learning rates held against what their docstrings say."""

import math

import pytest

from steps.nnet.schedule import warmup_cosine, warmup_plateau


@pytest.mark.parametrize("rate", [warmup_cosine, lambda *a: warmup_plateau(*a, [])])
def test_warm_up_rises_evenly_to_the_peak(rate):
    rates = [rate(step, 100, 0.5, 0.01, 0.2) for step in range(21)]
    assert rates[:20] == pytest.approx([0.5 * (n + 1) / 20 for n in range(20)])
    assert rates[20] == pytest.approx(0.5)


def test_cosine_falls_to_the_final_rate():
    rates = [warmup_cosine(step, 101, 1.0, 0.1, 0.0) for step in range(1, 102)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1.0 and rates[-1] == pytest.approx(0.1)
    assert rates[50] == pytest.approx(0.55)                      # half way, half the fall
    assert rates[25] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)


def test_a_training_of_one_step():
    assert warmup_cosine(0, 1, 0.3, 0.1, 0.1) == pytest.approx(0.3)
    assert warmup_plateau(0, 1, 0.3, 0.1, 0.1, []) == pytest.approx(0.3)


@pytest.mark.parametrize("losses, halvings", [
    ([], 0),
    ([3, 2, 1], 0),
    ([3, 3], 0),                       # one epoch is waited for
    ([3, 3, 3], 1),
    ([3, 3, 3, 3], 1),                 # and again after the rate was halved
    ([3, 3, 3, 3, 3], 2),
    ([3, 3.5, 2, 2.5, 1], 0),          # better again in time
    ([3, 2.9999, 2.9998], 1),          # better by less than a thousandth is no better
    ([3, 3, 3, 2, 2, 2], 2),
    ([3] * 100, 4),                    # down to the final rate
])
def test_plateau_halves(losses, halvings):
    found = warmup_plateau(50, 100, 1.6, 0.1, 0.1, losses)
    assert found == pytest.approx(1.6 / 2 ** halvings)
