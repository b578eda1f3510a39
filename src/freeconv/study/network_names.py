"""Names of networks as they are trained: `cnn`, `fcn`, and what they are called when something about them is varied.

`fcn-vcp-0.3` lacks 30 % of its connections; `cnn-layers-2-rate-0.01` has two convolutions and was trained with another
learning rate, in the hyperparameter search. The name is part of every file's path, so it says all that sets a network
apart from the others of its study.
"""

import re
from typing import NamedTuple

from freeconv.networks import NETWORKS
from freeconv.vocabulary import level_text

# as Snakemake's wildcard, too: no groups that capture, no anchors
NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e-[0-9]+)?"
REGISTERED = r"[a-z][a-z0-9_]*"
NAME = rf"{REGISTERED}(?:-vcp-{NUMBER})?(?:-layers-[0-9]+-rate-{NUMBER})?"
_PARTS = re.compile(rf"({REGISTERED})(?:-vcp-({NUMBER}))?(?:-layers-([0-9]+)-rate-({NUMBER}))?")


class Variant(NamedTuple):
    """What a network's name says.

    Attributes:
        kind: the registered network: `cnn`, `fcn`.
        vcp: share of missing connections, 0 ≤ vcp < 1.
        layers: number of its (free) convolutions that are used, the first ones; None for all.
        learning_rate: of a network of the hyperparameter search; None for all others, which have that of `train`.
    """

    kind: str
    vcp: float = 0.0
    layers: int | None = None
    learning_rate: float | None = None


def variant_name(variant: Variant) -> str:
    """Return the name of a network."""
    name = variant.kind
    if variant.vcp:
        name += f"-vcp-{level_text(variant.vcp)}"
    if variant.learning_rate is not None:
        name += f"-layers-{variant.layers}-rate-{level_text(variant.learning_rate)}"
    return name


def parse_variant(name: str) -> Variant:
    """Return what a network's name says.

    Raises:
        ValueError: the name is not one that `variant_name` gives, or the network is not registered.
    """
    if match := _PARTS.fullmatch(name):
        kind, vcp, layers, rate = match.groups()
        variant = Variant(kind, float(vcp or 0), int(layers) if layers else None, float(rate) if rate else None)
        if variant_name(variant) == name and variant.vcp < 1 and kind in NETWORKS:
            return variant
    raise ValueError(f"names such as {', '.join(NETWORKS)}, fcn-vcp-0.3 or cnn-layers-2-rate-0.01, received {name!r}")
