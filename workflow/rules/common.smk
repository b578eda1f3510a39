# Parameters, checked before anything is planned, and the functions of all rules.
import os
import sys
from pathlib import Path

from freeconv import layout, runs
from freeconv.code import code_hash
from freeconv.errors import FreeconvError
from freeconv.fetch import raw_sha256
from freeconv.params import check_params

try:
    PARAMS = check_params(config)
except FreeconvError as error:
    sys.exit(f"freeconv: error: {error}")

if PARAMS.data.mirror:
    # Through the environment, because the same bytes from elsewhere are no reason to run again.
    os.environ.setdefault("FREECONV_MIRROR", PARAMS.data.mirror)


def fetch_options(wildcards):
    """Return the options of `freeconv fetch` that decide the file's content."""
    source = PARAMS.data.folders.get(wildcards.dataset)
    return ["--seed", PARAMS.seed] + (["--source", source] if source else [])


def fetch_raw(wildcards):
    """Return the hash of the raw files, so that changed ones are noticed."""
    return raw_sha256(wildcards.dataset, PARAMS.data.folders.get(wildcards.dataset))


def shard_config(wildcards):
    """Return the configuration of a shard, as JSON."""
    return runs.shard_config(
        PARAMS,
        wildcards.dataset,
        wildcards.augmentation,
        float(wildcards.level),
        int(wildcards.copy_index),
    ).text()


# A training job holds the runs that train.fuse puts together: a fused axis is a list of values in the rule's outputs,
# any other one is a wildcard.
FUSE = PARAMS.train.fuse
TRAIN_FOLDS = runs.held_out(PARAMS) if "fold" in FUSE else ["{fold}"]
TRAIN_LEVELS = {
    augmentation: levels if "level" in FUSE else ["{level}"]
    for augmentation, levels in runs.trained_levels(PARAMS).items()
}
TRAIN_JOB = Path(
    "{dataset}",
    "{network}",
    "{augmentation}",
    *(f"{{{axis}}}" for axis in ("level", "fold") if axis not in FUSE),
)


def train_shards(augmentation):
    """Return the shards that one job reads."""
    return [
        layout.shard_file("{dataset}", augmentation, level, copy_index)
        for level in TRAIN_LEVELS[augmentation]
        for copy_index in range(runs.shard_copies(PARAMS, augmentation))
    ]


def train_results(augmentation):
    """Return the results that one job writes."""
    return [
        layout.run_file("{dataset}", "{network}", augmentation, level, fold)
        for level in TRAIN_LEVELS[augmentation]
        for fold in TRAIN_FOLDS
    ]


def train_config(augmentation):
    """Return the function that gives the configuration of a job, as JSON."""

    def config_text(wildcards):
        return runs.train_config(
            PARAMS,
            wildcards.dataset,
            wildcards.network,
            augmentation,
            [
                float(str(level).format(**wildcards))
                for level in TRAIN_LEVELS[augmentation]
            ],
            [int(str(fold).format(**wildcards)) for fold in TRAIN_FOLDS],
        ).text()

    return config_text


def distance_runs(wildcards):
    """Return the results of all folds that a trace is about."""
    return [
        layout.run_file(
            wildcards.dataset,
            wildcards.network,
            wildcards.augmentation,
            wildcards.level,
            fold,
        )
        for fold in runs.held_out(PARAMS)
    ]


def distance_config(wildcards):
    """Return the configuration of traces, as JSON."""
    return runs.distance_config(
        PARAMS,
        wildcards.dataset,
        wildcards.network,
        wildcards.augmentation,
        float(wildcards.level),
    ).text()
