import json
import re

import numpy as np
import pytest
from sklearn.model_selection import KFold

from freeconv.architectures.build import set_weights
from freeconv.architectures.layers import BatchNormalization, Convolution, Dense, Dropout, Free
from freeconv.augmentations import metrics
from freeconv.commands import train
from freeconv.commands.shard import make_shard
from freeconv.commands.train import stacks
from freeconv.data.batches import epoch_batches
from freeconv.data.folds import fold_index
from freeconv.errors import FreeconvError
from freeconv.networks import build_network, equal_layers
from freeconv.storage.dataset_file import read_dataset
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.study import paths as study_paths
from freeconv.training.loop import train_runs
from freeconv.training.side_by_side import SideBySide
from freeconv.training.stack import Replicas
from freeconv.training.state import MOMENTS, Checkpoint, Result
from tests.tiny_jobs import (
    COUNT,
    checkpoint_path,
    config,
    data_about,
    data_path,
    registered,
    run_path,
    shard_path,
    write_tiny,
)

METRICS = metrics(config().evaluate)
LAYERS = ("free_1", "free_2", "free_3", "dense", "logits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the small dataset and its shards."""
    folder = tmp_path_factory.mktemp("train")
    write_tiny(folder)
    return folder


def trained(folder, target, stack="off", **other):
    """Train a job and return its files' content, by level and fold."""
    job = config(**other)
    paths = shard_path(folder), run_path(target), checkpoint_path(target)
    train.train(job, data_path(folder), *paths, lambda *_: None, stack)
    return {(run.level, run.fold): read_h5(run_path(target)(run)) for run in job.runs()}


def below_network(arrays):
    """Return the trained network's weights, by name."""
    return {name.removeprefix("network/"): array for name, array in arrays.items() if name.startswith("network/")}


@pytest.fixture(scope="module")
def results(folder, tmp_path_factory):
    return trained(folder, tmp_path_factory.mktemp("results"))


def test_a_run_stores_what_it_learned_and_what_made_it(results, folder):
    assert set(results) == {(0.2, 0), (0.2, 2), (0.4, 0), (0.4, 2)}
    arrays, attributes = results[0.4, 2]
    assert set(arrays) == {
        *(f"history/{name}" for name in ("train_loss", "val_loss", *METRICS, "learning_rate", "steps", "cpu_seconds")),
        "kernels/free_1",
        "kernel_epochs",
        *(f"network/{layer}/{name}" for layer in LAYERS for name in ("kernel", "bias")),
        *(f"state/{moment}/{layer}/{name}" for moment in MOMENTS for layer in LAYERS for name in ("kernel", "bias")),
        "state/step",
    }
    for metric in METRICS:
        assert arrays[f"history/{metric}"].shape == (3,)
        assert (arrays[f"history/{metric}"] >= 0).all()
        assert (arrays[f"history/{metric}"] <= 1).all()
    assert arrays["history/steps"].tolist() == [4] * 3
    assert arrays["history/learning_rate"].tolist() == [np.float32(0.001)] * 3
    assert (arrays["history/cpu_seconds"] > 0).all()
    assert arrays["kernels/free_1"].shape == (4, 49, 9, 32)
    assert arrays["kernels/free_1"].dtype == "float32"
    assert list(arrays["kernel_epochs"]) == [0, 1, 2, 3]
    assert all((a != b).any() for a, b in zip(arrays["kernels/free_1"], arrays["kernels/free_1"][1:], strict=False))
    run = list(config().runs())[-1]
    assert attributes["config"] == json.loads(run.text())
    assert (attributes["epochs"], attributes["stopped_early"], attributes["seams"]) == (3, False, [])
    assert attributes["grids"] == {"free_1": [7, 7]}
    assert attributes["classes"] == 3
    assert attributes["images"] == COUNT
    assert attributes["seconds"] > 0
    assert attributes["overhead_seconds"] > 0
    assert attributes["device"]
    assert attributes["data_sha256"] == read_h5(data_path(folder))[1]["content_sha256"]
    assert {"freeconv", "keras", "numpy", "python"} < set(attributes["versions"])


def test_the_trained_network_is_stored_and_can_be_used_again(results, folder):
    run = list(config().runs())[-1]
    arrays, _ = results[0.4, 2]
    weights = below_network(arrays)
    np.testing.assert_array_equal(weights["free_1/kernel"], arrays["kernels/free_1"][-1])
    dataset = read_dataset(data_path(folder), config().data())
    model = build_network(run.variant.kind, dataset.images.shape[1:], dataset.classes, seed=0)
    set_weights(model, weights)
    _, held_out = fold_index(COUNT, run.folds, run.fold)
    answers = model.predict(dataset.images[held_out].astype("float32") / 255, verbose=0).argmax(axis=1)
    assert (answers == dataset.labels[held_out]).mean() == pytest.approx(arrays["history/val_acc"][-1], abs=1e-6)
    train_index, _ = fold_index(COUNT, run.folds, run.fold)
    answers = model.predict(dataset.images[train_index].astype("float32") / 255, verbose=0).argmax(axis=1)
    clean = (answers == dataset.labels[train_index]).mean()
    assert clean == pytest.approx(arrays["history/clean_train_acc"][-1], abs=1e-6)
    with pytest.raises(ValueError, match="Received: "):
        set_weights(model, {"free_1/kernel": weights["free_1/kernel"]})


@pytest.mark.parametrize("mask", ["connections", "inputs"])
def test_missing_connections_stay_missing(folder, tmp_path, mask):
    one = {"network": "fcn-vcp-0.5", "vcp_mask": mask, "levels": [0.2], "fold_indices": [0]}
    arrays, attributes = trained(folder, tmp_path, **one)[0.2, 0]
    kernels = arrays["kernels/free_1"]
    missing = kernels[0] == 0
    assert 0.4 < missing.mean() < 0.6
    assert all((snapshot[missing] == 0).all() for snapshot in kernels)
    assert (missing == missing[..., :1]).all() == (mask == "inputs")
    assert attributes["config"]["network"] == "fcn-vcp-0.5"


def test_variants_of_a_network_start_alike_and_keep_what_is_asked_for(results, folder, tmp_path):
    one = {"levels": [0.2], "fold_indices": [0], "epochs": 1, "kernel_layers": [1, 2]}
    arrays, attributes = trained(folder, tmp_path, network="fcn-layers-2-rate-0.01", **one)[0.2, 0]
    np.testing.assert_array_equal(arrays["kernels/free_1"][0], results[0.2, 0][0]["kernels/free_1"][0])
    assert arrays["kernels/free_2"].shape == (2, 9, 288, 64)
    assert attributes["grids"] == {"free_1": [7, 7], "free_2": [3, 3]}
    assert "network/free_3/kernel" not in arrays


def test_it_learns(results):
    losses = results[0.2, 0][0]["history/train_loss"]
    assert losses[-1] < 0.9 * losses[0]


def test_runs_differ_by_level_and_fold(results):
    starts = [arrays["kernels/free_1"][0] for arrays, _ in results.values()]
    assert all((a != b).any() for number, a in enumerate(starts) for b in starts[:number])


def test_runs_are_the_same_alone_and_in_company(results, folder, tmp_path):
    """Equal numbers from equal seeds, whatever else the job trains and in which order."""
    alone = trained(folder, tmp_path, levels=[0.4], fold_indices=[2])
    for name, array in alone[0.4, 2][0].items():
        if name == "history/cpu_seconds":  # the only one that is measured
            continue
        np.testing.assert_array_equal(array, results[0.4, 2][0][name], err_msg=name)


def test_another_seed_gives_other_numbers(folder, tmp_path):
    data = data_path(tmp_path)
    write_h5(data, read_h5(data_path(folder))[0], data_about(seed=1))
    for run in config(seed=1, fold_indices=[0]).runs():
        for copy_index in range(2):
            make_shard(run.shard(copy_index), data, shard_path(tmp_path)(run, copy_index))
    job = config(seed=1, levels=[0.2], fold_indices=[0], epochs=1)
    paths = shard_path(tmp_path), run_path(tmp_path), checkpoint_path(tmp_path)
    train.train(job, data, *paths, lambda *_: None)
    arrays, _ = read_h5(run_path(tmp_path)(next(job.runs())))
    first = trained(folder, tmp_path / "seed-0", levels=[0.2], fold_indices=[0], epochs=1)[0.2, 0][0]
    assert (arrays["kernels/free_1"][0] != first["kernels/free_1"][0]).any()


def test_a_convolution_has_one_position(folder, tmp_path):
    arrays, attributes = trained(
        folder, tmp_path, network="cnn", levels=[0.2], fold_indices=[1], epochs=5, kernels_every=2
    )[0.2, 1]
    assert arrays["kernels/conv_1"].shape == (4, 1, 9, 32)
    assert list(arrays["kernel_epochs"]) == [0, 2, 4, 5]
    assert attributes["grids"] == {"conv_1": [1, 1]}


class Recorded:
    """A stack that learns nothing, answers from lists and keeps what it was asked.

    Args:
        accuracies: per run of the first stack, the clean accuracies of its epochs.
    """

    def __init__(self, accuracies):
        self.accuracies = np.array(accuracies)
        self.shards, self.batches, self.sizes, self.epoch = [], [], [], -1
        self.members = list(range(len(accuracies)))

    def stack(self):
        return Replicas(self.train, self.evaluate, lambda *_: {}, self.weights, self.keep, dict)

    def train(self, images, labels, index):
        self.epoch += 1
        self.shards.append(images)
        self.batches.append(index)
        self.sizes.append(len(self.members))
        return np.ones(len(self.members)), np.full(len(self.members), 0.5)

    def evaluate(self, images, labels, index):
        assert len(index) == len(self.members)
        return np.ones(len(self.members)), self.accuracies[self.members, self.epoch]

    def weights(self, names):
        kernels = np.zeros((len(self.members), 4, 2, 3)) + np.array(self.members)[:, None, None, None]
        return dict.fromkeys(names, kernels)

    def keep(self, positions):
        self.members = [self.members[position] for position in positions]
        return self.stack()


def recorded_stack(folder, accuracies, **other):
    """Return what the runs of a job, as one stack, asked of it, and their results."""
    runs = list(config(**other).runs())
    recorded = Recorded(accuracies)
    dataset = read_dataset(data_path(folder), config().data())
    start = Checkpoint([Result(run, config(**other).epochs) for run in runs], list(range(len(runs))), {})
    together = SideBySide(
        start, lambda _: recorded.stack(), dataset.images, dataset.labels, ["free_1"], ["free_1/kernel"]
    )
    train_runs(together, lambda copy_index: copy_index, lambda _: None, lambda _: None)
    return recorded, together.results


ONE = {"levels": [0.2], "fold_indices": [0]}


def test_early_stopping_waits_patience_epochs_for_a_better_accuracy(folder):
    accuracies = [0.1, 0.5, 0.5, 0.4, 0.3, 0.9]
    _, (result,) = recorded_stack(folder, [accuracies], epochs=6, patience=3, **ONE)
    # the best is epoch 2, an equal one is no better, and epochs 3 to 5 exhaust the patience
    assert result.history["val_acc"] == accuracies[:5]
    assert list(result.kernels) == [0, 1, 2, 3, 4, 5]
    _, (whole,) = recorded_stack(folder, [[0.5] * 6], epochs=6, patience=9, **ONE)
    assert len(whole.history["val_acc"]) == 6


def test_runs_of_a_stack_stop_by_themselves_and_the_stack_shrinks(folder):
    accuracies = [[0.5] * 6, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.5, 0.6, 0.6, 0.6, 0.6, 0.6], [0.5] * 6]
    recorded, results = recorded_stack(
        folder, accuracies, epochs=6, patience=2, kernels_every=2, levels=[0.2, 0.4], fold_indices=[0, 2]
    )
    assert [result.epochs for result in results] == [3, 6, 4, 3]
    assert [result.history["val_acc"] for result in results] == [
        values[: result.epochs] for values, result in zip(accuracies, results, strict=True)
    ]
    # after epoch 3 two of four still learn, after epoch 4 one
    assert recorded.sizes == [4, 4, 4, 2, 1, 1]
    assert [list(result.kernels) for result in results] == [[0, 2, 3], [0, 2, 4, 6], [0, 2, 4], [0, 2, 3]]
    kept = [(run, kernels["free_1"]) for run, result in enumerate(results) for kernels in result.kernels.values()]
    assert all((kernels == run).all() for run, kernels in kept)
    assert all((result.network["free_1/kernel"] == run).all() for run, result in enumerate(results))
    assert all(result.seconds > 0 for result in results)


