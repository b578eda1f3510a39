import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeconv.analysis.kernels import pair_distances
from freeconv.measures import FreeLayer
from freeconv.measures.matched_distance import matched_pair_distances, rows
from tests.measures.made import random_kernels, trained_on


def test_it_equals_the_best_of_all_orders():
    kernels = random_kernels(4).astype(float)
    norm = np.linalg.norm(kernels)
    found = matched_pair_distances(kernels)
    for one, other in itertools.product(range(4), range(4)):
        orders = itertools.permutations(range(3))
        best = min(np.linalg.norm(kernels[one] - kernels[other][:, list(order)]) for order in orders)
        assert found[one, other] == pytest.approx(best / norm, abs=1e-7)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), filters=st.integers(1, 5))
def test_the_order_of_filters_does_not_count(seed, filters):
    rng = np.random.default_rng(seed)
    kernels = rng.normal(size=(5, 4, filters))
    mixed = np.array([kernel[:, rng.permutation(filters)] for kernel in kernels])
    found = matched_pair_distances(kernels)
    np.testing.assert_allclose(found, matched_pair_distances(mixed), atol=1e-7)
    assert (found <= pair_distances(kernels) + 1e-9).all()


def test_one_kernel_with_its_filters_in_any_order_is_shared_and_independent_ones_are_not():
    rng = np.random.default_rng(0)
    (one,) = random_kernels(1, filters=8)
    mixed = np.array([one[:, rng.permutation(8)] for _ in range(25)])
    shared, independent = (
        {
            row.statistic: row.value
            for row in rows(trained_on([FreeLayer("free_1", kernels, (5, 5))]))
            if row.setting == 1
        }
        for kernels in (mixed, random_kernels(25, filters=8))
    )
    assert shared["observed"] == pytest.approx(0, abs=1e-6)
    assert pair_distances(mixed).max() > 0.1
    assert independent["observed"] > 0.1
    assert independent["permuted_low"] * 0.97 < independent["observed"] < independent["permuted_high"] * 1.03


def test_it_is_nan_where_undefined():
    found = matched_pair_distances(np.zeros((3, 2, 2)))
    assert np.isnan(found[~np.eye(3, dtype=bool)]).all()
