"""The held-out fold as each accuracy sees it."""

import numpy as np

from freeconv.augment import edge_noise, noise, rotate, swap_quadrants, translate
from freeconv.configs import RunConfig
from freeconv.streams import random_stream


def evaluation_sets(images: np.ndarray, config: RunConfig) -> dict[str, np.ndarray]:
    """Return the held-out images as each accuracy sees them.

    The six sets are those of the authors' program. They are drawn once per dataset and fold and are the same for
    all networks, levels and epochs, so that comparisons between runs are paired.

    Args:
        images: (n, height, width, channels) uint8.
        config: gives seed, dataset, fold, the strengths and the augmentations' forms.

    Returns:
        Name of the accuracy to images: uint8, or float16 where noise leaves [0, 1].
    """
    scaled = images.astype("float32") / 255
    strength = config.evaluate

    def rng(name: str) -> np.random.Generator:
        return random_stream(config.seed, "evaluate", config.dataset, config.folds, config.fold, name)

    def stored(values: np.ndarray) -> np.ndarray:
        return np.rint(values * 255).astype("uint8")

    return {
        "val_acc": images,
        "translate_acc": stored(translate(scaled, strength.translate, rng("translate"))),
        "rotate_acc": stored(rotate(scaled, strength.rotate / 360, rng("rotate"), config.forms.rotate)),
        "noise_acc": noise(scaled, strength.noise, rng("noise")).astype("float16"),
        "edge_noise_acc": edge_noise(scaled, strength.edge_noise, rng("edge_noise"), config.forms.edge_noise).astype(
            "float16"
        ),
        "swap_acc": stored(swap_quadrants(scaled)),
    }
