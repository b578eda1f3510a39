"""The grid of a study: which shards, training jobs, runs and traces its parameters ask for."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from freeconv.augmentations import AUGMENTATIONS, studied
from freeconv.augmentations import metrics as accuracies
from freeconv.networks import NETWORKS
from freeconv.study import paths
from freeconv.study.jobs import (
    CellConfig,
    DataConfig,
    DistanceConfig,
    MeasureConfig,
    Optimizer,
    RunConfig,
    Schedule,
    ShardConfig,
    TrainConfig,
)
from freeconv.study.network_names import Variant, parse_variant, variant_name
from freeconv.study.params import Figures, FuseAxis, Params, check_params
from freeconv.vocabulary import Cell, level_text, trained_as


class Study(NamedTuple):
    """Networks that are trained on the same levels of one augmentation, with the same folds held out.

    Attributes:
        name: of its own: the augmentation's, `vcp…` or `search`.
        networks: names, as in `freeconv.study.network_names`.
        augmentation: the one trained on.
        levels: its levels, all above 0 but for `none`.
        fold_indices: folds held out in turn.
        train_seeds: runs of each fold.
    """

    name: str
    networks: list[str]
    augmentation: str
    levels: list[float]
    fold_indices: list[int]
    train_seeds: list[int]

    def folds(self) -> list[tuple[int, int]]:
        """Return the runs of a level: seed and fold."""
        return list(product(self.train_seeds, self.fold_indices))


def augmentations(params: Params) -> list[str]:
    """Return the augmentations that the parameters study, in the paper's order; `["none"]` if there are none."""
    return [name for name in studied() if params.levels(name)] or ["none"]


def trained_levels(params: Params) -> dict[str, list[float]]:
    """Return the levels at which `train.networks` are trained under each augmentation.

    Level 0 of every augmentation is the same set of runs, trained once as augmentation `none`.
    """
    trained: dict[str, list[float]] = {}
    if any(0 in params.levels(name) for name in augmentations(params)):
        trained["none"] = [0.0]
    for name in studied():
        if levels := [level for level in params.levels(name) if level > 0]:
            trained[name] = levels
    return trained


def studies(params: Params) -> list[Study]:
    """Return everything that is trained: the augmentations' studies, missing connections, the search.

    No run is in two of them.
    """
    seeds = params.train.seeds
    found = [
        Study(name, list(params.train.networks), name, levels, held_out(params), seeds)
        for name, levels in trained_levels(params).items()
    ]
    for augmentation, levels in _vcp_levels(params).items():
        suffix = "" if augmentation == "translate" else f"_{augmentation}"
        if networks := [network for network in vcp_networks(params) if network != "fcn"]:
            found.append(Study(f"vcp{suffix}", networks, augmentation, levels, held_out(params), seeds))
        trained = trained_levels(params).get(augmentation, []) if "fcn" in params.train.networks else []
        if "fcn" in vcp_networks(params) and (missing := [level for level in levels if level not in trained]):
            found.append(Study(f"vcp_fcn{suffix}", ["fcn"], augmentation, missing, held_out(params), seeds))
    if networks := search_networks(params):
        found.append(Study("search", networks, "none", [0.0], params.search.held_out, [0]))
    return found


def _vcp_levels(params: Params) -> dict[str, list[float]]:
    """Return the levels that networks with missing connections are trained at, by augmentation."""
    levels: dict[str, list[float]] = {}
    for level in params.vcp.translate if params.vcp.levels else []:
        levels.setdefault(trained_as("translate", level), []).append(level)
    return levels


def vcp_networks(params: Params) -> list[str]:
    """Return the networks of the study of missing connections, in the order of their shares; `fcn` for 0."""
    return [variant_name(Variant("fcn", vcp)) for vcp in params.vcp.levels]


def search_networks(params: Params) -> list[str]:
    """Return the networks of the hyperparameter search."""
    return list(searched(params))


def searched(params: Params) -> dict[str, tuple[str, int, float]]:
    """Return the networks of the hyperparameter search: name to registered network, layers and learning rate."""
    return {
        variant_name(Variant(kind, layers=layers, learning_rate=rate)): (kind, layers, rate)
        for kind in params.train.networks
        for layers in params.search.layers
        for rate in params.search.learning_rates
    }


def held_out(params: Params) -> list[int]:
    """Return the folds that are held out in turn."""
    return params.train.held_out or list(range(params.train.folds))


def shard_copies(params: Params, augmentation: str) -> int:
    """Return how many shards an augmentation and level has: one where there is nothing random."""
    return 1 if augmentation == "none" else params.aug.copies


