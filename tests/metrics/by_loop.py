"""Metrics of an epoch by loops, to hold the compiled ones against."""

import numpy as np


def top_2_by_sorting(logits, labels):
    """Return the share of images whose class is among the two of highest logits."""
    return float(np.mean([label in np.argsort(row)[-2:] for row, label in zip(logits, labels, strict=True)]))


def calibration_error_by_bins(logits, labels):
    """Return the expected calibration error over 15 bins, (0, 1/15] to (14/15, 1]."""
    logits = logits.astype("float64")
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    confidence, correct = chances.max(axis=1), chances.argmax(axis=1) == labels
    error = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return error
