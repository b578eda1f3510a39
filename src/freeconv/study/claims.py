"""The paper's conclusions, as typed data."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from freeconv.errors import FreeconvError
from freeconv.study.jobs import Augmentation, Config, Level, Network, first_error
from freeconv.vocabulary import level_text, trained_as

PaperDataset = Literal["mnist", "cifar10"]


METRIC = r"^([a-z0-9_]+_acc|(untrained_)?(cosine_)?distance_radius_[1-9][0-9]*)$"


class Quantity(Config):
    """One number of each fold: a cell of the tables, or an end of a kernel-distance trace.

    Metrics are accuracies, as `augmentations.metrics` names them, and `distance_radius_<radius>`, the distance between
    the first free layer's kernels after the last epoch, `untrained_distance_radius_<radius>`, before the first, and
    these for `cosine_distance`.
    """

    network: Network
    augmentation: Augmentation
    level: Level | None = Field(None, description="Null: the level is the comparison's.")
    metric: Annotated[str, Field(pattern=METRIC)]

    def at(self, level: float | None) -> tuple[str, str, float, str]:
        """Return network, augmentation (`none` at level 0), level and metric; `level` where the quantity has none."""
        own = level if self.level is None else self.level
        if own is None:
            raise ValueError(f"`level` must be a level, for {self.text()} has none. Received: level=None")
        return self.network, trained_as(self.augmentation, own), own, self.metric

    def text(self, level: float | None = None) -> str:
        """Return the quantity in words: `val_acc of fcn at translate 0.2`; at `level` where it has none."""
        own = level if self.level is None else self.level
        at = self.augmentation if own is None else f"{self.augmentation} {level_text(own)}"
        return f"{self.metric} of {self.network} at {at}"


class Comparison(Config):
    """A number that decides a claim: a sum of quantities less another, fold by fold."""

    kind: Literal["difference", "each-level", "slope"] = Field(
        description="`difference`: at fixed levels, or at one that `choose` picks; `each-level`: at each level that "
        "was run; `slope`: of the least-squares line over the levels that were run, per level 1."
    )
    plus: Annotated[list[Quantity], Field(min_length=1)]
    minus: list[Quantity] = Field([])
    levels: Annotated[list[Level], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Lowest and highest level for the quantities that have no level of their own."
    )
    choose: Literal["highest"] | Level | None = Field(
        None,
        description="For `difference`: the `highest` level of `levels` that was run, or this one and, if it was not "
        "run, the lowest.",
    )

    @model_validator(mode="after")
    def _levels_are_settled(self) -> Self:
        if bool(self.open) != (self.levels is not None):
            raise ValueError("`levels` if, and only if, a quantity has no level")
        if self.levels is not None and self.levels[0] > self.levels[1]:
            raise ValueError("the lower of two levels first")
        if (self.choose is not None) != (self.kind == "difference" and bool(self.open)):
            raise ValueError("`choose` if, and only if, a quantity of a `difference` has no level")
        if self.kind != "difference" and not self.open:
            raise ValueError(f"a quantity without level for the kind {self.kind}")
        return self

    @property
    def open(self) -> list[Quantity]:
        """The quantities whose level is the comparison's."""
        return [quantity for quantity in (*self.plus, *self.minus) if quantity.level is None]

    def text(self) -> str:
        """Return the comparison in words."""
        plus = " + ".join(quantity.text() for quantity in self.plus)
        text = " − ".join([plus, *(quantity.text() for quantity in self.minus)])
        if self.levels is None:
            return text
        low, high = (level_text(level) for level in self.levels)
        if self.kind == "each-level":
            return f"{text}, at each level from {low} to {high}"
        if self.kind == "slope":
            return f"slope of {text} against the level, from {low} to {high}"
        first = (
            "the highest level" if self.choose == "highest" else f"level {level_text(self.choose or 0)} or the lowest"
        )
        return f"{text}, at {first} that was run from {low} to {high}"


class Claim(Config):
    """A conclusion of the paper."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    section: str
    statement: str = Field(description="The conclusion in our words.")
    source: str = Field(description="Where the paper says so and where its numbers are.")
    comparison: Comparison
    direction: Literal["above", "below"]
    margin: Annotated[dict[PaperDataset, float], Field(min_length=1)] = Field(
        description="For each dataset that the paper makes the claim of: what the comparison is above or below."
    )
    paper: dict[PaperDataset, float] = Field({}, description="The paper's number where its tables have none.")


def load_claims(path: str | Path | None = None) -> list[Claim]:
    """Return the paper's conclusions.

    Args:
        path: a YAML file like `claims.yaml` of this package, which is read if None.

    Raises:
        FreeconvError: the file is missing, is not YAML, or holds something else than claims with ids of their own.
    """
    source = Path(path) if path is not None else files("freeconv.study").joinpath("claims.yaml")
    if not source.is_file():
        raise FreeconvError(f"{source}: expected a file of claims, received nothing: the file does not exist")
    try:
        claims = TypeAdapter(list[Claim]).validate_python(yaml.safe_load(source.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        problem = str(error).replace("\n", " ")
        raise FreeconvError(f"{source}: expected YAML, received something else ({problem})") from error
    except ValidationError as error:
        raise FreeconvError(f"{source}: {first_error(error)}") from error
    ids = [claim.id for claim in claims]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise FreeconvError(f"{source}: expected each id once, received {repeated[0]} twice; rename one of the claims")
    return claims
