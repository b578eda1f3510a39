"""What decides the content of each stored file: the typed configuration of every kind of job.

A job's configuration is one JSON object. Snakemake passes it on the command line (`freeconv train '{…}'`), the file
that the job writes carries it as the attribute `config`, and whoever reads the file compares the two.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from freeconv.augmentations import AUGMENTATIONS
from freeconv.errors import FreeconvError
from freeconv.measures import MEASURES
from freeconv.metrics import METRICS
from freeconv.networks import NETWORKS
from freeconv.study.network_names import Variant, parse_variant, variant_name
from freeconv.vocabulary import DistanceMeasure, Initializer, Mask, Precision

Level = Annotated[float, Field(ge=0, lt=1)]
Epochs = Annotated[int, Field(ge=1)]
TrainSeed = Annotated[int, Field(ge=0)]
Limit = Annotated[int, Field(ge=1)] | None


def _known_variant(name: str) -> str:
    """Refuse a name that no network has."""
    parse_variant(name)
    return name


def _known_augmentation(name: str) -> str:
    """Refuse an augmentation that is not registered."""
    if name not in AUGMENTATIONS:
        raise ValueError(f"augmentations among {', '.join(AUGMENTATIONS)}, received {name!r}")
    return name


def _known_forms(forms: dict[str, str]) -> dict[str, str]:
    """Refuse forms that augmentations do not have."""
    for name, form in forms.items():
        if form not in AUGMENTATIONS[name].forms:
            raise ValueError(f"{' or '.join(AUGMENTATIONS[name].forms)} as the form of {name}, received {form!r}")
    return forms


def _allowed_strengths(strengths: dict[str, float]) -> dict[str, float]:
    """Refuse strengths outside an augmentation's range, and augmentations that nothing is evaluated on."""
    for name, strength in strengths.items():
        allowed = AUGMENTATIONS[name].strength
        if allowed is None:
            raise ValueError(f"augmentations that have a strength of evaluation, received {name!r}")
        if not 0 <= strength <= allowed.highest:
            raise ValueError(f"{name} from 0 to {allowed.highest:g}, received {strength!r}")
    return strengths


def _known_measure(name: str) -> str:
    """Refuse a measure that is not registered."""
    if name not in MEASURES:
        raise ValueError(f"measures among {', '.join(MEASURES)}, received {name!r}")
    return name


def _known_metric(name: str) -> str:
    """Refuse a metric that is not registered."""
    if name not in METRICS:
        raise ValueError(f"metrics among {', '.join(METRICS)}, received {name!r}")
    return name


Network = Annotated[str, AfterValidator(_known_variant)]
Augmentation = Annotated[str, AfterValidator(_known_augmentation)]
Measure = Annotated[str, AfterValidator(_known_measure)]
MetricName = Annotated[str, AfterValidator(_known_metric)]
# By augmentation, of those that have several forms.
Forms = Annotated[dict[Augmentation, str], AfterValidator(_known_forms)]
# By augmentation: how strong it is on the held-out images that networks are evaluated on, in its own unit.
Evaluate = Annotated[dict[Augmentation, float], AfterValidator(_allowed_strengths)]


class Config(BaseModel):
    """A configuration: immutable, strictly typed, unknown keys refused."""

    # built at first use: few of them are needed by any one command
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the configuration written in `text`: JSON, or the path of a JSON file.

        Raises:
            FreeconvError: the text is not JSON, lacks a key, or a value is not of its type or range.
        """
        if not text.lstrip().startswith("{"):
            if not Path(text).is_file():
                raise FreeconvError(f"configuration: expected JSON or the path of a JSON file, received {text!r}")
            text = Path(text).read_text()
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise FreeconvError(f"configuration of {cls.__name__}: {first_error(error)}") from error

    def dump(self) -> dict[str, Any]:
        """Return the configuration as plain JSON types."""
        return self.model_dump(mode="json")

    def text(self) -> str:
        """Return the configuration as one line of JSON, keys sorted."""
        return json.dumps(self.dump(), sort_keys=True)


def first_error(error: ValidationError) -> str:
    """Return pydantic's first complaint as `key: expected …, received …`."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("function-", "list[", "float")))
    if first["type"] == "extra_forbidden":
        return f"{key}: unknown key; remove it or correct its spelling (docs/params.md lists all keys)"
    if first["type"] == "missing":
        return f"{key}: expected a value, received none"
    message = first["msg"][:1].lower() + first["msg"][1:]
    message = message.removeprefix("value error, ").removeprefix("input should be ")
    received = "" if "received" in message else f", received {_short(first['input'])}"
    return f"{key or 'parameters'}: expected {message}{received}"


