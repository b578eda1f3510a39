"""A gallery of kernels by position, over epochs: weight sharing that one can see."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from freeconv.report.panels import no_runs, wide_figure
from freeconv.vocabulary import level_text

FILTERS = 4

# Snapshots of one layer after some epochs: float (epochs, positions, kh · kw · channels, filters), by level.
Snapshots = Mapping[float, tuple[Sequence[int], np.ndarray]]

KEYS = ["level", "epoch", "row", "column"]


def kernel_size(weights: int, channels: int) -> tuple[int, int]:
    """Return height and width of square kernels of so many weights; one row if they are not square."""
    side = round((weights / channels) ** 0.5)
    return (side, side) if side * side * channels == weights else (1, weights // channels)


def kernel_table(snapshots: Snapshots, grid: tuple[int, int], kernel: tuple[int, int]) -> pd.DataFrame:
    """Return kernels as a table: a row for each level, epoch and position.

    Args:
        snapshots: level to epochs and kernels of a layer.
        grid: rows and columns of positions.
        kernel: height and width of a kernel.

    Returns:
        Columns level, epoch, row, column and one for each weight of the first `FILTERS` filters, called
        `w<row>_<column>_<channel>_<filter>`.
    """
    frames = []
    for level, (epochs, kernels) in snapshots.items():
        channels = kernels.shape[2] // (kernel[0] * kernel[1])
        names = [f"w{y}_{x}_{z}_{f}" for y, x, z, f in np.ndindex(*kernel, channels, min(FILTERS, kernels.shape[3]))]
        for epoch, of_epoch in zip(epochs, kernels, strict=True):
            frame = pd.DataFrame(of_epoch[..., :FILTERS].reshape(len(of_epoch), -1).astype("float32"), columns=names)
            rows, columns = np.divmod(np.arange(len(frame)), grid[1])
            frames.append(
                pd.concat([pd.DataFrame(dict(zip(KEYS, (level, epoch, rows, columns), strict=True))), frame], axis=1)
            )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=KEYS)


def gallery(table: pd.DataFrame) -> dict[str, Any]:
    """Return what a page needs to show kernels: sizes, and weights in 255 steps.

    Args:
        table: as `kernel_table` returns it, and not empty.

    Returns:
        levels, epochs, grid (rows, columns), kernel (height, width), filters, and values: base64 of int8 (levels,
        epochs, positions, height, width, channels, filters), in units of the largest weight of each filter but for the
        largest hundredth.
    """
    values = _weights(table)
    return {
        "levels": table["level"].drop_duplicates().tolist(),
        "epochs": snapshot_names(table),
        "grid": [int(table[name].max()) + 1 for name in ("row", "column")],
        "kernel": list(values.shape[3:5]),
        "filters": values.shape[6],
        "values": b64encode(np.rint(127 * _relative(values)).astype("int8").tobytes()).decode(),
    }


def draw_gallery(table: pd.DataFrame) -> Figure:
    """Draw the kernels of one filter at all positions: a row per level, a column per epoch.

    Args:
        table: as `kernel_table` returns it.
    """
    if table.empty:
        return no_runs()
    values = _relative(_weights(table)).mean(axis=5)[..., 0]  # over channels, of the first filter
    levels, epochs = table["level"].drop_duplicates().tolist(), snapshot_names(table)
    rows, columns = (int(table[name].max()) + 1 for name in ("row", "column"))
    height, width = values.shape[3:5]
    figure = wide_figure(len(levels) / max(len(epochs), 2) * 1.08)
    figure.set_layout_engine("constrained", wspace=0.06, hspace=0.03)
    for (level, epoch), axes in np.ndenumerate(figure.subplots(len(levels), len(epochs), squeeze=False)):
        tiles = np.full((rows, height + 1, columns, width + 1), np.nan)
        tiles[:, :height, :, :width] = values[level, epoch].reshape(rows, columns, height, width).transpose(0, 2, 1, 3)
        axes.imshow(
            tiles.reshape(rows * (height + 1), -1)[:-1, :-1], cmap="RdBu_r", vmin=-1, vmax=1, interpolation="none"
        )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        if level == 0:
            axes.set_title("untrained" if epochs[epoch] == "0" else f"epoch {epochs[epoch]}")
        if epoch == 0:
            axes.set_ylabel(f"level {level_text(levels[level])}")
    return figure


def snapshot_names(table: pd.DataFrame) -> list[str]:
    """Return the epochs of snapshots, in words: `last` where levels were trained for different numbers of epochs."""
    by_level = [of_level["epoch"].drop_duplicates().tolist() for _, of_level in table.groupby("level", sort=False)]
    longest = max(map(len, by_level))
    places = [{epochs[place] if place < len(epochs) else None for epochs in by_level} for place in range(longest)]
    return [str(next(iter(epochs))) if len(epochs) == 1 else "last" for epochs in places]


def _weights(table: pd.DataFrame) -> np.ndarray:
    """Return weights (levels, snapshots, positions, height, width, channels, filters).

    Of a level with fewer snapshots than others the last one is repeated.
    """
    names = [str(name) for name in table if str(name).startswith("w")]
    places = np.array([[int(part) for part in name[1:].split("_")] for name in names])
    shape = tuple(places.max(axis=0) + 1)
    snapshots = [
        [of_epoch[names].to_numpy(float).reshape(-1, *shape) for _, of_epoch in of_level.groupby("epoch", sort=False)]
        for _, of_level in table.groupby("level", sort=False)
    ]
    longest = max(map(len, snapshots))
    return np.nan_to_num([[*found, *[found[-1]] * (longest - len(found))] for found in snapshots])


def _relative(values: np.ndarray) -> np.ndarray:
    """Return weights in [-1, 1], in units of each filter's largest but for the largest hundredth."""
    largest = np.quantile(abs(values), 0.99, axis=(2, 3, 4, 5), keepdims=True)
    return np.clip(values / np.where(largest > 0, largest, 1), -1, 1)
