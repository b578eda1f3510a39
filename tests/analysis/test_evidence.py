import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from freeconv.analysis.evidence import (
    NOTHING,
    Evidence,
    all_of,
    between,
    beyond,
    detectable,
    equivalence,
    holm,
    one_of,
    one_sided,
    trend,
    variance_components,
)
from freeconv.analysis.intervals import difference_interval, interval, mean_and_interval, resampled_interval

FIVE = np.array([0.1, 0.12, 0.11, 0.13, 0.1])
# of the documentation of pingouin.tost
A, B = np.array([4, 7, 8, 6, 3, 2]), np.array([6, 8, 7, 10, 11, 9])
# of the documentation of scipy.stats.page_trend_test
RATINGS = [[3, 4, 3], [2, 2, 4], [3, 3, 5], [1, 3, 2], [2, 3, 2], [2, 4, 5], [1, 2, 4], [3, 4, 4], [2, 4, 5], [1, 3, 4]]


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=8).filter(lambda values: np.ptp(values) > 1e-3))
def test_one_sided_tests_are_scipys(values):
    up, down = one_sided(values, 0.2)
    assert up == pytest.approx(stats.ttest_1samp(values, 0.2, alternative="greater").pvalue)
    assert down == pytest.approx(stats.ttest_1samp(values, 0.2, alternative="less").pvalue)


def test_equivalence_is_that_of_published_examples():
    assert equivalence(A - B, -0.5, 0.5) == pytest.approx(0.954854, abs=1e-6)
    assert equivalence(A, -4, 4) == pytest.approx(0.825967, abs=1e-6)


def test_holm_by_hand():
    # the smallest times 4, the next times 3, then 2, never less than one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("margin", [0.08, 0.1, 0.112, 0.13])
def test_evidence_says_what_the_interval_says(margin):
    low, high = interval(FIVE)
    evidence = beyond(FIVE, margin, above=True)
    assert (evidence.supports <= 0.05) == (low >= margin)
    assert (evidence.contradicts <= 0.05) == (high <= margin)
    assert beyond(FIVE, margin, above=False) == Evidence(*reversed(evidence))


def test_between_two_margins():
    low, high = interval(FIVE)
    assert between(FIVE, low - 1e-9, high + 1e-9).supports == pytest.approx(0.05, abs=1e-3)
    assert between(FIVE, 0.0, 0.2).supports < 0.001
    assert between(FIVE, 0.2, 0.3).contradicts < 0.001
    assert between(FIVE, -0.3, -0.2).contradicts < 0.001
    assert between(FIVE, 0.11, 0.3).supports > 0.05


def test_claims_of_several_parts():
    parts = [Evidence(0.01, 0.9), Evidence(0.04, 0.02), Evidence(0.03, 0.5)]
    assert all_of(parts) == (0.04, pytest.approx(0.06))
    assert one_of(parts) == (pytest.approx(0.03), 0.9)


def test_a_trend_needs_every_step():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.001, (5, 4))
    falling = trend(np.array([0.4, 0.3, 0.2, 0.1]) + noise, 0.0, rising=False)
    assert falling.supports < 0.001
    assert falling.contradicts == 1
    # Page's test alone finds a trend in a curve that turns back
    turning = np.array([0.4, 0.2, 0.1, 0.15]) + noise
    assert stats.page_trend_test(-turning).pvalue < 0.001
    evidence = trend(turning, 0.0, rising=False)
    assert evidence.supports > 0.9
    assert evidence.contradicts < 0.001
    assert trend(turning, 0.1, rising=False).supports < 0.001
    assert trend(-turning, 0.0, rising=True) == pytest.approx(evidence)


def test_pages_test_is_that_of_its_published_example():
    assert stats.page_trend_test(RATINGS).pvalue == pytest.approx(0.0018191161948127822)
    # and is all that counts where steps are far from their margin
    assert trend(np.array(RATINGS, float), -100.0, rising=True).supports == pytest.approx(2 * 0.0018191161948127822)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.5, np.nan], [], [0.3, 0.3 + 1e-12]])
def test_what_has_no_spread_says_nothing(values):
    assert one_sided(values, 0.1) == (1.0, 1.0)
    assert beyond(values, 0.1, above=True) == NOTHING
    assert between(values, 0.1, 0.6) == NOTHING
    assert np.isnan(detectable(values))
    assert np.isnan([*interval(values), *resampled_interval(values, 0.25), *difference_interval(values, 1, 1, 5)]).all()


@pytest.mark.parametrize("table", [np.ones((1, 3)), np.ones((5, 3)), np.full((5, 3), np.nan)])
def test_no_trend_without_spread(table):
    assert trend(table, 0.0, rising=True) == NOTHING


def test_the_detectable_effect_is_found_four_times_in_five():
    rng = np.random.default_rng(1)
    size = detectable(FIVE)
    drawn = rng.normal(size, FIVE.std(ddof=1), (20_000, 5))
    found = stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.01)
    assert detectable(FIVE, 0.05 / 8) > size


def test_variance_components_of_known_ones():
    rng = np.random.default_rng(2)
    folds, seeds = rng.normal(0, 3, 4000), rng.normal(0, 1, (4000, 5))
    found = variance_components([fold + of_fold for fold, of_fold in zip(folds, seeds, strict=True)])
    assert found == pytest.approx((3, 1), rel=0.05)
    assert variance_components([np.array([0.0, 1.0]), np.array([0.0, 1.0])]) == (0.0, pytest.approx(0.5**0.5))


@pytest.mark.parametrize("values", [[], [np.ones(3)], [np.ones(1), np.ones(1)], [np.ones(2), np.ones(3)]])
def test_no_variance_components(values):
    assert np.isnan(variance_components(values)).all()


def test_resampled_interval_by_hand():
    # five folds: s² · (1/5 + 1/4); t(0.975, 4) = 2.776445
    low, high = resampled_interval(FIVE, 1 / 4)
    assert (high - low) / 2 == pytest.approx(2.776445 * FIVE.std(ddof=1) * 0.45**0.5, rel=1e-6)
    assert (low + high) / 2 == pytest.approx(FIVE.mean())
    plain = interval(FIVE)
    # the correction's known size with five folds: 1.5 times as wide
    assert (high - low) / (plain[1] - plain[0]) == pytest.approx(1.5)


def test_difference_interval_by_hand():
    low, high = difference_interval(FIVE, 0.11, 0.1, 5)
    assert (low + high) / 2 == pytest.approx(0.01)
    plain = interval(FIVE)
    assert (high - low) / (plain[1] - plain[0]) == pytest.approx(2**0.5)


def test_intervals_of_accuracies_stay_within_0_and_1():
    assert interval([0.99, 1.0, 1.0], bounds=(0, 1))[1] == 1
    assert interval([0.0, 0.0, 0.01], bounds=(0, 1))[0] == 0
    frame = mean_and_interval([np.array([0.99, 0.01]), np.array([1.0, 0.0])], bounds=(0, 1))
    assert frame["high"].max() == 1
    assert frame["low"].min() == 0