def test_epochs_cycle_through_the_shards(folder):
    recorded, _ = recorded_stack(folder, [[0.5] * 5], epochs=5, **ONE)
    assert recorded.shards == [0, 1, 0, 1, 0]


def test_epochs_shuffle_and_never_see_the_held_out_fold(folder):
    recorded, _ = recorded_stack(folder, [[0.5] * 2] * 4, epochs=2, levels=[0.4, 0.2], fold_indices=[1, 2])
    for batches in recorded.batches:
        assert batches.shape == (4, 4, 10)
        for position, run in enumerate(config(levels=[0.4, 0.2], fold_indices=[1, 2]).runs()):
            rows = batches[:, position]
            # images of the higher level stand behind those of the lower
            assert set(rows.ravel() // COUNT) == {int(run.level == 0.4)}
            assert len(set(rows.ravel())) == rows.size
            assert not set(rows.ravel() % COUNT) & set(fold_index(COUNT, 3, run.fold)[1])
    assert (recorded.batches[0] != recorded.batches[1]).any()


@pytest.mark.parametrize("network", ["cnn", "fcn"])
def test_stacked_runs_equal_single_ones(folder, tmp_path, network):
    job = {"network": network, "epochs": 1, "levels": [0.2, 0.4], "fold_indices": [0, 2]}
    single = trained(folder, tmp_path / "off", "off", **job)
    stacked = trained(folder, tmp_path / "on", "on", **job)
    kernels = "kernels/conv_1" if network == "cnn" else "kernels/free_1"
    for name, (arrays, attributes) in single.items():
        assert stacked[name][1]["stack"] == 4
        assert attributes["stack"] == 1
        for array in ("history/train_loss", "history/val_loss"):
            np.testing.assert_allclose(stacked[name][0][array], arrays[array], rtol=1e-4)
        ours, theirs = (content[kernels][1] for content in (stacked[name][0], arrays))
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
        np.testing.assert_array_equal(stacked[name][0][kernels][0], arrays[kernels][0])


def test_a_stack_that_does_not_fit_is_split_and_told(folder, tmp_path, monkeypatch, capsys):
    sizes = []

    def limited(runs, *others):
        sizes.append(len(runs.results))
        if len(runs.results) > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 bytes.")
        train_runs(runs, *others)

    monkeypatch.setattr(train, "train_runs", limited)
    job = {"network": "cnn", "epochs": 1, "levels": [0.2], "fold_indices": [0, 1, 2]}
    results = trained(folder, tmp_path, "on", **job)
    assert sizes == [3, 2, 1]
    assert len(results) == 3
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if re.fullmatch(r"  \w+, \w+ \d+( × \d+)*: [\d,]+ weights", line)]
    assert [line for line in printed if line.startswith("a stack")] == [
        "a stack of 3 runs does not fit the device's memory: split into 2 and 1"
    ]


