# Parameters, checked before anything is planned, and the functions of all rules.
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

# The package beside the Snakefile, in rules and jobs: a clone, or a temporary copy in which DVC runs an experiment, may
# use the environment of another folder, whose package may since have changed.
SOURCES = [str(Path(workflow.basedir, "src")), os.environ.get("PYTHONPATH")]
sys.path.insert(0, SOURCES[0])
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, SOURCES)))
# Snakemake has imported that other package already, for what it shows in the terminal (the profile's logger).
for name in [name for name in sys.modules if name.partition(".")[0] == "freeconv"]:
    if not str(sys.modules[name].__file__).startswith(SOURCES[0]):
        del sys.modules[name]

from freeconv.augmentations import AUGMENTATIONS
from freeconv.commands.fetch import raw_sha256
from freeconv.commands.planned import check_inputs, remember
from freeconv.errors import FreeconvError
from freeconv.machine.keras_import import installed_versions
from freeconv.machine.clock import repair_times
from freeconv.machine.place import check_place, open_notes, own_notes
from freeconv.machine.watchdog import (
    end_at_once,
    end_gracefully,
    hold_live_run,
    own_jobs,
)
from freeconv.networks import NETWORKS
from freeconv.planning.images import check_images
from freeconv.study import code, grid, network_names, paths
from freeconv.study.params import load_params
from freeconv.vocabulary import level_text

BEGIN = time.time()

own_jobs()
# While jobs are planned there is nothing to end.
signal.signal(signal.SIGINT, end_at_once)
# Of a terminal's Ctrl-C jobs know nothing: Python would print a traceback into their logs. Snakemake ends them.
shell.prefix("set -euo pipefail; trap '' INT; ")

try:
    check_place()
except FreeconvError as error:
    sys.exit(f"freeconv: error: {error}")

# For a study in a folder of its own (--directory): its jobs find the project's files.
os.environ[paths.PROJECT] = workflow.basedir


def in_project(path):
    """Return the path of one of the project's files as seen from the study's folder."""
    return paths.from_project(str(path))


def read_params():
    """Return the study's parameters and the file that names them.

    That is the one of --configfile, or params.yaml in the study's folder. Snakemake's own reading of it is not used: it
    reads another YAML than DVC, would lay the file over params.yaml, and leaves text what is inside of --config.
    """
    named = [os.path.relpath(file) for file in workflow.overwrite_configfiles]
    if len(named) > 1:
        raise FreeconvError(
            f"--configfile: expected one parameter file, received {', '.join(named)}; a target goes before it: "
            "snakemake TARGET --configfile FILE"
        )
    file = named[0] if named else "params.yaml"
    return load_params(file, workflow.config_settings.config), file


try:
    for word in sys.argv[1:]:  # targets, which Snakemake itself knows only later
        paths.check_level(word)
    PARAMS, PARAMS_FILE = read_params()
except FreeconvError as error:
    sys.exit(f"freeconv: error: {error}")

# Through the environment, too: a study under another name is no reason to run again.
os.environ[paths.PARAMS_FILE] = os.path.relpath(PARAMS_FILE, workflow.basedir) + (
    " and --config" if workflow.config_settings.config else ""
)

if PARAMS.data.mirror:
    # Through the environment, because the same bytes from elsewhere are no reason to run again.
    os.environ.setdefault("FREECONV_MIRROR", PARAMS.data.mirror)


# A job that another Snakemake, on a cluster's node, plans again must be of the parameters that this one has read.
PLANNED_VARIABLE = "FREECONV_PLANNED"
PLANNED = hashlib.sha256(PARAMS.text().encode()).hexdigest()
if workflow.is_main_process:
    os.environ[PLANNED_VARIABLE] = PLANNED
elif os.environ.get(PLANNED_VARIABLE, PLANNED) != PLANNED:
    sys.exit(
        "freeconv: error: params.yaml: expected the parameters that the job was planned with, received others: it was "
        "changed during the run; run snakemake again"
    )


def check_planned():
    """End if a dataset is not what the parameters ask for; under DVC, write down what is planned with."""
    try:
        check_inputs(
            PARAMS,
            {dataset: fetch_options_of(dataset) for dataset in PARAMS.data.datasets},
            {dataset: fetch_raw_of(dataset) for dataset in PARAMS.data.datasets},
        )
        if "DVC_STAGE" in os.environ and not workflow.dryrun:
            remember(PARAMS)
    except FreeconvError as error:
        sys.exit(f"freeconv: error: {error}")


def hold_run():
    """Make this the one live run of the folder, or end; Snakemake's notes are no links into DVC's cache then."""
    try:
        hold_live_run()
        own_notes()
        end_gracefully(workflow.scheduler)
    except FreeconvError as error:
        sys.exit(f"freeconv: error: {error}")


def check_study_images():
    """End before the first job if the images are too few or too small for the study's training jobs."""
    try:
        check_images(PARAMS)
    except FreeconvError as error:
        sys.exit(f"freeconv: error: {error}")


def repair_files():
    """Repair times in the future, which a clock that was moved back has left, of all that jobs may read."""
    sources = [
        path for path in Path(in_project("src/freeconv")).rglob("*") if path.is_file()
    ]
    if repaired := repair_times([*grid.all_files(PARAMS), *sources]):
        print(
            f"freeconv: {len(repaired)} files were dated in the future, as {repaired[0]}: they have the time of now",
            file=sys.stderr,
        )


def tell_problems():
    """Print what the tables of this run had to leave out or found suspicious, a line each."""
    log = Path("logs/tables.log")
    if log.is_file() and log.stat().st_mtime >= BEGIN:
        print(log.read_text(), end="", file=sys.stderr)


