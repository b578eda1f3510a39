"""The parameters of a study: `params.yaml`, typed, checked and documented."""

import json
import shlex
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from freeconv.architectures.table_a2 import CONVOLUTIONS
from freeconv.augmentations import AUGMENTATIONS, evaluations, studied
from freeconv.datasets import DATASETS
from freeconv.errors import FreeconvError
from freeconv.measures import MEASURES
from freeconv.networks import NETWORKS
from freeconv.registry import load_modules
from freeconv.study import paths
from freeconv.study.jobs import Config, Level, MetricName, Optimizer, Schedule, first_error
from freeconv.study.parameter_file import read_values, with_changes
from freeconv.vocabulary import (
    Aggregate,
    Compression,
    DistanceMeasure,
    Initializer,
    Mask,
    Precision,
    Stack,
    Versions,
    level_text,
)

# What every network is evaluated on, as in the paper: a new augmentation does not change the runs of others.
EVALUATED = ("translate", "rotate", "noise", "edge_noise")
FuseAxis = Literal["fold", "level"]

# Larger numbers and longer lists are slips of the finger; and a job's parameters have to fit its command line, which
# Linux limits to 131,072 bytes.
MOST = 1_000_000
LONGEST = 1_000
COMMAND_LINE = 100_000
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1, le=MOST)]
LearningRate = Annotated[float, Field(gt=0, le=1_000)]


def _listed(value: Any) -> Any:
    """Return a scalar as a list of one; lists unchanged."""
    return value if isinstance(value, list) else [value]


def _unique(values: list[Any]) -> list[Any]:
    """Refuse a list that names a value twice."""
    if len(set(values)) < len(values):
        raise ValueError(f"each value once, received {values!r}")
    return values


def _in_file_names(values: list[float]) -> list[float]:
    """Refuse numbers that file names could not tell apart: they are read back from there."""
    for value in values:
        if float(level_text(value)) != value:
            raise ValueError(f"levels of at most six significant digits, received {value!r}")
    return _unique(values)


Levels = Annotated[
    Annotated[list[Level], Field(max_length=LONGEST)],
    BeforeValidator(_listed, json_schema_input_type=Level | list[Level]),
]


class Data(Config):
    """Which images the study uses and where they come from."""

    datasets: Annotated[list[str], Field(min_length=1)] = Field(
        ["mnist-5k"],
        description="Datasets to study: `mnist-5k` (shipped with a package, no network needed), `mnist`, `cifar10`, "
        "or a name from `data.folders`.",
    )
    mirror: str | None = Field(
        None,
        description="Folder or URL that stands in for the download sites of `mnist` and `cifar10`: the same file "
        "names, checked against the same SHA-256. The environment variable FREECONV_MIRROR, if set, wins.",
    )
    folders: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], str] = Field(
        {},
        description="Further datasets: name to a folder or archive of equal-sized images, `<class>/*` or "
        "`train/<class>/*` and other parts (docs/datasets.md).",
    )
    limit: Annotated[int, Field(ge=1, le=10**9)] | None = Field(
        None,
        description="Largest number of images of a dataset: of a larger one a random subset, in its order, is used.",
    )

    @field_validator("folders")
    @classmethod
    def _folders_have_new_names(cls, folders: dict[str, str]) -> dict[str, str]:
        for name in folders:
            if name in DATASETS:
                raise ValueError(f"names other than those of the built-in datasets, received {name!r}")
        return folders

    @model_validator(mode="after")
    def _datasets_are_known(self) -> Self:
        known = [*DATASETS, *self.folders]
        for name in self.datasets:
            if name not in known:
                raise ValueError(f"datasets among {', '.join(known)} (add others to data.folders), received {name!r}")
        _unique(self.datasets)
        return self


class Forms(Config):
    """Forms of the augmentations of which the paper's text and the authors' program differ (docs/fidelity.md)."""


class Aug(Config):
    """Training augmentations and the levels studied; level 0 is trained once and shared by all of them.

    Every registered augmentation (`freeconv.augmentations`) has a key for its levels.
    """

    copies: Annotated[int, Field(ge=1, le=10_000)] = Field(
        4,
        description="Independent augmented passes over the dataset; epoch e trains on pass e mod copies (shards).",
    )
    forms: Forms = Forms()


