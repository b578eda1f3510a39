"""Columns of tables of measures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who reads measures, or measures kernels, need not wait for Keras
    pass


MEASURE_COLUMNS = (
    "dataset",
    "augmentation",
    "level",
    "network",
    "fold",
    "measure",
    "layer",
    "setting",
    "statistic",
    "value",
)
