"""Titles of accuracies and networks, and the order in which networks are shown."""

from collections.abc import Iterable

from freeconv.augmentations import AUGMENTATIONS
from freeconv.networks import NETWORKS
from freeconv.study.network_names import parse_variant
from freeconv.vocabulary import level_text

# The accuracies that are of no augmentation.
METRIC_TITLES = {
    "train_acc": "Training",
    "clean_train_acc": "Training, clean",
    "val_acc": "Validation",
    "swap_acc": "Quadrant swap",
}


def metric_title(metric: str) -> str:
    """Return an accuracy's title: `Training`, `Translated`.

    Raises:
        FreeconvError: it is the accuracy of an augmentation that is not registered.
    """
    if metric in METRIC_TITLES:
        return METRIC_TITLES[metric]
    member = AUGMENTATIONS[metric.removesuffix("_acc")]
    return member.metric_title or capitalized(member.title)


def network_title(name: str) -> str:
    """Return a network's name for readers: `FCN`, `FCN, 0.3 missing`, `CNN, 2 layers, rate 0.01`."""
    variant = parse_variant(name)
    title = NETWORKS[variant.kind].title
    if variant.vcp:
        title += f", {level_text(variant.vcp)} missing"
    if variant.learning_rate is not None:
        title += f", {variant.layers} layers, rate {level_text(variant.learning_rate)}"
    return title


def free_first(networks: Iterable[str]) -> list[str]:
    """Return registered networks in the order of figures: those with free layers, then the others."""
    asked = set(networks)
    return sorted((name for name in NETWORKS if name in asked), key=lambda name: not NETWORKS[name].is_free())


def capitalized(text: str) -> str:
    """Return a text with its first letter as at the beginning of a sentence; the others stay."""
    return text[:1].upper() + text[1:]