class Evaluate(Config):
    """The transformations of the held-out fold that networks are evaluated on after each epoch.

    Networks trained under another augmentation are evaluated on that one, too.
    """

    images: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Largest number of images of a held-out fold that are transformed, the first ones; all of them if "
        "null. Accuracy on images as they are, which decides early stopping, always takes all. Another number is "
        "another run.",
    )

    metrics: list[MetricName] = Field(
        [],
        description="What is recorded of the held-out images as they are after each epoch, beside loss and accuracy: "
        "`val_top_2_acc`, `val_calibration_error`, or one of your own (docs/extending.md). Others are another run.",
    )

    @field_validator("metrics")
    @classmethod
    def _metrics_are_unique(cls, metrics: list[str]) -> list[str]:
        return _unique(metrics)

    test: bool = Field(
        False,
        description="Whether the last images of each dataset (of MNIST and CIFAR-10 the official 10,000 test images, "
        "of others a sixth) are kept away from training, early stopping and search, and trained networks are evaluated "
        "on them once, at the end (`tables/test.csv`). Folds then hold fewer images than the paper's: another study.",
    )

    def strengths(self) -> dict[str, float]:
        """Return how strong each augmentation is that networks are evaluated on."""
        return {name: strength for name, strength in self if name in AUGMENTATIONS and strength is not None}


class Shards(Config):
    """How augmented passes are stored."""

    compression: Compression = Field(
        "zstd", description="Compression of shards: `zstd` (fastest to read), `gzip` or `none`."
    )
    keep: bool = Field(
        True,
        description="Whether shards are kept once all that reads them is done; `freeconv estimate` says what else is "
        "saved. Under DVC, which records them, they always are.",
    )


class TrainOverride(Config):
    """Training parameters that differ for one dataset."""

    epochs: Count | None = Field(None, description="As `train.epochs`.")
    patience: Count | None = Field(None, description="As `train.patience`.")
    batch: Count | None = Field(None, description="As `train.batch`.")
    learning_rate: LearningRate | None = Field(None, description="As `train.learning_rate`.")
    kernels_every: Count | None = Field(None, description="As `train.kernels_every`.")


