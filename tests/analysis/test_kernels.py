import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeconv.analysis.distance import kernel_distance, largest_radius
from freeconv.analysis.kernels import (
    distance_by_radius,
    distances_and_null,
    pair_distances,
    permutation_null,
    ring_pairs,
)
from tests.measures.made import random_kernels, smooth_kernels

MEASURES = ("euclidean", "cosine")


def slow_pair(a, b, norm, kind):
    """Return the distance of two kernels, number by number."""
    a, b = a.astype(float).ravel() / norm, b.astype(float).ravel() / norm
    if kind == "euclidean":
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
    return 1 - (a @ b) / ((a @ a) ** 0.5 * (b @ b) ** 0.5)


def slow_distance(kernels, grid, radius, kind):
    norm = np.sqrt((kernels.astype(float) ** 2).sum())
    places = list(itertools.product(range(grid[0]), range(grid[1])))
    found = []
    for (i, a), (j, b) in itertools.product(enumerate(places), repeat=2):
        interior = all(radius <= at < length - radius for at, length in zip(a, grid, strict=True))
        if interior and max(abs(a[0] - b[0]), abs(a[1] - b[1])) == radius:
            found.append(slow_pair(kernels[i], kernels[j], norm, kind))
    return sum(found) / len(found)


@pytest.mark.parametrize("kind", MEASURES)
def test_distances_by_radius_equal_loops(kind):
    kernels = smooth_kernels((5, 6))
    distances = distance_by_radius(kernels, (5, 6), kind)
    assert distances == pytest.approx([slow_distance(kernels, (5, 6), radius, kind) for radius in (1, 2)], rel=1e-10)
    assert distance_by_radius(random_kernels(8), (2, 4), kind).shape == (0,)


@pytest.mark.parametrize("kind", MEASURES)
def test_pair_distances_equal_loops(kind):
    kernels = random_kernels(7)
    norm = np.sqrt((kernels.astype(float) ** 2).sum())
    slow = [[slow_pair(a, b, norm, kind) for b in kernels] for a in kernels]
    np.testing.assert_allclose(pair_distances(kernels, kind), slow, atol=1e-12)


@settings(deadline=None)
@given(
    rows=st.integers(3, 9),
    columns=st.integers(3, 9),
    spread=st.floats(1e-6, 10),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(MEASURES),
)
def test_the_means_over_pairs_are_the_kernel_distances(rows, columns, spread, seed, kind):
    """Distances from inner products lose no digits that matter, even where kernels are almost equal."""
    grid = (rows, columns)
    kernels = random_kernels(1, seed=seed) + np.float32(spread) * random_kernels(rows * columns, seed=seed + 1)
    distances = pair_distances(kernels, kind)
    means = [distances[ring_pairs(grid, radius)].mean() for radius in range(1, largest_radius(grid) + 1)]
    assert means == pytest.approx(distance_by_radius(kernels, grid, kind), rel=1e-6)


@pytest.mark.parametrize("kind", MEASURES)
def test_equal_kernels_have_distance_zero_wherever_they_are(kind):
    kernels = np.repeat(random_kernels(1), 25, axis=0)
    assert not distance_by_radius(kernels, (5, 5), kind).any()
    assert pair_distances(kernels, kind).max() < 1e-12
    null = permutation_null(kernels, (5, 5), [1, 2], np.random.default_rng(0), 5, kind)
    assert null[["mean", "low", "high"]].to_numpy().max() < 1e-12


@pytest.mark.parametrize("kind", MEASURES)
def test_the_null_is_the_distance_after_kernels_have_changed_places(kind):
    kernels, grid = smooth_kernels((5, 7)), (5, 7)
    null = permutation_null(kernels, grid, [1, 2], np.random.default_rng(3), 400, kind)
    rng = np.random.default_rng(3)
    orders = [rng.permutation(35) for _ in range(400)]
    slow = np.array([[kernel_distance(kernels[order], grid, radius, kind) for radius in (1, 2)] for order in orders])
    assert list(null.columns) == ["radius", "mean", "low", "high"]
    assert list(null["radius"]) == [1, 2]
    assert null["low"].to_numpy() == pytest.approx(np.percentile(slow, 2.5, axis=0), rel=1e-9)
    assert null["high"].to_numpy() == pytest.approx(np.percentile(slow, 97.5, axis=0), rel=1e-9)
    error = slow.std(axis=0) / 20
    assert (np.abs(null["mean"] - slow.mean(axis=0)) < 4 * error).all()
    norm = np.sqrt((kernels.astype(float) ** 2).sum())
    pairs = [slow_pair(kernels[i], kernels[j], norm, kind) for i, j in itertools.permutations(range(35), 2)]
    assert null["mean"].to_numpy() == pytest.approx([np.mean(pairs)] * 2, rel=1e-9)


