"""The grid of a study: which shards, training jobs, runs and traces its parameters ask for."""

from collections.abc import Iterator
from typing import Any

from freeconv import layout
from freeconv.configs import AUGMENTATIONS, Augmentation, DistanceConfig, Network, RunConfig, ShardConfig, TrainConfig
from freeconv.params import FuseAxis, Params


def augmentations(params: Params) -> list[Augmentation]:
    """Return the augmentations that the parameters study, in the paper's order; `["none"]` if there are none."""
    return [name for name in AUGMENTATIONS if params.levels(name)] or ["none"]


def trained_levels(params: Params) -> dict[Augmentation, list[float]]:
    """Return the levels that are trained under each augmentation.

    Level 0 of every augmentation is the same set of runs, trained once as augmentation `none`.
    """
    trained: dict[Augmentation, list[float]] = {}
    if any(0 in params.levels(name) for name in augmentations(params)):
        trained["none"] = [0.0]
    for name in AUGMENTATIONS:
        if levels := [level for level in params.levels(name) if level > 0]:
            trained[name] = levels
    return trained


def trained_as(augmentation: Augmentation, level: float) -> Augmentation:
    """Return the augmentation under which a level is trained: `none` for level 0."""
    return augmentation if level > 0 else "none"


def held_out(params: Params) -> list[int]:
    """Return the folds that are held out in turn."""
    return params.train.held_out or list(range(params.train.folds))


def shard_copies(params: Params, augmentation: Augmentation) -> int:
    """Return how many shards an augmentation and level has: one where there is nothing random."""
    return 1 if augmentation == "none" else params.aug.copies


def shard_config(
    params: Params, dataset: str, augmentation: Augmentation, level: float, copy_index: int
) -> ShardConfig:
    """Return the configuration of one shard."""
    return ShardConfig(
        dataset=dataset,
        augmentation=augmentation,
        level=level,
        copy_index=copy_index,
        seed=params.seed,
    )


def train_config(
    params: Params,
    dataset: str,
    network: Network,
    augmentation: Augmentation,
    levels: list[float],
    fold_indices: list[int],
) -> TrainConfig:
    """Return the configuration of the job that trains some levels and folds of one network."""
    train = params.train
    settings = {key: getattr(train, key) for key in ("epochs", "patience", "batch", "learning_rate", "kernels_every")}
    if override := train.overrides.get(dataset):
        settings |= override.model_dump(exclude_none=True)
    return TrainConfig(
        dataset=dataset,
        network=network,
        augmentation=augmentation,
        levels=levels,
        fold_indices=fold_indices,
        copies=shard_copies(params, augmentation),
        folds=train.folds,
        seed=params.seed,
        initializer=train.initializer,
        precision=train.precision,
        evaluate=params.evaluate,
        **settings,
    )


def distance_config(
    params: Params, dataset: str, network: Network, augmentation: Augmentation, level: float
) -> DistanceConfig:
    """Return the configuration of the kernel-distance traces of one network, augmentation and level."""
    return DistanceConfig(
        dataset=dataset,
        network=network,
        augmentation=augmentation,
        level=level,
        fold_indices=held_out(params),
        radii=params.distance.radii,
        measures=params.distance.measures,
    )


def jobs(params: Params) -> Iterator[TrainConfig]:
    """Yield every training job of the study: the runs that `train.fuse` puts together."""

    def groups(axis: FuseAxis, values: list[Any]) -> list[list[Any]]:
        return [values] if axis in params.train.fuse else [[value] for value in values]

    for dataset in params.data.datasets:
        for network in params.train.networks:
            for augmentation, all_levels in trained_levels(params).items():
                for levels in groups("level", all_levels):
                    for folds in groups("fold", held_out(params)):
                        yield train_config(params, dataset, network, augmentation, levels, folds)


def runs(params: Params) -> Iterator[RunConfig]:
    """Yield every run of the study, each once."""
    for job in jobs(params):
        yield from job.runs()


def data_files(params: Params) -> list[str]:
    """Return the paths of all datasets."""
    return [layout.data_file(dataset) for dataset in params.data.datasets]


def shard_files(params: Params) -> list[str]:
    """Return the paths of all shards."""
    return [
        layout.shard_file(dataset, augmentation, level, copy_index)
        for dataset in params.data.datasets
        for augmentation, levels in trained_levels(params).items()
        for level in levels
        for copy_index in range(shard_copies(params, augmentation))
    ]


def sample_shard_files(params: Params) -> list[str]:
    """Return the paths of the shards that the figures of sample images show: copy 0 of every level."""
    return [path for path in shard_files(params) if path.endswith("/copy-0.h5")]


def run_files(params: Params) -> list[str]:
    """Return the paths of all runs' results."""
    return [layout.run_file(run.dataset, run.network, run.augmentation, run.level, run.fold) for run in runs(params)]


def distance_files(params: Params) -> list[str]:
    """Return the paths of all kernel-distance traces: those of the free networks."""
    return [
        layout.distance_file(dataset, network, augmentation, level)
        for dataset in params.data.datasets
        for network in params.train.networks
        if network == "fcn"
        for augmentation, levels in trained_levels(params).items()
        for level in levels
    ]


def figure_files(params: Params, folder: str = layout.REPORTS) -> list[str]:
    """Return the paths of all figures: samples, accuracy and, where free networks are trained, kernel distance."""
    figures = ["samples", "accuracy", *(["distance"] if "fcn" in params.train.networks else [])]
    return [
        layout.figure_file(folder, dataset, augmentation, figure, suffix)
        for dataset in params.data.datasets
        for augmentation in augmentations(params)
        for figure in figures
        for suffix in ("png", "svg")
    ]


def report_files(params: Params) -> list[str]:
    """Return the paths of everything in the reports' folder."""
    return [layout.report_file(), *layout.table_files(), *figure_files(params)]