class Train(Config):
    """Networks and how they are trained."""

    networks: Annotated[list[str], Field(min_length=1)] = Field(
        ["cnn", "fcn"],
        description="Networks, as registered (`freeconv.networks`): `cnn` (convolutions), `fcn` (the same network with "
        "free convolutions).",
    )
    folds: Annotated[int, Field(ge=2, le=100)] = Field(
        5, description="Number of contiguous folds that a dataset is cut into."
    )
    held_out: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = Field(
        None, description="Which folds are held out in turn, one run each, counted from 0; all of them if null."
    )
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=LONGEST)] = Field(
        [0],
        description="Runs of each fold: each seed has its own first weights and batches. Images, folds and what "
        "networks are evaluated on depend on `seed` alone. The search has the seed 0.",
    )
    epochs: Count = Field(10, description="Largest number of epochs.")
    patience: Count = Field(
        50, description="Stop after this many epochs without a better accuracy on the held-out fold."
    )
    batch: Count = Field(256, description="Images per training step.")
    learning_rate: LearningRate = Field(0.001, description="Learning rate of the optimizer.")
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    initializer: Initializer = Field(
        "glorot-authors",
        description="Glorot-uniform limits of free layers: `glorot-authors` multiplies both fans by the number of "
        "positions, as Keras 2 did; `glorot-position` takes the fans of one position, as a convolution does.",
    )
    precision: Precision = Field(
        "float32",
        description="Numbers that networks are computed in: `float32`; `tf32`, float32 whose products are rounded, on "
        "a GPU; `bfloat16`, float32 weights with bfloat16 products and activations.",
    )
    kernels_every: Count = Field(
        1,
        description="Epochs between two snapshots of the first layer's kernels; the untrained and the last ones are "
        "always kept. A snapshot of a first free layer takes 0.2 MB at 28 × 28 × 1 and 3.8 MB at 32 × 32 × 3.",
    )
    kernel_layers: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(
        [1],
        description="Layers whose kernels are kept over the epochs, and so have distances: 1, the first, and others.",
    )
    resumable: bool = Field(
        True,
        description="Whether a run's file keeps what more epochs need (Adam's moments, three times the network's "
        "weights in all). A run without is trained anew from the beginning if more epochs are asked for.",
    )
    fuse: list[FuseAxis] = Field(
        ["fold"],
        description="Which runs of a dataset, network and augmentation one job trains: `[]` one run a job, `[fold]` "
        "all folds of a level, `[fold, level]` all folds of all levels.",
    )
    stack: Stack = Field(
        "auto",
        description="Whether the runs of a job are trained side by side in one program (`on`) or one after another "
        "(`off`); `auto` does so on a GPU. Results agree to rounding.",
    )
    versions: Versions = Field(
        "warn",
        description="What becomes of runs that were trained with other versions of Keras, its backend or NumPy, or "
        "another backend, than are installed: `warn` uses them and names the mixture in tables and report; `rerun` "
        "trains them anew.",
    )
    overrides: dict[str, TrainOverride] = Field(
        {}, description="Per dataset: parameters that differ, see below the table."
    )

    @field_validator("fuse")
    @classmethod
    def _fuse_is_known(cls, fuse: list[str]) -> list[str]:
        if fuse not in ([], ["fold"], ["fold", "level"]):
            raise ValueError("[], [fold] or [fold, level]")
        return fuse

    @field_validator("networks")
    @classmethod
    def _networks_are_known(cls, networks: list[str]) -> list[str]:
        for name in networks:
            if name not in NETWORKS:
                raise ValueError(f"networks among {', '.join(NETWORKS)}, received {name!r}")
            parent = NETWORKS[name].parent
            if parent is not None and parent not in networks:
                raise ValueError(f"{parent}, which {name} starts from, among the networks, received {networks!r}")
        return _unique(networks)

    @model_validator(mode="after")
    def _lists_are_unique(self) -> Self:
        if 1 not in _unique(self.kernel_layers):
            raise ValueError(f"1, the first layer, among kernel_layers, received {self.kernel_layers}")
        _unique(self.seeds)
        held_out = _unique(self.held_out or [])
        if held_out and max(held_out) >= self.folds:
            raise ValueError(f"folds in held_out below {self.folds}, received {max(held_out)}")
        return self


class Vcp(Config):
    """Variable connection patterns: free networks that lack connections (Ott et al. 2019, Figures C.1 and C.2)."""

    levels: Levels = Field(
        [],
        description="Shares of missing connections, 0 ≤ level < 1; 0 is the ordinary free network. A number or a list.",
    )
    translate: Levels = Field(
        [0.2],
        description="Levels of translation that these networks are trained at (the paper says 0.2 and 0.3). A number "
        "or a list.",
    )
    mask: Mask = Field(
        "connections",
        description="What is missing: single `connections`, as the text says, or `inputs`, whole units of a layer's "
        "input for all kernels that read them, as in the authors' program.",
    )

    @field_validator("levels", "translate")
    @classmethod
    def _levels_can_be_told_apart(cls, levels: list[float]) -> list[float]:
        return _in_file_names(levels)


class SearchOverride(Config):
    """Parameters of the search that differ for one dataset."""

    epochs: Count | None = Field(None, description="As `search.epochs`.")
    patience: Count | None = Field(None, description="As `search.patience`.")


class Search(Config):
    """The search for hyperparameters: every learning rate with every number of layers, on images as they are.

    Ott et al. 2019, section A.1 and Table A.1.
    """

    learning_rates: Annotated[
        Annotated[list[LearningRate], Field(max_length=LONGEST)],
        BeforeValidator(_listed, json_schema_input_type=float | list[float]),
    ] = Field([], description="Learning rates of Adam; the search is left out if there are none. A number or a list.")
    layers: Annotated[list[Annotated[int, Field(ge=2, le=CONVOLUTIONS)]], Field(min_length=1)] = Field(
        [2, 3], description="Numbers of (free) convolutions: the first two or all three of Table A.2."
    )
    held_out: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        [0], description="Which folds of `train.folds` are held out in turn, counted from 0."
    )
    epochs: Count = Field(100, description="Largest number of epochs.")
    patience: Count = Field(
        25, description="Stop after this many epochs without a better accuracy on the held-out fold."
    )
    overrides: dict[str, SearchOverride] = Field(
        {}, description="Per dataset: parameters that differ, see below the table."
    )

    @field_validator("learning_rates")
    @classmethod
    def _rates_can_be_told_apart(cls, rates: list[float]) -> list[float]:
        return _in_file_names(rates)

    @field_validator("layers", "held_out")
    @classmethod
    def _values_are_unique(cls, values: list[int]) -> list[int]:
        return _unique(values)


