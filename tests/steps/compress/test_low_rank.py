"""Ranks, energies, and networks of two matrices in place of one."""

import numpy as np
import pytest

from steps.compress import low_rank
from steps.compress.low_rank import Spectrum, energy_for, factor, ranks_of, spectra, split
from steps.nnet.architectures import ARCHITECTURES, output_of, semi_orthogonal
from steps.nnet.size import context, num_params
from tests.steps.transfer.tiny_source import tiny_model
from utils.step import UserError

FEATS = np.random.default_rng(0).normal(0, 1, (2, 40, 13)).astype(np.float32)


def test_ranks_by_hand():
    s = Spectrum(np.array([3.0, 2.0, 1.0]), 10, 3)      # squares 9, 4, 1 of 14
    assert s.most == 2                                  # 2 * 13 < 30
    assert [s.rank(e) for e in (0.1, 9 / 14, 0.65, 13 / 14, 0.95)] == [1, 1, 2, 2, None]
    assert [s.saved(r) for r in (1, 2, None)] == [17, 4, 0]
    assert [s.kept(r) for r in (1, 2, None)] == pytest.approx([9 / 14, 13 / 14, 1])
    assert Spectrum(np.ones(2), 2, 2).most == 0         # 1 * 4 is no less than 4


def test_the_product_is_the_nearest():
    matrix = np.random.default_rng(1).normal(size=(9, 7))
    one, other = split(matrix, 3)
    values = np.linalg.svd(matrix, compute_uv=False)
    assert np.sum((matrix - one @ other) ** 2) == pytest.approx(np.sum(values[3:] ** 2), rel=1e-5)
    assert np.linalg.norm(one) == pytest.approx(np.linalg.norm(other), rel=1e-5)
    exact = split(matrix, 7)
    assert exact[0] @ exact[1] == pytest.approx(matrix, abs=1e-5)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_networks(arch):
    """At full rank a factored network says the same; at a lower one it is smaller."""
    model, left, right = tiny_model(arch)
    found = spectra(model)
    assert "output" in found and not any(n.endswith((".linear", "recurrence")) for n in found)
    full = {name: min(s.num_in, s.num_out) for name, s in found.items()}
    same = factor(model, full)
    assert np.asarray(same(FEATS)) == pytest.approx(np.asarray(model(FEATS)), abs=1e-4)
    assert context(same)[:2] == (left, right) and output_of(same).name == "output"
    assert len(semi_orthogonal(same)) == len(semi_orthogonal(model))
    ranks = ranks_of(found, 0.7)
    smaller = factor(model, ranks)
    saved = sum(found[name].saved(rank) for name, rank in ranks.items())
    assert num_params(model) - num_params(smaller) == saved > 0
    names = {layer.name for layer in smaller.layers}
    assert {n + low_rank.SUFFIX for n, rank in ranks.items() if rank} <= names
    # And what is factored is not factored again.
    assert not any(n.endswith(low_rank.SUFFIX) for n in spectra(smaller))


def test_size_targets():
    model, *_ = tiny_model("tdnn")
    found, whole = spectra(model), num_params(model)
    for share in (0.9, 0.6, 0.4):
        energy = energy_for(found, whole, share)
        sizes = [num_params(factor(model, ranks_of(found, e))) for e in (energy, energy + 2e-4)]
        assert sizes[0] <= share * whole < sizes[1] or energy > 0.999
    with pytest.raises(UserError, match=r"cannot be reached: rank 1 everywhere leaves 0\.\d+ of"):
        energy_for(found, whole, 0.01)


def test_the_table():
    model, *_ = tiny_model("dnn")
    found = spectra(model)
    rows = {row["layer"]: row for row in low_rank.table_of(model, found, {
        "dnn1.affine": 2, "dnn2.affine": None, "output": 1})}
    assert rows["dnn1.affine"]["rank"] == 2 and 0 < rows["dnn1.affine"]["energy"] < 1
    assert rows["dnn2.affine"] == {"layer": "dnn2.affine", "in": 12, "out": 12, "rank": None,
                                   "energy": 1.0, "saved": 0.0}
