import numpy as np
import pandas as pd
import pytest

from freeconv.report.distance_rows import in_percent, independent, with_spread


def test_the_spread_is_that_of_the_runs_and_level_0_is_of_every_augmentation(made):
    folder, _ = made
    distances, history = (pd.read_csv(folder / f"reports/tables/{name}.csv") for name in ("distance", "history"))
    rows = with_spread(distances, history)
    assert len(rows) == len(distances)
    assert (rows["low"] <= rows["median"] + 1e-9).all()
    assert (rows["median"] <= rows["high"] + 1e-9).all()
    cell = rows.query("augmentation == 'rotate' and level == 0 and radius == 4 and epoch == 2").iloc[0]
    runs = history.query("network == 'fcn' and augmentation == 'none' and epoch == 2")["free_1_euclidean_4"]
    assert (cell["low"], cell["median"], cell["high"]) == pytest.approx((runs.min(), runs.median(), runs.max()))


def test_no_distances_have_no_spread(made):
    history = pd.read_csv(made[0] / "reports/tables/history.csv")
    empty = pd.DataFrame(columns=["dataset", "augmentation", "level", "layer", "radius", "measure", "epoch", "median"])
    assert in_percent(with_spread(empty, history), {"free_1": 8}).empty


def test_distances_in_per_cent_of_independent_kernels():
    rows = pd.DataFrame(
        [("free_1", "euclidean", 0.5), ("free_1", "cosine", 0.5), ("free_2", "euclidean", 0.1)],
        columns=["layer", "measure", "median"],
    ).assign(augmentation="translate", level=0.2, radius=1, epoch=1, low=0.1, high=np.nan)
    found = in_percent(rows, {"free_1": 8})
    assert found["distance"].tolist() == pytest.approx([100.0, 50.0])  # √(2/8) = 0.5
    assert found["low"].tolist() == pytest.approx([20.0, 10.0])
    assert np.isnan(independent(rows, {"free_1": 8}).iloc[2])
