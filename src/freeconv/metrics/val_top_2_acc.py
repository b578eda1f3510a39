"""How often the right class is among the two that a network finds most probable."""

from __future__ import annotations

from typing import Any

from freeconv.metrics import METRICS, Metric, mean


def parts(logits: Any, labels: Any) -> Any:
    """Return 1 for each image whose class is among the two with the highest logits, else 0: float32 (images, 1)."""
    from keras import ops

    best = ops.top_k(logits, 2)[1]
    found = ops.any(ops.equal(best, ops.cast(labels[:, None], best.dtype)), axis=-1)
    return ops.cast(found, "float32")[:, None]


METRICS.add(Metric(name="val_top_2_acc", parts=parts, value=mean, order=1, title="top-2 accuracy"))
