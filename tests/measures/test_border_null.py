import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeconv.analysis.distance import kernel_distance
from freeconv.measures import FreeLayer
from freeconv.measures.border_null import from_border, reassigned_within, rows
from tests.measures.made import random_kernels, trained_on


@given(down=st.integers(1, 9), right=st.integers(1, 9))
def test_distance_from_the_border_equals_a_count(down, right):
    expected = [min(r, c, down - 1 - r, right - 1 - c) for r in range(down) for c in range(right)]
    assert from_border((down, right)).tolist() == expected


@given(seed=st.integers(0, 999))
def test_kernels_change_places_within_their_group_only(seed):
    groups = from_border((5, 6))
    kernel_at = reassigned_within(groups, np.random.default_rng(seed))
    assert sorted(kernel_at) == list(range(30))
    assert (groups[kernel_at] == groups).all()


def found(kernels, grid=(7, 7)):
    values = {}
    for row in rows(trained_on([FreeLayer("free_1", kernels, grid)], permutations=200)):
        values[row.setting, row.statistic] = row.value
    return values


def test_what_is_observed_is_the_kernel_distance():
    kernels = random_kernels(49)
    values = found(kernels)
    for radius in (1, 2, 3):
        assert values[radius, "observed"] == pytest.approx(
            kernel_distance(kernels, (7, 7), radius, "euclidean"), rel=1e-6
        )


def test_kernels_that_differ_by_the_distance_from_the_border_alone_are_no_nearer_than_this_null():
    groups = from_border((7, 7))
    (direction,) = random_kernels(1, seed=1)
    kernels = random_kernels(49) + 6 * direction * groups.reshape(-1, 1, 1)
    values = found(kernels.astype("float32"))
    assert values[1, "permuted_low"] < values[1, "observed"] < values[1, "permuted_high"]


def test_kernels_like_their_neighbours_are_nearer_than_this_null():
    right = np.indices((7, 7))[1].reshape(49, 1, 1)
    first, second = random_kernels(2, seed=3)
    kernels = (first * np.cos(right) + second * np.sin(right) + 0.1 * random_kernels(49)).astype("float32")
    values = found(kernels)
    assert values[1, "observed"] < values[1, "permuted_low"]
