"""The sizes of a network's layers, without Keras."""

from collections.abc import Sequence

from freeconv.architectures.layers import Dense, Layer, Shape, Size, convolutional, named
from freeconv.errors import FreeconvError


def shapes(layers: Sequence[Layer], shape: Shape, network: str) -> list[Shape]:
    """Return the shape of one input of every layer, batch left out, and behind them that of the last one's output.

    Args:
        layers: of a network.
        shape: (height, width, channels) of the images.
        network: its name, for the message.

    Raises:
        FreeconvError: the images are too small for the layers.
    """
    found = [tuple(shape)]
    for layer in layers:
        output = layer.output(found[-1])
        if min(output) < 1:
            raise FreeconvError(
                f"network {network}: expected images large enough for {sum(map(convolutional, layers))} layers (at "
                f"least 15 × 15 pixels for the three of Table A.2), received {shape[0]} × {shape[1]}"
            )
        found.append(output)
    return found


def sizes(layers: Sequence[Layer], shape: Shape, classes: int, network: str) -> dict[str, Size]:
    """Return the sizes of a network's layers by their names, of those that have weights; the last are the `logits`.

    Args:
        layers: of the network, without the logits.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        network: its name, for the message.

    Raises:
        FreeconvError: the images are too small for the layers.
    """
    inputs = shapes(layers, shape, network)
    found = {name: layer.size(before) for (name, layer), before in zip(named(layers), inputs, strict=False)}
    found["logits"] = Dense(classes).size(inputs[-1])
    return {name: size for name, size in found.items() if size is not None}