def _short(value: Any) -> str:
    """Return a value for a message."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


class OutdatedError(FreeconvError):
    """A whole file that the parameters ask for otherwise: a run takes its place."""


def check_config(path: str | Path, stored: Any, expected: dict[str, Any]) -> None:
    """Refuse a file that was made from another configuration than `expected`.

    Raises:
        OutdatedError: names the file and the first key that differs.
    """
    stored = stored if isinstance(stored, dict) else {}
    if differing := first_difference(stored, expected):
        key, received, wanted = differing
        raise OutdatedError(
            f"{path}: expected {key} = {wanted!r}, received {received!r}; "
            "the file is from other parameters: remove it and run again"
        )


def first_difference(stored: dict[str, Any], expected: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """Return the first key whose values differ, and both values; keys of a nested configuration as `train.seed`."""
    for key in sorted(expected.keys() | stored.keys()):
        received, wanted = stored.get(key), expected.get(key)
        if isinstance(received, dict) and isinstance(wanted, dict):
            if differing := first_difference(received, wanted):
                inner, *values = differing
                return f"{key}.{inner}", *values
        elif received != wanted:
            return key, received, wanted
    return None


class DataConfig(Config):
    """One dataset's file, beside its raw files."""

    dataset: str
    seed: int
    limit: Limit


