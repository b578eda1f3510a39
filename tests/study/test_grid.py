import pytest

from freeconv.data.batches import epoch_batches, stream_name, weights_seed
from freeconv.errors import FreeconvError
from freeconv.study import grid as study_grid
from freeconv.study.params import check_params
from freeconv.vocabulary import level_text
from tests.made_study import small_params


def test_the_default_grid():
    params = check_params({})
    grid = list(study_grid.runs(params))
    assert len(grid) == 2 * 3 * 5
    assert len({(run.network, run.augmentation, run.level, run.fold) for run in grid}) == 30
    assert len(set(study_grid.run_files(params))) == 30
    assert {(run.augmentation, run.level) for run in grid} == {("none", 0.0), ("translate", 0.2), ("translate", 0.4)}


@pytest.mark.parametrize(("fuse", "number"), [([], 30), (["fold"], 6), (["fold", "level"], 4)])
def test_jobs_are_the_runs_that_fuse_puts_together(fuse, number):
    params = check_params({"train": {"fuse": fuse}})
    jobs = list(study_grid.jobs(params))
    assert len(jobs) == number
    together = [run.text() for job in jobs for run in job.runs()]
    assert len(together) == len(set(together)) == 30
    assert set(together) == {run.text() for run in study_grid.runs(check_params({}))}


def test_level_0_is_trained_once_for_all_augmentations():
    params = check_params({"aug": {"translate": [0, 0.1], "rotate": [0, 0.1], "noise": 0, "edge_noise": 0.3}})
    assert study_grid.trained_levels(params) == {
        "none": [0.0],
        "translate": [0.1],
        "rotate": [0.1],
        "edge_noise": [0.3],
    }
    assert study_grid.augmentations(params) == ["translate", "rotate", "noise", "edge_noise"]
    assert sum(run.level == 0 for run in study_grid.runs(params)) == 2 * 5


def test_level_0_is_not_trained_unless_asked_for():
    assert study_grid.trained_levels(check_params({"aug": {"translate": 0.4}})) == {"translate": [0.4]}


def test_without_augmentations_the_plain_networks_are_trained():
    params = check_params({"aug": {"translate": []}})
    assert study_grid.augmentations(params) == ["none"]
    assert study_grid.trained_levels(params) == {"none": [0.0]}


def test_held_out_folds_are_a_choice():
    params = check_params({"train": {"held_out": [1, 3], "networks": ["fcn"]}, "aug": {"translate": 0.2}})
    assert [run.fold for run in study_grid.runs(params)] == [1, 3]
    assert {run.folds for run in study_grid.runs(params)} == {5}


def test_overrides_are_for_their_dataset():
    params = check_params(
        {"data": {"datasets": ["mnist", "cifar10"]}, "train": {"overrides": {"cifar10": {"epochs": 7, "batch": 3}}}}
    )
    found = {run.dataset: (run.epochs, run.batch, run.learning_rate) for run in study_grid.jobs(params)}
    assert found == {"mnist": (10, 256, 0.001), "cifar10": (7, 3, 0.001)}


def test_folds_share_shards_and_nothing_random_has_one_copy():
    params = check_params({"aug": {"translate": [0, 0.2], "copies": 3}})
    assert study_grid.shard_files(params) == [
        "results/shards/mnist-5k/none/0/copy-0.h5",
        *(f"results/shards/mnist-5k/translate/0.2/copy-{number}.h5" for number in range(3)),
    ]
    shards = {run.shard(0) for run in study_grid.runs(params)}
    assert len(shards) == 2
    assert {run.copies for run in study_grid.runs(params) if run.level == 0} == {1}
    assert {study_grid.shard_config(params, "mnist-5k", "translate", 0.2, 0)} < shards


def test_what_does_not_concern_a_run_is_not_in_its_configuration():
    texts = {run.text() for run in study_grid.runs(check_params({}))}
    changes = {
        "report": {"aggregate": "final"},
        "distance": {"radii": [2]},
        "shards": {"compression": "gzip"},
        "aug": {"translate": [0, 0.2, 0.4, 0.6]},
    }
    for section, values in changes.items():
        assert texts <= {run.text() for run in study_grid.runs(check_params({section: values}))}, section


