"""Whether training has settled: how far a curve still moves over the last fifth of its epochs."""

import numpy as np

# A fifth of fewer epochs has fewer than five values, which show nothing.
FEWEST_EPOCHS = 25
# Early stopping says that a run has settled if it waited as long as this, half of the paper's patience on MNIST.
PATIENCE = 25


def settled_change(curve: np.ndarray, epochs: np.ndarray | None = None) -> float:
    """Return how far a curve moves over the last fifth of its epochs.

    The slope of the least-squares line through the values of the last fifth, times the number of epochs of a fifth.

    Args:
        curve: array (values,).
        epochs: array (values,): the epoch of each value; 1, 2, … if None.

    Returns:
        In the curve's unit; NaN where the curve has fewer than `FEWEST_EPOCHS` epochs, or the fifth fewer than two
        values.
    """
    epochs = np.arange(1, len(curve) + 1) if epochs is None else epochs
    if len(curve) == 0 or epochs[-1] < FEWEST_EPOCHS:
        return np.nan
    fifth = epochs[-1] / 5
    last = epochs > epochs[-1] - fifth
    if np.sum(last) < 2:
        return np.nan
    centered = epochs[last] - np.mean(epochs[last])
    return float(centered @ np.asarray(curve, float)[last] / (centered @ centered) * fifth)


def stopped_early(val_acc: np.ndarray, patience: int) -> bool:
    """Return whether a run stopped early, after it had waited long enough for that to say something.

    Args:
        val_acc: array (epochs,): accuracy on the clean held-out fold.
        patience: epochs without a better one after which training stops.
    """
    waited = len(val_acc) - 1 - int(np.argmax(val_acc))
    return waited >= patience >= PATIENCE
