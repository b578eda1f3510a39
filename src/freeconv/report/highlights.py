"""What the numbers of a study say, a short sentence each."""

import math
from collections.abc import Mapping

from freeconv.analysis.distance import distance_key
from freeconv.study.params import Params
from freeconv.vocabulary import level_text

Tree = Mapping[str, Mapping[str, Mapping[str, float | None]]]  # level, network, metric, as in `metrics.json`


def number(levels: Tree, level: float, network: str, metric: str) -> float:
    """Return a number of `metrics.json`; NaN where it has none."""
    value = levels.get(level_text(level), {}).get(network, {}).get(metric)
    return math.nan if value is None else value


def findings(params: Params, augmentation: str, levels: Tree, starts: Mapping[str, float]) -> list[str]:
    """Return what the numbers of one dataset and augmentation say; nothing about numbers that are missing.

    Args:
        params: the study.
        augmentation: which one.
        levels: level to network to metric to median, as in `metrics.json`.
        starts: level, then `:`, then the name of a kernel distance in `metrics.json`, to the distance before training.
    """
    studied = sorted(params.levels(augmentation))
    sentences = []
    bests: dict[str, float] = {}
    for network in params.train.networks:
        values = {level: number(levels, level, network, "translate_acc") for level in studied}
        values = {level: value for level, value in values.items() if not math.isnan(value)}
        if values:
            bests[network] = max(values.values())
            sentences.append(f"On translated images the {network.upper()}'s accuracy is {_course_of_accuracy(values)}")
    if len(bests) == 2:
        sentences.append(_comparison(bests["fcn"], bests["cnn"]))
    if "fcn" in params.train.networks:
        radius = min(params.distance.radii)
        key = distance_key(radius, params.distance.measures[0])
        for level in dict.fromkeys([studied[0], studied[-1]]):
            start, end = starts.get(f"{level_text(level)}:{key}", math.nan), number(levels, level, "fcn", key)
            if not (math.isnan(start) or math.isnan(end)):
                sentences.append(
                    f"FCN at level {level_text(level)}: the {params.distance.measures[0]} distance between kernels "
                    f"{radius} position{'s' if radius > 1 else ''} apart {_course_of_distance(start, end)}"
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


def _comparison(fcn: float, cnn: float) -> str:
    """Return how the two networks compare, each at its best level."""
    difference = round(100 * (fcn - cnn), 2)
    if difference == 0:
        return "Each at its best level, the two networks are equally accurate on translated images."
    side = "below" if difference < 0 else "above"
    return f"Each at its best level, the FCN is {abs(difference):.2f} points {side} the CNN on translated images."


def _course_of_distance(start: float, end: float) -> str:
    """Return how a kernel distance changes in training."""
    if f"{start:.4f}" == f"{end:.4f}":
        return f"is {start:.4f} before training and after it."
    change = f"{100 * (end / start - 1):+.1f}".replace("-", "−")
    return f"{'rises' if end > start else 'falls'} from {start:.4f} to {end:.4f} in training ({change} %)."


def _percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.2f} %"
