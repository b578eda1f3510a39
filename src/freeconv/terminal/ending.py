"""The last lines of a run: what was done, where the report is and what it says."""

import csv
import os
from collections import Counter
from pathlib import Path

from freeconv.study import paths


def report_line(seen_from: Path) -> str | None:
    """Return where the report is and how many claims have which verdict; None without a report.

    Args:
        seen_from: the folder of the person who reads it; the study's is the current one.
    """
    if not Path(paths.report_file()).is_file():
        return None
    counts = verdict_counts(Path(paths.REPORTS, "tables", "claims.csv"))
    verdicts = f"; claims: {', '.join(f'{number} {name}' for name, number in counts.items())}" if counts else ""
    return f"report: {os.path.relpath(paths.report_file(), seen_from)}{verdicts}"


def verdict_counts(claims: Path) -> dict[str, int]:
    """Return how many of the claims have which verdict, most frequent first; empty if they cannot be read."""
    try:
        with claims.open(newline="", encoding="utf-8", errors="replace") as file:
            return dict(Counter(row["verdict"] for row in csv.DictReader(file)).most_common())
    except (OSError, KeyError, csv.Error):
        return {}
