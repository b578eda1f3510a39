import math

import pytest

from freeconv.report.numbers import MISSING, in_unit, level_percent, number, percent, points, signed


def test_numbers():
    assert [percent(value) for value in (0.98765, 0.0, math.nan)] == ["98.77", "0.00", MISSING]
    assert [points(value) for value in (0.98765, -0.00004, math.nan)] == ["+98.77", "−0.00", MISSING]
    assert [number(value) for value in (0.12345, math.nan)] == ["0.1235", MISSING]
    assert signed(-0.123456789, 6) == "−0.123457"
    assert [level_percent(level) for level in (0, 0.2, 0.99)] == ["0 %", "20 %", "99 %"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The interval lies above 0.005.", "The interval lies above 0.5 points."),
        ("The interval lies within −0.005 to 0.005.", "The interval lies within −0.5 points to 0.5 points."),
        ("The interval lies above 3e-4.", "The interval lies above 0.03 points."),
        (
            "convergence: (a − b) of fcn at translate 0.3 may still move by 0.013 in a fifth (0.002 allowed)",
            "convergence: (a − b) of fcn at translate 0.3 may still move by 1.3 points in a fifth (0.2 points allowed)",
        ),
        ("at level 0.1, 0.2, 0.3 it is 0.5", "at level 0.1, 0.2, 0.3 it is 50 points"),
        ("At 0.2, the place, the interval includes 0.", "At 0.2, the place, the interval includes 0."),
        (
            "At the step, translate 0.1 to 0.2, it lies below 0.01.",
            "At the step, translate 0.1 to 0.2, it lies below 1 points.",
        ),
        ("val_acc of cnn-layers-3-rate-0.0001 at none 0", "val_acc of cnn-layers-3-rate-0.0001 at none 0"),
        ("epochs: 30 of 75", "epochs: 30 of 75"),
    ],
)
def test_sentences_about_claims_are_in_points(text, expected):
    assert in_unit(text, 100, "points") == expected
