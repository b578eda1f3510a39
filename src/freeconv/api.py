"""Results of a study for notebooks and scripts: `freeconv.open_study`.

```python
study = freeconv.open_study(".")            # a study's folder, or an archive's
study.runs()                                # all runs as one pandas frame
run = study.run(network="fcn", augmentation="translate", level=0.2, fold=0)
run.history()                               # one run by epoch
run.kernels()[6]                            # its kernels after epoch 6
images, labels = study.images("mnist-5k")
run.classify(images)                        # names of classes, of images as they are
```
"""

import sys
from contextlib import chdir
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from freeconv.errors import FreeconvError
from freeconv.machine.keras_import import import_keras
from freeconv.storage.archive import read_cell
from freeconv.storage.archive_parts import read_kernels as read_archived_kernels
from freeconv.storage.dataset_file import read_content
from freeconv.storage.hdf5 import describe_h5, read_h5
from freeconv.storage.results import read_runs
from freeconv.storage.run_file import Run, read_kernels, read_network
from freeconv.study.jobs import RunConfig
from freeconv.study.params import load_params
from freeconv.study.paths import data_file

if TYPE_CHECKING:
    import keras

LABELS = ("dataset", "network", "augmentation", "level", "fold", "seed")


def open_study(folder: str | Path = ".", params: str | Path = "params.yaml") -> "OpenStudy":
    """Open a study that has run, or an archive of one.

    The runs are those that the report uses: checked when they are read, and those that cannot be used are left out and
    named in `problems`.

    Args:
        folder: of the study, with `results/`, or of an archive (docs/archive.md), as `reports/archive/mnist`.
        params: the study's parameter file, below its folder. An archive needs none.

    Raises:
        FreeconvError: there is no study and no archive, or the parameters are wrong.
    """
    root = Path(folder).resolve()
    if (root / params).is_file():
        with chdir(root):
            found, problems = read_runs(load_params(params))
        return OpenStudy([StudyRun(run, root) for run in found], [problem.text() for problem in problems], root)
    cells = sorted(path for path in root.rglob("*.csv") if not path.stem.endswith("-measures"))
    if not cells:
        raise FreeconvError(
            f"{folder}: expected the folder of a study ({params} and results/) or of an archive, received neither; "
            "see docs/results.ipynb"
        )
    return OpenStudy([StudyRun(run, None) for path in cells for run in _archived(path)], [], root)


def _archived(path: Path) -> list[Run]:
    """Return the runs of a file of an archive."""
    cell = read_cell(str(path))
    return [
        Run(
            RunConfig.model_validate({**cell.identity["run"], "train_seed": seed, "fold": fold}),
            str(path),
            run.history(),
            {**cell.about, **run.about},
        )
        for (seed, fold), run in cell.runs.items()
    ]


