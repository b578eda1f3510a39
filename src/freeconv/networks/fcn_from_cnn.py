"""The free convolutional network started from a trained convolutional one (d'Ascoli et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from freeconv.architectures.layers import Free
from freeconv.architectures.table_a2 import table_a2
from freeconv.networks import NETWORKS, Network, Weights

if TYPE_CHECKING:
    import numpy as np


def kernels_at_every_position(parent: Weights, untrained: Weights) -> dict[str, np.ndarray]:
    """Return the weights of a free network that computes what a convolutional one does.

    Args:
        parent: of the convolutional network, `conv_1/kernel` (height, width, channels, filters) and the like.
        untrained: of the free one, `free_1/kernel` (positions, height · width · channels, filters) and the like.

    Returns:
        Kernels and biases of convolutions at every position, and the weights of dense layers as they are.
    """
    import numpy as np

    weights = {}
    for name, array in untrained.items():
        weight = parent[name.replace("free_", "conv_")]
        if name.endswith("/kernel") and name.startswith("free_"):
            weight = weight.reshape(array.shape[1:])
        weights[name] = np.broadcast_to(weight, array.shape).astype(array.dtype)
    return weights


NETWORKS.add(
    Network(
        name="fcn_from_cnn",
        layers=table_a2(Free),
        parent="cnn",
        inherit=kernels_at_every_position,
        order=5,
        title="FCN from CNN",
    )
)
