"""Fewer epochs of long curves, for charts that a page holds and panels too small for more."""

import numpy as np
import pandas as pd

MOST = 60  # epochs of a curve


def thinned(rows: pd.DataFrame, most: int = MOST) -> pd.DataFrame:
    """Return rows of at most so many epochs: all of short curves, of longer ones more of the first than of the last.

    Args:
        rows: column epoch, from 0 or 1.
        most: epochs.
    """
    epochs = np.sort(rows["epoch"].unique())
    if len(epochs) <= most:
        return rows
    places = np.unique(np.geomspace(1, len(epochs), most).round().astype(int)) - 1
    return rows[rows["epoch"].isin(epochs[places])]
