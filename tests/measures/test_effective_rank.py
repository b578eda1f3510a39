import math

import numpy as np
import pytest

from freeconv.measures import FreeLayer
from freeconv.measures.effective_rank import effective_rank, rows
from tests.measures.made import random_kernels, trained_on


def test_it_equals_loops_over_the_eigenvalues_of_all_products():
    kernels = random_kernels(5)
    products = np.array([[float(np.vdot(one, other)) for other in kernels] for one in kernels])
    values = [math.sqrt(value) for value in np.linalg.eigvalsh(products)]
    shares = [value / sum(values) for value in values]
    assert effective_rank(kernels) == pytest.approx(
        math.exp(-sum(share * math.log(share) for share in shares)), rel=1e-5
    )


def test_shared_kernels_have_rank_1_whatever_their_lengths():
    one = random_kernels(1)
    assert effective_rank(np.repeat(one, 9, axis=0)) == pytest.approx(1, abs=1e-6)
    assert effective_rank(one * np.arange(1, 10).reshape(9, 1, 1)) == pytest.approx(1, abs=1e-5)


def test_orthogonal_kernels_of_one_length_have_full_rank():
    assert effective_rank(np.eye(18)[:9].reshape(9, 6, 3)) == pytest.approx(9)


def test_independent_kernels_are_of_the_rank_of_independent_ones():
    (observed, independent) = rows(trained_on([FreeLayer("free_1", random_kernels(36, 20, 8), (6, 6))]))
    assert (observed.statistic, independent.statistic) == ("observed", "independent")
    assert observed.value == pytest.approx(independent.value, rel=0.01)
    assert 30 < observed.value < 36


def test_it_is_nan_where_undefined():
    assert np.isnan(effective_rank(np.zeros((4, 2, 2))))
    assert np.isnan(effective_rank(np.full((4, 2, 2), np.nan)))
