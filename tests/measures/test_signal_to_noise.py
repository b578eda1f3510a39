import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeconv.measures.signal_to_noise import signal_to_noise
from tests.measures.made import random_kernels, smooth_kernels


def test_signal_to_noise_equals_loops():
    kernels = smooth_kernels((4, 4))
    ratios = []
    for k, f in itertools.product(range(6), range(3)):
        weights = [float(kernels[p, k, f]) for p in range(16)]
        mean = sum(weights) / 16
        ratios.append(abs(mean) / (sum((weight - mean) ** 2 for weight in weights) / 16) ** 0.5)
    ratios.sort()
    # of 18 weights: a quarter is the 5th, the lower of the two in the middle the 9th, three quarters the 14th
    assert signal_to_noise(kernels) == pytest.approx((ratios[8], ratios[4], ratios[13]), rel=1e-10)


def test_signal_to_noise_of_independent_weights_is_what_the_documentation_says():
    found = signal_to_noise(random_kernels(169, 100, 64))
    assert found == pytest.approx(np.array([0.6745, 0.3186, 1.1503]) / 13, rel=0.03)


def test_signal_to_noise_where_weights_do_not_scatter():
    kernels = np.repeat(random_kernels(1), 13, axis=0)
    assert signal_to_noise(kernels) == (np.inf, np.inf, np.inf)
    kernels[:, :3] = 0  # a weight that is 0 everywhere has no ratio
    assert signal_to_noise(kernels) == (np.inf, np.inf, np.inf)
    mixed = random_kernels(13)
    mixed[:, :4] = mixed[:1, :4]
    found = signal_to_noise(mixed)
    assert (found.median, found.upper_quartile) == (np.inf, np.inf)
    assert 0 < found.lower_quartile < np.inf
    assert np.isnan(signal_to_noise(kernels * 0)).all()


def test_it_is_nan_without_warnings_where_undefined(recwarn):
    kernels = random_kernels(9)
    for broken in (kernels * 0, np.where(kernels == kernels.max(), np.nan, kernels)):
        assert np.isnan(signal_to_noise(broken)).all()
    assert not recwarn.list


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(positions, K, filters\)\. Received: kernels.shape=\(9, 18\)$"):
        signal_to_noise(random_kernels(9).reshape(9, 18))


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_places_and_scale_do_not_change_what_positions_share(seed, scale):
    kernels = smooth_kernels((4, 5), seed)
    moved = np.float32(scale) * kernels[np.random.default_rng(seed).permutation(20)]
    assert signal_to_noise(moved) == pytest.approx(signal_to_noise(kernels), rel=1e-3)
