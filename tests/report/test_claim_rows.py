import math

import pandas as pd
import pytest

from freeconv.report.claim_rows import axis_labels, claim_groups, decidable, lacking, place
from freeconv.study.claims import load_claims

NAN = math.nan
CLAIMS = {claim.id: claim for claim in load_claims()[0]}
ROW = {
    **dict.fromkeys(("section", "statement", "source"), "x"),
    **{"id": "fcn-invariant-at-30", "comparison": "val_acc", "dataset": "mnist", "folds": 5, "family": "primary"},
    **{"verdict": "supported", "reason": "The interval lies within −0.005 to 0.005.", "failed": NAN},
    **{"p_holm": 0.0123, "paper_check": "the paper's own number fails", "older": True, "registered": "2026-11-25"},
    **{"paper": NAN, "ours": -0.12345, "low": -0.2, "high": 0.00001},
}


def row_of(positions=None, **values):
    """Return the one row of a table of one claim."""
    (group,), _ = claim_groups(pd.DataFrame([{**ROW, **values}]), CLAIMS, positions or {})
    (row,) = group.rows
    return row


def test_numbers_are_in_points():
    row = row_of()
    assert (row.ours, row.interval, row.paper, row.unit) == ("−12.35", "−20.00 to +0.00", "—", "points")
    assert row.reason == "The interval lies within −0.5 points to 0.5 points."
    assert row.notes == [
        "p = 0.012 after Holm's correction.",
        "The paper's own number fails.",
        "Older than the claim's margin and requirements, of 2026-11-25.",
    ]
    assert row.strip.margins == [place(-0.5), place(0.5)]
    assert row.strip.claimed == (place(-0.5), place(0.5))
    assert row.strip.paper is None


def test_distances_are_in_per_cent_of_independent_kernels():
    numbers = {"id": "distance-rises-untranslated", "comparison": "distance_radius_1", "ours": 0.01, "low": NAN}
    row = row_of({"mnist": 200}, **numbers, reason="The interval lies above 0.002.")
    assert (row.ours, row.interval, row.unit) == ("+10.00", "", "% of independent kernels")  # √(2 / 200) is 0.1
    assert row.reason == "The interval lies above 2 %."
    assert row_of(**numbers).ours == "—"  # of how many positions is not known


def test_reasons_are_short_and_notes_have_the_whole():
    failed = (
        "convergence: val_acc of fcn at translate 0.3 may still move by 0.02; images: 5,000 images instead of 70,000"
    )
    row = row_of(verdict="not tested", failed=failed, reason="x", p_holm=NAN, paper_check=NAN, older=False)
    assert row.reason == "Lacks curves that have become flat and as many images as the paper's."
    assert row.notes == [f"Lacking: {failed.replace('0.02;', '2 points;')}."]
    missing = "Missing: val_acc of fcn at translate 0.3 and val_acc of cnn at translate 0.3."
    assert row_of(verdict="not run", reason=missing).reason == "2 cells have no run."
    assert lacking(failed) == ["convergence", "images"]


def test_the_axis_holds_half_a_point_and_sixty():
    assert [place(value) for value in (-1000, 0, 100)] == [0, 50, 100]
    assert place(0.5) - place(0) > 5
    assert place(-3) == pytest.approx(100 - place(3))
    assert [text for _, text in axis_labels()] == ["−50", "−10", "−1", "0", "1", "10", "50"]


def test_what_can_be_decided_is_counted():
    rows = [
        {**ROW, "verdict": verdict, "failed": failed}
        for verdict, failed in (
            ("supported", ""),
            ("inconclusive", ""),
            ("not run", "folds: 1 of 5"),
            ("not tested", "epochs: 5 of 75; images: fewer"),
            ("not tested", "images: fewer"),
        )
    ]
    rows.append({**ROW, "family": "exploratory", "verdict": "exploratory"})
    tested, decided, can, lack = decidable(pd.DataFrame(rows))
    assert (tested, decided, can) == (5, 1, 2)
    assert lack == {"as many images as the paper's": 2, "cells that were not run": 1, "more epochs": 1}