def fetch_options(wildcards):
    """Return the options of `freeconv fetch` that decide the file's content."""
    return fetch_options_of(wildcards.dataset)


def fetch_options_of(dataset):
    """Return the options of `freeconv fetch` for a dataset."""
    source = PARAMS.data.folders.get(dataset)
    options = {"--seed": PARAMS.seed, "--source": source, "--limit": PARAMS.data.limit}
    return [
        word
        for name, value in options.items()
        if value is not None
        for word in (name, value)
    ]


def fetch_raw(wildcards):
    """Return the hash of the raw files, so that changed ones are noticed."""
    return fetch_raw_of(wildcards.dataset)


def fetch_raw_of(dataset):
    """Return the hash of a dataset's raw files."""
    try:
        return raw_sha256(dataset, PARAMS.data.folders.get(dataset))
    except FreeconvError as error:
        sys.exit(f"freeconv: error: {error}")


def shard_config(wildcards):
    """Return the configuration of a shard."""
    return grid.shard_config(
        PARAMS,
        wildcards.dataset,
        wildcards.augmentation,
        float(wildcards.level),
        int(wildcards.copy_index),
    )


def shard_output():
    """Return the file of a shard, marked for deletion after its last reader unless shards are kept."""
    path = paths.shard_file("{dataset}", "{augmentation}", "{level}", "{copy_index}")
    return path if PARAMS.shards.keep else temp(path)


# A training job holds the runs that train.fuse puts together: a fused axis is a list of values in the rule's outputs,
# any other one is a wildcard.
FUSE = PARAMS.train.fuse


def train_levels(study):
    """Return the levels of one job, or the wildcard for them."""
    return study.levels if "level" in FUSE else ["{level}"]


def train_folds(study):
    """Return the folds of one job as paths name them, with seeds; or the wildcard for them."""
    if "fold" not in FUSE:
        return ["{fold}"]
    return [paths.fold_name(fold, seed) for seed, fold in study.folds()]


def train_job(study):
    """Return what tells the jobs of a study apart, as a path."""
    axes = [f"{{{axis}}}" for axis in ("level", "fold") if axis not in FUSE]
    return Path("{dataset}", "{network}", study.augmentation, *axes)


def train_shards(study):
    """Return the shards that one job reads."""
    return [
        paths.shard_file("{dataset}", study.augmentation, level, copy_index)
        for level in train_levels(study)
        for copy_index in range(grid.shard_copies(PARAMS, study.augmentation))
    ]


def train_results(study):
    """Return the results that one job writes."""
    return [
        paths.run_file("{dataset}", "{network}", study.augmentation, level, fold)
        for level in train_levels(study)
        for fold in train_folds(study)
    ]


def train_parents(study):
    """Return the function that gives the results of the networks that those of a job start from."""

    def files(wildcards):
        variant = network_names.parse_variant(wildcards.network)
        parent = NETWORKS[variant.kind].parent
        if parent is None:
            return []
        network = network_names.variant_name(variant._replace(kind=parent))
        return [
            path.format(**{**wildcards, "network": network})
            for path in train_results(study)
        ]

    return files


def train_config(study):
    """Return the function that gives the configuration of a job."""

    def config(wildcards):
        return grid.train_config(
            PARAMS,
            wildcards.dataset,
            wildcards.network,
            study.augmentation,
            [float(str(level).format(**wildcards)) for level in train_levels(study)],
            *folds_and_seeds(study, wildcards),
        )

    return config


def folds_and_seeds(study, wildcards):
    """Return the folds and the seeds of a job."""
    if "fold" in FUSE:
        return study.fold_indices, study.train_seeds
    fold, _, seed = wildcards.fold.partition("-seed-")
    return [int(fold)], [int(seed or 0)]


def train_code(study):
    """Return the function that gives the hash of a job's code."""
    return lambda wildcards: code.train_code(train_config(study)(wildcards))


def train_versions():
    """Return the backend and versions that runs must be of; nothing where any will do."""
    return installed_versions() if PARAMS.train.versions == "rerun" else ""


def cell_runs(wildcards):
    """Return the results of all folds of a network, augmentation and level."""
    return [
        paths.run_file(
            wildcards.dataset,
            wildcards.network,
            wildcards.augmentation,
            wildcards.level,
            fold,
            seed,
        )
        for seed in PARAMS.train.seeds
        for fold in grid.held_out(PARAMS)
    ]


def distance_config(wildcards):
    """Return the configuration of traces."""
    return grid.distance_config(PARAMS, *cell(wildcards))


def measure_config(wildcards):
    """Return the configuration of measures."""
    return grid.measure_config(PARAMS, *cell(wildcards))


def cell(wildcards):
    """Return dataset, network, augmentation and level."""
    return (
        wildcards.dataset,
        wildcards.network,
        wildcards.augmentation,
        float(wildcards.level),
    )


def held(files, category, shown):
    """Return a rule's outputs, some of which `snakemake --report` holds in a category of its own, with its caption."""
    caption = f"../report/{category.lower()}.rst"

    def marked(path):
        labels = {"file": Path(path).name}
        return report(path, caption=caption, category=category, labels=labels)

    return [marked(path) if path in shown else path for path in files]


def study_text(wildcards):
    """Return all parameters as JSON; by a function, because in a text Snakemake takes {words} for wildcards."""
    return PARAMS.text()


def tables_text(wildcards):
    """Return the parameters that tables depend on as JSON."""
    return grid.tables_params(PARAMS).text()


def text(config):
    """Return the function that gives a configuration as JSON."""
    return lambda wildcards: config(wildcards).text()
