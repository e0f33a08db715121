import re

import numpy as np
import pytest

from steps.decode.fst_arrays import from_arcs, read_fst, write_fst
from utils.step import UserError


@pytest.fixture
def fst():
    """3000 states, the first three of which have 1000 arcs each."""
    rng = np.random.default_rng(0)
    src = np.repeat([0, 1, 2], 1000)
    dst, ilabel, olabel = rng.integers(0, 3000, (3, len(src)))
    return from_arcs(0, 3000, src, dst, ilabel, olabel, rng.random(len(src)),
                     np.where(np.arange(3000) == 2999, 0, np.inf))


def test_what_is_written_is_read(fst, tmp_path):
    write_fst(tmp_path / "fst", fst)
    for expected, found in zip(fst, read_fst(tmp_path / "fst"), strict=True):
        np.testing.assert_array_equal(found, expected)
    empty = from_arcs(-1, 0, *np.zeros((6, 0), int))
    write_fst(tmp_path / "fst", empty)
    assert read_fst(tmp_path / "fst").num_states == 0


def test_a_file_cut_anywhere_is_cut_short(fst, tmp_path):
    """Also where whole states are gone whose three words the others' arcs seem to have room in."""
    path = tmp_path / "fst"
    write_fst(path, fst)
    whole = path.read_bytes()
    for size in [*range(4, 100), *range(100, len(whole), 997), len(whole) - 16, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=re.escape(f"{path}: ") + "is cut short"):
            read_fst(path)


@pytest.mark.parametrize("state", [-1, 3000])
def test_states_that_are_not_there(fst, tmp_path, state):
    fst.nextstate[100] = state
    write_fst(tmp_path / "fst", fst)
    with pytest.raises(UserError, match="fst: leads to a state that is not there"):
        read_fst(tmp_path / "fst")


def test_a_start_that_is_not_there(fst, tmp_path):
    write_fst(tmp_path / "fst", fst._replace(start=3000))
    with pytest.raises(UserError, match="fst: leads to a state that is not there"):
        read_fst(tmp_path / "fst")


def test_words_after_the_last_state(fst, tmp_path):
    write_fst(tmp_path / "fst", fst)
    with (tmp_path / "fst").open("ab") as file:
        file.write(b"\0" * 4)
    with pytest.raises(UserError, match="does not end with its last state"):
        read_fst(tmp_path / "fst")
