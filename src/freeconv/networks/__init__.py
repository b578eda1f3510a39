"""Networks, one file each: names of lists of layers.

Another kernel size, stride or depth is another name, with results of its own. docs/extending.md shows how to add one,
in this folder or from outside the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeconv.architectures.layers import Free, Layer, Settings, Shape, Size, convolutional, first_convolutions
from freeconv.architectures.sizes import sizes
from freeconv.registry import Registry, shown

if TYPE_CHECKING:
    import keras
    import numpy as np

Weights = Mapping[str, "np.ndarray"]  # `<layer>/<variable>` to array, as a run's file holds them below `network`


def equal_layers(parent: Weights, untrained: Weights) -> dict[str, np.ndarray]:
    """Return the parent's weights where layer, variable and shape are the same, and the untrained ones elsewhere."""
    return {
        name: parent[name] if name in parent and parent[name].shape == array.shape else array
        for name, array in untrained.items()
    }


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network.

    Attributes:
        name: as in parameters, paths and tables: lower-case letters, digits and `_`.
        layers: takes the shape of images, (height, width, channels), and returns the layers, without the logits.
        parent: the network whose trained weights are taken over, of the run of the same dataset, augmentation, level,
            fold and seed; None if all first weights are random.
        inherit: takes the weights of the parent's trained network and those of the untrained one, both by name
            (`conv_1/kernel`), and returns the first weights, named and shaped as the untrained ones. By default the
            parent's where layer, variable and shape are the same.
        order: place in lists.
        title: for readers: `FCN`.
    """

    name: str
    layers: Callable[[Shape], list[Layer]]
    parent: str | None = None
    inherit: Callable[[Weights, Weights], dict[str, np.ndarray]] = equal_layers
    order: int = shown(100)
    title: str = shown()

    def is_free(self, shape: Shape = (28, 28, 1)) -> bool:
        """Return whether it has free layers, whose kernels can be compared over positions."""
        return any(isinstance(layer, Free) for layer in self.layers(shape))


NETWORKS: Registry[Network] = Registry("network", __name__)


def network_layers(network: str, shape: Sequence[int], layers: int | None = None) -> list[Layer]:
    """Return the layers of a network; of its convolutions the first `layers`, or all if None."""
    return first_convolutions(NETWORKS[network].layers(tuple(shape)), layers)


def network_sizes(network: str, shape: Sequence[int], classes: int, layers: int | None = None) -> dict[str, Size]:
    """Return the sizes of a network's layers by name (see `freeconv.architectures.sizes`).

    Args:
        network: its name.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        layers: number of (free) convolutions, the first ones; all if None.

    Raises:
        FreeconvError: there is no such network, or the images are too small for it.
    """
    return sizes(network_layers(network, shape, layers), tuple(shape), classes, network)


def convolutions(network: str, shape: Sequence[int]) -> int:
    """Return how many (free) convolutions a network has."""
    return sum(map(convolutional, network_layers(network, shape)))


def build_network(
    network: str,
    shape: Sequence[int],
    classes: int,
    seed: int,
    initializer: str = "glorot-authors",
    vcp: float = 0.0,
    vcp_mask: str = "connections",
    layers: int | None = None,
    stacked: bool = False,
    dtype: str = "float32",
) -> keras.Model:
    """Return an untrained network (see `freeconv.architectures.build`).

    Args:
        network: its name.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: as for `freeconv.architectures.layers.Settings`, like the next ones.
        initializer: limits of free layers.
        vcp: probability that a connection of a free layer is missing.
        vcp_mask: what is missing.
        layers: number of (free) convolutions, the first ones (the search of Table A.1); all if None.
        stacked: whether the network is to be one of many.
        dtype: dtype policy.

    Raises:
        FreeconvError: there is no such network, or the images are too small for it.
    """
    from freeconv.architectures.build import build

    settings = Settings(seed, initializer, vcp, vcp_mask, stacked, dtype)
    return build(network_layers(network, shape, layers), shape, classes, network, settings)
