import pytest

from freeconv.architectures.layers import Dense, Free
from freeconv.augmentations import AUGMENTATIONS, Augmentation, Strength
from freeconv.networks import NETWORKS, Network


def invert(images, level, rng):
    """Return images with a share of their negative mixed in."""
    return (1 - level) * images + level * (1 - images)


@pytest.fixture
def inversion():
    """Register an augmentation that says as little about itself as is allowed."""
    AUGMENTATIONS.add(Augmentation(name="invert", apply=invert, title="inversion", strength=Strength(default=0.5)))
    yield "invert"
    AUGMENTATIONS.remove("invert")


@pytest.fixture
def two_networks():
    """Register a network with free layers and one without."""
    NETWORKS.add(Network(name="small", layers=lambda shape: [Dense(4)], title="small net"))
    NETWORKS.add(Network(name="patches", layers=lambda shape: [Free(4, 3, 2), Free(4, 3, 2)], title="patch net"))
    yield ["small", "patches"]
    NETWORKS.remove("small")
    NETWORKS.remove("patches")
