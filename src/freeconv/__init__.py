"""Do neural networks need weight sharing? Free convolutional networks against convolutional ones.

The package imports without Snakemake, DVC and TensorFlow; Keras is imported only by what builds or trains networks
(`freeconv.layers`, `freeconv.architectures.build`, `freeconv.training`). docs/architecture.md shows all rooms.
`freeconv.open_study` opens the results of a study for notebooks and scripts (`freeconv.api`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freeconv.api import open_study

__all__ = ["open_study"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what a study needs only where it is asked for: the layers need Keras and NumPy alone."""
    if name != "open_study":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("freeconv.api").open_study
