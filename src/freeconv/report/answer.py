"""The first screen: the answer in three sentences, and what was run beside the paper's protocol."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from freeconv.analysis.distance import distance_key
from freeconv.augmentations import AUGMENTATIONS
from freeconv.datasets import paper_dataset
from freeconv.report.claim_rows import decidable
from freeconv.report.fold_values import CHANGE, FoldValues, clear, half, half_of_difference
from freeconv.report.medians import UNTRAINED, Medians, median
from freeconv.report.numbers import level_percent, signed, with_half
from freeconv.report.titles import capitalized, free_first, network_title
from freeconv.study import grid
from freeconv.study.params import Params
from freeconv.study.protocol import FOLDS, PROTOCOLS, conditions
from freeconv.vocabulary import level_text

ENOUGH = 3  # decided claims, below which little is said to be decided
METRIC = "translate_acc"


class Dial(NamedTuple):
    """How much of the paper's protocol was run, of one quantity.

    Attributes:
        name: of the quantity.
        text: such as `5,000 of 70,000`.
        share: of the paper's, up to 1; None where the paper has none.
    """

    name: str
    text: str
    share: float | None


def shown_dataset(params: Params) -> str:
    """Return the dataset that the first screen is about: the first that the paper has numbers for, else the first."""
    datasets = params.data.datasets
    return next((name for name in datasets if paper_dataset(name)), datasets[0])


def shown_augmentation(params: Params) -> str:
    """Return the augmentation that the first screen is about: translation, else the study's first."""
    studied = grid.augmentations(params)
    return "translate" if "translate" in studied else studied[0]


def answer(
    params: Params, judged: pd.DataFrame, compared: pd.DataFrame, medians: Medians, folds: FoldValues
) -> list[str]:
    """Return the answer in three sentences: what is decided, and two about accuracies and kernels.

    Args:
        params: the study.
        judged: as `judgement.judge` returns them.
        compared: rows of `paper.compare` of the dataset and augmentation that the first screen is about.
        medians: likewise.
        folds: likewise, behind the medians; differences are shown with the intervals that these give.
    """
    paper = _paper(compared)
    return [_decided(judged), _on_accuracy(params, medians, paper), _on_difference(params, medians, folds, paper)]


def _paper(compared: pd.DataFrame) -> Mapping[tuple[str, float], float]:
    """Return the paper's accuracies on translated images by network and level."""
    rows: Any = compared[(compared["metric"] == METRIC) & compared["paper"].notna()].itertuples(index=False)
    return {(row.network, row.level): row.paper for row in rows}


def _decided(judged: pd.DataFrame) -> str:
    """Return how many of the paper's claims are decided."""
    tested, decided, _, _ = decidable(judged)
    if not tested:
        return "The paper makes no claims about datasets such as these: what follows are numbers without verdicts."
    if decided < ENOUGH:
        how_much, few = ("Little", f"only {decided}") if decided else ("Nothing", "none")
        return f"{how_much} is decided yet: of the paper's {_count(tested, 'tested claim')} this study decides {few}."
    counts = judged.loc[judged["family"] == "primary", "verdict"].value_counts()
    return (
        f"Of the paper's {_count(tested, 'tested claim')} these runs support {counts.get('supported', 0)} and "
        f"contradict {counts.get('contradicted', 0)}; open: {tested - decided}."
    )


def _pair(params: Params) -> list[str]:
    """Return the two networks that the answer is about: the paper's where both are trained, else the first ones."""
    trained, papers = free_first(params.train.networks), ["fcn", "cnn"]
    return papers if set(papers) <= set(trained) else trained[:2]


def _on_accuracy(params: Params, medians: Medians, paper: Mapping[tuple[str, float], float]) -> str:
    """Return how accurate networks are on translated images, at the lowest and the highest level of training."""
    augmentation, dataset = shown_augmentation(params), shown_dataset(params)
    parts: list[str] = []
    trained: list[float] = []
    for network in _pair(params):
        levels = _levels(params, medians, network)
        if not levels:
            continue
        ends = list(dict.fromkeys([levels[0], levels[-1]]))
        ours = [f"{_percent(median(medians, level, network, METRIC))} %" for level in ends]
        if ends != trained:  # said once
            ours = [f"{of} when trained {_trained(augmentation, level)}" for of, level in zip(ours, ends, strict=True)]
        theirs = [paper.get((network, level), math.nan) for level in ends]
        beside = "" if any(map(math.isnan, theirs)) else f" (the paper: {' and '.join(map(_percent, theirs))} %)"
        verb = "" if parts else " recognises"
        parts.append(f"the {network_title(network)}{verb} {' and '.join(ours)}{beside}")
        trained = ends
    if not parts:
        return "No accuracy on translated images was recorded."
    return f"Of translated images of {dataset}, {', '.join(parts)}."


def _on_difference(
    params: Params, medians: Medians, folds: FoldValues, paper: Mapping[tuple[str, float], float]
) -> str:
    """Return how far the free network is from the shared one, and whether its kernels have come closer."""
    networks, augmentation = _pair(params), shown_augmentation(params)
    common = [level for level in params.levels(augmentation) if _all(medians, networks, level)]
    parts = []
    if len(networks) == 2 and common:
        level, (first, second) = max(common), networks
        ours = median(medians, level, first, METRIC) - median(medians, level, second, METRIC)
        theirs = paper.get((first, level), math.nan) - paper.get((second, level), math.nan)
        uncertain = half_of_difference(*(folds.get((level_text(level), network, METRIC)) for network in networks))
        notes = [] if clear(ours, uncertain) else [f"{with_half(signed(100 * ours, 1), 100 * uncertain, 1)} points"]
        notes += [] if math.isnan(theirs) else [f"the paper: {_apart(theirs)} it"]
        beside = f" ({'; '.join(notes)})" if notes else ""
        names = f"the {network_title(first)} is {_apart(ours, uncertain)} the {network_title(second)}{beside}"
        parts.append(f"trained {_trained(augmentation, level)}, {names}")
    if kernels := _on_kernels(params, medians, folds):
        parts.append(kernels)
    if not parts:
        return "There is one network alone, with nothing beside it."
    sentence = capitalized(", and ".join(parts))
    return f"{sentence}; ±: 95 % over folds." if "±" in sentence else f"{sentence}."