def test_only_free_networks_have_traces():
    assert study_grid.distance_files(check_params({"train": {"networks": ["cnn"]}})) == []
    assert study_grid.distance_files(check_params({"aug": {"translate": 0.25}})) == [
        "results/distance/mnist-5k/fcn/translate/0.25.csv"
    ]


def test_levels_in_file_names():
    assert [level_text(level) for level in (0.0, 0.1, 0.99, 0.30000000000000004)] == ["0", "0.1", "0.99", "0.3"]


VCP = {"levels": [0, 0.5, 0.99], "translate": [0.2, 0.3]}


def test_missing_connections_reuse_the_free_networks_that_are_trained_anyway():
    params = check_params({"aug": {"translate": [0, 0.2]}, "vcp": VCP, "train": {"held_out": [0]}})
    found = [(run.network, run.augmentation, run.level) for run in study_grid.runs(params)]
    assert len(found) == len(set(found))
    assert set(found) == {
        *((network, "none", 0.0) for network in ("cnn", "fcn")),
        *((network, "translate", 0.2) for network in ("cnn", "fcn", "fcn-vcp-0.5", "fcn-vcp-0.99")),
        *((network, "translate", 0.3) for network in ("fcn", "fcn-vcp-0.5", "fcn-vcp-0.99")),
    }
    assert {run.vcp_mask for run in study_grid.runs(params) if run.variant.vcp == 0} == {None}
    assert {run.vcp_mask for run in study_grid.runs(params) if run.variant.vcp > 0} == {"connections"}


def test_missing_connections_at_level_0_are_trained_on_images_as_they_are():
    params = check_params({"vcp": {"levels": [0.5], "translate": 0}, "train": {"held_out": [0], "networks": ["cnn"]}})
    (run,) = [run for run in study_grid.runs(params) if run.variant.vcp]
    assert (run.augmentation, run.level, run.copies) == ("none", 0.0, 1)


def test_the_search_is_a_grid_of_ordinary_runs():
    search = {"learning_rates": [0.1, 1e-06], "epochs": 7, "patience": 3, "overrides": {"mnist": {"epochs": 9}}}
    params = check_params({"data": {"datasets": ["mnist-5k", "mnist"]}, "search": search})
    found = [run for run in study_grid.runs(params) if run.variant.learning_rate]
    assert len(found) == 2 * 2 * 2 * 2
    assert {(run.augmentation, run.fold, run.patience) for run in found} == {("none", 0, 3)}
    jobs = [job for job in study_grid.jobs(params) if job.variant.learning_rate]
    assert {(job.dataset, job.epochs) for job in jobs} == {("mnist-5k", 7), ("mnist", 9)}
    assert all(run.learning_rate == run.variant.learning_rate for run in found)
    assert "results/train/mnist/fcn-layers-2-rate-1e-06/none/0/fold-0.h5" in study_grid.run_files(params)


@pytest.mark.parametrize("fuse", [[], ["fold"], ["fold", "level"]])
def test_no_run_is_in_two_studies(fuse):
    params = check_params({"vcp": VCP, "search": {"learning_rates": 0.1}, "train": {"fuse": fuse}})
    together = [run.text() for job in study_grid.jobs(params) for run in job.runs()]
    assert len(together) == len(set(together)) == len(set(study_grid.run_files(params))) == 5 * (6 + 4 + 1) + 4
    names = [study.name for study in study_grid.studies(params)]
    assert names == ["none", "translate", "vcp", "vcp_fcn", "search"]


def test_forms_concern_the_shards_of_their_augmentation():
    sections = {"translate": [0.2], "rotate": [0.2], "edge_noise": [0.2], "copies": 1}
    text, program = (
        check_params({"aug": {**sections, "forms": forms}})
        for forms in ({}, {"edge_noise": "authors", "rotate": "keras-2018"})
    )
    for augmentation, same in (("translate", True), ("rotate", False), ("edge_noise", False)):
        one, other = (study_grid.shard_config(params, "mnist-5k", augmentation, 0.2, 0) for params in (text, program))
        assert (one == other) == same


