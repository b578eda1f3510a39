"""Images that are kept for a test at the end reach neither training nor early stopping, and are tested on once."""

import numpy as np
import pandas as pd
import pytest

from freeconv.analysis.medians import table_of_tests
from freeconv.analysis.predictions import accuracy
from freeconv.architectures.build import set_weights
from freeconv.augmentations.rotate import rotate
from freeconv.commands import train
from freeconv.commands.measure import make_measures
from freeconv.commands.shard import make_shard
from freeconv.data.folds import fold_index, kept_for_test
from freeconv.errors import FreeconvError
from freeconv.measures import network_to_measure
from freeconv.planning.images import check_images
from freeconv.seeds import random_stream
from freeconv.storage.csv_files import read_csv
from freeconv.storage.dataset_file import kept_apart, read_dataset
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.storage.run_file import read_run
from freeconv.study.code import train_code
from freeconv.study.jobs import CellConfig, MeasureConfig
from freeconv.study.params import check_params
from tests.tiny_jobs import checkpoint_path, config, data_about, data_path, run_path, shard_path, write_tiny

JOB = {"network": "cnn", "levels": [0.2], "fold_indices": [0, 2], "epochs": 2, "test": True}


def trained(folder, stack="off", **other):
    """Train the job in a folder, and return arrays and attributes of its runs."""
    job = config(**{**JOB, **other})
    paths = shard_path(folder), run_path(folder), checkpoint_path(folder)
    train.train(job, data_path(folder), *paths, lambda *_: None, stack, attic=folder / "attic")
    return [read_h5(run_path(folder)(run)) for run in job.runs()]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Return two folders whose datasets and shards are alike but for the images that are kept apart; and their runs."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "other")]
    write_tiny(folders[0])
    arrays, _ = read_h5(data_path(folders[0]))
    kept = kept_for_test("tiny", len(arrays["labels"]))
    arrays["images"][-kept:] = 255 - arrays["images"][-kept:]
    arrays["labels"][-kept:] = 0
    write_h5(data_path(folders[1]), arrays, data_about())
    for run in config(fold_indices=[0]).runs():
        for copy_index in range(2):
            make_shard(run.shard(copy_index), data_path(folders[1]), shard_path(folders[1])(run, copy_index))
    return folders, [trained(folder) for folder in folders]


def test_how_many():
    assert kept_for_test("mnist", 70_000) == kept_for_test("cifar10", 60_000) == 10_000
    assert kept_for_test("mnist", 6_000) == kept_for_test("flowers", 6_000) == 1_000


def test_they_reach_neither_training_nor_early_stopping(two):
    _, (ours, others) = two
    for (arrays, attributes), (other, of_other) in zip(ours, others, strict=True):
        del arrays["history/cpu_seconds"], other["history/cpu_seconds"]
        assert all((arrays[name] == other[name]).all() for name in arrays)
        assert attributes["test"] != of_other["test"]
        assert attributes["config"]["test"] is True


def test_the_test_is_of_the_last_images(two):
    (folder, _), (runs, _) = two
    whole = read_dataset(data_path(folder), config().data())
    rest, test = kept_apart(whole, "tiny")
    assert len(test.images) == len(whole.images) // 6
    assert len(rest.images) + len(test.images) == len(whole.images)
    model = network_to_measure("cnn", (16, 16, 1), whole.classes, None)
    for arrays, attributes in runs:
        network = {
            name.removeprefix("network/"): array for name, array in arrays.items() if name.startswith("network/")
        }
        set_weights(model, network)
        scaled = test.images.astype("float32") / 255
        turned = np.rint(rotate(scaled, 45 / 360, random_stream(0, "evaluate", "tiny", 3, 3, "rotate")) * 255) / 255
        tested = attributes["test"]
        assert set(tested) == {
            "test_acc",
            *(f"test_{name}_acc" for name in ("translate", "rotate", "noise", "edge_noise", "swap")),
        }
        assert tested["test_acc"] == accuracy(model, scaled, test.labels)
        assert tested["test_rotate_acc"] == accuracy(model, turned.astype("float32"), test.labels)
        assert attributes["images"] == len(rest.images)


def test_folds_are_of_the_others(two):
    (folder, _), (runs, _) = two
    rest, _ = kept_apart(read_dataset(data_path(folder), config().data()), "tiny")
    assert [arrays["history/steps"][0] for arrays, _ in runs] == [
        len(fold_index(len(rest.images), 3, fold)[0]) // 10 for fold in (0, 2)
    ]
    job = config(**JOB)
    cell = CellConfig.model_validate(
        {**job.model_dump(mode="json", exclude={"levels", "resumable"}), "level": 0.2}, strict=False
    )
    settings = {"shifts": [], "angles": [0.0], "permutations": 2, "images": None}
    measures = MeasureConfig(train=cell, measures=["angle_acc"], **settings)
    make_measures(measures, [run_path(folder)(run) for run in job.runs()], data_path(folder), folder / "measures.csv")
    found = read_csv(folder / "measures.csv")[0]["value"]
    assert found.to_list() == pytest.approx([arrays["history/val_acc"][-1] for arrays, _ in runs])


def test_runs_side_by_side_are_tested_likewise_and_a_longer_run_again(two, tmp_path):
    (folder, _), (runs, _) = two
    stacked = trained(folder, "on", fold_indices=[0, 2], learning_rate=0.002)
    assert all(set(attributes["test"]) == set(runs[0][1]["test"]) for _, attributes in stacked)
    grown = trained(folder, "on", fold_indices=[0, 2], learning_rate=0.002, epochs=3)
    assert all(attributes["epochs"] == 3 for _, attributes in grown)
    job = config(**{**JOB, "learning_rate": 0.002})
    study = [read_run(run, run_path(folder)(run), 3) for run in job.runs()]
    table = table_of_tests(study)
    assert len(table) == 2 * 6
    assert table["epochs"].unique().tolist() == [3]
    value = table[(table["fold"] == 2) & (table["metric"] == "test_acc")]["value"].item()
    assert value == grown[1][1]["test"]["test_acc"]
    # the network after two epochs is not stored, so its test is not known
    assert table_of_tests([read_run(run, run_path(folder)(run), 2) for run in job.runs()]).empty


def test_it_is_another_study():
    run, other = next(config(**JOB).runs()), next(config(**{**JOB, "test": False}).runs())
    assert "test" not in other.dump()
    assert run.dump() == {**other.dump(), "test": True}
    assert train_code(run) != train_code(other)
    with pytest.raises(FreeconvError, match=r"expected at most the 3333 images of the training folds of mnist-5k"):
        check_images(check_params({"train": {"batch": 3400}, "evaluate": {"test": True}}))
    check_images(check_params({"train": {"batch": 3400}}))
    assert isinstance(table_of_tests([]), pd.DataFrame)
