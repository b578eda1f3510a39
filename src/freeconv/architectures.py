"""The architectures of Table A.2, and the sizes of their layers: what is known of networks without Keras."""

from collections.abc import Sequence
from typing import NamedTuple

from freeconv.errors import FreeconvError
from freeconv.variants import LAYERS, Kind

Shape = tuple[int, int, int]

# (filters, kernel size, stride) of the three layers before Dense(1024) and Dense(classes), Table A.2.
ARCHITECTURES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "mnist": ((32, 3, 2), (64, 3, 2), (128, 3, 1)),
    "cifar": ((64, 5, 2), (128, 5, 2), (256, 3, 1)),
}
DENSE_UNITS = 1024


def architecture(shape: Sequence[int]) -> str:
    """Return which architecture of Table A.2 images of `shape` get.

    The rule for other sizes: `"cifar"`, whose larger kernels suit larger images, from 32 × 32 pixels on, `"mnist"`
    below.

    Args:
        shape: (height, width, channels).
    """
    return "cifar" if min(shape[:2]) >= 32 else "mnist"


class Layer(NamedTuple):
    """The size of one layer's weights; shared kernels and dense layers have one position."""

    positions: int
    inputs: int
    outputs: int

    @property
    def kernel(self) -> int:
        """Number of weights without biases."""
        return self.positions * self.inputs * self.outputs

    @property
    def weights(self) -> int:
        """Number of weights: those of the kernels and a bias for every position and output."""
        return self.kernel + self.positions * self.outputs


def network_layers(kind: Kind, shape: Shape, classes: int, layers: int = LAYERS) -> list[Layer]:
    """Return the layers of a network of Table A.2 (see `freeconv.networks.build_network`).

    Raises:
        FreeconvError: the images are too small for the layers.
    """
    height, width, channels = shape
    found = []
    for filters, kernel, stride in ARCHITECTURES[architecture(shape)][:layers]:
        height, width = ((length - kernel) // stride + 1 for length in (height, width))
        if min(height, width) < 1:
            raise FreeconvError(
                f"network {kind}: expected images large enough for {layers} layers (at least 15 × 15 pixels for "
                f"three), received {shape[0]} × {shape[1]}"
            )
        found.append(Layer(height * width if kind == "fcn" else 1, kernel * kernel * channels, filters))
        channels = filters
    return [*found, Layer(1, height * width * channels, DENSE_UNITS), Layer(1, DENSE_UNITS, classes)]
