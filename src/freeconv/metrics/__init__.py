"""Further metrics of the held-out images that runs record after each epoch, one file each.

Loss and accuracy are always recorded; these are beside them where `evaluate.metrics` names them. docs/extending.md
shows how to add one, in this folder or from outside the package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freeconv.errors import FreeconvError
from freeconv.registry import Registry, shown

if TYPE_CHECKING:  # who reads the names of metrics need not wait for it
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of held-out images as they are: a function of sums over images.

    Attributes:
        name: as in parameters and tables: `val_` and lower-case letters, digits and `_`; if it ends in `_acc`, it is
            an accuracy, in [0, 1].
        parts: takes logits, float32 (images, classes), and labels, int32 (images,), and returns what is summed over
            images, float32 (images, k), by `keras.ops`: it is compiled with the evaluation.
        value: takes the sums over all images, float64 (k,), and the number of images, and returns the metric.
        order: place in lists.
        title: for readers: `top-2 accuracy`.
    """

    name: str
    parts: Callable[[Any, Any], Any]
    value: Callable[[np.ndarray, int], float]
    order: int = shown(100)
    title: str = shown()

    def __post_init__(self) -> None:
        """Refuse a name that is no column of its own."""
        if not re.fullmatch(r"val_[a-z0-9_]+", self.name) or self.name in ("val_acc", "val_loss"):
            raise FreeconvError(
                "name of a metric: expected val_ and lower-case letters, digits and _, other than val_acc and "
                f"val_loss, which are always recorded; received {self.name!r}"
            )


METRICS: Registry[Metric] = Registry("metric", __name__)


def mean(sums: np.ndarray, number: int) -> float:
    """Return the mean over images of a metric with one part."""
    return float(sums[0]) / number


def metrics_named(names: Iterable[str]) -> list[Metric]:
    """Return metrics by their names.

    Raises:
        FreeconvError: there is none of a name.
    """
    return [METRICS[name] for name in names]
