"""A fully connected network with as many parameters as the free one: no locality."""

from freeconv.architectures.equal_size import of_equal_size
from freeconv.architectures.layers import Dense, Free, Layer, Shape
from freeconv.architectures.table_a2 import DENSE_UNITS, table_a2
from freeconv.networks import NETWORKS, Network


def layers(shape: Shape) -> list[Layer]:
    """Return a dense layer in the place of each free convolution of `fcn`, all of one width, and that of 1024 units.

    The width is the one at which the number of parameters is nearest to that of `fcn`.
    """
    free = table_a2(Free)(shape)
    dense = Dense(DENSE_UNITS)
    return of_equal_size(lambda width: [*(Dense(width) for _ in free[:-1]), dense], free, shape, largest=10_000)


NETWORKS.add(Network(name="mlp", layers=layers, order=3, title="MLP"))
