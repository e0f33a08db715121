from argparse import ArgumentTypeError

import pytest

from utils.option_types import (
    above_zero,
    count,
    finite,
    share_of,
    share_or_one,
    yes_or_no,
    zero_or_more,
)


@pytest.mark.parametrize(("of_type", "text", "value"), [
    (yes_or_no, "True", True), (yes_or_no, "false", False), (above_zero, "1e-3", 0.001),
    (zero_or_more, "0", 0.0), (finite, "-1.5", -1.5), (count, "0", 0),
    (share_of, "0.5", 0.5), (share_or_one, "1", 1.0)])
def test_what_it_takes(of_type, text, value):
    assert of_type(text) == value and type(of_type(text)) is type(value)


@pytest.mark.parametrize(("of_type", "text", "told"), [
    (yes_or_no, "yes", "must be true or false, not yes"), (above_zero, "0", "must be above 0"),
    (above_zero, "inf", "must be above 0"), (zero_or_more, "-1", "must be 0 or more"),
    (zero_or_more, "nan", "must be 0 or more"), (count, "-1", "must be 0 or more"),
    (finite, "nan", "must be a number, not nan"), (finite, "-inf", "must be a number"),
    (share_of, "1", "from 0 to below 1"), (share_or_one, "1.1", "from 0 to 1")])
def test_what_it_refuses(of_type, text, told):
    with pytest.raises(ArgumentTypeError, match=told):
        of_type(text)
