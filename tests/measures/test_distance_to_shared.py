import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeconv.analysis.kernels import pair_distances
from freeconv.measures.distance_to_shared import distance_to_shared
from tests.measures.made import random_kernels, smooth_kernels


def test_distance_to_shared_equals_loops():
    kernels = smooth_kernels((4, 4))
    above = below = 0.0
    for k, f in itertools.product(range(6), range(3)):
        weights = [float(kernels[p, k, f]) for p in range(16)]
        above += sum((weight - sum(weights) / 16) ** 2 for weight in weights)
        below += sum(weight**2 for weight in weights)
    assert distance_to_shared(kernels) == pytest.approx((above / below) ** 0.5, rel=1e-12)


def test_distance_to_shared_has_the_ends_and_the_expectation_that_the_documentation_says():
    equal = np.repeat(random_kernels(1), 12, axis=0)
    assert distance_to_shared(equal) == 0
    equal[::2] *= -1
    assert distance_to_shared(equal) == pytest.approx(1)
    for positions in (4, 16, 169):
        independent = random_kernels(positions, 100, 32)
        assert distance_to_shared(independent) == pytest.approx(np.sqrt(1 - 1 / positions), rel=0.01)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_no_other_shared_kernel_is_nearer(seed):
    rng = np.random.default_rng(seed)
    kernels = rng.normal(1, 1, (5, 4, 2))
    other = kernels.mean(axis=0) + rng.normal(0, rng.uniform(0, 1), (4, 2))
    distance = np.sqrt(((kernels - other) ** 2).sum() / (kernels**2).sum())
    assert distance_to_shared(kernels) <= distance + 1e-12


def test_distance_to_shared_is_the_root_mean_square_of_all_kernel_distances():
    kernels = smooth_kernels((4, 5))
    between = pair_distances(kernels)[~np.eye(20, dtype=bool)]
    assert np.sqrt(np.mean(between**2)) == pytest.approx(np.sqrt(2 / 19) * distance_to_shared(kernels), rel=1e-10)


def test_it_is_nan_without_warnings_where_undefined(recwarn):
    kernels = random_kernels(9)
    for broken in (kernels * 0, np.where(kernels == kernels.max(), np.nan, kernels)):
        assert np.isnan(distance_to_shared(broken))
    assert not recwarn.list


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(positions, K, filters\)\. Received: kernels.shape=\(9, 18\)$"):
        distance_to_shared(random_kernels(9).reshape(9, 18))


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_places_and_scale_do_not_change_what_positions_share(seed, scale):
    kernels = smooth_kernels((4, 5), seed)
    moved = np.float32(scale) * kernels[np.random.default_rng(seed).permutation(20)]
    assert distance_to_shared(moved) == pytest.approx(distance_to_shared(kernels), rel=1e-5)