class JobConfig(Config):
    """A job's configuration; what is at the value of studies from before there was a choice is not said.

    So files of earlier versions are of the same jobs.

    Attributes:
        limit: `data.limit`, the largest number of images of the dataset.
    """

    UNSAID: ClassVar[dict[str, Any]] = {
        "limit": None,
        "train_seed": 0,
        "optimizer": None,
        "schedule": None,
        "evaluate_images": None,
        "evaluate_metrics": [],
        "test": False,
    }

    dataset: str
    seed: int
    limit: Limit = None

    @model_serializer(mode="wrap")
    def _without_unsaid(self, serialized: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what need not be said."""
        return {
            name: value
            for name, value in serialized(self).items()
            if name not in self.UNSAID or value != self.UNSAID[name]
        }

    def data(self) -> DataConfig:
        """Return the configuration of the dataset's file that the job reads, directly or not."""
        return DataConfig(dataset=self.dataset, seed=self.seed, limit=self.limit)


class ShardConfig(JobConfig):
    """One augmented pass over a whole dataset."""

    augmentation: Augmentation
    form: str | None
    level: Level
    copy_index: Annotated[int, Field(ge=0)]


class Optimizer(Config):
    """How a step changes the weights, by Keras's formulas (`freeconv.training.optimizers`)."""

    name: Literal["adam", "adamw", "sgd"] = Field("adam", description="`adam`, `adamw` or `sgd`.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="Of `sgd`.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="Decoupled weight decay of `adamw` and `sgd`: before each step all weights are shortened by the "
        "share learning rate · weight_decay.",
    )

    @model_validator(mode="after")
    def _has_what_it_is_given(self) -> Self:
        if self.momentum and self.name != "sgd":
            raise ValueError(f"momentum with sgd only, received {self.momentum} with {self.name}")
        if self.weight_decay and self.name == "adam":
            raise ValueError(f"weight_decay with adamw or sgd only, received {self.weight_decay} with adam")
        return self


class Schedule(Config):
    """How the learning rate changes in the course of training (`freeconv.training.optimizers`).

    Its lengths are its own, so that a run that is continued goes on as it would have.
    """

    name: Literal["constant", "cosine", "steps"] = Field(
        "constant", description="`constant`, `cosine` (to 0 over `epochs`) or `steps` (times `factor` at each of `at`)."
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(None, description="Of `cosine`: epochs after which it is 0.")
    at: list[Annotated[int, Field(ge=1)]] = Field([], description="Of `steps`: epochs after which the rate changes.")
    factor: Annotated[float, Field(gt=0)] = Field(0.1, description="Of `steps`: what the rate is multiplied by.")
    warmup: Annotated[int, Field(ge=0)] = Field(
        0, description="Epochs at the beginning in which the rate grows linearly; it multiplies the schedule."
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if (self.name == "cosine") != (self.epochs is not None):
            raise ValueError(f"epochs with cosine, and with it only, received {self.epochs} with {self.name}")
        if (self.name == "steps") != bool(self.at):
            raise ValueError(f"at with steps, and with it only, received {self.at} with {self.name}")
        if self.at != sorted(set(self.at)):
            raise ValueError(f"at in ascending order, each once, received {self.at}")
        return self


class TrainSettings(JobConfig):
    """What all runs of a training job have in common, and what a run is, but for how long it is trained.

    Attributes:
        optimizer: Adam if None.
        schedule: a constant learning rate if None.
        evaluate_images: largest number of held-out images that networks are evaluated on after a change; all if None.
        evaluate_metrics: further metrics of the held-out images as they are.
        test: whether the last images of the dataset are kept apart, for a test at the end.
    """

    network: Network
    copies: Annotated[int, Field(ge=1)]
    folds: Annotated[int, Field(ge=2)]
    patience: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    initializer: Initializer
    vcp_mask: Mask | None
    precision: Precision
    kernels_every: Annotated[int, Field(ge=1)]
    kernel_layers: Annotated[tuple[int, ...], Field(strict=False)]
    forms: Forms
    evaluate: Evaluate
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None
    evaluate_images: Annotated[int, Field(ge=1)] | None = None
    evaluate_metrics: list[MetricName] = []
    test: bool = False

    @property
    def variant(self) -> Variant:
        """What the network's name says."""
        return parse_variant(self.network)


class RunConfig(TrainSettings):
    """One run: one trained network.

    How many epochs it is trained is no part of what it is: it can be continued.

    Attributes:
        train_seed: tells runs apart that differ in first weights and batches alone.
    """

    augmentation: Augmentation
    level: Level
    fold: Annotated[int, Field(ge=0)]
    train_seed: TrainSeed = 0

    def shard(self, copy_index: int) -> ShardConfig:
        """Return the configuration of the shard that the run trains on in epochs e with e mod copies = `copy_index`."""
        return ShardConfig(
            dataset=self.dataset,
            augmentation=self.augmentation,
            form=self.forms.get(self.augmentation),
            level=self.level,
            copy_index=copy_index,
            seed=self.seed,
            limit=self.limit,
        )

    def parent(self) -> Self | None:
        """Return the run whose trained weights this one starts from; None if its first weights are random."""
        parent = NETWORKS[self.variant.kind].parent
        if parent is None:
            return None
        return self.model_copy(update={"network": variant_name(self.variant._replace(kind=parent))})


class TrainConfig(TrainSettings):
    """One training job: the runs of every level, seed and fold, trained by one process.

    Attributes:
        epochs: that its runs are to have, unless they stop early.
        resumable: whether their files keep what training needs to go on from them.
    """

    augmentation: Augmentation
    levels: list[Level]
    fold_indices: list[int]
    train_seeds: list[TrainSeed] = [0]
    epochs: Epochs
    resumable: bool = True

    def runs(self) -> Iterator[RunConfig]:
        """Yield the job's runs, folds of a level together."""
        common = self.model_dump(mode="json", exclude={"levels", "fold_indices", "train_seeds", "epochs", "resumable"})
        for level, seed, fold in product(self.levels, self.train_seeds, self.fold_indices):
            yield RunConfig.model_validate({**common, "level": level, "fold": fold, "train_seed": seed})


class CellConfig(TrainSettings):
    """The runs of all seeds and folds of one network, augmentation and level: a cell of the paper's tables."""

    augmentation: Augmentation
    level: Level
    fold_indices: list[int]
    train_seeds: list[TrainSeed] = [0]
    epochs: Epochs

    def runs(self) -> Iterator[RunConfig]:
        """Yield the cell's runs."""
        common = self.model_dump(mode="json", exclude={"fold_indices", "train_seeds", "epochs"})
        for seed, fold in product(self.train_seeds, self.fold_indices):
            yield RunConfig.model_validate({**common, "fold": fold, "train_seed": seed})

    def with_files(self, paths: Sequence[str | Path]) -> list[tuple[RunConfig, str | Path]]:
        """Return the cell's runs, each with its file.

        Args:
            paths: one per seed and fold, in the order of `runs`.

        Raises:
            FreeconvError: there are more or fewer.
        """
        if len(paths) != len(self.fold_indices) * len(self.train_seeds):
            seeds = "" if self.train_seeds == [0] else f" and seed of {self.train_seeds}"
            raise FreeconvError(
                f"expected the file of one run per fold of {self.fold_indices}{seeds}, received {len(paths)} files; "
                "name them in the order of the folds"
            )
        return list(zip(self.runs(), paths, strict=True))

    def labels(self) -> dict[str, Any]:
        """Return the columns that tell the cell's rows from others in tables of all cells."""
        return self.model_dump(include={"dataset", "augmentation", "level", "network"}, mode="json")


class MeasureConfig(Config):
    """What is measured of the trained networks of all folds of one network, augmentation and level."""

    train: CellConfig
    measures: list[Measure]
    shifts: list[Annotated[float, Field(gt=-1, lt=1)]]
    angles: list[Annotated[float, Field(ge=-180, le=180)]]
    permutations: Annotated[int, Field(ge=1)]
    images: Annotated[int, Field(ge=1)] | None


class DistanceConfig(Config):
    """The kernel-distance traces of all folds of one network, augmentation and level."""

    train: CellConfig
    radii: list[Annotated[int, Field(ge=1)]]
    measures: list[DistanceMeasure]
