"""Plans of layers, from options to a table."""

import pytest

from steps.transfer.layer_plan import (
    SOURCE_OUTPUT,
    Layer,
    make_plan,
    parse_adapters,
    parse_factors,
    parse_new_layers,
    states_of,
    table,
    thaw_order,
)
from utils.step import UserError

NAMES = ["input.affine", "input.batchnorm", "tdnn1.affine", "tdnn1.batchnorm", "tdnn2.affine"]


def layers(states=None):
    states = states or {}
    hidden = [Layer(name, ((3, 4), (4,)), states.get(name, "copied"), "batchnorm" in name)
              for name in NAMES]
    return [*hidden, Layer("output", ((4, 9), (9,)), "new")]


def factors(rows):
    return {row.layer.name: row.factor for row in rows}


def test_states():
    assert set(states_of(NAMES).values()) == {"copied"}
    assert [n for n, s in states_of(NAMES, "tdnn1").items() if s == "reset"] == ["tdnn2.affine"]
    assert [n for n, s in states_of(NAMES, "tdnn1.affine").items() if s == "reset"] == NAMES[3:]
    assert [n for n, s in states_of(NAMES, "", ["in*"]).items() if s == "reset"] == NAMES[:2]
    with pytest.raises(UserError, match=r"--copy-to tdnn9: there is no such layer \(one of input, "
                       "tdnn1, tdnn2"):
        states_of(NAMES, "tdnn9")
    with pytest.raises(UserError, match="--reset x: no hidden layer"):
        states_of(NAMES, reset=["x"])


def test_factors_and_the_last_match_counts():
    assert factors(make_plan(layers())) == dict.fromkeys([*NAMES, "output"], 1)
    assert factors(make_plan(layers(), hidden=0.25)) == dict.fromkeys(NAMES, 0.25) | {"output": 1}
    found = factors(make_plan(layers({"tdnn2.affine": "reset"}),
                              parse_factors("*=0.5 tdnn1=0 tdnn1.batchnorm=2")))
    assert found == dict.fromkeys([*NAMES, "output"], 0.5) | {"tdnn1.affine": 0,
                                                               "tdnn1.batchnorm": 2}
    assert factors(make_plan(layers({"tdnn2.affine": "reset"})))["tdnn2.affine"] == 1
    with pytest.raises(UserError, match=r"--lr-factors dnn\*: no layer is called so"):
        make_plan(layers(), parse_factors("dnn*=1"))
    for wrong in ("tdnn", "tdnn=x", "=1", "tdnn=-1", "a=inf"):
        with pytest.raises(UserError, match="is no factor"):
            parse_factors(wrong)


@pytest.mark.parametrize(("mode", "frozen", "learning"), [
    ("train", (0, False, "no"), (1.0, True, "yes")),
    ("adapt", (0, True, "statistics"), (0, True, "statistics")),
    ("keep", (0, False, "no"), (0, False, "no"))])
def test_batchnorm(mode, frozen, learning):
    rows = {r.layer.name: r for r in make_plan(layers(), [("tdnn1*", 0.0)], mode)}
    for name, expected in (("tdnn1.batchnorm", frozen), ("input.batchnorm", learning)):
        row = rows[name]
        assert (row.factor, row.statistics, row.trained) == expected
    assert not rows["output"].statistics


def test_layers_thaw_from_the_top_and_frozen_ones_never():
    rows = make_plan(layers({"tdnn2.affine": "reset"}))
    assert thaw_order(rows) == {"input.affine": 1, "input.batchnorm": 1, "tdnn1.affine": 0,
                                "tdnn1.batchnorm": 0}
    rows = make_plan(layers(), parse_factors("tdnn1=0"))
    assert thaw_order(rows) == {"tdnn2.affine": 0, "input.affine": 1, "input.batchnorm": 1}


def test_new_layers():
    assert parse_new_layers("") == {}
    assert parse_new_layers("num=2") == {"hidden_dim": 256, "num": 2}
    for wrong in ("num=0", "dim=3", "num", "num=²"):
        with pytest.raises(UserError, match="is no size of new layers"):
            parse_new_layers(wrong)


def test_table():
    lines = table(make_plan(layers(), parse_factors("input=0"))).splitlines()
    assert lines[0].split() == ["layer", "state", "shape", "factor", "trained"]
    assert lines[1].split() == ["input.affine", "copied", "3x4", "4", "0", "no"]
    assert lines[-1].split() == ["output", "new", "4x9", "9", "1", "yes"]
    assert len({line.index("co") if "co" in line else line.index("new") for line in lines[1:]}) == 1


def test_the_output_layer_of_a_teacher_learns_at_once():
    rows = make_plan([*layers(), Layer(SOURCE_OUTPUT, ((4, 7), (7,)))])
    assert thaw_order(rows) == thaw_order(make_plan(layers()))


@pytest.mark.parametrize("mode", ["adapt", "keep"])
def test_batch_norms_that_are_not_copied_learn_all_the_same(mode):
    rows = {row.layer.name: row for row in make_plan(
        layers({"tdnn1.batchnorm": "reset"}), batchnorm=mode)}
    assert (rows["tdnn1.batchnorm"].factor, rows["tdnn1.batchnorm"].statistics) == (1.0, True)
    assert rows["input.batchnorm"].factor == 0


def test_adapters():
    assert parse_adapters("lora=8 lhuc lin") == {"lora": 8, "lhuc": 1, "lin": 1}
    assert parse_adapters("") == {}
    for wrong in ("lora", "lora=0", "lora=00", "lora=\u00b2", "lora=x", "lhuc=2", "lhuc=x",
                  "lin=", "prefix"):
        with pytest.raises(UserError, match=f"--adapters {wrong}: is no adapter"):
            parse_adapters(wrong)
