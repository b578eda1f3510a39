import numpy as np
import pandas as pd

from freeconv.report.forest_rows import forest_rows

CLAIMS = pd.DataFrame(
    [
        ("near", "val_acc of fcn", "exploratory", "exploratory", 0.01, 0.0, 0.02, 0.03),
        ("falls", "distance_radius_1 of fcn", "primary", "supported", -0.1, -0.2, -0.05, np.nan),
        ("missing", "val_acc of fcn", "primary", "not run", np.nan, np.nan, np.nan, np.nan),
    ],
    columns=["id", "comparison", "family", "verdict", "ours", "low", "high", "paper"],
).assign(statement="It is so.", reason="The interval lies above 0.")


def test_tested_claims_come_first_in_points_or_per_cent_of_independent_kernels():
    rows = forest_rows(CLAIMS, positions=50)
    assert rows[["id", "kind", "verdict", "mark"]].to_numpy().tolist() == [
        ["falls", "tested", "supported", "✓"],
        ["near", "exploratory", "exploratory", "·"],
    ]
    assert np.allclose(rows["ours"], [-0.1 / np.sqrt(2 / 50) * 100, 1])
    assert forest_rows(CLAIMS)["id"].tolist() == ["near"]