@dataclass(frozen=True)
class OpenStudy:
    """The runs of a study.

    Attributes:
        all: the runs, in the order of the parameters.
        problems: runs that were left out, and what is suspicious about others, a sentence each.
        root: the folder of the study or archive.
    """

    all: "list[StudyRun]"
    problems: list[str]
    root: Path

    def runs(self) -> pd.DataFrame:
        """Return all runs, a row each.

        Returns:
            The columns `dataset`, `network`, `augmentation`, `level`, `fold` and `seed`; `epochs` done; what was
            recorded after the last of them, as `val_acc` (accuracies from 0 to 1); `seconds` of training and `device`.
        """
        return pd.DataFrame([run.row() for run in self.all])

    def images(self, dataset: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the images and labels of a dataset: uint8 (n, height, width, channels), and int64 (n,) from 0."""
        arrays, _ = read_h5(self.root / data_file(dataset))
        return arrays["images"], arrays["labels"]

    def run(self, **labels: Any) -> "StudyRun":
        """Return the one run with these labels.

        Args:
            **labels: any of `dataset`, `network`, `augmentation`, `level`, `fold` and `seed`; as many as it takes.

        Raises:
            FreeconvError: no run has them, or several have.
        """
        if unknown := set(labels) - set(LABELS):
            raise FreeconvError(
                f"run: expected labels among {', '.join(LABELS)}, received {', '.join(sorted(unknown))}"
            )
        found = [run for run in self.all if labels.items() <= run.labels.items()]
        if len(found) != 1:
            differing = {name: list(dict.fromkeys(run.labels[name] for run in found or self.all)) for name in LABELS}
            choices = ", ".join(f"{name} of {values}" for name, values in differing.items() if len(values) > 1)
            raise FreeconvError(f"run: expected one run, received {len(found)} with {labels}; choose {choices}")
        return found[0]


@dataclass(frozen=True)
class StudyRun:
    """One run: a network trained on all folds but one.

    Attributes:
        stored: its configuration (`stored.config`), file and attributes.
        root: the study's folder; None in an archive, which holds no networks.
    """

    stored: Run
    root: Path | None

    @property
    def labels(self) -> dict[str, Any]:
        """What the run is called: dataset, network, augmentation, level, fold and seed."""
        config = self.stored.config
        names = {name: getattr(config, name) for name in LABELS if name != "seed"}
        return {**names, "seed": config.train_seed}

    def row(self) -> dict[str, Any]:
        """Return the run as a row of `OpenStudy.runs`."""
        history = self.history()
        about = {name: self.stored.attributes.get(name) for name in ("seconds", "device")}
        last = {str(name): value for name, value in history.iloc[-1].items()}
        return {**self.labels, "epochs": len(history), **last, **about}

    def history(self) -> pd.DataFrame:
        """Return what was recorded after each epoch: index `epoch` from 1, a float column each, as `val_acc`."""
        epochs = pd.RangeIndex(1, len(self.stored.history["val_acc"]) + 1, name="epoch")
        return pd.DataFrame({name: values.astype(float) for name, values in self.stored.history.items()}, epochs)

    def kernels(self, layer: str | None = None) -> dict[int, np.ndarray]:
        """Return the kernels of a layer by epoch, 0 before training.

        Args:
            layer: as `free_1`; the first of those that were recorded (`train.kernel_layers`) if None.

        Returns:
            Epoch to float32 (positions, weights, filters); of a convolution there is one position. An archive holds
            four filters after a few epochs, of one run of each cell.
        """
        if self.root is None:
            epochs, layers = self._archived_kernels()
        else:
            arrays, _ = read_kernels(self.stored.config, str(self.root / self.stored.path), None)
            epochs = arrays.pop("kernel_epochs").tolist()
            layers = {name.removeprefix("kernels/"): array for name, array in arrays.items()}
        if (chosen := layer or next(iter(layers))) not in layers:
            raise FreeconvError(f"layer: expected one of {', '.join(layers)}, received {layer}")
        return dict(zip(epochs, layers[chosen].astype("float32"), strict=True))

    def _archived_kernels(self) -> tuple[list[int], dict[str, np.ndarray]]:
        """Return epochs and kernels of an archive, which holds those of one run of each cell."""
        path, config = self.stored.path.removesuffix(".csv") + "-kernels.npz", self.stored.config
        kept = read_archived_kernels(path)
        if (kept.seed, kept.fold) != (config.train_seed, config.fold):
            raise FreeconvError(
                f"{path}: expected kernels of fold {config.fold}, seed {config.train_seed}, received those of fold "
                f"{kept.fold}, seed {kept.seed}, the only ones that the archive has of this cell; "
                f"ask for that run"
            )
        return kept.epochs, kept.layers

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the network's outputs."""
        root = self._folder("names of classes")
        return list(read_content(root / data_file(self.stored.config.dataset), self.stored.config.data()).counts)

    def network(self) -> "keras.Model":
        """Return the trained network.

        Returns:
            A Keras model that takes images as they are, (n, height, width, channels) from 0 to 255, and returns the
            probability of each class, (n, classes), in the order of `classes`.
        """
        root, config = self._folder("trained networks"), self.stored.config
        if "keras" not in sys.modules:
            import_keras()
        import keras

        from freeconv.architectures.build import set_weights
        from freeconv.measures import network_to_measure

        shape = describe_h5(root / data_file(config.dataset))[0]["images"].shape[1:]
        variant, stored = config.variant, self.stored
        network = network_to_measure(variant.kind, shape, len(self.classes), variant.layers)
        epochs = len(stored.history["val_acc"])
        weights = read_network(config, root / stored.path, stored.attributes["data_sha256"], epochs)
        set_weights(network, weights)
        images = keras.Input(shape)
        return keras.Model(images, network(keras.layers.Rescaling(1 / 255)(images)))

    def classify(self, images: np.ndarray) -> list[str]:
        """Return the names of the classes that the trained network sees in images.

        Args:
            images: (n, height, width, channels) or, in gray, (n, height, width), from 0 to 255.
        """
        images = np.asarray(images)
        if images.ndim == 3:
            images = images[..., np.newaxis]
        return [self.classes[index] for index in self._network.predict(images, verbose=0).argmax(-1)]

    @cached_property
    def _network(self) -> "keras.Model":
        """The trained network, built once."""
        return self.network()

    def _folder(self, what: str) -> Path:
        """Return the study's folder; refuse an archive."""
        if self.root is None:
            raise FreeconvError(f"{self.stored.path}: expected a study with {what}, received an archive, without them")
        return self.root
