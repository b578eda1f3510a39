"""Lists of layers of one number of parameters."""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from freeconv.architectures.layers import Layer, Shape
from freeconv.architectures.sizes import sizes


def parameters(layers: Sequence[Layer], shape: Shape) -> int:
    """Return the number of parameters of a network's layers, for images of `shape`, with one class."""
    return sum(size.weights for size in sizes(layers, shape, 1, "").values())


def of_equal_size(
    layers_of: Callable[[int], list[Layer]], like: Sequence[Layer], shape: Shape, largest: int
) -> list[Layer]:
    """Return those layers whose number of parameters is nearest to that of others.

    Args:
        layers_of: takes a width, 1 … `largest`, and returns layers, the more parameters the larger the width.
        like: the others.
        shape: (height, width, channels) of the images.
        largest: the largest width.

    Raises:
        FreeconvError: the images are too small for the layers.
    """
    wanted, widths = parameters(like, shape), range(1, largest + 1)
    above = bisect_left(widths, wanted, key=lambda width: parameters(layers_of(width), shape))
    near = widths[max(above - 1, 0) : above + 1]
    return layers_of(min(near, key=lambda width: abs(parameters(layers_of(width), shape) - wanted)))