class Measure(Config):
    """Measures of trained networks beyond the paper's (docs/measures.md)."""

    measures: Annotated[list[str], Field(min_length=1)] = Field(
        [
            "euclidean_distance",
            "cosine_distance",
            "signal_to_noise",
            "distance_to_shared",
            "shared_acc",
            "horizontal_shift_acc",
            "vertical_shift_acc",
            "angle_acc",
        ],
        description="Measures that are taken, as registered (`freeconv.measures`); of networks without free layers, or "
        "with missing connections, only those that need no free layers.",
    )
    shifts: Annotated[list[Annotated[float, Field(gt=-1, lt=1)]], Field(max_length=LONGEST)] = Field(
        [-0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4],
        description="Shifts at which held-out accuracy is measured, as shares of the image's size, right and down "
        "positive.",
    )
    angles: Annotated[list[Annotated[float, Field(ge=-180, le=180)]], Field(max_length=LONGEST)] = Field(
        [float(angle) for angle in range(-180, 181, 30)],
        description="Angles in degrees at which held-out accuracy is measured, counter-clockwise positive.",
    )
    permutations: Count = Field(
        200, description="Random reassignments of kernels to positions that kernel distances are held against."
    )
    images: Annotated[int, Field(ge=1, le=10**9)] | None = Field(
        1000,
        description="Largest number of images of a held-out fold that are shifted and turned, the first ones; all of "
        "them if null.",
    )

    @field_validator("shifts", "angles")
    @classmethod
    def _values_are_unique(cls, values: list[float]) -> list[float]:
        return _unique(values)

    @field_validator("measures")
    @classmethod
    def _measures_are_known(cls, measures: list[str]) -> list[str]:
        for name in measures:
            if name not in MEASURES:
                raise ValueError(f"measures among {', '.join(MEASURES)}, received {name!r}")
        return _unique(measures)


class Distance(Config):
    """Distances between the kernels of free layers."""

    radii: Annotated[list[Count], Field(min_length=1, max_length=LONGEST)] = Field(
        [1, 4],
        description="Chebyshev distances, in positions, at which kernels are compared; of deeper layers, which have "
        "fewer positions, those that fit.",
    )
    measures: Annotated[list[DistanceMeasure], Field(min_length=1)] = Field(
        ["euclidean"], description="Measures: `euclidean`, `cosine` (cosine distance)."
    )

    @field_validator("radii", "measures")
    @classmethod
    def _values_are_unique(cls, values: list[Any]) -> list[Any]:
        return _unique(values)


class Figures(Config):
    """Files of figures and drawings, for papers."""

    formats: list[Literal["svg", "pdf", "png"]] = Field(
        ["svg", "pdf"],
        description="Formats: `svg`, `pdf` (in both text is text), `png`. The SVG that pages show is always written.",
    )
    width: Literal["page", "column", "both"] = Field(
        "page", description="Width of figures: `page` (6.9 inches), `column` (3.3 inches) or `both`."
    )
    font: Literal["sans", "serif"] = Field("sans", description="Font: DejaVu `sans` or `serif`.")

    @field_validator("formats")
    @classmethod
    def _formats_are_named_once(cls, formats: list[str]) -> list[str]:
        return _unique(formats)


class Report(Config):
    """Tables and figures."""

    aggregate: Aggregate = Field(
        "all-epochs",
        description="What the median of a table is taken over: `all-epochs` of all folds (the paper's tables), the "
        "`final` epoch of each fold, or the `best` epoch of each fold.",
    )
    figures: Figures = Figures()


