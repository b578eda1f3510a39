"""How often verdicts are wrong: simulated studies of known truth, and the authors' own runs, whole and cut short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from freeconv.analysis.authors import EPOCHS, authors_runs, authors_study
from freeconv.analysis.contrasts import Contrast
from freeconv.analysis.evidence import ALPHA
from freeconv.analysis.intervals import difference_interval, interval
from freeconv.analysis.judgement import DECISIVE, Verdict, judge, look, verdicts
from freeconv.vocabulary import level_text

if TYPE_CHECKING:
    from freeconv.study.claims import Claim, PaperDataset

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Truth = Literal["margin", "one-margin", "true", "false"]


COLUMNS = (
    "source",
    "dataset",
    "claim",
    "truth",
    "studies",
    "supported",
    "contradicted",
    "inconclusive",
    "not tested",
    "wrong",
    "allowed",
)
FOLDS = 5
VERDICTS: tuple[Verdict, ...] = ("supported", "contradicted", "inconclusive", "not tested")


# What each truth means, and which verdicts are wrong under it. A claim holds beyond its margin, not at it; there errors
# are most likely.
TRUTHS: dict[Truth, tuple[str, tuple[Verdict, ...]]] = {
    "margin": ("everything lies at the margin", DECISIVE),
    "one-margin": ("one place lies at the margin, the others where the claim holds", DECISIVE),
    "true": ("the claim holds, by {effect:g} standard deviations", ("contradicted",)),
    "false": ("the claim fails, by {effect:g} standard deviations", ("supported",)),
}


class Scenario(NamedTuple):
    """A kind of simulated study.

    Attributes:
        truth: of every tested claim.
        effect: distance from the margin in standard deviations over folds, where truth has one.
        noise: draws what folds add, with standard deviation 1; normal if None.
        name: of the noise, in words.
    """

    truth: Truth
    effect: float = 0.0
    noise: Noise | None = None
    name: str = "normal"


def calibration() -> pd.DataFrame:
    """Return the table that benchmarks/calibration.py made: columns `COLUMNS`."""
    with files("freeconv.analysis").joinpath("calibration.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False)


def simulated(
    claims: Sequence[Claim], dataset: PaperDataset, scenario: Scenario, studies: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Return how often each verdict is given in studies of known truth.

    A study has five folds of every tested claim's comparison; its numbers go the way of a real one's, from the values
    at each place on.

    Args:
        claims: as `load_claims` returns them.
        dataset: of which dataset.
        scenario: the truth.
        studies: how many.
        rng: draws them.

    Returns:
        A row per tested claim, and one for the family: in how many studies any of its verdicts was such. Columns
        `COLUMNS`; wrong and the verdicts are shares of the studies.
    """
    tested = [claim for claim in claims if dataset in claim.primary]
    counts: list[Counter[str]] = [Counter() for _ in tested]
    family: Counter[str] = Counter()
    text, false = TRUTHS[scenario.truth]
    for _ in range(studies):
        found = [look(claim, dataset, dataset, _places(claim, dataset, scenario, rng)) for claim in tested]
        given = [judged.verdict for judged in verdicts(found)]
        for count, verdict in zip(counts, given, strict=True):
            count[verdict] += 1
        family.update(set(given))
        family["wrong"] += any(verdict in false for verdict in given)
    truth = f"{text.format(effect=scenario.effect)}; {scenario.name} noise"
    rows = [
        _row("simulation", dataset, claim.id, truth, studies, count, sum(count[name] for name in false))
        for claim, count in zip(tested, counts, strict=True)
    ]
    rows.append(_row("simulation", dataset, f"any of {len(tested)}", truth, studies, family, family["wrong"]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    source: str, dataset: str, claim: str, truth: str, studies: int, count: Counter[str], wrong: int
) -> tuple[Any, ...]:
    """Return a row of the table, counts as shares."""
    shares = [round(count[verdict] / studies, 4) for verdict in VERDICTS]
    return source, dataset, claim, truth, studies, *shares, round(wrong / studies, 4), ALPHA


def _places(claim: Claim, dataset: PaperDataset, scenario: Scenario, rng: np.random.Generator) -> list[Contrast]:
    """Return five folds of a claim's comparison at each of its places.

    Folds have an effect of their own, which all places share, and so half of the variance.
    """
    places = [level_text(index) for index in range(len(claim.comparison.places()))]
    draw = scenario.noise or (lambda rng, shape: rng.normal(size=shape))
    values = (draw(rng, (FOLDS, 1)) + draw(rng, (FOLDS, len(places)))) / np.sqrt(2) * _scale(claim, dataset)
    values += _truth(claim, dataset, scenario, len(places))
    return [
        Contrast(place, pd.Series(column), [], [], [], [], []) for place, column in zip(places, values.T, strict=True)
    ]


def _scale(claim: Claim, dataset: PaperDataset) -> float:
    """Return a standard deviation over folds: small beside the width between two margins, else any."""
    margin = claim.margin[dataset]
    return (margin[1] - margin[0]) / 20 if isinstance(margin, list) else 0.001


def _truth(claim: Claim, dataset: PaperDataset, scenario: Scenario, places: int) -> np.ndarray:
    """Return the true value at each place."""
    margin, scale = claim.margin[dataset], _scale(claim, dataset)
    high = margin[1] if isinstance(margin, list) else margin
    inwards = {"above": 1.0, "below": -1.0, "within": -1.0}[claim.direction] * scale
    kind = claim.comparison.kind
    effect = {"margin": 0.0, "one-margin": 0.0, "true": scenario.effect, "false": -scenario.effect}[scenario.truth]
    beyond = np.full(places, effect * inwards)
    if scenario.truth == "one-margin":
        # where one is enough, the others fail
        others = (-10 if kind == "some" else 10) * inwards
        beyond = np.array([0.0, *np.full(places - 1, others)])
    if kind != "trend":
        return high + beyond
    steps = high + beyond[: places - 1]
    # At the margin the last level, too, lies where the first does, or small steps the wrong way would add up.
    if scenario.truth == "margin":
        steps[0] -= steps.sum()
    return np.concatenate([[0.0], np.cumsum(steps)])


def cut_short(claims: Sequence[Claim]) -> pd.DataFrame:
    """Return the verdicts on the authors' runs, as far as they trained and cut short; columns `COLUMNS`.

    Claims that their runs, all at level 0 on MNIST, cannot concern are left out. No cut run may contradict a claim.
    """
    # their runs concern only claims about level 0; tested ones count for Holm's correction all the same
    claims = [claim for claim in claims if "mnist" in claim.primary or claim.comparison.places() == [(None, None)]]
    rows = []
    for epochs in (*EPOCHS, None):
        judged = judge(claims, *authors_study(epochs))
        concerned: Iterable[Any] = judged[judged["verdict"] != "not run"].itertuples()
        for row in concerned:
            text = "as far as they trained" if epochs is None else f"cut after {epochs} epochs"
            wrong = int(epochs is not None and row.verdict == "contradicted")
            allowed = 0.0 if epochs is not None else ""
            shares = [int(row.verdict == verdict) for verdict in VERDICTS]
            rows.append(("the authors' runs", "mnist", row.id, text, 1, *shares, wrong, allowed))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def authors_noise(runs: pd.DataFrame | None = None) -> Noise:
    """Return noise as in the authors' runs: a network's accuracy less the mean of the fold's five runs, scaled."""
    runs = authors_runs() if runs is None else runs
    last = runs[(runs["epoch"] == runs["length"]) & (runs["metric"] == "val_acc")]
    centered = last["median_to_epoch"] - last.groupby(["network", "fold"])["median_to_epoch"].transform("mean")
    spread = centered.groupby(last["network"]).transform("std")
    drawn = (centered / spread).to_numpy()
    drawn = drawn / drawn.std()
    return lambda rng, shape: rng.choice(drawn, size=shape)


def heavy_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return noise of heavy tails: Student's t with 5 degrees of freedom, of variance 1."""
    return rng.standard_t(5, size=shape) / np.sqrt(5 / 3)


def redrawn(draws: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return how often intervals miss, when five of the authors' 25 runs of a network are drawn, one per fold.

    The mean difference of the networks, against that of all 25 runs; and the medians, against those of another draw,
    with the interval of ours alone and with that of the difference.

    Args:
        draws: how many.
        rng: draws them.

    Returns:
        Columns `COLUMNS`, of which wrong is the share of draws that miss.
    """
    runs = authors_runs()
    last = runs[(runs["epoch"] == runs["length"]) & (runs["metric"].isin(["val_acc", "translate_acc", "swap_acc"]))]
    rows = []
    for metric, group in last.groupby("metric"):
        by_network = {
            network: of_network.pivot(index="fold", columns="run", values="median_to_epoch").to_numpy()
            for network, of_network in group.groupby("network")
        }
        truth = by_network["cnn"].mean() - by_network["fcn"].mean()
        missed: Counter[str] = Counter()
        for _ in range(draws):
            cnn, fcn, again = (_one_per_fold(by_network[name], rng) for name in ("cnn", "fcn", "fcn"))
            low, high = interval(cnn - fcn)
            missed["mean"] += not low <= truth <= high
            median, other = float(np.median(fcn)), float(np.median(again))
            low, high = interval(fcn, median)
            missed["alone"] += not low <= other <= high
            low, high = difference_interval(fcn, median, other, FOLDS)
            missed["difference"] += not low <= 0 <= high
        texts = {
            "mean": f"95 % interval of the mean difference in {metric}, CNN − FCN",
            "alone": f"95 % interval of one median of {metric} against another's",
            "difference": f"95 % interval of the difference of two medians of {metric}",
        }
        for name, text in texts.items():
            shares = [""] * len(VERDICTS)
            allowed = "" if name == "alone" else ALPHA
            rows.append(
                ("redraws of the authors' runs", "mnist", "", text, draws, *shares, missed[name] / draws, allowed)
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _one_per_fold(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one of the runs of each fold, from an array (folds, runs)."""
    return values[np.arange(len(values)), rng.integers(values.shape[1], size=len(values))]
