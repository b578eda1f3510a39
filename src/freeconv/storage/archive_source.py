"""The archive as what tables are made from, in the place of the files that training, distance and measure wrote."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from freeconv.analysis.distance import TRACE_COLUMNS, largest_radius
from freeconv.errors import FreeconvError
from freeconv.networks import network_sizes
from freeconv.storage.archive import ArchivedCell, ArchivedRun, archived_run_name, cell_identity, read_cell
from freeconv.storage.archive_parts import ArchivedKernels, ArchivedMeasures, read_kernels, read_measures
from freeconv.storage.results import Source
from freeconv.storage.run_file import Run
from freeconv.study import paths
from freeconv.study.jobs import Config, DistanceConfig, MeasureConfig, RunConfig, check_config
from freeconv.study.paths import fold_name


class Archive:
    """A study's archive, read.

    Args:
        folder: where its files are.
    """

    def __init__(self, folder: str) -> None:
        if not Path(folder).is_dir():
            raise FreeconvError(f"{folder}: expected an archive, received nothing: run `freeconv archive` first")
        self.folder = folder
        self._cells: dict[str, ArchivedCell | FreeconvError] = {}

    @property
    def source(self) -> Source:
        """The archive as what tables are made from."""
        return Source(self.run, self.traces, self.measures)

    def cell(self, dataset: str, network: str, augmentation: str, level: float) -> ArchivedCell:
        """Return the archived runs of a cell.

        Raises:
            FreeconvError: there are none, or the file is not what was written.
        """
        path = paths.archive_file(self.folder, dataset, network, augmentation, level)
        if path not in self._cells:
            try:
                self._cells[path] = read_cell(path)
            except FreeconvError as error:
                self._cells[path] = error
        found = self._cells[path]
        if isinstance(found, FreeconvError):
            raise found
        return found

    def has(self, config: RunConfig) -> bool:
        """Return whether a run is there, or its cell's file is and cannot be read."""
        labels = (config.dataset, config.network, config.augmentation, config.level)
        try:
            return (config.train_seed, config.fold) in self.cell(*labels).runs
        except FreeconvError:
            return Path(paths.archive_file(self.folder, *labels)).is_file()

    def archived(self, config: RunConfig) -> ArchivedRun:
        """Return an archived run.

        Raises:
            FreeconvError: it is not there, or its cell is of another configuration.
        """
        labels = (config.dataset, config.network, config.augmentation, config.level)
        path, cell = paths.archive_file(self.folder, *labels), self.cell(*labels)
        check_config(path, cell.identity["run"], cell_identity(config, None)["run"])
        key = (config.train_seed, config.fold)
        if key not in cell.runs:
            raise FreeconvError(f"{path}: expected {archived_run_name(key)}, received none; run `freeconv archive`")
        return cell.runs[key]

    def run(self, config: RunConfig, path: str, epochs: int) -> Run:
        """Return an archived run as `freeconv.storage.run_file.read_run` returns one from its file.

        Args:
            config: the run.
            path: of its file.
            epochs: asked for; of a run that was trained longer, the first ones.

        Raises:
            FreeconvError: it is not there, or has fewer epochs and did not stop early.
        """
        run = self.archived(config)
        cell = self.cell(config.dataset, config.network, config.augmentation, config.level)
        if run.epochs < epochs and not run.about["stopped_early"]:
            raise FreeconvError(
                f"expected {epochs} epochs, received {run.epochs} in {self.folder}; train them and archive again"
            )
        attributes: dict[str, Any] = {
            "config": config.dump(),
            "data_sha256": cell.identity["data_sha256"],
            **{name: value for name, value in cell.about.items() if name != "image_shape"},
            **run.about,
        }
        return Run(config, path, {name: of[:epochs] for name, of in run.history().items()}, attributes)

    def traces(self, path: str, config: Config) -> tuple[pd.DataFrame, list[str]]:
        """Return the kernel distances of a cell as `freeconv distance` writes them, of those runs that are archived.

        Args:
            path: of the file that it writes.
            config: what it computes.

        Raises:
            FreeconvError: no run of the cell is archived.
        """
        assert isinstance(config, DistanceConfig)
        frames, errors = [], []
        for run in config.train.runs():
            try:
                frames.append(self._trace(config, run))
            except FreeconvError as error:
                errors.append(error)
        if not frames:
            raise errors[0]
        return pd.concat(frames, ignore_index=True), []

    def _trace(self, config: DistanceConfig, run: RunConfig) -> pd.DataFrame:
        """Return the kernel distances of one run."""
        archived = self.archived(run)
        grids = self.cell(run.dataset, run.network, run.augmentation, run.level).about.get("grids", {})
        found = archived.distances()
        frames = []
        for layer, grid in grids.items():
            for radius in (radius for radius in config.radii if radius <= largest_radius(tuple(grid))):
                for measure in config.measures:
                    of = found.get((layer, measure, radius), pd.Series(dtype=float))
                    of = of[of.index <= config.train.epochs]
                    labels = {"layer": layer, "radius": radius, "measure": measure}
                    frames.append(pd.DataFrame({**labels, "epoch": of.index, "distance": of.to_numpy()}))
        if not any(map(len, frames)):
            raise FreeconvError(f"{self.folder}: expected kernel distances of {run.network}, received a run without")
        frame = pd.concat([frame for frame in frames if len(frame)])
        return frame.assign(**config.train.labels(), fold=run.fold, seed=run.train_seed)[list(TRACE_COLUMNS)]

    def measures(self, path: str, config: Config) -> tuple[pd.DataFrame, list[str]]:
        """Return the measures of a cell as `freeconv measure` writes them, and what is wrong with those left out.

        Args:
            path: of the file that it writes.
            config: what it measures.

        Raises:
            FreeconvError: none are archived that were measured so.
        """
        assert isinstance(config, MeasureConfig)
        labels = config.train.dataset, config.train.network, config.train.augmentation, config.train.level
        file = paths.archived_measures_file(self.folder, *labels)
        archived = read_measures(file)
        wanted = config.dump()
        check_config(file, archived.settings, {name: wanted[name] for name in archived.settings if name in wanted})
        frames, problems = [], []
        for run in config.train.runs():
            check_config(file, archived.identity["run"], cell_identity(run, None)["run"])
            problem = self._unlike(archived, run, config.train.epochs)
            if problem:
                problems.append(problem)
            else:
                frames.append(archived.of((run.train_seed, run.fold)))
        if not frames:
            raise FreeconvError(f"{file}: {problems[0]}")
        return pd.concat(frames, ignore_index=True), problems

    def _unlike(self, archived: ArchivedMeasures, run: RunConfig, asked: int) -> str:
        """Return what is wrong with the measures of a run's network after so many epochs; nothing if they are right."""
        key = (run.train_seed, run.fold)
        fold = fold_name(run.fold, run.train_seed)
        measured = archived.epochs.get(key)
        if measured is None:
            return f"expected the network of fold {fold}, received none; it is left out"
        trained = min(self.archived(run).epochs, asked)
        if measured != trained:
            return f"expected networks after {trained} epochs, received that of fold {fold} after {measured}; left out"
        return ""

    def positions(self, dataset: str, networks: Iterable[str]) -> dict[str, dict[str, int]]:
        """Return how many positions the layers of networks have: network to layer to number, where it is known."""
        shape = self._image_shape(dataset)
        if shape is None:
            return {network: {} for network in networks}
        return {
            network: {layer: size.positions for layer, size in network_sizes(network, shape, classes=1).items()}
            for network in networks
        }

    def kernels(self, run: RunConfig) -> tuple[ArchivedKernels, dict[str, list[int]], int]:
        """Return the archived kernels of a run's cell, the grids of its layers, and the channels of its images.

        Raises:
            FreeconvError: they are not there.
        """
        labels = run.dataset, run.network, run.augmentation, run.level
        about = self.cell(*labels).about
        path = paths.archived_kernels_file(self.folder, *labels)
        if not {"grids", "image_shape"} <= about.keys():
            raise FreeconvError(
                f"{path}: expected the grids and the images' shape in the cell beside it, received none"
            )
        return read_kernels(path), about["grids"], about["image_shape"][-1]

    def _image_shape(self, dataset: str) -> Sequence[int] | None:
        """Return the shape of a dataset's images, if any of its cells says it."""
        for path in sorted(Path(self.folder, dataset).rglob("*.csv")):
            if not path.stem.endswith("-measures"):
                network, augmentation, name = path.relative_to(Path(self.folder, dataset)).parts
                with suppress(FreeconvError):
                    cell = self.cell(dataset, network, augmentation, float(name.removesuffix(".csv")))
                    if shape := cell.about.get("image_shape"):
                        return shape
        return None
