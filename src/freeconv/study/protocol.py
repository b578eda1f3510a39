"""The paper's protocol, and how a study differs from it."""

from freeconv.analysis.requirements import Conditions
from freeconv.augmentations import AUGMENTATIONS, evaluations, metric
from freeconv.datasets import DATASETS, paper_dataset
from freeconv.study import grid
from freeconv.study.params import EVALUATED, Params

# Sections 4 and A.3, Table A.2; epochs and patience are the authors' program's: those that section A.1 gives are of the
# hyperparameter search.
PROTOCOLS: dict[str, dict[str, float]] = {
    "mnist": {"images": 70_000, "epochs": 250, "patience": 50, "batch": 256, "learning_rate": 0.001},
    "cifar10": {"images": 60_000, "epochs": 500, "patience": 100, "batch": 128, "learning_rate": 0.0001},
}
FOLDS = 5


def protocol(params: Params, dataset: str, images: int | None = None) -> list[str]:
    """Return how a dataset's study differs from the paper's, in words; nothing if it does not.

    Args:
        params: the study.
        dataset: one of its datasets.
        images: how many images the dataset has; known for the built-in ones.

    Returns:
        Such as `["5,000 images instead of 70,000", "6 epochs instead of 250"]`; empty, too, for a dataset that stands
        beside none of the paper's.
    """
    counterpart = paper_dataset(dataset)
    if counterpart is None:
        return []
    theirs = PROTOCOLS[counterpart]
    ours = grid.train_config(params, dataset, "cnn", "none", [0.0], [0])
    found = [text for text in _images(params, dataset, images) if text]
    if ours.epochs != theirs["epochs"]:
        found.append(f"{ours.epochs} epochs instead of {theirs['epochs']}")
    if ours.patience != theirs["patience"]:
        found.append(f"patience {ours.patience} instead of {theirs['patience']}")
    if ours.folds != FOLDS:
        found.append(f"{ours.folds} folds instead of {FOLDS}")
    if len(held_out := grid.held_out(params)) < ours.folds:
        names = [str(fold) for fold in sorted(held_out)]
        listed = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
        found.append(f"fold{'s' if len(names) > 1 else ''} {listed} of {ours.folds}")
    if ours.batch != theirs["batch"]:
        found.append(f"batch {ours.batch} instead of {theirs['batch']}")
    if ours.learning_rate != theirs["learning_rate"]:
        found.append(f"learning rate {ours.learning_rate:g} instead of {theirs['learning_rate']:g}")
    if ours.optimizer is not None:
        found.append(f"optimizer {ours.optimizer.name} instead of adam")
    if ours.schedule is not None:
        about = ours.schedule.model_dump(exclude_defaults=True)
        found.append(f"a learning rate with {', '.join(f'{key} {value}' for key, value in about.items())}")
    augmented = any(max(study.levels) > 0 for study in grid.studies(params))
    if augmented and params.aug.copies < ours.epochs:
        found.append(f"{params.aug.copies} augmented passes in turn instead of a new one each epoch")
    if ours.initializer != "glorot-authors":
        found.append(f"initializer {ours.initializer} instead of glorot-authors")
    if ours.precision != "float32":
        found.append(f"precision {ours.precision} instead of float32")
    for name, strength in _strengths().items():
        if (own := getattr(params.evaluate, name)) != strength:
            found.append(f"evaluate.{name} {own:g} instead of {strength:g}")
    if params.evaluate.test:
        found.append("test images kept apart from all folds")
    if params.evaluate.images is not None:
        found.append(f"the first {params.evaluate.images:,} images of a held-out fold transformed instead of all")
    for name, own in params.aug.forms:
        if own != (value := AUGMENTATIONS[name].forms[0]):
            found.append(f"aug.forms.{name} {own} instead of {value}")
    if params.report.aggregate != "all-epochs":
        found.append(f"medians over the {params.report.aggregate} epoch of each fold instead of all epochs")
    return found


def conditions(params: Params, dataset: str, images: int | None = None) -> Conditions:
    """Return how a dataset's study differs from the paper's in what verdicts depend on.

    Args:
        params: the study.
        dataset: one of its datasets.
        images: how many images the dataset has; known for the built-in ones.
    """
    fewer, coded = _images(params, dataset, images)
    strengths = {
        metric(name): f"{metric(name)} at {getattr(params.evaluate, name):g} instead of {strength:g}"
        for name, strength in _strengths().items()
        if getattr(params.evaluate, name) != strength
    }
    return Conditions(fewer, coded, strengths)


def _images(params: Params, dataset: str, images: int | None) -> tuple[str, str]:
    """Return whether a dataset has another number of images than the paper's, and whether they are coded otherwise."""
    counterpart = paper_dataset(dataset)
    if counterpart is None:
        return "", ""
    count = DATASETS[dataset].images if images is None and dataset in DATASETS else images
    limit = getattr(params.data, "limit", None)
    if limit is not None:
        count = limit if count is None else min(count, limit)
    whole = PROTOCOLS[counterpart]["images"]
    fewer = "" if count is None or count == whole else f"{count:,} images instead of {whole:,}"
    return fewer, "JPEG-coded images" if "jpeg" in dataset else ""


def _strengths() -> dict[str, float]:
    """Return the strengths that the paper evaluates at, by augmentation."""
    return {
        member.name: member.strength.default
        for member in evaluations()
        if member.strength is not None and member.name in EVALUATED
    }
