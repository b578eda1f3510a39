"""The paper's claims as a forest plot shows them."""

import numpy as np
import pandas as pd

from freeconv.report.html_tables import VERDICTS

TESTED, EXPLORATORY = "tested", "exploratory"


def forest_rows(claims: pd.DataFrame, positions: int | None = None) -> pd.DataFrame:
    """Return claims with numbers, tested ones first, in points or, of distances, in per cent of independent kernels.

    Args:
        claims: rows of `judgement.judge` of one dataset; those without a number of ours or the paper's are left out.
        positions: of the first free layer, for claims on distances; those are left out if None.

    Returns:
        Columns id, statement, verdict, mark, kind, ours, low, high, paper (per cent), reason.
    """
    is_distance = claims["comparison"].str.contains("distance")
    scale = np.where(is_distance, 100 / np.sqrt(2 / positions) if positions else np.nan, 100.0)
    numbers = {name: claims[name].astype(float) * scale for name in ("ours", "low", "high", "paper")}
    rows = claims[["id", "statement", "verdict", "reason"]].assign(
        **numbers,
        mark=claims["verdict"].map(VERDICTS),
        kind=np.where(claims["family"] == "primary", TESTED, EXPLORATORY),
    )
    rows = rows.dropna(subset=["ours", "paper"], how="all")
    order = ["id", "statement", "verdict", "mark", "kind", "ours", "low", "high", "paper", "reason"]
    return rows.sort_values("kind", ascending=False, kind="stable")[order].reset_index(drop=True)
