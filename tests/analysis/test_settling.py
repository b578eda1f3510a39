import numpy as np
import pytest

from freeconv.analysis.settling import settled_change, stopped_early


def test_the_last_fifth_by_hand():
    curve = np.concatenate([np.zeros(80), 0.001 * np.arange(1, 21)])
    assert settled_change(curve) == pytest.approx(0.02)  # 0.001 an epoch, 20 epochs
    assert settled_change(np.full(100, 0.7)) == pytest.approx(0)


def test_epochs_apart():
    epochs = np.arange(10, 101, 10)
    assert settled_change(0.001 * epochs, epochs) == pytest.approx(0.02)


@pytest.mark.parametrize("curve", [np.arange(24.0), np.array([]), np.array([0.1])])
def test_too_few_epochs_show_nothing(curve):
    assert np.isnan(settled_change(curve))


def test_a_fifth_with_one_value_shows_nothing():
    assert np.isnan(settled_change(np.array([0.1, 0.2]), np.array([50, 100])))


@pytest.mark.parametrize(
    ("best", "length", "patience", "stopped"),
    [(10, 61, 50, True), (10, 60, 50, False), (10, 13, 2, False), (10, 36, 25, True), (0, 6, 5, False)],
)
def test_stopped_early(best, length, patience, stopped):
    val_acc = np.full(length, 0.5)
    val_acc[best] = 0.9
    assert stopped_early(val_acc, patience) == stopped
