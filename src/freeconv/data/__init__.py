"""Images on their way to training: selection, augmented passes, folds, batches, evaluation sets."""
