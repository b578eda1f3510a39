"""What runs must have before they can decide a claim, and which of it they lack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from freeconv.analysis.contrasts import Contrast, Term
from freeconv.analysis.settling import FEWEST_EPOCHS

if TYPE_CHECKING:
    from freeconv.study.claims import Claim, PaperDataset


class Conditions(NamedTuple):
    """How a dataset's study differs from the paper's in what a verdict depends on; each in words, empty if not.

    Attributes:
        fewer: that it has fewer images.
        coded: that its images are not the paper's own: a JPEG copy.
        strengths: metric to how the images that it is evaluated on differ.
    """

    fewer: str = ""
    coded: str = ""
    strengths: Mapping[str, str] = {}

    @property
    def altered(self) -> str:
        """How its images differ: no such study can contradict the paper."""
        return " and ".join(part for part in (self.fewer, self.coded) if part)


def failures(claim: Claim, dataset: PaperDataset, found: Sequence[Contrast], conditions: Conditions) -> list[str]:
    """Return which requirements of a claim a study's runs fail, and by how much, in words; none if it meets all.

    Args:
        claim: the claim.
        dataset: the paper's dataset whose tolerances are used.
        found: the comparison at each of its places. Places where something is missing are passed over.
        conditions: of the study.
    """
    requires = claim.requires
    whole = [contrast for contrast in found if not (contrast.missing or contrast.unrecorded or contrast.unusable)]
    unrecorded = _once(text for one in found for text in one.unrecorded)
    failed = [f"not recorded: {', '.join(unrecorded)}"] if unrecorded else []
    failed += _once(text for one in found for text in one.unusable)
    failed += _folds(whole, requires.folds)
    terms = {term.text: term for contrast in whole for term in contrast.terms}
    if requires.epochs is not None:
        failed += _epochs(terms.values(), requires.epochs)
    if requires.flat is not None:
        failed += _not_settled(terms.values(), requires.flat[dataset])
    quantities = [*claim.comparison.plus, *claim.comparison.minus]
    metrics = _once(metric for quantity in quantities for metric in quantity.metrics())
    failed += [
        f"evaluated images: {conditions.strengths[metric]}" for metric in metrics if metric in conditions.strengths
    ]
    if requires.images and conditions.fewer:
        failed.append(f"images: {conditions.fewer}")
    return failed


def _folds(found: Sequence[Contrast], required: int) -> list[str]:
    """Return whether there are too few folds."""
    fewest = min((len(contrast.values) for contrast in found), default=required)
    return [f"folds: {fewest} of {required}"] if fewest < required else []


def _epochs(terms: Iterable[Term], required: int) -> list[str]:
    """Return whether runs are too short: of those that stopped early, half may be."""
    shortest = np.inf
    for term in terms:
        epochs, stopped = term.runs["epochs"].fillna(0), term.runs["stopped"]
        shortest = min(shortest, epochs[~stopped].min() if (~stopped).any() else np.inf, epochs.median())
    return [f"epochs: {shortest:g} of {required}"] if shortest < required else []


def _not_settled(terms: Iterable[Term], tolerance: float) -> list[str]:
    """Return which quantity still moves, or may do so, by more than the tolerance: the one that moves most."""
    worst: tuple[float, str] = (0.0, "")
    for term in terms:
        runs = term.runs
        moving = runs[~runs["stopped"]]
        if moving.empty:
            continue
        if (unknown := moving[moving["drift"].isna()]).size:
            epochs = unknown["epochs"].min()
            if epochs < FEWEST_EPOCHS:
                short = f"{epochs:g} epochs, not stopped early: fewer than {FEWEST_EPOCHS} do not show whether"
                return [f"convergence: {short} {term.text} is flat"]
            return [f"convergence: it is not known how far {term.text} still moves"]
        # of runs that stopped early nothing more is to come
        bound = _largest_change(runs["drift"].where(~runs["stopped"], 0.0).groupby("fold").mean())
        if bound > max(tolerance, worst[0]):
            worst = (bound, term.text)
    if not worst[1]:
        return []
    return [
        f"convergence: {worst[1]} may still move by {worst[0]:.2g} in a fifth of the epochs ({tolerance:g} allowed)"
    ]


def _largest_change(changes: pd.Series) -> float:
    """Return the larger end, without sign, of the 90 % interval of the mean change: as equivalence to none does."""
    center = float(changes.mean())
    if len(changes) < 2:
        return abs(center)
    half = float(stats.t.ppf(0.95, len(changes) - 1) * stats.sem(changes))
    return abs(center) + half


def _once(texts: Iterable[str]) -> list[str]:
    """Return texts, each once, in their order."""
    return list(dict.fromkeys(texts))