def _on_kernels(params: Params, medians: Medians, folds: FoldValues) -> str:
    """Return how the distance between neighbouring kernels changes in training, at the highest level that was run."""
    key = distance_key(min(params.distance.radii), params.distance.measures[0])
    augmentation = shown_augmentation(params)
    for level in sorted(params.levels(augmentation), reverse=True):
        start, end = (median(medians, level, "fcn", name) for name in (UNTRAINED + key, key))
        if not (math.isnan(start) or math.isnan(end)) and start > 0:
            change = 100 * (end / start - 1)
            uncertain = 100 * half(folds.get((level_text(level), "fcn", CHANGE + key)))
            side = "closer" if change < 0 else "further apart"
            end_as = f"end {with_half(f'{abs(change):.1f}', uncertain, 1)} % {side} than they began"
            if not clear(change, uncertain):
                known = with_half(signed(change, 1), uncertain, 1)
                end_as = f"end neither clearly closer nor further apart than they began ({known} %)"
            if len(params.train.networks) > 1:
                return f"its neighbouring kernels, which nothing ties, {end_as}"
            return f"trained {_trained(augmentation, level)}, neighbouring kernels {end_as}"
    return ""


def _levels(params: Params, medians: Medians, network: str) -> list[float]:
    """Return the levels at which a network has an accuracy on translated images, lowest first."""
    return sorted(level for level in params.levels(shown_augmentation(params)) if _all(medians, [network], level))


def _all(medians: Medians, networks: Sequence[str], level: float) -> bool:
    """Return whether all of some networks have an accuracy on translated images at a level."""
    return not any(math.isnan(median(medians, level, network, METRIC)) for network in networks)


def _trained(augmentation: str, level: float) -> str:
    """Return how a network was trained: `with 20 % translation`, `without`."""
    title = AUGMENTATIONS[augmentation].title
    return f"with {level_percent(level)} {title}" if level else f"without {title}"


def _percent(share: float) -> str:
    """Return a share in per cent, as exact as a sentence needs."""
    return f"{100 * share:.1f}"


def _apart(difference: float, uncertain: float = math.nan) -> str:
    """Return how far one accuracy is from another: `1.2 ± 0.3 points below`; half of its interval as a share."""
    if not clear(difference, uncertain):
        return "not clearly above or below"
    size = f"{abs(100 * difference):.1f}"
    side = "below" if difference < 0 else "above"
    return "level with" if size == "0.0" else f"{with_half(size, 100 * uncertain, 1)} points {side}"


def _count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 claim`, `2 claims`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def dials(params: Params, dataset: str, images: int | None, compared: pd.DataFrame) -> list[Dial]:
    """Return how much of the paper's protocol a dataset's study has run.

    Args:
        params: the study.
        dataset: which dataset.
        images: their number; None if it is not known.
        compared: rows of `paper.compare` of the dataset.
    """
    protocol = PROTOCOLS.get(paper_dataset(dataset) or "", {})
    epochs = grid.train_config(params, dataset, params.train.networks[0], "none", [0.0], [0]).epochs
    augmentation = shown_augmentation(params)
    of_paper = compared[(compared["augmentation"] == augmentation) & compared["paper"].notna()]
    ran = compared[(compared["augmentation"] == augmentation) & compared["ours"].notna()]
    folds, seeds = len(grid.held_out(params)), len(params.train.seeds)
    return [
        _dial("Images", images, protocol.get("images")),
        _dial("Epochs", epochs, protocol.get("epochs")),
        _dial(f"Levels of {AUGMENTATIONS[augmentation].title}", ran["level"].nunique(), of_paper["level"].nunique()),
        _dial("Folds", folds, FOLDS if protocol else None),
        _dial("Seeds a fold", seeds, None),
    ]


def _dial(name: str, ours: int | None, theirs: float | None) -> Dial:
    """Return one quantity beside the paper's."""
    if ours is None:
        return Dial(name, "not known", None)
    if not theirs:
        return Dial(name, f"{ours:,}", None)
    return Dial(name, f"{ours:,} of {theirs:,.0f}", min(1.0, ours / theirs))


def verdict_on_the_run(params: Params, judged: pd.DataFrame, images: Mapping[str, int]) -> list[str]:
    """Return what a run of this size can decide, and what it cannot, in sentences; none where nothing is claimed.

    Args:
        params: the study.
        judged: as `judgement.judge` returns them.
        images: their number by dataset, where known.
    """
    tested, _, can, lack = decidable(judged)
    if not tested:
        return []
    sentences = [f"A study of this size can decide {can} of the {_count(tested, 'tested claim')}."]
    if lack:
        listed = ", ".join(f"{words} ({count})" for words, count in lack.items())
        sentences.append(f"What the others lack: {listed}.")
    altered = [name for name in params.data.datasets if conditions(params, name, images.get(name)).altered]
    if altered:
        names = " and ".join(altered)
        sentences.append(
            f"{names} {'is' if len(altered) == 1 else 'are'} not the paper's own images, and can contradict nothing."
        )
    return sentences
