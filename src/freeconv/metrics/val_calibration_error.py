"""How far a network's confidence is from its accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freeconv.metrics import METRICS, Metric

if TYPE_CHECKING:
    import numpy as np

BINS = 15


def parts(logits: Any, labels: Any) -> Any:
    """Return each image's confidence less its correctness, in the column of its bin: float32 (images, 15).

    Confidence is the highest class probability; bins are of equal width, (0, 1/15] to (14/15, 1].
    """
    from keras import ops

    confidence = ops.max(ops.softmax(logits), axis=-1)
    best = ops.top_k(logits, 1)[1][..., 0]
    correct = ops.cast(ops.equal(best, ops.cast(labels, best.dtype)), "float32")
    bins = ops.clip(ops.cast(ops.ceil(confidence * BINS), "int32") - 1, 0, BINS - 1)
    return ops.one_hot(bins, BINS) * (confidence - correct)[:, None]


def value(sums: np.ndarray, number: int) -> float:
    """Return the expected calibration error of Guo et al. 2017, in [0, 1].

    It is the distance between mean confidence and accuracy of a bin, averaged over images.
    """
    return float(abs(sums).sum()) / number


METRICS.add(Metric(name="val_calibration_error", parts=parts, value=value, order=2, title="expected calibration error"))
