"""What the numbers of a study say, a short sentence each."""

import math

from freeconv.analysis.distance import distance_key
from freeconv.report.fold_values import CHANGE, FoldValues, clear, half, half_of_difference
from freeconv.report.medians import UNTRAINED, Medians, median
from freeconv.report.numbers import signed, with_half
from freeconv.report.titles import free_first, network_title
from freeconv.study.params import Params
from freeconv.vocabulary import level_text


def highlights(params: Params, augmentation: str, medians: Medians, folds: FoldValues) -> list[str]:
    """Return what the numbers of one dataset and augmentation say; nothing about numbers that are missing.

    Args:
        params: the study.
        augmentation: which one.
        medians: of this dataset and augmentation.
        folds: likewise, behind the medians; ± is half of the 95 % interval over folds.
    """
    studied = sorted(params.levels(augmentation))
    return [*_on_accuracy(params, studied, medians, folds), *_on_distance(params, studied, medians, folds)]


def _on_accuracy(params: Params, levels: list[float], medians: Medians, folds: FoldValues) -> list[str]:
    """Return how accurate networks are on translated images."""
    sentences = []
    bests: dict[str, tuple[float, float]] = {}
    for network in params.train.networks:
        values = {level: median(medians, level, network, "translate_acc") for level in levels}
        values = {level: value for level, value in values.items() if not math.isnan(value)}
        if values:
            bests[network] = max((value, level) for level, value in values.items())
            course = _course_of_accuracy(values)
            sentences.append(f"On translated images the {network_title(network)}'s accuracy is {course}")
    if len(bests) == 2:
        first, second = free_first(bests)
        one, other = (folds.get((level_text(bests[name][1]), name, "translate_acc")) for name in (first, second))
        difference = bests[first][0] - bests[second][0]
        sentences.append(_comparison(first, second, difference, half_of_difference(one, other)))
    return sentences


def _on_distance(params: Params, levels: list[float], medians: Medians, folds: FoldValues) -> list[str]:
    """Return how the distance between the FCN's kernels changes in training, at the lowest and the highest level."""
    radius, measure = min(params.distance.radii), params.distance.measures[0]
    key = distance_key(radius, measure)
    sentences = []
    for level in dict.fromkeys([levels[0], levels[-1]]):
        start, end = (median(medians, level, "fcn", metric) for metric in (UNTRAINED + key, key))
        if not (math.isnan(start) or math.isnan(end)):
            sentences.append(
                f"{network_title('fcn')} at level {level_text(level)}: the {measure} distance between kernels {radius} "
                f"position{'s' if radius > 1 else ''} apart "
                f"{_course_of_distance(start, end, half(folds.get((level_text(level), 'fcn', CHANGE + key))))}"
            )
    return sentences


def _course_of_accuracy(values: dict[float, float]) -> str:
    """Return how high accuracy is at the lowest level and at the best one."""
    lowest, highest = min(values), max(values)
    values = {level: round(value, 4) for level, value in values.items()}  # what is not to be seen is not claimed
    best = max(values, key=lambda level: values[level])
    first = f"{_percent(values[lowest])} at level {level_text(lowest)}"
    if lowest == highest:
        return f"{first}."
    if best == lowest:
        return f"{first}, its best; at level {level_text(highest)} it is {_percent(values[highest])}."
    return f"{first}; its best, at level {level_text(best)}, is {_percent(values[best])}."


def _comparison(first: str, second: str, difference: float, uncertain: float) -> str:
    """Return how two networks compare, each at its best level."""
    one, other = network_title(first), network_title(second)
    if not clear(difference, uncertain):
        known = with_half(signed(100 * difference, 2), 100 * uncertain, 2)
        return (
            "Each at its best level, neither network is clearly above the other on translated images "
            f"({one} − {other}: {known} points)."
        )
    if round(100 * difference, 2) == 0:
        return "Each at its best level, the two networks are equally accurate on translated images."
    size = with_half(f"{abs(100 * difference):.2f}", 100 * uncertain, 2)
    side = "below" if difference < 0 else "above"
    return f"Each at its best level, the {one} is {size} points {side} the {other} on translated images."


def _course_of_distance(start: float, end: float, uncertain: float) -> str:
    """Return how a kernel distance changes in training."""
    change = with_half(signed(100 * (end / start - 1), 1), 100 * uncertain, 1)
    if not clear(end / start - 1, uncertain):
        return f"is {start:.4f} before training and {end:.4f} after it ({change} %)."
    if f"{start:.4f}" == f"{end:.4f}":
        return f"is {start:.4f} before training and after it."
    return f"{'rises' if end > start else 'falls'} from {start:.4f} to {end:.4f} in training ({change} %)."


def _percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.2f} %"
