"""Names of networks: `cnn`, `fcn`, and what they are called when something about them is varied.

`fcn-vcp-0.3` lacks 30 % of its connections; `cnn-layers-2-rate-0.01` has two convolutions and was trained with another
learning rate, in the hyperparameter search. The name is part of every file's path, so it says all that sets a network
apart from the others of its study.
"""

import re
from typing import Literal, NamedTuple, get_args

from freeconv.layout import level_text

Kind = Literal["cnn", "fcn"]

LAYERS = 3
# as Snakemake's wildcard, too: no groups that capture, no anchors
NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e-[0-9]+)?"
NAME = rf"(?:cnn|fcn)(?:-vcp-{NUMBER})?(?:-layers-[0-9]+-rate-{NUMBER})?"
_PARTS = re.compile(rf"(cnn|fcn)(?:-vcp-({NUMBER}))?(?:-layers-([0-9]+)-rate-({NUMBER}))?")


class Variant(NamedTuple):
    """What a network's name says.

    Attributes:
        kind: `cnn` (convolutions) or `fcn` (free convolutions).
        vcp: share of missing connections, 0 ≤ vcp < 1.
        layers: number of (free) convolutions.
        learning_rate: of a network of the hyperparameter search; None for all others, which have that of `train`.
    """

    kind: Kind
    vcp: float = 0.0
    layers: int = LAYERS
    learning_rate: float | None = None


def variant_name(variant: Variant) -> str:
    """Return the name of a network."""
    name: str = variant.kind
    if variant.vcp:
        name += f"-vcp-{level_text(variant.vcp)}"
    if variant.learning_rate is not None:
        name += f"-layers-{variant.layers}-rate-{level_text(variant.learning_rate)}"
    return name


def parse_variant(name: str) -> Variant:
    """Return what a network's name says.

    Raises:
        ValueError: the name is not one that `variant_name` gives.
    """
    if match := _PARTS.fullmatch(name):
        kind, vcp, layers, rate = match.groups()
        variant = Variant(
            get_args(Kind)[kind == "fcn"], float(vcp or 0), int(layers or LAYERS), float(rate) if rate else None
        )
        if variant_name(variant) == name and variant.vcp < 1:
            return variant
    raise ValueError(f"names such as cnn, fcn, fcn-vcp-0.3 or cnn-layers-2-rate-0.01, received {name!r}")
