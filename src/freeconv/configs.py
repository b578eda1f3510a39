"""What decides the content of each stored file: the typed configuration of every kind of job.

A job's configuration is one JSON object. Snakemake passes it on the command line (`freeconv train '{…}'`), the file
that the job writes carries it as the attribute `config`, and whoever reads the file compares the two.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from freeconv.errors import FreeconvError
from freeconv.variants import Variant, parse_variant

Augmentation = Literal["none", "translate", "rotate", "noise", "edge_noise"]
DistanceMeasure = Literal["euclidean", "cosine"]
Compression = Literal["zstd", "gzip", "none"]
Precision = Literal["float32", "tf32", "bfloat16"]
Stack = Literal["auto", "on", "off"]
Initializer = Literal["glorot-authors", "glorot-position"]
Mask = Literal["connections", "inputs"]
EdgeNoiseForm = Literal["border", "authors"]
RotateForm = Literal["center", "keras-2018"]
Form = EdgeNoiseForm | RotateForm
Level = Annotated[float, Field(ge=0, lt=1)]


def _known_variant(name: str) -> str:
    """Refuse a name that no network has."""
    parse_variant(name)
    return name


Network = Annotated[str, AfterValidator(_known_variant)]

AUGMENTATIONS: tuple[Augmentation, ...] = ("translate", "rotate", "noise", "edge_noise")
METRICS = ("train_acc", "val_acc", "translate_acc", "rotate_acc", "noise_acc", "edge_noise_acc", "swap_acc")


class Config(BaseModel):
    """A configuration: immutable, strictly typed, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

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
    received = "" if "received" in message else f", received {first['input']!r}"
    return f"{key or 'parameters'}: expected {message}{received}"


def check_config(path: str | Path, stored: Any, expected: dict[str, Any]) -> None:
    """Refuse a file that was made from another configuration than `expected`.

    Raises:
        FreeconvError: names the file and the first key that differs.
    """
    stored = stored if isinstance(stored, dict) else {}
    if differing := _first_difference(stored, expected):
        key, received, wanted = differing
        raise FreeconvError(
            f"{path}: expected {key} = {wanted!r}, received {received!r}; "
            "the file is from other parameters: remove it and run again"
        )


def _first_difference(stored: dict[str, Any], expected: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """Return the first key whose values differ, and both values; keys of a nested configuration as `train.seed`."""
    for key in sorted(expected.keys() | stored.keys()):
        received, wanted = stored.get(key), expected.get(key)
        if isinstance(received, dict) and isinstance(wanted, dict):
            if differing := _first_difference(received, wanted):
                inner, *values = differing
                return f"{key}.{inner}", *values
        elif received != wanted:
            return key, received, wanted
    return None


class Forms(Config):
    """Forms of the augmentations of which the paper's text and the authors' program differ (docs/fidelity.md)."""

    edge_noise: EdgeNoiseForm = Field(
        "border",
        description="Where edge noise is: `border`, the 5 pixels of the border, as the text says; `authors`, the top "
        "and bottom 5 rows, as in the authors' program.",
    )
    rotate: RotateForm = Field(
        "center",
        description="What images turn about: `center`, their centre; `keras-2018`, the point one pixel off, in whole "
        "degrees of largest angle, as in the release of Keras that the authors used.",
    )

    def of(self, augmentation: Augmentation) -> Form | None:
        """Return the form of an augmentation; None if there is only one."""
        return getattr(self, augmentation, None)


class ShardConfig(Config):
    """One augmented pass over a whole dataset."""

    dataset: str
    augmentation: Augmentation
    form: Form | None
    level: Level
    copy_index: Annotated[int, Field(ge=0)]
    seed: int


class EvaluateConfig(Config):
    """The transformations of the held-out fold that a network is evaluated on after each epoch."""

    translate: Level = Field(description="Largest shift as a share of the image's size, each way.")
    rotate: Annotated[float, Field(ge=0, le=180)] = Field(description="Largest angle in degrees, each way.")
    noise: Level = Field(description="Standard deviation of noise on the [0, 1] scale.")
    edge_noise: Level = Field(description="Standard deviation of noise in the 5-pixel border, on the [0, 1] scale.")


class TrainSettings(Config):
    """What all runs of a training job have in common."""

    dataset: str
    network: Network
    copies: Annotated[int, Field(ge=1)]
    folds: Annotated[int, Field(ge=2)]
    seed: int
    epochs: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    initializer: Initializer
    vcp_mask: Mask | None
    precision: Precision
    kernels_every: Annotated[int, Field(ge=1)]
    kernel_layers: Annotated[tuple[int, ...], Field(strict=False)]
    forms: Forms
    evaluate: EvaluateConfig

    @property
    def variant(self) -> Variant:
        """What the network's name says."""
        return parse_variant(self.network)


class RunConfig(TrainSettings):
    """One run: one trained network."""

    augmentation: Augmentation
    level: Level
    fold: Annotated[int, Field(ge=0)]

    def shard(self, copy_index: int) -> ShardConfig:
        """Return the configuration of the shard that the run trains on in epochs e with e mod copies = `copy_index`."""
        return ShardConfig(
            dataset=self.dataset,
            augmentation=self.augmentation,
            form=self.forms.of(self.augmentation),
            level=self.level,
            copy_index=copy_index,
            seed=self.seed,
        )


class TrainConfig(TrainSettings):
    """One training job: the runs of every level and fold, trained by one process."""

    augmentation: Augmentation
    levels: list[Level]
    fold_indices: list[int]

    def runs(self) -> Iterator[RunConfig]:
        """Yield the job's runs, folds of a level together."""
        common = self.dump()
        levels, folds = common.pop("levels"), common.pop("fold_indices")
        for level, fold in product(levels, folds):
            yield RunConfig.model_validate({**common, "level": level, "fold": fold})


class CellConfig(TrainSettings):
    """The runs of all folds of one network, augmentation and level: a cell of the paper's tables."""

    augmentation: Augmentation
    level: Level
    fold_indices: list[int]

    def runs(self) -> Iterator[RunConfig]:
        """Yield the cell's runs."""
        common = self.dump()
        for fold in common.pop("fold_indices"):
            yield RunConfig.model_validate({**common, "fold": fold})

    def with_files(self, paths: Sequence[str | Path]) -> list[tuple[RunConfig, str | Path]]:
        """Return the cell's runs, each with its file.

        Args:
            paths: one per fold of `fold_indices`, in that order.

        Raises:
            FreeconvError: there are more or fewer.
        """
        if len(paths) != len(self.fold_indices):
            raise FreeconvError(
                f"expected the file of one run per fold of {self.fold_indices}, received {len(paths)} files; name them "
                "in the order of the folds"
            )
        return list(zip(self.runs(), paths, strict=True))

    def labels(self) -> dict[str, Any]:
        """Return the columns that tell the cell's rows from others in tables of all cells."""
        return self.model_dump(include={"dataset", "augmentation", "level", "network"}, mode="json")


class MeasureConfig(Config):
    """What is measured of the trained networks of all folds of one network, augmentation and level."""

    train: CellConfig
    shifts: list[Annotated[float, Field(gt=-1, lt=1)]]
    angles: list[Annotated[float, Field(ge=-180, le=180)]]
    permutations: Annotated[int, Field(ge=1)]
    images: Annotated[int, Field(ge=1)] | None


class DistanceConfig(Config):
    """The kernel-distance traces of all folds of one network, augmentation and level."""

    train: CellConfig
    radii: list[Annotated[int, Field(ge=1)]]
    measures: list[DistanceMeasure]