@pytest.mark.parametrize("fuse", [[], ["fold"], ["fold", "level"]])
def test_each_fold_has_a_run_of_every_seed_and_the_first_is_that_without_seeds(fuse):
    one = check_params({"aug": {"translate": [0, 0.2]}, "train": {"held_out": [0, 3], "fuse": fuse}})
    two = check_params({**one.model_dump(), "train": {**one.train.model_dump(), "seeds": [0, 2]}})
    before = dict(zip(study_grid.run_files(one), study_grid.runs(one), strict=True))
    after = dict(zip(study_grid.run_files(two), study_grid.runs(two), strict=True))
    assert {path: run.text() for path, run in before.items()} == {path: after[path].text() for path in before}
    assert "train_seed" not in next(iter(before.values())).dump()
    added = {path: run for path, run in after.items() if path not in before}
    assert {path.replace("-seed-2", "") for path in added} == set(before)
    assert {run.train_seed for run in added.values()} == {2}
    assert len(list(study_grid.jobs(two))) == len(list(study_grid.jobs(one))) * (1 if "fold" in fuse else 2)
    cell = study_grid.cell_config(two, "mnist-5k", "fcn", "translate", 0.2)
    assert [(run.train_seed, run.fold) for run in cell.runs()] == [(0, 0), (0, 3), (2, 0), (2, 3)]


def test_seeds_change_first_weights_and_batches_alone():
    params = check_params({"train": {"seeds": [0, 1]}, "aug": {"translate": 0.2}})
    first, second = (next(run for run in study_grid.runs(params) if run.train_seed == seed) for seed in (0, 1))
    assert weights_seed(first) != weights_seed(second)
    assert (epoch_batches(first, 1000, 0) != epoch_batches(second, 1000, 0)).any()
    assert first.shard(0) == second.shard(0)
    assert stream_name(first) == ("mnist-5k", "cnn", "translate", 0.2, 0)
    assert first.model_validate_json(second.text()) == second


@pytest.mark.parametrize("seeds", [[], [0, 0], [-1], [0.5]])
def test_seeds_are_different_whole_numbers(seeds):
    with pytest.raises(FreeconvError, match=r"train"):
        check_params({"train": {"seeds": seeds}})


def test_how_figures_are_written_concerns_figures_drawings_and_pages_alone():
    plain, asked = small_params(), small_params(report={"figures": {"formats": ["pdf"], "font": "serif"}})
    assert "figures" not in plain.dump()["report"]  # the parameters of studies from before are as they were
    assert plain.text() != asked.text()
    assert study_grid.tables_params(asked).text() == study_grid.tables_params(plain).text() == plain.text()
    assert study_grid.drawing_params(asked).text() != study_grid.drawing_params(plain).text()
    assert list(study_grid.runs(asked)) == list(study_grid.runs(plain))


def test_figures_have_the_formats_and_widths_asked_for_and_the_one_that_pages_show():
    def kinds(**asked):
        return study_grid.figure_kinds(small_params(report={"figures": asked}))

    assert kinds() == [("page", "svg"), ("page", "pdf")]
    assert kinds(formats=["png"]) == [("page", "svg"), ("page", "png")]
    assert kinds(width="column") == [("page", "svg"), ("column", "svg"), ("column", "pdf")]
    assert kinds(width="both", formats=["pdf"]) == [("page", "svg"), ("page", "pdf"), ("column", "pdf")]
    files = study_grid.figure_files(small_params(report={"figures": {"width": "column"}}), "out")
    assert "out/figures/mnist-5k-translate-accuracy-column.pdf" in files
    assert "out/figures/mnist-5k-translate-accuracy.csv" in files
    assert "out/figures/mnist-5k-translate-samples.csv" not in files  # images


def test_kernels_of_the_lowest_a_middle_and_the_highest_level_are_shown():
    params = small_params(aug={"translate": [0, 0.1, 0.2, 0.3, 0.4]}, train={"folds": 5, "held_out": [3, 1]})
    assert study_grid.kernel_run_files(params) == [
        "results/train/mnist-5k/fcn/none/0/fold-1.h5",
        "results/train/mnist-5k/fcn/translate/0.2/fold-1.h5",
        "results/train/mnist-5k/fcn/translate/0.4/fold-1.h5",
    ]
    assert study_grid.kernel_run_files(small_params(train={"networks": ["cnn"]})) == []
    assert set(study_grid.kernel_run_files(params)) <= set(study_grid.run_files(params))
