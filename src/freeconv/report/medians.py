"""The medians that pages name, looked up in one way."""

import math
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import pandas as pd

from freeconv.analysis.distance import distance_key
from freeconv.vocabulary import level_text

# Level as text, network and metric to a median, of one dataset and augmentation. Metrics are accuracies, kernel
# distances of the first free layer after training (as `distance_key` names them), and these before training.
Medians = Mapping[tuple[str, str, str], float]
UNTRAINED = "untrained_"


def medians_of(accuracy: pd.DataFrame, trained: pd.DataFrame, distances: pd.DataFrame) -> Medians:
    """Return the medians of one dataset and augmentation.

    Args:
        accuracy: rows of `medians.accuracy`.
        trained: kernel distances after training, columns as of `accuracy`.
        distances: rows of `medians.distance`, by epoch.
    """
    first = distances["layer"].astype(str).str.endswith("_1") & (distances["epoch"] == 0)
    rows: Iterable[Any] = chain(accuracy.itertuples(index=False), trained.itertuples(index=False))
    untrained: Iterable[Any] = distances[first].itertuples(index=False)
    return {
        **{(level_text(row.level), row.network, row.metric): row.median for row in rows},
        **{
            (level_text(row.level), "fcn", UNTRAINED + distance_key(row.radius, row.measure)): row.median
            for row in untrained
        },
    }


def median(medians: Medians, level: float, network: str, metric: str) -> float:
    """Return a median; NaN where there is none."""
    return medians.get((level_text(level), network, metric), math.nan)