@pytest.mark.parametrize("kind", MEASURES)
def test_the_null_tells_neighbours_that_are_alike_from_kernels_in_random_order(kind):
    grid, rng = (9, 9), np.random.default_rng(0)
    kernels = smooth_kernels(grid)
    null = permutation_null(kernels, grid, range(1, 5), rng, 200, kind)
    distances = distance_by_radius(kernels, grid, kind)
    assert distances[0] < null["low"][0]
    mixed = distance_by_radius(kernels[rng.permutation(81)], grid, kind)
    assert ((null["low"] < mixed) & (mixed < null["high"])).all()


def test_the_null_of_a_grid_without_interior_positions_is_empty():
    assert permutation_null(random_kernels(1), (1, 1), [], np.random.default_rng(0), 5).empty


@pytest.mark.parametrize("kind", MEASURES)
def test_every_distance_is_followed_by_its_null(kind):
    kernels, grid = smooth_kernels((5, 6)), (5, 6)
    found = list(distances_and_null(kernels, grid, np.random.default_rng(3), 20, kind))
    null = permutation_null(kernels, grid, [1, 2], np.random.default_rng(3), 20, kind)
    expected = []
    for radius in (1, 2):
        expected.append((radius, "observed", kernel_distance(kernels, grid, radius, kind)))
        expected += [(radius, f"permuted_{name}", null[name][radius - 1]) for name in ("mean", "low", "high")]
    assert found == expected


def test_pairs_are_those_of_the_definition():
    for grid, radius in (((3, 3), 1), ((5, 6), 2), ((7, 5), 1)):
        expected = set()
        for a, b in itertools.product(itertools.product(range(grid[0]), range(grid[1])), repeat=2):
            interior = all(radius <= at < length - radius for at, length in zip(a, grid, strict=True))
            if interior and max(abs(a[0] - b[0]), abs(a[1] - b[1])) == radius:
                expected.add((a[0] * grid[1] + a[1], b[0] * grid[1] + b[1]))
        pairs = [(int(a), int(b)) for a, b in zip(*ring_pairs(grid, radius), strict=True)]
        assert set(pairs) == expected
        assert len(pairs) == len(expected)


def test_undefined_distances_are_nan_without_warnings(recwarn):
    kernels = random_kernels(9)
    for broken in (kernels * 0, np.where(kernels == kernels.max(), np.nan, kernels)):
        for kind in MEASURES:
            null = permutation_null(broken, (3, 3), [1], np.random.default_rng(0), 5, kind)
            assert null[["mean", "low", "high"]].isna().all(axis=None)
    assert not recwarn.list


def test_impossible_arguments_are_named():
    kernels, rng = random_kernels(9), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"positions = 3 · 4\. Received: kernels.shape=\(9, 6, 3\)$"):
        permutation_null(kernels, (3, 4), [1], rng, 5)
    with pytest.raises(ValueError, match=r"at most 1, .* grid of 3 × 3\. Received: radius=2$"):
        permutation_null(kernels, (3, 3), [2], rng, 5)
    with pytest.raises(ValueError, match=r"at least 1\. Received: permutations=0$"):
        permutation_null(kernels, (3, 3), [1], rng, 0)
    with pytest.raises(ValueError, match=r"Received: measure='manhattan'$"):
        pair_distances(kernels, "manhattan")
    with pytest.raises(ValueError, match=r"\(positions, K, filters\)\. Received: kernels.shape=\(9, 18\)$"):
        pair_distances(kernels.reshape(9, 18))
