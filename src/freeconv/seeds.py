"""Random streams: one independent generator per purpose, derived from the seed and a name."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def stream_seed(seed: int, *name: str | int | float) -> int:
    """Return the 63-bit seed of the random stream called `name`.

    Args:
        seed: the study's seed, `params.yaml: seed`.
        name: what the stream is for, e.g. `("shard", "mnist-5k", "translate", 0.2, 0)`.

    Returns:
        An integer in [0, 2**63), equal on every machine and Python version.
    """
    digest = hashlib.sha256(json.dumps([seed, *name]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def random_stream(seed: int, *name: str | int | float) -> np.random.Generator:
    """Return a NumPy generator for the random stream called `name` (see `stream_seed`)."""
    import numpy as np

    return np.random.default_rng(stream_seed(seed, *name))
