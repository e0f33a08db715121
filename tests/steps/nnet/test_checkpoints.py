"""Checkpoints: what was written comes back, and nothing else is taken for it."""

import numpy as np
import pytest

from steps.nnet.checkpoints import assign, mean_weights, read_state, write_state, write_weights
from utils.step import UserError


class Variable:
    """As much of a Keras variable as checkpoints touch."""

    def __init__(self, value, dtype="float32"):
        self.value = np.array(value, dtype)

    dtype = property(lambda self: self.value.dtype)
    shape = property(lambda self: self.value.shape)

    def assign(self, value):
        assert value.shape == self.shape and value.dtype == self.dtype
        self.value = value

    def __array__(self, dtype=None, copy=None):
        return self.value


def variables(seed=0):
    rng = np.random.default_rng(seed)
    return [Variable(rng.normal(size=(3, 2))), Variable(rng.normal(size=5)),
            Variable([seed, 7], "uint32"), Variable(seed + 12, "int64")]


def values(found):
    return [v.value.tolist() for v in found]


def test_state_comes_back_bit_for_bit(tmp_path):
    state = {"key": "k", "step": 12, "sums": [0.1 + 0.2, 1e-300], "rows": [{"valid_loss": None}]}
    write_state(tmp_path / "last.npz", variables(1), state)
    found = variables(2)
    assert read_state(tmp_path / "last.npz", found, "k") == state
    assert values(found) == values(variables(1))
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]


def test_no_checkpoint(tmp_path):
    assert read_state(tmp_path / "last.npz", variables(), "k") is None


@pytest.mark.parametrize("harm, said", [
    (lambda path: write_state(path, variables(1), {"key": "other"}), "other options or data"),
    (lambda path: write_state(path, variables(1), {}), "other options or data"),
    (lambda path: write_state(path, variables(1)[:-1], {"key": "k"}), "another network"),
    (lambda path: write_state(path, [*variables(1), Variable(0)], {"key": "k"}),
     "another network"),
    (lambda path: write_state(path, variables(1)[::-1], {"key": "k"}), "another network"),
    (lambda path: path.write_bytes(path.read_bytes()[:300]), "damaged"),
    (lambda path: path.write_bytes(b""), "damaged"),
    (lambda path: np.savez(path, v0=np.zeros(3)), "damaged"),
])
def test_what_is_no_checkpoint_of_this_training_changes_nothing(tmp_path, capsys, harm, said):
    path = tmp_path / "last.npz"
    write_state(path, variables(1), {"key": "k"})
    harm(path)
    found = variables(2)
    assert read_state(path, found, "k") is None
    assert values(found) == values(variables(2))
    message = capsys.readouterr().err
    assert str(path) in message and said in message and "starts anew" in message


def test_mean_of_weights(tmp_path):
    several = [variables(seed) for seed in (3, 4, 5)]
    paths = [tmp_path / f"{n}.npz" for n in range(3)]
    for path, weights in zip(paths, several, strict=True):
        write_weights(path, weights)
    found = variables()
    assign(found, mean_weights(paths))
    for n in (0, 1):
        expected = np.mean([weights[n].value.astype(float) for weights in several], axis=0)
        assert np.array_equal(found[n].value, expected.astype(np.float32))
    for n in (2, 3):        # states of random numbers, steps: not to be averaged
        assert np.array_equal(found[n].value, several[0][n].value)
    assign(found, mean_weights(paths[1:2]))
    assert values(found) == values(several[1])


@pytest.mark.parametrize("harm", [
    lambda path: path.unlink(),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:300]),
])
def test_an_epoch_that_cannot_be_averaged_is_named(tmp_path, harm):
    paths = [tmp_path / f"epoch{n}.npz" for n in (1, 2)]
    for path in paths:
        write_weights(path, variables())
    harm(paths[1])
    with pytest.raises(UserError, match=r"epoch2\.npz: of an epoch .*--force begins"):
        mean_weights(paths)
