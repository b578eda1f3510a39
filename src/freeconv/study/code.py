"""Which code decides the numbers of each rule's jobs: rule by rule, the packages and members that compute them.

The table on one page; the rules of workflow/rules name these functions among their `params`.
"""

from collections.abc import Iterable

from freeconv.augmentations import AUGMENTATIONS
from freeconv.code_hash import code_hash
from freeconv.datasets import DATASETS
from freeconv.measures import MEASURES
from freeconv.metrics import METRICS
from freeconv.networks import NETWORKS
from freeconv.study import grid
from freeconv.study.jobs import MeasureConfig, ShardConfig, TrainSettings
from freeconv.study.params import Params


def fetch_code(dataset: str) -> str:
    """Return the hash of what reads a dataset's raw files, orders its images and takes a subset."""
    if dataset in DATASETS:
        return code_hash("data.selection", members=(DATASETS.file(dataset),))
    return code_hash("data.selection", "data.image_folder")


def shard_code(config: ShardConfig) -> str:
    """Return the hash of what augments images."""
    return code_hash("data.passes", members=(AUGMENTATIONS.file(config.augmentation),))


def train_code(config: TrainSettings) -> str:
    """Return the hash of what trains and evaluates a network."""
    names = networks([config.variant.kind])
    members = (
        *map(NETWORKS.file, names),
        *map(AUGMENTATIONS.file, sorted(config.evaluate)),
        *map(METRICS.file, config.evaluate_metrics),
    )
    tests = ["analysis.predictions"] if config.test else []
    return code_hash("training", "data.folds", "data.batches", "data.evaluation_sets", *tests, members=members)


def networks(names: Iterable[str]) -> list[str]:
    """Return networks and those that they start from, and so on."""
    found = list(names)
    for name in found:
        parent = NETWORKS[name].parent
        if parent is not None and parent not in found:
            found.append(parent)
    return found


def distance_code() -> str:
    """Return the hash of what computes kernel distances."""
    return code_hash("analysis.distance")


def measure_code(config: MeasureConfig) -> str:
    """Return the hash of what measures trained networks."""
    members = (NETWORKS.file(config.train.variant.kind), *map(MEASURES.file, config.measures))
    return code_hash("measures", "data.folds", "architectures.build", "training.precision", members=members)


def tables_code() -> str:
    """Return the hash of what computes medians, intervals and verdicts."""
    return code_hash("analysis.authors", "analysis.medians", "analysis.paper", "analysis.judgement")


def figures_code(params: Params) -> str:
    """Return the hash of what draws figures, titles included."""
    modules = ("report.figures", "report.gallery", "report.measure_figures", "report.summary_figures")
    return code_hash(*modules, members=_shown_members(params), shown=True)


def drawings_code(params: Params) -> str:
    """Return the hash of what draws explanatory drawings, titles included."""
    members = tuple(AUGMENTATIONS.file(name) for name in grid.drawn_augmentations(params))
    return code_hash("report.illustrations", members=members, shown=True)


def report_code(params: Params) -> str:
    """Return the hash of what writes pages and exports, titles included."""
    return code_hash("report.pages", "report.exports", members=_shown_members(params), shown=True)


def _shown_members(params: Params) -> tuple:
    """Return the files of the members that figures and pages name."""
    augmentations = {"none", *grid.augmentations(params), *grid.evaluations(params, "none")}
    return (
        *map(AUGMENTATIONS.file, sorted(augmentations)),
        *map(NETWORKS.file, params.train.networks),
    )
