"""The architectures of the paper's Table A.2, by the size of the images."""

from collections.abc import Callable, Sequence

from freeconv.architectures.layers import Dense, Layer, Shape

# (filters, kernel size, stride) of the three layers before Dense(1024) and Dense(classes).
ARCHITECTURES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "mnist": ((32, 3, 2), (64, 3, 2), (128, 3, 1)),
    "cifar": ((64, 5, 2), (128, 5, 2), (256, 3, 1)),
}
CONVOLUTIONS = 3
DENSE_UNITS = 1024


def architecture(shape: Sequence[int]) -> str:
    """Return which architecture of Table A.2 images of `shape` get.

    The rule for other sizes: `"cifar"`, whose larger kernels suit larger images, from 32 × 32 pixels on, `"mnist"`
    below.

    Args:
        shape: (height, width, channels).
    """
    return "cifar" if min(shape[:2]) >= 32 else "mnist"


def table_a2(convolution: Callable[[int, int, int], Layer]) -> Callable[[Shape], list[Layer]]:
    """Return the function from the shape of images to the layers of Table A.2 but for the logits.

    Three (free) convolutions with 'valid' padding and ReLU and a dense layer of 1024 units with ReLU. All weights start
    Glorot-uniform (Xavier-uniform, section A.3), biases at zero.

    Args:
        convolution: takes filters, kernel size and stride: `Convolution` or `Free`.
    """

    def layers(shape: Shape) -> list[Layer]:
        convolutions = ARCHITECTURES[architecture(shape)]
        return [*(convolution(*sizes) for sizes in convolutions), Dense(DENSE_UNITS)]

    return layers
