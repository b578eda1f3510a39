import itertools
import subprocess
import sys

import numpy as np
import pytest

from freeconv.analysis.distance import distances_by_epoch, kernel_distance, largest_radius


def reference(weights, grid, radius, measure):
    """Return the distance by nested loops over positions and ring, in the order of the definition."""
    rows, columns = grid
    field = weights.astype(float).reshape(rows, columns, -1)
    field = field / np.sqrt((field**2).sum())
    found = []
    for i, j in itertools.product(range(rows), range(columns)):
        if not (radius <= i < rows - radius and radius <= j < columns - radius):
            continue
        for k, m in itertools.product(range(rows), range(columns)):
            if max(abs(i - k), abs(j - m)) != radius:
                continue
            a, b = field[i, j], field[k, m]
            if measure == "euclidean":
                found.append(np.sqrt(((a - b) ** 2).sum()))
            else:
                found.append(1 - a @ b / np.sqrt((a @ a) * (b @ b)))
    return sum(found) / len(found)


@pytest.fixture
def weights():
    return np.random.default_rng(1).normal(size=(7 * 9, 6, 3)).astype("float32")


@pytest.mark.parametrize("measure", ["euclidean", "cosine"])
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_equals_nested_loops(weights, radius, measure):
    expected = reference(weights, (7, 9), radius, measure)
    assert kernel_distance(weights, (7, 9), radius, measure) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("grid", "shape", "start"), [((13, 13), (9, 32), 0.1088), ((14, 14), (75, 64), 0.1010)])
def test_untrained_kernels_are_root_two_over_positions_apart(grid, shape, start):
    positions = grid[0] * grid[1]
    untrained = np.random.default_rng(0).uniform(-0.05, 0.05, (positions, *shape)).astype("float32")
    for radius in (1, 4):
        assert kernel_distance(untrained, grid, radius) == pytest.approx(np.sqrt(2 / positions), rel=0.03)
        assert kernel_distance(untrained, grid, radius) == pytest.approx(start, rel=0.03)
        assert kernel_distance(untrained, grid, radius, "cosine") == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("measure", ["euclidean", "cosine"])
def test_does_not_depend_on_scale(weights, measure):
    plain = kernel_distance(weights, (7, 9), 2, measure)
    assert plain > 0
    assert kernel_distance(weights * np.float32(1024), (7, 9), 2, measure) == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("measure", ["euclidean", "cosine"])
def test_identical_kernels_are_exactly_zero_apart(weights, measure):
    identical = np.repeat(weights[:1], 63, axis=0)
    assert kernel_distance(identical, (7, 9), 1, measure) == 0
    assert kernel_distance(weights, (7, 9), 1, measure) > 0.05


def test_cosine_ignores_the_lengths_of_kernels_and_euclidean_does_not(weights):
    longer = weights * np.random.default_rng(2).uniform(1, 5, (63, 1, 1))
    cosine = [kernel_distance(array, (7, 9), 1, "cosine") for array in (weights, longer)]
    euclidean = [kernel_distance(array, (7, 9), 1) for array in (weights, longer)]
    assert cosine[0] == pytest.approx(cosine[1], rel=1e-6)
    assert euclidean[0] != pytest.approx(euclidean[1], rel=1e-3)


def test_opposite_kernels_have_cosine_distance_two():
    checkered = np.where(np.indices((3, 3)).sum(0) % 2, -1.0, 1.0).reshape(9, 1, 1) * np.ones((9, 2, 2))
    # of the 8 neighbours of the middle, the 4 beside it are opposite and the 4 diagonal ones equal
    assert kernel_distance(checkered, (3, 3), 1, "cosine") == pytest.approx(1)
    assert kernel_distance(checkered, (3, 3), 1) == pytest.approx(2 / np.sqrt(9) / 2)


def test_float32_input_is_summed_in_float64(weights):
    assert kernel_distance(weights, (7, 9), 2) == kernel_distance(weights.astype("float64"), (7, 9), 2)


@pytest.mark.parametrize("radius", [0, -1, 4])
def test_impossible_radius_names_the_largest(weights, radius):
    with pytest.raises(ValueError, match=rf"at most 3, .* grid of 7 × 9\. Received: radius={radius}$"):
        kernel_distance(weights, (7, 9), radius)


@pytest.mark.parametrize(("grid", "largest"), [((13, 13), 6), ((14, 14), 6), ((3, 9), 1), ((2, 9), 0), ((1, 1), 0)])
def test_largest_radius_has_an_interior_position_and_the_next_has_none(grid, largest):
    assert largest_radius(grid) == largest
    array = np.random.default_rng(0).normal(size=(grid[0] * grid[1], 2, 2))
    if largest:
        assert kernel_distance(array, grid, largest) > 0
    with pytest.raises(ValueError, match=f"at most {largest},"):
        kernel_distance(array, grid, largest + 1)


def test_shape_and_measure_are_checked(weights):
    with pytest.raises(ValueError, match=r"positions = 7 · 8.*Received: kernels.shape=\(63, 6, 3\)"):
        kernel_distance(weights, (7, 8), 1)
    with pytest.raises(ValueError, match="Received: measure='manhattan'"):
        kernel_distance(weights, (7, 9), 1, "manhattan")


def test_undefined_distances_are_nan_without_warnings(weights, recwarn):
    assert np.isnan(kernel_distance(weights * 0, (7, 9), 1))
    weights[40, 0, 0] = np.nan
    assert np.isnan(kernel_distance(weights, (7, 9), 1))
    assert not recwarn.list


def test_distances_over_training_are_those_of_each_epoch(weights):
    snapshots = np.stack([weights, 2 * weights[::-1], np.sqrt(abs(weights))])
    found = distances_by_epoch(snapshots, (7, 9), [1, 3, 4], ["euclidean", "cosine"])
    assert list(found) == [(1, "euclidean"), (1, "cosine"), (3, "euclidean"), (3, "cosine")]  # 4 does not fit
    for (radius, measure), values in found.items():
        assert list(values) == [kernel_distance(kernels, (7, 9), radius, measure) for kernels in snapshots]


def test_neither_keras_nor_plotting_is_imported():
    slow = {"keras", "tensorflow", "matplotlib", "scipy"}
    code = f"import sys, freeconv.analysis.distance; print({slow} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
