import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from steps.report.charts import HEIGHT, NUM_COLOURS, WIDTH, line_chart, marker, scale, ticks


@pytest.mark.parametrize("low, high, expected", [
    (0, 10, [0, 2, 4, 6, 8, 10]), (0, 31.2, [0, 10, 20, 30, 40]), (1.4, 2.33, None),
    (0.001, 0.002, None), (5, 5, None), (0, 0, None)])
def test_ticks_are_round_and_enclose(low, high, expected):
    found = ticks(low, high)
    assert found == expected or expected is None
    assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 8
    steps = {round(b - a, 9) for a, b in pairwise(found)}
    assert len(steps) == 1


def test_scale_goes_through_both_ends():
    to = scale(10, 20, 100, 0)
    assert (to(10), to(15), to(20)) == (100, 50, 0)
    assert scale(1, 1, 0, 5)(1) == 0


@pytest.mark.parametrize("log_x", [False, True])
def test_points_lie_within_the_picture(log_x):
    curve = [(5, 60.0, 55.0, 64.0), (50, 30.0, 29.0, 31.0), (500, 12.5, 12.5, 12.5)]
    made = line_chart([("a", curve), ("b", curve[:1])], "minutes", "% WER", "WER <x>", log_x,
                      [5, 50, 500])
    svg = ElementTree.fromstring(made.split("<ul")[0])
    assert svg.get("aria-label") == "WER <x>"
    points = [tuple(map(float, p.split(","))) for p in svg.find("polyline").get("points").split()]
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in points)
    if log_x:   # as far from 5 to 50 as from 50 to 500
        assert points[1][0] - points[0][0] == pytest.approx(points[2][0] - points[1][0], abs=0.2)
    assert points[0][1] < points[1][1] < points[2][1]   # fewer errors stand lower
    assert len(re.findall('class="bar', made)) == 3     # two of a, one of b; none without a range


def test_one_epoch_is_a_chart_too():
    ElementTree.fromstring(line_chart([("a", [(1, 2.0, 2.0, 2.0)])], "epoch", "loss", "x"))


def test_each_series_has_its_form():
    forms = {re.sub(r"M[\d. -]+", "", marker(0, 0, look).replace(f"c{look}", ""))
             for look in range(NUM_COLOURS)}
    assert len(forms) == NUM_COLOURS
