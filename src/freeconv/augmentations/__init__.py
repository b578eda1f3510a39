"""Augmentations, one file each: what training does to images, and what networks are evaluated on.

docs/extending.md shows how to add one, in this folder or from outside the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from freeconv.registry import Registry, shown

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How strong an augmentation is when networks are evaluated on held-out images.

    Networks that are trained under an augmentation are evaluated on it; others if `evaluate` in params.yaml says so.

    Attributes:
        default: unless the parameters say another; the paper's, where it has one.
        highest: the largest that is allowed; the lowest is 0.
        per_level: strength that is level 1: strengths of rotation are degrees, levels shares of 360°.
        text: what the number means, for the reference of parameters.
    """

    default: float
    highest: float = 1.0
    per_level: float = 1.0
    text: str = shown("")


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One way to change images.

    Attributes:
        name: as in parameters, paths and tables: lower-case letters, digits and `_`.
        apply: takes images, level and a random generator, and the form where there are several; returns changed images
            of the same shape and leaves its input alone. Conventions are those of `freeconv.images`.
        forms: which forms there are, the default first; none if there is only one.
        unclipped: whether values may leave [0, 1]: such images are stored as float16, others as uint8.
        levels: whether networks are trained at levels of it.
        strength: what networks are evaluated on after each epoch; None if on nothing of it.
        order: place in lists.
        title: in the middle of a sentence: `edge noise`.
        level_title: of an axis of levels, its unit in a second line.
        metric_title: of the accuracy on such images: `Translated`.
        level_text: what a level means, for the reference of parameters.
        default_levels: of `aug.<name>`.
        form_text: what the forms are, for the reference of parameters.
        exactly: what a drawing shows at a level, where `apply` draws the amount at random; the same arguments.
        drawing: what the drawing shows, in a sentence.
        figure: number of the drawing in the paper; empty if it has none.
        moved: by measure of trained networks (`horizontal_shift_acc`), how far one unit of level moves images in
            training, in the measure's unit.
    """

    name: str
    apply: Callable[..., np.ndarray]
    forms: tuple[str, ...] = ()
    unclipped: bool = False
    levels: bool = shown(True)
    strength: Strength | None = None
    order: int = shown(100)
    title: str = shown()
    level_title: str = shown("Level")
    metric_title: str = shown("")
    level_text: str = shown("")
    default_levels: tuple[float, ...] = shown(())
    form_text: str = shown("")
    exactly: Callable[..., np.ndarray] | None = shown(None)
    drawing: str = shown("")
    figure: str = shown("")
    moved: Mapping[str, float] = field(default_factory=dict, metadata={"shown": True})


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", __name__)


def studied() -> list[str]:
    """Return the names of the augmentations that networks can be trained under at levels above 0."""
    return [member.name for member in AUGMENTATIONS.members() if member.levels]


def evaluations() -> list[Augmentation]:
    """Return the augmentations that networks can be evaluated on, the strongest last: by `order`."""
    return [member for member in AUGMENTATIONS.members() if member.strength is not None]


def metric(name: str) -> str:
    """Return the name of the accuracy on held-out images that an augmentation has changed: `translate_acc`."""
    return f"{name}_acc"


def metrics(evaluated: Iterable[str]) -> tuple[str, ...]:
    """Return the names of a run's accuracies.

    Args:
        evaluated: the augmentations that it is evaluated on.

    Returns:
        `train_acc`, in training; `clean_train_acc`, on training images as they are; `val_acc`, on held-out images as
        they are; `<augmentation>_acc`, changed by each augmentation; `swap_acc`, with quadrants exchanged.
    """
    changed = sorted(set(evaluated), key=lambda name: (AUGMENTATIONS[name].order, name))
    return ("train_acc", "clean_train_acc", "val_acc", *map(metric, changed), "swap_acc")
