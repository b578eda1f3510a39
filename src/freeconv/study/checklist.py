"""What a referee asks of a study, answered from its parameters, runs and verdicts.

The questions follow the REFORMS checklist (Kapoor et al., Science Advances 10, 2024) and the reproducibility checklist
of the ML Reproducibility Challenge (Pineau et al., JMLR 22, 2021), in our words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from freeconv.datasets import DATASETS, paper_dataset
from freeconv.study import grid
from freeconv.study.claims import Registration
from freeconv.study.params import Params
from freeconv.study.protocol import protocol

if TYPE_CHECKING:
    from freeconv.storage.results import Problem
    from freeconv.storage.run_file import Run

COLUMNS = ("topic", "question", "answer")
NOT_MEASURED = "not measured"


class Answer(NamedTuple):
    """A row of the checklist."""

    topic: str
    question: str
    answer: str


def checklist(
    params: Params, study: Sequence[Run], problems: Sequence[Problem], judged: pd.DataFrame, registration: Registration
) -> pd.DataFrame:
    """Return the checklist of a study.

    Args:
        params: the study.
        study: its runs.
        problems: what could not be used.
        judged: as `judgement.judge` returns it.
        registration: of the claims.

    Returns:
        Columns topic, question and answer, all text.
    """
    rows = [
        *_about_claims(judged, registration),
        *_about_data(params, study),
        *_about_evaluation(params),
        *_about_statistics(study, judged),
        *_about_compute(study),
        *_about_deviations(params, study, problems, judged),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _about_claims(judged: pd.DataFrame, registration: Registration) -> list[Answer]:
    """Return what is claimed, and when that was settled."""
    tested = judged[judged["family"] == "primary"]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in judged["verdict"].value_counts().items())
    older = sorted(judged.loc[judged["older"].astype(bool), "id"].unique())
    return [
        Answer("claims", "Which claims are evaluated?", f"{judged['id'].nunique()} of the paper; tables/claims.csv"),
        Answer(
            "claims",
            "Which of them are tested, and which explored?",
            f"tested: {_listed(sorted(tested['id'].unique()))}; all others are exploratory",
        ),
        Answer(
            "claims",
            "When were claims, margins and requirements settled?",
            f"{registration.date or 'not recorded'}; SHA-256 {registration.sha256}",
        ),
        Answer(
            "claims", "Which results are older than the claims that they are judged by?", _listed(older) or "none known"
        ),
        Answer("claims", "What came of it?", counts or "no claim concerns these datasets"),
    ]


def _about_data(params: Params, study: Sequence[Run]) -> list[Answer]:
    """Return what the networks learn from."""
    rows = []
    for dataset in params.data.datasets:
        images = next((run.attributes.get("images") for run in study if run.config.dataset == dataset), None)
        hashes = {run.attributes.get("data_sha256", "") for run in study if run.config.dataset == dataset} - {""}
        counterpart = paper_dataset(dataset)
        texts = [
            f"{images:,} images" if images is not None else "no runs",
            f"SHA-256 of the content {', '.join(sorted(hashes))}" if hashes else "content not recorded",
            f"stands beside the paper's {counterpart}" if counterpart else "the paper has no such data",
        ]
        licence = f"; licence: {DATASETS[dataset].licence}" if dataset in DATASETS else ""
        rows.append(Answer("data", f"Which data is {dataset}?", "; ".join(texts) + licence))
    held_out = grid.held_out(params)
    return [
        *rows,
        Answer(
            "data",
            "How is it split?",
            f"{params.train.folds} contiguous folds, {len(held_out)} of them held out in turn; "
            + ("test images are kept apart: tables/test.csv" if params.evaluate.test else "no separate test set"),
        ),
        Answer(
            "data",
            "Is any image excluded or changed beforehand?",
            f"the first {params.data.limit:,} of a stratified order are used"
            if params.data.limit
            else "no; scaled to [0, 1]",
        ),
    ]


def _about_evaluation(params: Params) -> list[Answer]:
    """Return how held-out images are kept apart, and where they are not."""
    return [
        Answer(
            "leakage",
            "Can held-out images reach training?",
            "no held-out image is trained on; images of one writer or near-duplicates may lie in several folds, as in "
            "the paper",
        ),
        Answer(
            "leakage",
            "Is anything selected on the images that are reported?",
            "yes, as in the paper: training stops early on the accuracy of the held-out fold that is reported, and "
            "the hyperparameters were found on it; accuracies are somewhat too high, for all networks alike",
        ),
        Answer(
            "leakage",
            "Which number of a run is reported?",
            {
                "all-epochs": "the median over all epochs, which no single epoch is selected for",
                "final": "that of the last epoch",
                "best": "that of the epoch of the highest reported accuracy: selected on it",
            }[params.report.aggregate],
        ),
        Answer(
            "leakage",
            "Do networks see the same data?",
            "yes: shards, folds and evaluation images are drawn once and shared by all networks",
        ),
    ]


def _about_statistics(study: Sequence[Run], judged: pd.DataFrame) -> list[Answer]:
    """Return how many repetitions there are, and what intervals mean."""
    folds = {run.config.fold for run in study}
    seeds = int(judged["seeds"].max()) if len(judged) else 0
    return [
        Answer(
            "statistics",
            "How many runs, folds and seeds?",
            f"{len(study)} runs, {len(folds)} folds, {seeds} seeds a fold",
        ),
        Answer(
            "statistics",
            "How is uncertainty given?",
            "95 % intervals of Student's t over folds, paired, seeds averaged within a fold; they are about these "
            "folds, and too narrow for new images: the resampled interval allows for shared training images",
        ),
        Answer(
            "statistics",
            "How are many tests allowed for?",
            "Holm's correction over the tested claims of a dataset, eight at most; none for exploratory ones",
        ),
        Answer(
            "statistics",
            "Are the tests' error rates known?",
            "tables/calibration.csv: simulated studies, and the authors' own runs cut short",
        ),
        Answer(
            "statistics",
            "Where do random numbers come from?",
            "each stream from the study's seed, the run and the epoch",
        ),
    ]


def _about_compute(study: Sequence[Run]) -> list[Answer]:
    """Return what it took."""
    seconds = sum(float(run.attributes.get("seconds", 0)) for run in study)
    overhead = sum(float(run.attributes.get("overhead_seconds", 0)) for run in study)
    devices = sorted({str(run.attributes.get("device", "")) for run in study} - {""})
    versions = sorted(
        {
            ", ".join(f"{name} {version}" for name, version in sorted(run.attributes.get("versions", {}).items()))
            for run in study
        }
        - {""}
    )
    epochs = sum(len(run.history["val_acc"]) for run in study)
    return [
        Answer("compute", "On what?", _listed(devices) or "not recorded"),
        Answer("compute", "With which software?", " | ".join(versions) or "not recorded"),
        Answer("compute", "How long?", f"{seconds / 3600:.2f} hours of training, {overhead / 3600:.2f} of other work"),
        Answer("compute", "How much training?", f"{epochs:,} epochs"),
        Answer("compute", "How much energy?", NOT_MEASURED),
    ]


def _about_deviations(
    params: Params, study: Sequence[Run], problems: Sequence[Problem], judged: pd.DataFrame
) -> list[Answer]:
    """Return what is other than in the paper, and what is not there."""
    images = {run.config.dataset: run.attributes.get("images") for run in study}
    rows = [
        Answer(
            "deviations",
            f"How does the study of {dataset} differ from the paper's?",
            "; ".join(protocol(params, dataset, images.get(dataset)))
            or ("it does not" if paper_dataset(dataset) else "the paper has none"),
        )
        for dataset in params.data.datasets
    ]
    left_out = [problem.path for problem in problems if not problem.used]
    unsettled = judged[judged["failed"].astype(str) != ""]
    lacking = sorted({text.split(":")[0] for failed in unsettled["failed"] for text in str(failed).split("; ")})
    return [
        *rows,
        Answer(
            "deviations",
            "Where do the paper's text, its program and this one differ?",
            "docs/fidelity.md: each difference with its switch or its effect",
        ),
        Answer(
            "deviations",
            "Which claims fail by the paper's own numbers?",
            _listed(sorted(judged.loc[judged["paper_check"].astype(str) != "", "id"].unique())) or "none",
        ),
        Answer(
            "missing",
            "What could not be run or used?",
            f"{len(left_out)} files"
            + (f": {_listed([*left_out[:5], *['…'] * (len(left_out) > 5)])}" if left_out else ""),
        ),
        Answer(
            "missing",
            "How many claims lack runs, or what they require?",
            f"{int(np.sum(judged['verdict'] == 'not run'))} lack runs; "
            f"{len(unsettled)} lack {_listed(lacking) or 'nothing'}",
        ),
    ]


def _listed(texts: Sequence[str]) -> str:
    """Return texts as a list: `a, b, c`."""
    return ", ".join(texts)