class Params(Config):
    """All parameters of a study."""

    seed: Seed = Field(0, description="Every random stream derives from it.")
    modules: list[str] = Field(
        [],
        description="Python files of one's own that add augmentations, networks, datasets or measures "
        "(docs/extending.md).",
    )
    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = Field(
        None, description="Name of the archive's folder below `reports/archive`; the parameter file's name if null."
    )
    data: Data = Data()
    aug: Aug = Aug()
    shards: Shards = Shards()
    train: Train = Train()
    vcp: Vcp = Vcp()
    search: Search = Search()
    evaluate: Evaluate = Evaluate()
    distance: Distance = Distance()
    measure: Measure = Measure()
    report: Report = Report()

    @model_validator(mode="after")
    def _overrides_are_for_known_datasets(self) -> Self:
        known = [*DATASETS, *self.data.folders]
        for section in ("train", "search"):
            for name in getattr(self, section).overrides:
                if name not in known:
                    raise ValueError(f"{section}.overrides for datasets among {', '.join(known)}, received {name!r}")
        return self

    @model_validator(mode="after")
    def _variants_can_be_trained(self) -> Self:
        if max(self.search.held_out) >= self.train.folds:
            raise ValueError(
                f"folds in search.held_out below train.folds = {self.train.folds}, received {max(self.search.held_out)}"
            )
        if self.vcp.levels and not self.vcp.translate:
            raise ValueError("a level in vcp.translate for the networks of vcp.levels, received none")
        return self

    @model_validator(mode="after")
    def _networks_can_be_measured(self) -> Self:
        if all(MEASURES[name].needs != "network" for name in self.measure.measures):
            for name in self.train.networks:
                if not NETWORKS[name].is_free():
                    raise ValueError(
                        f"a measure that {name}, without free layers, has, such as angle_acc, in measure.measures, "
                        f"received {self.measure.measures!r}"
                    )
        return self

    def levels(self, augmentation: str) -> list[float]:
        """Return the levels of an augmentation as the parameters give them, 0 included; `[0.0]` for `none`."""
        return [0.0] if augmentation == "none" else getattr(self.aug, augmentation)

    def dump(self) -> dict[str, Any]:
        """Return the parameters as plain JSON types, without what they do not use.

        Left out are modules and the study's name, which decide nothing by themselves, and augmentations that networks
        are neither trained nor evaluated on: so one that is registered changes nothing for studies without it; and how
        figures are written, unless that is said.
        """
        values = self.model_dump(mode="json", exclude={"modules", "study"})
        if self.report.figures == Figures():
            del values["report"]["figures"]
        aug, strengths = values["aug"], values["evaluate"]
        values["evaluate"] = {name: strength for name, strength in strengths.items() if strength is not None}
        # of translation, no levels are not the default: they must be said
        unused = [name for name in studied() if not aug[name] and not AUGMENTATIONS[name].default_levels]
        for name in unused:
            del aug[name]
            if name not in values["evaluate"]:
                aug["forms"].pop(name, None)
        return values


def params_model() -> type[Params]:
    """Return the type of parameters with the keys of all augmentations that are registered now."""
    return _params_model(tuple(AUGMENTATIONS))


@lru_cache
def _params_model(_names: tuple[str, ...]) -> type[Params]:
    """Do what `params_model` says, once for each set of augmentations."""
    levels: dict[str, Any] = {
        name: (
            Annotated[Levels, AfterValidator(_in_file_names)],
            Field(
                list(AUGMENTATIONS[name].default_levels),
                description=f"{AUGMENTATIONS[name].level_text} A number or a list.",
            ),
        )
        for name in studied()
    }
    forms: dict[str, Any] = {
        member.name: (Literal[member.forms], Field(member.forms[0], description=member.form_text))
        for member in AUGMENTATIONS.members()
        if member.forms
    }
    strengths: dict[str, Any] = {}
    for member in evaluations():
        allowed = member.strength
        assert allowed is not None
        number = Annotated[float, Field(ge=0, le=allowed.highest)]
        always = member.name in EVALUATED
        kind = number if always else number | None
        strengths[member.name] = (
            kind,
            Field(allowed.default if always else None, description=allowed.text),
        )
    forms_model = create_model("Forms", __base__=Forms, __doc__=Forms.__doc__, **forms)
    aug = create_model("Aug", __base__=Aug, __doc__=Aug.__doc__, forms=(forms_model, forms_model()), **levels)
    evaluate = create_model("Evaluate", __base__=Evaluate, __doc__=Evaluate.__doc__, **strengths)
    return create_model(
        "Params", __base__=Params, __doc__=Params.__doc__, aug=(aug, aug()), evaluate=(evaluate, evaluate())
    )


