"""Numbers as readers see them: accuracies and levels in per cent, differences in percentage points."""

import math
import re

from freeconv.vocabulary import level_text

MISSING = "—"

# A number with a point that is no part of a name, as in `rate-0.01`; what stands before it says whether it is a level.
_NUMBER = re.compile(
    r"(?P<before>\b(?:translate|rotate|noise|edge_noise|levels?|At|step,) |, | to )?(?<![-\w.])"
    r"(?P<number>\d(?:\.\d+)?e-\d+|\d?\.\d+)"
)


def percent(share: float) -> str:
    """Return a share in per cent, without the sign: `98.77`."""
    return MISSING if math.isnan(share) else f"{100 * share:.2f}"


def number(value: float) -> str:
    """Return a number that is no share, as a loss, with four digits after the point."""
    return MISSING if math.isnan(value) else f"{value:.4f}"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, with its sign: `−0.12`."""
    return signed(100 * difference, 2)


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, the minus as typography has it."""
    return MISSING if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def with_half(value: str, half: float, digits: int) -> str:
    """Return a number with half of its interval, where that is known: `1.9 ± 0.2`."""
    return value if math.isnan(half) else f"{value} ± {half:.{digits}f}"


def level_percent(level: float) -> str:
    """Return a level of an augmentation in per cent, as the paper's text has it: `20 %`."""
    return f"{float(level_text(level)) * 100:g} %"


def in_unit(text: str, scale: float, unit: str) -> str:
    """Return a sentence about a claim with its differences in a unit; levels and names stay.

    Args:
        text: as `judgement.judge` writes it, differences as shares or as kernel distances.
        scale: what these are multiplied by.
        unit: what stands behind them.
    """
    listing = False  # in `level 0.1, 0.2, 0.3`, or in `step, 0.1 to 0.2`

    def shown(found: re.Match[str]) -> str:
        nonlocal listing
        before = found["before"] or ""
        listing = before != "" and (before not in (", ", " to ") or listing)
        return found[0] if listing else f"{before}{scale * float(found['number']):.3g} {unit}"

    return _NUMBER.sub(shown, text)