def test_other_failures_are_not_taken_for_a_lack_of_memory(folder, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("something else")

    monkeypatch.setattr(train, "train_runs", broken)
    with pytest.raises(RuntimeError, match="something else"):
        trained(folder, tmp_path, "on", network="cnn")


def test_lower_precision_learns_about_the_same(folder, tmp_path):
    job = {"levels": [0.2], "fold_indices": [0], "epochs": 2}
    exact = trained(folder, tmp_path / "float32", **job)[0.2, 0][0]
    lower = trained(folder, tmp_path / "bfloat16", precision="bfloat16", **job)[0.2, 0][0]
    assert lower["kernels/free_1"].dtype == "float32"
    np.testing.assert_array_equal(lower["kernels/free_1"][0], exact["kernels/free_1"][0])
    assert (lower["kernels/free_1"][1] != exact["kernels/free_1"][1]).any()
    np.testing.assert_allclose(lower["history/val_loss"], exact["history/val_loss"], rtol=0.02)


def test_only_runs_with_equally_many_steps_are_stacked():
    runs = [Result(run, 3) for run in config(batch=41, folds=3, fold_indices=[0, 1, 2], levels=[0.2]).runs()]
    # folds of 21, 20 and 20 of 61 images leave 40, 41 and 41 to train on
    assert [[result.run.fold for result in group] for group in stacks(runs, 61, True)] == [[0], [1, 2]]
    assert [len(group) for group in stacks(runs, 61, False)] == [1, 1, 1]


@pytest.mark.parametrize(("images", "folds"), [(10, 5), (61, 3), (70000, 5), (7, 7)])
def test_folds_are_those_of_scikit_learn(images, folds):
    for fold, (train_index, held_out) in enumerate(KFold(folds).split(np.zeros(images))):
        ours = fold_index(images, folds, fold)
        np.testing.assert_array_equal(ours[0], train_index)
        np.testing.assert_array_equal(ours[1], held_out)


def test_an_epoch_leaves_out_the_incomplete_batch():
    run = next(config(batch=9).runs())
    batches = epoch_batches(run, COUNT, 0)
    assert batches.shape == (4, 9)
    assert len(set(batches.flat)) == 36
    assert set(batches.flat) <= set(fold_index(COUNT, 3, 0)[0])


def test_a_batch_larger_than_the_training_folds_is_refused(folder, tmp_path):
    with pytest.raises(FreeconvError, match=r"train\.batch: expected at most the 40 images .* received 41"):
        trained(folder, tmp_path, batch=41)
    assert not list(tmp_path.rglob("*"))


SMALL = {"levels": [0.2], "fold_indices": [0], "epochs": 2}


@pytest.mark.parametrize("stack", ["off", "on"])
def test_a_file_holds_moving_averages_but_neither_masks_nor_states_of_random_generators(folder, tmp_path, stack):
    layers = Free(4, 3, 2), BatchNormalization(0.5), Dropout(0.5), Dense(8)
    job = {**SMALL, "network": "regular-vcp-0.5", "vcp_mask": "connections", "fold_indices": [0, 2]}
    with registered("regular", *layers):
        results = trained(folder, tmp_path, stack, **job)
        model = build_network("regular", (16, 16, 1), 3, seed=0)
    dataset = read_dataset(data_path(folder), config().data())
    for (_, fold), (arrays, _) in results.items():
        weights = below_network(arrays)
        assert set(weights) == {
            *(f"{layer}/{name}" for layer in ("free_1", "dense", "logits") for name in ("kernel", "bias")),
            *(f"norm_1/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
        }
        assert np.abs(weights["norm_1/moving_mean"]).max() > 0.01
        assert (weights["norm_1/moving_variance"] != 1).all()
        set_weights(model, weights)
        _, held_out = fold_index(COUNT, 3, fold)
        answers = model.predict(dataset.images[held_out].astype("float32") / 255, verbose=0).argmax(axis=1)
        assert (answers == dataset.labels[held_out]).mean() == pytest.approx(arrays["history/val_acc"][-1], abs=1e-6)


@pytest.mark.parametrize("stack", ["off", "on"])
def test_a_network_without_convolutions_records_no_kernels(folder, tmp_path, stack):
    with registered("flat", Dense(8)):
        ((arrays, attributes),) = trained(folder, tmp_path, stack, network="flat", **SMALL).values()
    assert not [name for name in arrays if name.startswith("kernels")]
    assert list(arrays["kernel_epochs"]) == [0, 1, 2]
    assert attributes["grids"] == {}
    assert {name for name in arrays if name.startswith("network/")} == {
        f"network/{layer}/{name}" for layer in ("dense", "logits") for name in ("kernel", "bias")
    }


def tiled(parent, untrained):
    """Return a free network's first weights: those of a convolutional one at every position."""
    kernel, bias = untrained["free_1/kernel"], untrained["free_1/bias"]
    return {
        **untrained,
        "free_1/kernel": np.broadcast_to(parent["conv_1/kernel"].reshape(1, *kernel.shape[1:]), kernel.shape),
        "free_1/bias": np.broadcast_to(parent["conv_1/bias"], bias.shape),
        "logits/kernel": parent["logits/kernel"],
    }


LAYERS_OF_PARENT = Convolution(4, 3, 2), BatchNormalization(0.5), Dense(8)


@pytest.mark.parametrize("stack", ["off", "on"])
def test_a_network_starts_from_its_parent_of_the_same_level_and_fold(folder, tmp_path, stack):
    """Learned is nothing here, so that the last weights are the first ones."""
    job = {"levels": [0.2, 0.4], "fold_indices": [0, 2], "epochs": 1, "learning_rate": 1e-30}
    with (
        registered("first", *LAYERS_OF_PARENT),
        registered("second", *LAYERS_OF_PARENT[:2], Dense(9), Dense(8), parent="first"),
    ):
        parents = trained(folder, tmp_path, stack, network="first", **job)
        children = trained(folder, tmp_path, stack, network="second", **job)
    for cell, (arrays, attributes) in children.items():
        parent, about = parents[cell]
        np.testing.assert_array_equal(arrays["kernels/conv_1"][0], parent["kernels/conv_1"][-1])
        for name in ("conv_1/kernel", "conv_1/bias", "norm_1/gamma", "dense/bias", "logits/kernel"):
            same = arrays[f"network/{name}"].shape == parent[f"network/{name}"].shape
            assert same == (name != "dense/bias")
            if same:
                np.testing.assert_allclose(arrays[f"network/{name}"], parent[f"network/{name}"], atol=1e-20)
        assert attributes["parent_sha256"] == about["content_sha256"]
        assert "parent_sha256" not in about


def test_a_network_says_what_it_inherits_and_missing_connections_stay_missing(folder, tmp_path):
    job = {**SMALL, "vcp_mask": "connections"}
    with (
        registered("first", *LAYERS_OF_PARENT),
        registered("tiled", Free(4, 3, 2), Dense(8), parent="first", inherit=tiled),
    ):
        ((parent, _),) = trained(folder, tmp_path, network="first-vcp-0.5", **job).values()
        ((child, _),) = trained(folder, tmp_path, network="tiled-vcp-0.5", **job).values()
    kernels = child["kernels/free_1"]
    missing = kernels[0] == 0
    assert 0.4 < missing.mean() < 0.6
    expected = np.broadcast_to(parent["kernels/conv_1"][-1], kernels[0].shape)
    np.testing.assert_array_equal(kernels[0], np.where(missing, 0, expected))
    assert (kernels[-1][missing] == 0).all()


def test_the_parent_must_be_that_of_the_job(folder, tmp_path):
    with registered("first", *LAYERS_OF_PARENT), registered("second", *LAYERS_OF_PARENT, parent="first"):
        with pytest.raises(FreeconvError, match=r"first.*fold-0\.h5: expected an HDF5 file, received nothing"):
            trained(folder, tmp_path, network="second", **SMALL)
        trained(folder, tmp_path, network="first", **SMALL)
        with pytest.raises(FreeconvError, match=r"first.*fold-0\.h5: expected patience = 49, received 50"):
            trained(folder, tmp_path, network="second", **SMALL, patience=49)


def test_by_default_equal_layers_are_inherited():
    parent = {"conv_1/kernel": np.ones((2, 3)), "dense/kernel": np.ones(4), "norm_1/moving_mean": np.ones(1)}
    untrained = {"conv_1/kernel": np.zeros((2, 3)), "dense/kernel": np.zeros(5), "conv_2/kernel": np.zeros(2)}
    inherited = equal_layers(parent, untrained)
    assert {name: array.tolist() for name, array in inherited.items()} == {
        "conv_1/kernel": [[1.0] * 3] * 2,
        "dense/kernel": [0.0] * 5,
        "conv_2/kernel": [0.0] * 2,
    }


def test_a_shard_of_other_parameters_is_refused(folder, tmp_path):
    wrong = lambda run, copy_index: folder / study_paths.shard_file("tiny", "translate", 0.4, copy_index)  # noqa: E731
    job = config(levels=[0.2], fold_indices=[0])
    paths = wrong, run_path(tmp_path), checkpoint_path(tmp_path)
    with pytest.raises(FreeconvError, match=r"expected level = 0\.2, received 0\.4"):
        train.train(job, data_path(folder), *paths, lambda *_: None)
    assert not list(tmp_path.rglob("*"))