def check_params(values: Any, source: str = "params", needs_images: bool = True) -> Params:
    """Return typed parameters.

    Args:
        values: what a YAML parser made of the file.
        source: the file's name, for messages.
        needs_images: whether folders of images must exist, as they need not to read what was trained.

    Raises:
        FreeconvError: an unknown key, a wrong type, a value out of range, or an image folder that is needed and does
            not exist.
    """
    modules = values.get("modules") if isinstance(values, dict) else None
    if isinstance(modules, list):
        load_modules(path for path in modules if isinstance(path, str))
    try:
        params = params_model().model_validate(values)
    except ValidationError as error:
        raise FreeconvError(f"{source}: {first_error(error)}") from error
    if len(shlex.quote(params.text())) > COMMAND_LINE:
        raise FreeconvError(
            f"{source}: expected parameters of at most {COMMAND_LINE:,} characters in all, as jobs are passed them, "
            f"received {len(params.text()):,}; shorten data.folders or the lists"
        )
    for name, folder in params.data.folders.items():
        if name in params.data.datasets and needs_images and not Path(folder).exists():
            raise FreeconvError(
                f"{source}: data.folders.{name}: expected a folder or zip file of images, received {folder!r}, "
                "which does not exist"
            )
    return params


def load_params(path: str | Path, changes: Mapping[str, Any] | None = None, needs_images: bool = True) -> Params:
    """Read and check a parameter file, or parameters written out as one JSON object.

    Args:
        path: the file, or the JSON object. Of a file, relative paths in the parameters start at the project's folder,
            wherever the current one is (see `paths.from_project`).
        changes: what Snakemake made of --config, laid on top of the file.
        needs_images: whether folders of images must exist, as they need not to read what was trained.

    Raises:
        FreeconvError: the file is missing, is not YAML, is a template, lacks a section, or holds a wrong parameter.
    """
    if str(path).startswith("{"):
        return check_params(json.loads(str(path)), needs_images=needs_images)
    values = read_values(path)
    missing = [name for name in params_model().model_fields if name not in values and name not in ("modules", "study")]
    if missing:
        lines = ", ".join("`seed: 0`" if name == "seed" else f"`{name}: {{}}`" for name in missing)
        raise FreeconvError(
            f"{path}: expected every section, as DVC does, received none of {', '.join(missing)}; "
            f"for defaults add {lines}"
        )
    source = f"{path} and --config" if changes else str(path)
    return check_params(_from_project(with_changes(values, changes or {}, "--config")), source, needs_images)


def study_name(params: Params, path: str | Path) -> str:
    """Return the name of a study: its own, else that of its parameter file; `params` if there is no file.

    Args:
        params: of the study.
        path: of the parameter file, or parameters written out as one JSON object.
    """
    return params.study or ("params" if str(path).startswith("{") else Path(path).stem)


def _from_project(values: dict[str, Any]) -> dict[str, Any]:
    """Return a file's values with the paths in them as seen from the current folder."""
    here = dict(values)
    if isinstance(modules := values.get("modules"), list):
        here["modules"] = [paths.from_project(path) if isinstance(path, str) else path for path in modules]
    if isinstance(data := values.get("data"), dict):
        here["data"] = data = dict(data)
        if isinstance(mirror := data.get("mirror"), str):
            data["mirror"] = paths.from_project(mirror)
        if isinstance(folders := data.get("folders"), dict):
            data["folders"] = {
                name: paths.from_project(folder) if isinstance(folder, str) else folder
                for name, folder in folders.items()
            }
    return here
