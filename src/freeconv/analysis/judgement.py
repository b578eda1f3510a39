"""Whether a study supports the paper's conclusions, contradicts them, or cannot tell, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from freeconv.analysis.contrasts import Cells, Contrast, cells_by_dataset, contrasts
from freeconv.analysis.distance import TRACE_COLUMNS
from freeconv.analysis.evidence import (
    ALPHA,
    NOTHING,
    Evidence,
    all_of,
    between,
    beyond,
    detectable,
    holm,
    one_of,
    trend,
    variance_components,
)
from freeconv.analysis.intervals import has_spread, interval, resampled_interval
from freeconv.analysis.paper import paper_medians
from freeconv.analysis.requirements import Conditions, failures
from freeconv.datasets import paper_dataset
from freeconv.vocabulary import level_text

if TYPE_CHECKING:
    from freeconv.study.claims import Claim, PaperDataset, Registration

Verdict = Literal["supported", "contradicted", "inconclusive", "not tested", "not run", "exploratory"]


FAMILY = 8  # tested claims about one dataset, at most


# The verdicts on tested claims that say something about the paper.
DECISIVE: tuple[Verdict, ...] = ("supported", "contradicted")


COLUMNS = [
    "id",
    "section",
    "statement",
    "comparison",
    "source",
    "dataset",
    "family",
    "verdict",
    "reason",
    "failed",
    "paper",
    "paper_check",
    "ours",
    "low",
    "high",
    "p",
    "p_holm",
    "detectable",
    "resampled_low",
    "resampled_high",
    "folds",
    "seeds",
    "epochs",
    "images",
    "sd_folds",
    "sd_seeds",
    "registered",
    "registration",
    "older",
]


class Estimate(NamedTuple):
    """What a claim's comparison comes to, at the place that decides.

    Attributes:
        place: augmentation and level, or the step between two, in words; empty if there is one only.
        values: one number per fold.
        seeds: per fold, one number per seed.
        evidence: for and against the claim, over all its places.
    """

    place: str
    values: np.ndarray
    seeds: list[np.ndarray]
    evidence: Evidence


class Found(NamedTuple):
    """A claim on a dataset, before it is judged with the others of its family."""

    claim: Claim
    dataset: str
    counterpart: PaperDataset
    contrasts: list[Contrast]
    estimate: Estimate | None
    failed: list[str]
    conditions: Conditions = Conditions()


class Judged(NamedTuple):
    """The verdict on a claim: why, in a sentence, which requirements fail, and the evidence after any correction."""

    verdict: Verdict
    reason: str
    failed: list[str]
    corrected: Evidence | None


def judge(
    claims: Sequence[Claim],
    values: pd.DataFrame,
    traces: pd.DataFrame,
    conditions: Mapping[str, Conditions] | None = None,
    registration: Registration | None = None,
    images: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Hold every claim against a study (docs/verdicts.md).

    Differences are paired by fold, seeds averaged within a fold; the estimate is their mean, with the 95 % interval of
    `intervals.interval`. A tested claim is `not run` if a cell that it names has no run, `not tested` if its runs fail
    a requirement, `supported` or `contradicted` if the evidence after Holm's correction over the dataset's tested
    claims says so, and else `inconclusive`. Images other than the paper's contradict nothing. All other claims are
    `exploratory`, or `not run`.

    Args:
        claims: as `load_claims` returns them.
        values: one row per run and metric, as `contrasts.cells_by_dataset` takes them. In any order; level 0 may appear
            under several augmentations.
        traces: kernel distances, columns `distance.TRACE_COLUMNS`; only the first layer's are used.
        conditions: by dataset, how the study differs from the paper's; not at all if None.
        registration: when the claims were settled, and their hash.
        images: by dataset, how many images there are.

    Returns:
        One row per claim and dataset of the study that stands beside one that the paper makes the claim of, in the
        order of claims, then of the datasets' names; columns `COLUMNS`, which docs/verdicts.md explains. Where a claim
        names several levels or augmentations, paper, ours, interval and the like are of the place that decides: the
        least favourable, or the most favourable where one is enough.
    """
    ours = cells_by_dataset(values, traces)
    paper = _paper_cells()
    found = []
    for claim in claims:
        for dataset in sorted({*values["dataset"], *traces["dataset"]}):
            counterpart = paper_dataset(dataset)
            if counterpart in claim.margin:
                cells = ours.get(dataset, Cells({}))
                about = (conditions or {}).get(dataset, Conditions())
                found.append(look(claim, dataset, counterpart, contrasts(claim.comparison, cells), about))
    rows = [
        _row(one, judged, paper[one.counterpart], registration, images or {})
        for one, judged in zip(found, verdicts(found), strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def look(
    claim: Claim,
    dataset: str,
    counterpart: Any,
    places: list[Contrast],
    conditions: Conditions | None = None,
) -> Found:
    """Return what a claim's comparison comes to on a dataset, and which requirements fail.

    Args:
        claim: the claim.
        dataset: ours.
        counterpart: the paper's dataset that it stands beside.
        places: the comparison at each of its places.
        conditions: of the dataset's study; the paper's if None.
    """
    conditions = conditions or Conditions()
    failed = failures(claim, counterpart, places, conditions)
    estimate = _estimate(claim, claim.margin[counterpart], places)
    return Found(claim, dataset, counterpart, places, estimate, failed, conditions)


def verdicts(found: Sequence[Found]) -> list[Judged]:
    """Return the verdict on each claim and dataset, after correction over each dataset's tested claims."""
    corrected = _corrected(found)
    return [_judged(one, corrected.get(index)) for index, one in enumerate(found)]


def _estimate(claim: Claim, margin: float | list[float], places: Sequence[Contrast]) -> Estimate | None:
    """Return what a comparison comes to over the places where it could be made; None if there are none."""
    made = [place for place in places if not place.values.empty]
    if not made:
        return None
    if claim.comparison.kind == "trend":
        return _trend_estimate(claim, margin, made)
    parts = [_evidence(claim, margin, place.values.to_numpy()) for place in made]
    some = claim.comparison.kind == "some"
    evidence = one_of(parts) if some else all_of(parts)
    order = [
        (part.supports, -_side(claim, margin, place.values.mean())) for part, place in zip(parts, made, strict=True)
    ]
    chosen = made[(min if some else max)(range(len(made)), key=lambda index: order[index])]
    return Estimate(chosen.place, chosen.values.to_numpy(), chosen.seeds, evidence)


def _trend_estimate(claim: Claim, margin: Any, made: Sequence[Contrast]) -> Estimate | None:
    """Return the least favourable step of a trend, and the evidence of all of them."""
    by_level = pd.concat([place.values for place in made], axis=1, join="inner")
    if len(made) < 2 or by_level.empty:
        return None
    table, rising = by_level.to_numpy(), claim.direction == "above"
    evidence = trend(table, margin, rising) if len(made) == len(claim.comparison.places()) else NOTHING
    steps = np.diff(table, axis=1).T
    supports = [(beyond(step, margin, rising).supports, -_side(claim, margin, step.mean())) for step in steps]
    worst = max(range(len(steps)), key=lambda index: supports[index])
    return Estimate(_step(made[worst].place, made[worst + 1].place), steps[worst], [], evidence)


def _evidence(claim: Claim, margin: Any, values: np.ndarray) -> Evidence:
    """Return the evidence of the values at one place."""
    if claim.direction == "within":
        return between(values, *margin)
    return beyond(values, margin, claim.direction == "above")


def _side(claim: Claim, margin: Any, value: float) -> float:
    """Return how far a number lies on the claimed side of a claim's margin; negative on the other."""
    if claim.direction == "within":
        return min(value - margin[0], margin[1] - value)
    return value - margin if claim.direction == "above" else margin - value


def _corrected(found: Sequence[Found]) -> dict[int, Evidence]:
    """Return the evidence on tested claims after Holm's correction, by index of `found`.

    The families are the datasets'. All tested claims count, those that were not run or fail a requirement with a p
    of 1: the number of tests was settled before the runs.
    """
    corrected: dict[int, Evidence] = {}
    for dataset in dict.fromkeys(one.dataset for one in found):
        tested = [
            index for index, one in enumerate(found) if one.dataset == dataset and one.counterpart in one.claim.primary
        ]
        evidence = [_usable(found[index]) for index in tested]
        supports = holm([one.supports for one in evidence])
        contradicts = holm([one.contradicts for one in evidence])
        corrected |= {index: Evidence(*pair) for index, *pair in zip(tested, supports, contradicts, strict=True)}
    return corrected


def _usable(found: Found) -> Evidence:
    """Return the evidence on a claim that may be decided; none on others."""
    decidable = found.estimate is not None and not found.failed and not _missing(found)
    return found.estimate.evidence if decidable and found.estimate else NOTHING


def _missing(found: Found) -> list[str]:
    """Return the cells without a run that a claim names, in words."""
    return list(dict.fromkeys(text for contrast in found.contrasts for text in contrast.missing))


def _judged(found: Found, corrected: Evidence | None) -> Judged:
    """Return the verdict on a claim."""
    verdict, reason, failed = _verdict(found, corrected)
    return Judged(verdict, reason, failed, corrected)


def _verdict(found: Found, corrected: Evidence | None) -> tuple[Verdict, str, list[str]]:
    """Return the verdict on a claim, why in a sentence, and which requirements fail."""
    failed, estimate = list(found.failed), found.estimate
    if missing := _missing(found):
        return "not run", f"Missing: {_listed(missing)}.", failed
    if corrected is None and estimate is not None:
        return "exploratory", " ".join([_seen(found), *(f"Lacking: {text}." for text in failed)]), failed
    if corrected is None or failed:
        return "not tested", f"{_sentence('; '.join(failed))}.", failed
    if estimate is None or not has_spread(estimate.values):
        return "inconclusive", _seen(found), failed
    if corrected.contradicts <= ALPHA and (altered := found.conditions.altered):
        failed.append(f"images: {altered}")
        return "not tested", f"{_seen(found)} But {altered} cannot contradict the paper.", failed
    if corrected.supports <= ALPHA:
        return "supported", _seen(found), failed
    if corrected.contradicts <= ALPHA:
        return "contradicted", _seen(found), failed
    if min(estimate.evidence) <= ALPHA:
        uncorrected = f"{_seen(found)} After Holm's correction for the number of tests that does not suffice."
        return "inconclusive", uncorrected, failed
    size = _text(float(f"{detectable(estimate.values, ALPHA / _tests(found)):.2g}"))
    return (
        "inconclusive",
        f"{_seen(found)} A distance of {size} from it would have been found four times in five.",
        failed,
    )


def _seen(found: Found) -> str:
    """Return where the interval lies, in a sentence; of an exploratory claim with what it lacks."""
    claim, estimate = found.claim, found.estimate
    if estimate is None:
        return "There are no numbers."
    low, high = interval(estimate.values, bounds=_bounds(claim))
    ends = claim.margin[found.counterpart]
    ends = ends if isinstance(ends, list) else [ends]
    if np.isnan(low):
        equal = len(estimate.values) > 1
        return "All folds are equal, which gives no interval." if equal else "One fold gives no interval."
    inside = [_text(end) for end in ends if low <= end <= high]
    if inside:
        seen = f"includes {_listed(inside)}"
    elif len(ends) == 1:
        seen = f"lies {'above' if low > ends[0] else 'below'} {_text(ends[0])}"
    else:
        side = "above" if low > ends[1] else "below" if high < ends[0] else "within"
        seen = f"lies {side} {_text(ends[0])} to {_text(ends[1])}"
    several = len(claim.comparison.places()) > 1
    which = "most" if claim.comparison.kind == "some" else "least"
    where = f"At {estimate.place}, the {which} favourable place, the" if several and estimate.place else "The"
    if several and claim.comparison.kind == "trend":
        where = f"At the least favourable step, {estimate.place}, the"
    return f"{where} interval {seen}."


def _row(
    found: Found,
    judged: Judged,
    paper: Cells,
    registration: Registration | None,
    images: Mapping[str, int],
) -> tuple[Any, ...]:
    """Return a row of the table of claims."""
    claim, estimate = found.claim, found.estimate
    verdict, reason, failed, corrected = judged
    stated, fails = _paper_number(claim, found.counterpart, paper, estimate.place if estimate else "")
    since = claim.since or (registration.date if registration else "")
    return (
        claim.id,
        claim.section,
        claim.statement,
        claim.comparison.text(),
        claim.source,
        found.dataset,
        "exploratory" if corrected is None else "primary",
        verdict,
        reason,
        "; ".join(failed),
        stated,
        "the paper's own number fails" if fails else "",
        *_numbers(estimate, None if failed or _missing(found) else corrected, _tests(found), _bounds(claim)),
        *_counts(found),
        images.get(found.dataset, np.nan),
        *(variance_components(estimate.seeds) if estimate else (np.nan, np.nan)),
        since,
        registration.sha256[:12] if registration else "",
        _older(found, since),
    )


def _tests(found: Found) -> int:
    """Return how many tests a claim may be one of: those of a family at most, of which Holm's first step takes each."""
    return FAMILY if found.counterpart in found.claim.primary else 1


def _bounds(claim: Claim) -> tuple[float, float] | None:
    """Return the lowest and highest possible number of a claim's comparison of accuracies; None if it has none."""
    quantities = [*claim.comparison.plus, *claim.comparison.minus]
    metrics = [metric for quantity in quantities for metric in quantity.metrics()]
    if any("distance" in metric for metric in metrics) or len(metrics) > 2 or claim.comparison.kind == "trend":
        return None
    return (0.0, 1.0) if len(metrics) == 1 else (-1.0, 1.0)


def _numbers(
    estimate: Estimate | None, corrected: Evidence | None, tests: int, bounds: tuple[float, float] | None
) -> list[float]:
    """Return ours, its interval, p, p after Holm, the detectable effect and the resampled interval."""
    if estimate is None:
        return [np.nan] * 8
    values = estimate.values
    supports = estimate.evidence.supports <= estimate.evidence.contradicts
    p = min(estimate.evidence) if has_spread(values) else np.nan
    p_holm = np.nan if corrected is None else corrected.supports if supports else corrected.contradicts
    return [
        float(np.mean(values)),
        *interval(values, bounds=bounds),
        p,
        p_holm,
        detectable(values, ALPHA / tests),
        *resampled_interval(values, 1 / max(len(values) - 1, 1)),
    ]


def _counts(found: Found) -> tuple[Any, ...]:
    """Return the fewest folds, seeds and epochs behind a claim's cells."""
    runs = [term.runs for contrast in found.contrasts for term in contrast.terms]
    folds = min((len(place.values) for place in found.contrasts if not place.values.empty), default=0)
    if not runs:
        return folds, 0, np.nan
    seeds = min(int(of_term.groupby("fold").size().min()) for of_term in runs)
    return folds, seeds, min(of_term["epochs"].min() for of_term in runs)


def _older(found: Found, since: str) -> bool:
    """Return whether a run behind a claim is older than the claim's margin and requirements."""
    days = {day for contrast in found.contrasts for term in contrast.terms for day in term.runs["made"] if day}
    return bool(since and days and min(days) < since)


@cache
def _paper_cells() -> dict[str, Cells]:
    """Return the medians of the paper's tables; training accuracy, on augmented images, stands for the clean one."""
    medians = paper_medians().rename(columns={"median": "value"}).assign(fold=0)
    clean = medians[medians["metric"] == "train_acc"].assign(metric="clean_train_acc")
    traces = pd.DataFrame(columns=list(TRACE_COLUMNS))
    return cells_by_dataset(pd.concat([medians, clean]), traces)


def _paper_number(claim: Claim, dataset: PaperDataset, paper: Cells, place: str) -> tuple[float, bool]:
    """Return the paper's number, and whether the claim fails by it.

    The number is the one given, or what the comparison comes to in the paper's tables, NaN if they lack a cell: at the
    place given, as ours; at the one that decides for the paper if there is none.
    """
    if dataset in claim.paper:
        number = claim.paper[dataset]
        return number, _side(claim, claim.margin[dataset], number) <= 0
    made = contrasts(claim.comparison, paper)
    if any(contrast.values.empty for contrast in made):
        return np.nan, False
    numbers = {contrast.place: float(contrast.values.mean()) for contrast in made}
    if claim.comparison.kind == "trend":
        numbers = {
            _step(low, high): numbers[high] - numbers[low]
            for low, high in pairwise(contrast.place for contrast in made)
        }
    best = max if claim.comparison.kind == "some" else min
    deciding = best(numbers.values(), key=lambda number: _side(claim, claim.margin[dataset], number))
    return numbers.get(place, deciding), _side(claim, claim.margin[dataset], deciding) <= 0


def _step(low: str, high: str) -> str:
    """Return a step of a trend in words."""
    return f"{low} to {high}"


def _text(number: float) -> str:
    """Return a number with the minus as typography has it."""
    return level_text(number).replace("-", "−")


def _sentence(text: str) -> str:
    """Return a text with a capital letter first."""
    return text[:1].upper() + text[1:]


def _listed(texts: Sequence[str]) -> str:
    """Return texts as a list in a sentence: `a, b and c`."""
    return " and ".join([part for part in (", ".join(texts[:-1]), texts[-1]) if part]) if texts else ""