def forms(params: Params, augmentations: Iterable[str]) -> dict[str, str]:
    """Return the forms of those of some augmentations that have several."""
    return {name: getattr(params.aug.forms, name) for name in augmentations if AUGMENTATIONS[name].forms}


def evaluations(params: Params, augmentation: str) -> dict[str, float]:
    """Return what networks trained under an augmentation are evaluated on: augmentation to strength.

    These are those of the parameters, the same for all networks, and the one that a network is trained under.
    """
    found = params.evaluate.strengths()
    own = AUGMENTATIONS[augmentation].strength
    return {**({augmentation: own.default} if own else {}), **found}


def metrics(params: Params) -> tuple[str, ...]:
    """Return the names of all accuracies of a study, in the order of tables."""
    return accuracies(name for augmentation in augmentations(params) for name in evaluations(params, augmentation))


def free_networks(params: Params) -> list[str]:
    """Return those of the study's networks that have free layers, whose kernels can be compared over positions."""
    return [name for name in params.train.networks if NETWORKS[name].is_free()]


def shard_config(params: Params, dataset: str, augmentation: str, level: float, copy_index: int) -> ShardConfig:
    """Return the configuration of one shard."""
    return ShardConfig(
        dataset=dataset,
        augmentation=augmentation,
        form=forms(params, [augmentation]).get(augmentation),
        level=level,
        copy_index=copy_index,
        seed=params.seed,
        limit=params.data.limit,
    )


def data_config(params: Params, dataset: str) -> DataConfig:
    """Return the configuration of a dataset's file."""
    return DataConfig(dataset=dataset, seed=params.seed, limit=params.data.limit)


def train_config(
    params: Params,
    dataset: str,
    network: str,
    augmentation: str,
    levels: list[float],
    fold_indices: list[int],
    train_seeds: Sequence[int] = (0,),
) -> TrainConfig:
    """Return the configuration of the job that trains some levels, seeds and folds of one network."""
    train, search = params.train, params.search
    settings = {key: getattr(train, key) for key in ("epochs", "patience", "batch", "learning_rate", "kernels_every")}
    if override := train.overrides.get(dataset):
        settings |= override.model_dump(exclude_none=True)
    variant = parse_variant(network)
    if variant.learning_rate is not None:  # a network of the search
        settings |= {"epochs": search.epochs, "patience": search.patience, "learning_rate": variant.learning_rate}
        if search_override := search.overrides.get(dataset):
            settings |= search_override.model_dump(exclude_none=True)
    evaluated = evaluations(params, augmentation)
    return TrainConfig(
        dataset=dataset,
        network=network,
        augmentation=augmentation,
        levels=levels,
        fold_indices=fold_indices,
        train_seeds=list(train_seeds),
        copies=shard_copies(params, augmentation),
        folds=train.folds,
        seed=params.seed,
        limit=params.data.limit,
        initializer=train.initializer,
        vcp_mask=params.vcp.mask if variant.vcp else None,
        optimizer=train.optimizer if train.optimizer != Optimizer() else None,
        schedule=train.schedule if train.schedule != Schedule() else None,
        precision=train.precision,
        resumable=train.resumable,
        kernel_layers=tuple(train.kernel_layers),
        forms=forms(params, [augmentation, *evaluated]),
        evaluate=evaluated,
        evaluate_images=params.evaluate.images,
        evaluate_metrics=params.evaluate.metrics,
        test=params.evaluate.test,
        **settings,
    )


def cell_config(params: Params, dataset: str, network: str, augmentation: str, level: float) -> CellConfig:
    """Return the configuration of all runs of one network, augmentation and level."""
    job = train_config(params, dataset, network, augmentation, [level], held_out(params), params.train.seeds)
    return CellConfig(level=level, **job.model_dump(exclude={"levels", "resumable"}))


def distance_config(params: Params, dataset: str, network: str, augmentation: str, level: float) -> DistanceConfig:
    """Return the configuration of the kernel-distance traces of one network, augmentation and level."""
    return DistanceConfig(
        train=cell_config(params, dataset, network, augmentation, level),
        radii=params.distance.radii,
        measures=params.distance.measures,
    )


def measure_config(params: Params, dataset: str, network: str, augmentation: str, level: float) -> MeasureConfig:
    """Return the configuration of what is measured of one network, augmentation and level."""
    return MeasureConfig(
        train=cell_config(params, dataset, network, augmentation, level), **params.measure.model_dump()
    )


