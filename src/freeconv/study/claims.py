"""The paper's conclusions, as typed data: what decides each, what it needs, and when that was settled."""

import hashlib
import json
import re
from datetime import date
from importlib.resources import files
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from freeconv.augmentations import evaluations, metrics
from freeconv.errors import FreeconvError
from freeconv.networks import NETWORKS
from freeconv.study.jobs import Augmentation, Config, Level, Network, first_error
from freeconv.study.network_names import parse_variant
from freeconv.vocabulary import level_text, trained_as

PaperDataset = Literal["mnist", "cifar10"]
Direction = Literal["above", "below", "within"]


# 13 × 13 and 14 × 14 positions of first layers have none beyond 6
DISTANCE = r"(untrained_)?(cosine_)?distance_radius_[1-6]"


def _is_distance(metric: str) -> bool:
    """Return whether a metric is a distance between kernels."""
    return re.fullmatch(DISTANCE, metric) is not None


FAMILY = 8  # primary claims of one dataset, at most


class Quantity(Config):
    """One number of each fold: a cell of the tables, an end of a kernel-distance trace, or a gap between two of them.

    Metrics are accuracies, as `augmentations.metrics` names them; `clean_train_acc`, on the training images as they
    are; and `distance_radius_<radius>`, the distance between the first free layer's kernels after the last epoch,
    `untrained_distance_radius_<radius>`, before the first, and these for `cosine_distance`.
    """

    network: Network
    augmentation: Augmentation | None = Field(None, description="Null: the augmentation is the comparison's.")
    level: Level | None = Field(None, description="Null: the level is the comparison's.")
    metric: str
    less: str | None = Field(None, description="A metric that is taken off.")
    size: bool = Field(False, description="Whether the difference counts without its sign, fold by fold.")

    @field_validator("metric", "less")
    @classmethod
    def _metrics_exist(cls, metric: str | None) -> str | None:
        accuracies = {"clean_train_acc", *metrics(member.name for member in evaluations())}
        if metric is None or metric in accuracies or _is_distance(metric):
            return metric
        raise ValueError(f"{', '.join(sorted(accuracies))} or distance_radius_1 to 6, received {metric!r}")

    @model_validator(mode="after")
    def _can_exist(self) -> Self:
        if any(map(_is_distance, self.metrics())) and not NETWORKS[parse_variant(self.network).kind].is_free():
            raise ValueError(f"a network with free layers for {self.metric}, received {self.network!r}")
        if self.augmentation == "none" and self.level:
            raise ValueError(f"level 0 for the augmentation none, received {self.level!r}")
        if self.size and self.less is None:
            raise ValueError("`size` of a difference: a metric for `less`, received none")
        return self

    def metrics(self) -> list[str]:
        """Return the metrics that the number is made of."""
        return [self.metric] if self.less is None else [self.metric, self.less]

    def at(self, augmentation: str | None, level: float | None) -> tuple[str, str, float]:
        """Return network, augmentation (`none` at level 0) and level; those given where the quantity has none."""
        own_augmentation, own_level = self.augmentation or augmentation, level if self.level is None else self.level
        if own_augmentation is None or own_level is None:
            raise ValueError(f"`level` and `augmentation` must be given, for {self.text()} lacks one. Received: None")
        return self.network, trained_as(own_augmentation, own_level), own_level

    def text(self, augmentation: str | None = None, level: float | None = None) -> str:
        """Return the quantity in words: `val_acc of fcn at translate 0.2`; with what is given where it has none."""
        own = level if self.level is None else self.level
        place = [self.augmentation or augmentation or "", "" if own is None else level_text(own)]
        what = self.metric if self.less is None else f"{self.metric} − {self.less}"
        what = f"|{what}|" if self.size else f"({what})" if self.less else what
        where = " ".join(part for part in place if part)
        return f"{what} of {self.network}" + (f" at {where}" if where else "")


class Comparison(Config):
    """A number that decides a claim: a sum of quantities less another, fold by fold."""

    kind: Literal["difference", "each", "some", "trend"] = Field(
        description="`difference`: one number; `each`: at every one of the levels and augmentations; `some`: at one of "
        "them at least; `trend`: from each level to the next."
    )
    plus: Annotated[list[Quantity], Field(min_length=1)]
    minus: list[Quantity] = Field([])
    levels: Annotated[list[Level], Field(min_length=1)] | None = Field(
        None, description="All levels that the claim names, for the quantities that have none of their own."
    )
    augmentations: Annotated[list[Augmentation], Field(min_length=1)] | None = Field(
        None, description="All augmentations that the claim names, for the quantities that have none of their own."
    )

    @model_validator(mode="after")
    def _places_are_settled(self) -> Self:
        quantities = [*self.plus, *self.minus]
        if any(quantity.level is None for quantity in quantities) != (self.levels is not None):
            raise ValueError("`levels` if, and only if, a quantity has no level")
        if any(quantity.augmentation is None for quantity in quantities) != (self.augmentations is not None):
            raise ValueError("`augmentations` if, and only if, a quantity has no augmentation")
        if any(low >= high for low, high in pairwise(self.levels or [])):
            raise ValueError("levels that rise, each once")
        if self.kind == "difference" and len(self.places()) > 1:
            raise ValueError("a level and an augmentation for each quantity of a `difference`")
        if self.kind == "trend" and (len(self.levels or []) < 3 or len(self.augmentations or [""]) > 1):
            raise ValueError("three levels or more, and one augmentation, for a `trend`")
        return self

    def places(self) -> list[tuple[str | None, float | None]]:
        """Return augmentations and levels at which the comparison is made; None where all quantities have their own."""
        augmentations: list[str | None] = [*self.augmentations] if self.augmentations else [None]
        levels: list[float | None] = [*self.levels] if self.levels else [None]
        return list(product(augmentations, levels))

    def text(self) -> str:
        """Return the comparison in words."""
        plus = " + ".join(quantity.text() for quantity in self.plus)
        text = " − ".join([plus, *(quantity.text() for quantity in self.minus)])
        under = f"under {_joined(self.augmentations)}" if self.augmentations else ""
        at = f"level {_joined(list(map(level_text, self.levels)))}" if self.levels else ""
        if self.kind == "trend":
            return f"step of {text}, to the next of {at.replace('level', 'levels')}"
        where = ", ".join(part for part in (under, at and f"at {at}") if part)
        which = {"each": "each: ", "some": "one at least: "}.get(self.kind, "")
        return f"{text}; {which}{where}" if where else text


