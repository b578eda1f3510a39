"""The convolutional network of Table A.2 with more filters, so that it has as many parameters as the free one."""

from freeconv.architectures.equal_size import of_equal_size
from freeconv.architectures.layers import Convolution, Dense, Free, Layer, Shape
from freeconv.architectures.table_a2 import ARCHITECTURES, DENSE_UNITS, architecture, table_a2
from freeconv.networks import NETWORKS, Network

STEPS = 64  # in which the number of filters grows, so that sizes come near to each other


def layers(shape: Shape) -> list[Layer]:
    """Return the layers of `cnn`, filters of all convolutions times the factor that brings it nearest to `fcn`."""

    def of_factor(steps: int) -> list[Layer]:
        convolutions = ARCHITECTURES[architecture(shape)]
        wider = ((max(round(filters * steps / STEPS), 1), *others) for filters, *others in convolutions)
        return [*(Convolution(*numbers) for numbers in wider), Dense(DENSE_UNITS)]

    return of_equal_size(of_factor, table_a2(Free)(shape), shape, largest=100 * STEPS)


NETWORKS.add(Network(name="cnn_wide", layers=layers, order=4, title="CNN of the FCN's size"))
