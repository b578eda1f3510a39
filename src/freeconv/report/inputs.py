"""What the report's pages are made of."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from freeconv.report.fold_values import FoldValues, fold_values
from freeconv.report.html_tables import Counts, run_counts
from freeconv.report.medians import Medians, medians_of
from freeconv.study.claims import Claim
from freeconv.study.params import Params

# Tables that pages are made of.
TABLES = (
    "accuracy",
    "accuracy_by_epoch",
    "authors",
    "calibration",
    "checklist",
    "claims",
    "compared",
    "dataset",
    "distance",
    "history",
    "problems",
    "runs",
    "search",
)


@dataclass(frozen=True)
class Origin:
    """Where, when and from what the report was made.

    Attributes:
        study: the study's folder, as seen from the project's, or that of the archive.
        file: the parameter file; empty if parameters were passed by hand.
        commit: the project's; empty if it is not under Git.
        date: of the report, as 2026-11-28.
        citation: content of the project's CITATION.cff; empty if there is none.
    """

    study: str
    file: str
    commit: str
    date: str
    citation: Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """What pages are made of.

    Attributes:
        params: the study.
        tables: those of `TABLES` by name.
        trained_distances: medians of kernel distances after training, columns as of the table `accuracy`.
        pictures: content of the SVG files that there are, by their paths relative to the pages.
        numbers: those behind figures, by the path of their CSV files relative to the pages.
        claims: the claims by id, for their margins.
        files: paths of the runs and logs that there are, and of the files of pictures relative to the pages.
        origin: where, when and from what the report is made.
    """

    params: Params
    tables: Mapping[str, pd.DataFrame]
    trained_distances: pd.DataFrame
    pictures: Mapping[str, str]
    numbers: Mapping[str, pd.DataFrame]
    claims: Mapping[str, Claim]
    files: Collection[str]
    origin: Origin

    def rows(self, table: str, dataset: str, augmentation: str) -> pd.DataFrame:
        """Return the rows of a table that are of one dataset and augmentation."""
        return _of(self.tables[table], dataset, augmentation)

    def medians(self, dataset: str, augmentation: str) -> Medians:
        """Return the medians of one dataset and augmentation."""
        accuracy, distances = (self.rows(table, dataset, augmentation) for table in ("accuracy", "distance"))
        return medians_of(accuracy, _of(self.trained_distances, dataset, augmentation), distances)

    def fold_values(self, dataset: str, augmentation: str) -> FoldValues:
        """Return what folds say of the numbers of one dataset and augmentation that sentences compare."""
        history, distance = self.tables["history"], self.params.distance
        rows = history[(history["dataset"] == dataset) & history["augmentation"].isin([augmentation, "none"])]
        neighbors = min(distance.radii), distance.measures[0]
        return fold_values(rows, "translate_acc", neighbors, self.params.report.aggregate)

    @cached_property
    def counts(self) -> Counts:
        """The number of runs of each cell."""
        return run_counts(self.tables["runs"])

    @cached_property
    def positions(self) -> dict[str, int]:
        """The number of positions of the FCN's first layer, by dataset."""
        runs = self.tables["runs"]
        free = runs[runs["network"] == "fcn"].drop_duplicates("dataset")
        return {str(row.dataset): int(row.positions) for row in free.itertuples(index=False)}  # type: ignore[arg-type]

    @cached_property
    def images(self) -> dict[str, int]:
        """The number of images of each dataset: those of its runs, or of its file where nothing has run."""
        classes, judged = self.tables["dataset"], self.tables["claims"].dropna(subset=["images"])
        classes = classes[classes["kind"] == "class"]
        stored = {str(dataset): int(rows["number"].sum()) for dataset, rows in classes.groupby("dataset", sort=False)}
        used = {str(dataset): int(rows["images"].iloc[0]) for dataset, rows in judged.groupby("dataset", sort=False)}
        return stored | used


def _of(table: pd.DataFrame, dataset: str, augmentation: str) -> pd.DataFrame:
    """Return the rows of one dataset and augmentation."""
    return table[(table["dataset"] == dataset) & (table["augmentation"] == augmentation)]
