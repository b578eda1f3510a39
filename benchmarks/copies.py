"""Ten stored copies of augmented images in turn, beside fresh images in every epoch.

Full MNIST under translation 0.2, fifteen epochs, folds of five, one seed: runs of the archives `mnist` (20 copies,
so every epoch sees new images) and `mnist-copies-10` (the last five epochs see the images of the first five again).
Differences, ten copies minus fresh, of means over the epochs 11 to 15, fold by fold, in points; of the distance between
neighbouring kernels after the last epoch in per cent of the fresh ones'. Nothing is trained here:

    snakemake RUNS --configfile params/mnist.yaml --config 'train={epochs: 15}'
    snakemake --directory studies/copies-10 RUNS --configfile copies-10.yaml   # copies: 10, study: mnist-copies-10
    python benchmarks/copies.py
"""

import numpy as np
import pandas as pd
from measuring import ROOT, arguments, compared, measured, write_result

COMMAND = "python benchmarks/copies.py"
STUDIES = {"fresh": "mnist", "ten copies": "mnist-copies-10"}
NETWORKS, LEVEL, EPOCHS, LAST = ("cnn", "fcn"), "0.2", 15, 5
METRICS = ("val_acc", "translate_acc", "clean_train_acc", "train_acc")
DISTANCE = "free_1_euclidean_1"


def read(study: str, network: str) -> pd.DataFrame:
    """Return the rows of a study's runs: fold, epoch and all that they record, of the epochs that are compared."""
    rows = pd.read_csv(ROOT / f"reports/archive/{study}/mnist/{network}/translate/{LEVEL}.csv", comment="#")
    return rows[(rows["seed"] == 0) & (rows["epoch"] > EPOCHS - LAST) & (rows["epoch"] <= EPOCHS)]


def by_fold(network: str) -> dict[str, pd.DataFrame]:
    """Return means over the last epochs, a row per fold that both studies have to the end."""
    means = {}
    for name, study in STUDIES.items():
        rows = read(study, network)
        whole = rows.groupby("fold").filter(lambda run: len(run) == LAST)
        means[name] = whole.groupby("fold").mean(numeric_only=True)
        if DISTANCE in rows:
            means[name][DISTANCE] = whole[whole["epoch"] == EPOCHS].set_index("fold")[DISTANCE]
    folds = means["fresh"].index.intersection(means["ten copies"].index)
    return {name: frame.loc[folds] for name, frame in means.items()}


def main(command_line: list[str] | None = None) -> None:
    """Compare and write the results."""
    options = arguments(__doc__).parse_args(command_line)
    rows, comparisons = [], []
    for network in NETWORKS:
        means = by_fold(network)
        for metric in METRICS:
            rows += [measured(f"{network}, {metric}, {name}", 100 * means[name][metric], "%") for name in STUDIES]
            points = 100 * (means["ten copies"][metric] - means["fresh"][metric])
            comparisons.append(compared(f"{network}: {metric}, ten copies − fresh", points.to_numpy(), None, "points"))
        if DISTANCE in means["fresh"]:
            share = 100 * (np.asarray(means["ten copies"][DISTANCE]) / np.asarray(means["fresh"][DISTANCE]) - 1)
            comparisons.append(compared(f"{network}: kernel distance, ten copies / fresh − 1", share, None, "%"))
    write_result("copies", __doc__, COMMAND, "folds", rows, comparisons, options)


if __name__ == "__main__":
    main()