def jobs(params: Params) -> Iterator[TrainConfig]:
    """Yield every training job of the study: the runs that `train.fuse` puts together."""

    def groups(axis: FuseAxis, values: list[Any]) -> list[list[Any]]:
        return [values] if axis in params.train.fuse else [[value] for value in values]

    for dataset in params.data.datasets:
        for study in studies(params):
            for network in study.networks:
                for levels in groups("level", study.levels):
                    for runs_of_level in groups("fold", study.folds()):
                        seeds, folds = (list(dict.fromkeys(values)) for values in zip(*runs_of_level, strict=True))
                        yield train_config(params, dataset, network, study.augmentation, levels, folds, seeds)


def runs(params: Params) -> Iterator[RunConfig]:
    """Yield every run of the study, each once."""
    for job in jobs(params):
        yield from job.runs()


def run_epochs(params: Params) -> list[int]:
    """Return how many epochs each of `runs` is to have, unless it stops early."""
    return [job.epochs for job in jobs(params) for _ in job.runs()]


def data_files(params: Params) -> list[str]:
    """Return the paths of all datasets."""
    return [paths.data_file(dataset) for dataset in params.data.datasets]


def shard_files(params: Params) -> list[str]:
    """Return the paths of all shards."""
    files = {
        paths.shard_file(dataset, study.augmentation, level, copy_index): None
        for dataset in params.data.datasets
        for study in studies(params)
        for level in study.levels
        for copy_index in range(shard_copies(params, study.augmentation))
    }
    return list(files)


def sample_shard_files(params: Params) -> list[str]:
    """Return the paths of the shards that the figures of sample images show: copy 0 of every level."""
    return [
        paths.shard_file(dataset, augmentation, level, 0)
        for dataset in params.data.datasets
        for augmentation, levels in trained_levels(params).items()
        for level in levels
    ]


def run_files(params: Params) -> list[str]:
    """Return the paths of all runs' results."""
    return [run_file(run) for run in runs(params)]


def run_file(run: RunConfig) -> str:
    """Return the path of a run's results."""
    return paths.run_file(run.dataset, run.network, run.augmentation, run.level, run.fold, run.train_seed)


def _trained_cells(params: Params) -> list[tuple[str, str, str, float]]:
    """Return dataset, network, augmentation and level of everything that the augmentations' studies train."""
    return [
        (dataset, network, augmentation, level)
        for dataset in params.data.datasets
        for network in params.train.networks
        for augmentation, levels in trained_levels(params).items()
        for level in levels
    ]


def distance_files(params: Params) -> list[str]:
    """Return the paths of all kernel-distance traces: those of the free networks."""
    return [paths.distance_file(*cell) for cell in _trained_cells(params) if cell[1] in free_networks(params)]


def measure_files(params: Params) -> list[str]:
    """Return the paths of what is measured of the trained networks, but for those of variants."""
    return [paths.measure_file(*cell) for cell in _trained_cells(params)]


def measure_configs(params: Params) -> list[MeasureConfig]:
    """Return the configurations of `measure_files`."""
    return [measure_config(params, *cell) for cell in _trained_cells(params)]


def export_files(params: Params, folder: str = paths.REPORTS) -> list[str]:
    """Return the paths of the tables in the paper's arrangement, as CSV, Markdown and LaTeX."""
    return [
        paths.export_file(folder, dataset, augmentation, suffix)
        for dataset in params.data.datasets
        for augmentation in augmentations(params)
        for suffix in ("csv", "md", "tex")
    ]


def figure_files(params: Params, folder: str = paths.REPORTS) -> list[str]:
    """Return the paths of all figures in all formats and widths, and of the numbers behind them."""
    kinds = [("page", "csv"), *figure_kinds(params)]
    return [
        paths.figure_file(folder, dataset, subject, figure, suffix, width)
        for dataset in params.data.datasets
        for subject, figure in figures(params)
        for width, suffix in (kinds[1:] if figure == "samples" else kinds)
    ]


def shown_figure_files(params: Params, folder: str = paths.REPORTS) -> list[str]:
    """Return the paths of all figures as pages show them: SVG, as wide as a page."""
    return [
        paths.figure_file(folder, dataset, subject, figure, "svg")
        for dataset in params.data.datasets
        for subject, figure in figures(params)
    ]


def figure_kinds(params: Params) -> list[tuple[str, str]]:
    """Return width and format of the files of each figure: what the parameters ask for, and first what pages show."""
    asked = params.report.figures
    widths = ["page", "column"] if asked.width == "both" else [asked.width]
    kinds = dict.fromkeys([("page", "svg"), *product(widths, asked.formats)])
    return sorted(kinds, key=lambda kind: kind[0] != "page")


