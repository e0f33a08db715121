"""Masks by magnitude, and the schedule by which they close."""

import numpy as np
import pytest

from steps.compress.masks import WeightPruner, lamp, sparsity_at, two_of_four

RNG = np.random.default_rng(0)
KERNELS = {"a": RNG.normal(size=(12, 6)), "b": 100 * RNG.normal(size=(3, 2, 5, 4)),
           "c": 1e-3 * RNG.normal(size=(7, 11))}


def share(masks):
    return 1 - sum(m.sum() for m in masks) / sum(m.size for m in masks)


def test_the_schedule_is_a_cubic():
    assert sparsity_at(0, 10, 0.8) == 0
    assert sparsity_at(5, 10, 0.8) == pytest.approx(0.8 * (1 - 0.5 ** 3))
    assert sparsity_at(10, 10, 0.8) == sparsity_at(99, 10, 0.8) == sparsity_at(1, 0, 0.8) == 0.8
    curve = [sparsity_at(step, 10, 0.8) for step in range(11)]
    assert (np.diff(curve) > 0).all() and (np.diff(curve, 2) < 0).all()


@pytest.mark.parametrize("sparsity", [0.5, 0.9, 0.95])
def test_the_same_share_of_each_layer(sparsity):
    for kernel, mask in zip(KERNELS.values(), WeightPruner(KERNELS, "none", "layer").masks(
            sparsity), strict=True):
        assert mask.shape == kernel.shape and (mask == 0).sum() == round(sparsity * mask.size)
        assert abs(kernel[mask == 0]).max() < abs(kernel[mask == 1]).min()


def test_weights_compared_across_layers():
    kernels = {**KERNELS, "flat": np.ones((10, 10)) * RNG.choice([-1, 1], (10, 10))}
    masks = WeightPruner(kernels, "none", "global").masks(0.8)
    assert share(masks) == pytest.approx(0.8, abs=0.01)
    for kernel, mask in zip(kernels.values(), masks, strict=True):
        assert mask.any()
        assert not (mask == 0).any() or abs(kernel[mask == 0]).max() <= abs(kernel[mask == 1]).min()
    # The scale of a layer is nothing to go by.
    scaled = {name: 7.0 * kernel if name == "a" else kernel for name, kernel in kernels.items()}
    for mask, other in zip(masks, WeightPruner(scaled, "none", "global").masks(0.8), strict=True):
        assert (mask == other).all()
    # Even if all but one a layer go.
    least = WeightPruner(KERNELS, "none", "global").masks(1 - 3 / sum(
        v.size for v in KERNELS.values()))
    assert [m.sum() for m in least] == [1, 1, 1]


def test_scores_by_hand():
    # Squares 9, 4, 1: of 14, of 13 and of 9 that are not smaller.
    assert lamp(np.array([[1.0, 3.0, 2.0]])) == pytest.approx(np.array([[1 / 14, 1, 4 / 13]]))
    assert lamp(np.zeros((2, 2))).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("shape", [(8, 3), (4, 1), (3, 2, 2, 5), (9, 4), (10, 2), (7, 2), (2, 3)])
def test_two_of_four(shape):
    kernel = RNG.normal(size=shape)
    mask = two_of_four(abs(kernel))
    flat, mask = kernel.reshape(-1, shape[-1]), mask.reshape(-1, shape[-1])
    for column in range(shape[-1]):
        for start in range(0, len(flat), 4):
            group, kept = abs(flat[start:start + 4, column]), mask[start:start + 4, column]
            assert kept.sum() == min(2, len(group))
            assert set(group[kept == 1]) == set(sorted(group)[-2:])


def test_two_of_four_by_and_by():
    kernel = abs(RNG.normal(size=(16, 8)))
    half, whole = two_of_four(kernel, 0.5), two_of_four(kernel)
    assert half.sum() == 96 and whole.sum() == 64 and (whole <= half).all()
    assert WeightPruner({"k": kernel}, "2of4", "layer").masks(0.5)[0].tolist() == whole.tolist()
    goes, later = kernel[half == 0], kernel[(half == 1) & (whole == 0)]
    assert goes.max() < later.min()


@pytest.mark.parametrize("structure, scope", [("none", "layer"), ("none", "global"),
                                              ("2of4", "layer")])
def test_what_is_zero_stays_zero(structure, scope):
    """A network that was pruned before: its zeros count as pruned, however little is to go."""
    half = WeightPruner(KERNELS, "none", "layer").masks(0.5)
    pruned = {name: kernel * mask for (name, kernel), mask in zip(KERNELS.items(), half,
                                                                  strict=True)}
    pruner = WeightPruner(pruned, structure, scope)
    grown = WeightPruner(KERNELS, structure, scope)
    for least in (0, 0.1, 0.4):
        for mask, other in zip(pruner.masks(least), half, strict=True):
            assert not (mask > other).any()
        assert share(grown.masks(least)) < 0.45
    if structure == "none":
        assert share(pruner.masks(0.2)) == pytest.approx(0.5, abs=0.01)
        assert share(pruner.masks(0.8)) == pytest.approx(0.8, abs=0.01)
    pruner.variables = list(KERNELS.values())        # as if they had grown again
    assert all((mask[other == 0] == 0).all()
               for mask, other in zip(pruner.masks(0.1), half, strict=True))


@pytest.mark.parametrize("structure, scope", [("none", "layer"), ("none", "global"),
                                              ("2of4", "layer")])
def test_masks_only_close(structure, scope):
    before = WeightPruner(KERNELS, structure, scope).masks(0.3)
    changed = {name: mask * RNG.normal(size=mask.shape)
               for (name, _), mask in zip(KERNELS.items(), before, strict=True)}
    after = WeightPruner(changed, structure, scope).masks(0.5)
    assert all((new <= old).all() for new, old in zip(after, before, strict=True))
    assert share(after) > share(before)