def _joined(texts: list[str]) -> str:
    """Return texts as a list: `a, b, c`."""
    return ", ".join(texts)


class Requires(Config):
    """What runs must have before they can decide a claim, besides the cells that it names."""

    folds: Annotated[int, Field(ge=2)] = Field(description="Folds with a run in every cell.")
    flat: dict[PaperDataset, Annotated[float, Field(gt=0)]] | None = Field(
        None,
        description="Convergence: how far each quantity may still move over the last fifth of the epochs, unless its "
        "runs stopped early. Null: none is needed.",
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(None, description="Epochs that runs must have.")
    images: bool = Field(False, description="Whether as many images as the paper's are needed even to support it.")


Margin = float | Annotated[list[float], Field(min_length=2, max_length=2)]


class Claim(Config):
    """A conclusion of the paper."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    section: str
    statement: str = Field(description="The conclusion in our words.")
    source: str = Field(description="Where the paper says so and where its numbers are.")
    comparison: Comparison
    direction: Direction
    margin: Annotated[dict[PaperDataset, Margin], Field(min_length=1)] = Field(
        description="For each dataset that the paper makes the claim of: what the comparison is above or below, or the "
        "two numbers that it lies within."
    )
    requires: Requires
    primary: list[PaperDataset] = Field([], description="Datasets for which the claim is tested; exploratory else.")
    paper: dict[PaperDataset, float] = Field({}, description="The paper's number where its tables have none.")
    since: str | None = Field(None, description="Day from which margin and requirements hold, if not the file's.")

    @model_validator(mode="after")
    def _datasets_and_margins_agree(self) -> Self:
        for dataset, margin in self.margin.items():
            if isinstance(margin, list) != (self.direction == "within"):
                raise ValueError("two margins for the direction within, one for the others")
            if isinstance(margin, list) and margin[0] >= margin[1]:
                raise ValueError("the lower of two margins first")
            if self.requires.flat is not None and dataset not in self.requires.flat:
                raise ValueError(f"requires.flat for {dataset}")
        if others := sorted({*self.primary, *self.paper} - set(self.margin)):
            raise ValueError(f"a margin for {others[0]}")
        return self


class Registration(NamedTuple):
    """When the claims of a file were settled, and what they were.

    Attributes:
        date: the day, as 2026-11-25; empty if the file does not say.
        sha256: of what decides them (`registered_text`).
    """

    date: str
    sha256: str


class _File(Config):
    """A file of claims."""

    registered: str | None = None
    sha256: str | None = None
    claims: list[Claim]


def registered_text(claims: list[Claim]) -> str:
    """Return what decides claims, as text: comparisons, directions, margins, requirements and which are primary."""
    keys = {"id", "comparison", "direction", "margin", "requires", "primary"}
    return json.dumps([claim.model_dump(mode="json", include=keys) for claim in claims], sort_keys=True)


def load_claims(path: str | Path | None = None) -> tuple[list[Claim], Registration]:
    """Return the paper's conclusions, and when they were registered.

    Args:
        path: a YAML file like `claims.yaml` of this package, which is read if None.

    Raises:
        FreeconvError: the file is missing, is not YAML, or holds something else than claims with ids of their own, at
            most eight of them primary for one dataset; or they are not those that its hash was taken of.
    """
    source = Path(path) if path is not None else files("freeconv.study").joinpath("claims.yaml")
    if not source.is_file():
        raise FreeconvError(f"{source}: expected a file of claims, received nothing: the file does not exist")
    try:
        content = _File.model_validate(_plain(yaml.safe_load(source.read_text(encoding="utf-8"))))
    except yaml.YAMLError as error:
        problem = str(error).replace("\n", " ")
        raise FreeconvError(f"{source}: expected YAML, received something else ({problem})") from error
    except ValidationError as error:
        raise FreeconvError(f"{source}: {first_error(error)}") from error
    claims = content.claims
    ids = [claim.id for claim in claims]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise FreeconvError(f"{source}: expected each id once, received {repeated[0]} twice; rename one of the claims")
    for dataset in ("mnist", "cifar10"):
        if (count := sum(dataset in claim.primary for claim in claims)) > FAMILY:
            raise FreeconvError(
                f"{source}: expected at most {FAMILY} primary claims about {dataset}, received {count}; each further "
                "one takes power from all others"
            )
    sha256 = hashlib.sha256(registered_text(claims).encode()).hexdigest()
    if content.sha256 is not None and content.sha256 != sha256:
        raise FreeconvError(
            f"{source}: expected the claims that sha256 was taken of, received others; if claims, margins or "
            f"requirements were meant to change, set the day, `registered` or the claim's `since`, and sha256: {sha256}"
        )
    return claims, Registration(content.registered or "", sha256)


def _plain(content: Any) -> Any:
    """Return the content of a YAML file with days, which YAML knows and JSON does not, as text."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_plain(value) for value in content]
    return content.isoformat() if isinstance(content, date) else content