def figures(params: Params) -> list[tuple[str, str]]:
    """Return the figures of each dataset: what they are about, an augmentation, `vcp` or `claims`, and their name.

    `samples`, `answer`, `accuracy` and `transfer` of each augmentation; `networks` where more than the paper's two
    are trained; those of `FREE_FIGURES` where free networks are, and `kernels` of the first augmentation; `swap` of
    level 0; `accuracy-<level>` of missing connections at each level of translation; and `forest` of the paper's claims.
    """
    free = FREE_FIGURES if free_networks(params) else []
    several = ["networks"] if len(params.train.networks) > PAPERS_NETWORKS else []
    names = ["samples", "answer", "accuracy", *several, "transfer", *free]
    found: list[tuple[str, str]] = [(name, figure) for name in augmentations(params) for figure in names]
    if free:
        found.append((augmentations(params)[0], "kernels"))
    if "none" in trained_levels(params):
        found.append(("none", "swap"))
    if params.vcp.levels:
        found += [("vcp", f"accuracy-{level_text(level)}") for level in params.vcp.translate]
    return [*found, ("claims", "forest")]


FREE_FIGURES = ["distance", "distance-by-radius", "signal-to-noise", "distance-to-shared", "shared-accuracy"]
PAPERS_NETWORKS = 2
KERNEL_LEVELS = 3  # the lowest, one between, the highest


def kernel_runs(params: Params, dataset: str, augmentation: str) -> list[tuple[float, RunConfig]]:
    """Return the runs whose kernels are shown, and their levels: the first of the first free network at some levels."""
    levels = sorted(params.levels(augmentation))
    last, shown = len(levels) - 1, min(KERNEL_LEVELS, len(levels))
    chosen = [levels[round(last * place / max(shown - 1, 1))] for place in range(shown)]
    network, fold, seed = free_networks(params)[0], min(held_out(params)), min(params.train.seeds)
    runs = []
    for level in chosen:
        trained = trained_as(augmentation, level)
        (run,) = train_config(params, dataset, network, trained, [level], [fold], [seed]).runs()
        runs.append((level, run))
    return runs


def kernel_run_files(params: Params) -> list[str]:
    """Return the paths of the runs whose kernels are shown."""
    if not free_networks(params):
        return []
    first = augmentations(params)[0]
    return [run_file(run) for dataset in params.data.datasets for _, run in kernel_runs(params, dataset, first)]


def drawing_files(params: Params, folder: str = paths.REPORTS) -> list[str]:
    """Return the paths of all drawings, as SVG, which pages show, and in the formats of `report.figures`.

    Of each dataset a contact sheet and one image under each augmentation and swapped; the free layer, radii.
    """
    kinds = ("classes", *drawn_augmentations(params), "swap")
    names = [f"{dataset}-{kind}" for dataset in params.data.datasets for kind in kinds]
    return [
        paths.drawing_file(folder, name, suffix)
        for name in (*names, "free-layer", "radii")
        for suffix in dict.fromkeys(["svg", *params.report.figures.formats])
    ]


def drawn_augmentations(params: Params) -> list[str]:
    """Return the augmentations that are drawn: the paper's, and others that networks are trained under."""
    return [name for name in studied() if AUGMENTATIONS[name].figure or params.levels(name)]


def drawing_params(params: Params) -> Params:
    """Return the parameters with everything that drawings do not depend on at its default."""
    kept = {name: params.levels(name) for name in drawn_augmentations(params) if not AUGMENTATIONS[name].figure}
    return check_params(
        {
            "seed": params.seed,
            "data": params.data.model_dump(),
            "aug": {"forms": params.aug.forms.model_dump(), **kept},
            "distance": {"radii": params.distance.radii},
            "report": {"figures": params.report.figures.model_dump()},
        }
    )


def tables_params(params: Params) -> Params:
    """Return the parameters with what tables do not depend on at its default."""
    return params.model_copy(update={"report": params.report.model_copy(update={"figures": Figures()})})


def report_files(params: Params) -> list[str]:
    """Return the paths of everything in the reports' folder."""
    return [
        *paths.report_files(),
        *paths.table_files(),
        *export_files(params),
        *figure_files(params),
        *drawing_files(params),
    ]


def all_files(params: Params) -> list[str]:
    """Return the paths of everything that the study makes."""
    return [
        *data_files(params),
        *shard_files(params),
        *run_files(params),
        *distance_files(params),
        *measure_files(params),
        *report_files(params),
    ]


def cells(params: Params) -> list[Cell]:
    """Return the study's cells in the parameters' order, those of missing connections behind the others."""
    found = [
        Cell(dataset, augmentation, level, network)
        for dataset in params.data.datasets
        for augmentation in augmentations(params)
        for level in params.levels(augmentation)
        for network in params.train.networks
    ]
    found += [
        Cell(dataset, "translate", level, network)
        for dataset in params.data.datasets
        for level in params.vcp.translate
        for network in vcp_networks(params)
    ]
    return list(dict.fromkeys(found))
