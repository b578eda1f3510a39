import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from freeconv.datasets import DATASETS
from freeconv.errors import FreeconvError
from freeconv.networks import build_network
from freeconv.planning import estimate, speed
from freeconv.planning.estimate import run_bytes, show
from freeconv.planning.images import ImageSet, check_images, description, image_set
from freeconv.planning.speed import Speed, Workload
from freeconv.storage.hdf5 import write_h5
from freeconv.study import grid, paths
from freeconv.study.params import check_params, load_params
from freeconv.vocabulary import level_text

ROOT = Path(__file__).parent.parent.parent
MNIST, CIFAR = (28, 28, 1), (32, 32, 3)
IMAGES = {"mnist-5k": (5000, MNIST), "mnist": (70000, MNIST), "cifar10": (60000, CIFAR)}
SECONDS_PER_IMAGE = 0.001


def cost_of(params, **options):
    return estimate.estimate(params, timed=False, **options)


def totals(params, **options):
    return cost_of(params, **options)["totals"]


# counts


@pytest.mark.parametrize("file", ["params.yaml", "params/smoke.yaml", "params/paper.yaml"])
def test_totals_are_those_of_an_obvious_loop(project, file):
    params = load_params(ROOT / file)
    number = epochs = images = 0
    for run, asked in zip(grid.runs(params), grid.run_epochs(params), strict=True):
        size = IMAGES[run.dataset][0]
        held_out = len(np.array_split(np.zeros(size), run.folds)[run.fold])
        number += 1
        for _ in range(asked):
            epochs += 1
            images += run.batch * ((size - held_out) // run.batch)
    shard_bytes = 0
    for path in grid.shard_files(params):
        dataset, augmentation = path.split("/")[2:4]
        size, shape = IMAGES[dataset]
        shard_bytes += size * (math.prod(shape) * (2 if "noise" in augmentation else 1) + 8)
    found = totals(params)
    assert (found["runs"], found["epochs"], found["images"]) == (number, epochs, images)
    assert found["jobs"] == len(list(grid.jobs(params)))
    assert (found["shards"], found["shard_bytes"]) == (len(grid.shard_files(params)), shard_bytes)
    assert found["result_bytes"] == sum(
        run_bytes(job, image_set(params, job.dataset)) for job in grid.jobs(params) for _ in job.runs()
    )


def test_a_small_grid_by_hand(project):
    params = check_params(
        {
            "aug": {"translate": [0, 0.2], "noise": 0.1, "copies": 3},
            "train": {"folds": 4, "held_out": [0, 2], "epochs": 6, "batch": 100},
            "vcp": {"levels": [0.5], "translate": [0.2]},
            "search": {"learning_rates": [0.1, 0.01], "layers": [2], "epochs": 5},
        }
    )
    cost = cost_of(params)
    # levels 0, 0.2 (translation) and 0.1 (noise) of two networks and, at translation 0.2, one with missing connections
    by_layers = {(row["network"], row["layers"]): row for row in cost["training"]}
    assert {key: (row["jobs"], row["runs"], row["epochs"]) for key, row in by_layers.items()} == {
        ("cnn", None): (3, 6, 36),
        ("fcn", None): (4, 8, 48),
        ("cnn", 2): (2, 2, 10),
        ("fcn", 2): (2, 2, 10),
    }
    # 3,750 of the 5,000 images are trained on: 37 batches
    assert {key: row["images"] // row["epochs"] for key, row in by_layers.items()} == dict.fromkeys(by_layers, 3700)
    assert [(row["augmentation"], row["shards"], row["raw_bytes"]) for row in cost["shards"]] == [
        ("none", 1, 5000 * (784 + 8)),
        ("translate", 3, 3 * 5000 * (784 + 8)),
        ("noise", 3, 3 * 5000 * (2 * 784 + 8)),
    ]


# sizes of networks, results and shards


@pytest.mark.parametrize("network", ["cnn", "fcn", "fcn-vcp-0.5", "fcn-layers-2-rate-0.1"])
@pytest.mark.parametrize(("epochs", "every", "snapshots"), [(1, 1, 2), (7, 3, 4), (6, 3, 3), (2, 5, 2)])
def test_a_runs_file_has_the_estimated_size(tmp_path, network, epochs, every, snapshots):
    from freeconv.storage.run_file import write_run
    from freeconv.training.state import MOMENTS, Result

    shape, classes = (16, 16, 3), 5
    params = check_params({"train": {"epochs": epochs, "kernels_every": every, "kernel_layers": [1, 3]}})
    params = params.model_copy(update={"search": params.search.model_copy(update={"epochs": epochs})})
    job = grid.train_config(params, "mnist-5k", network, "none", [0.0], [0])
    run = next(job.runs())
    model = build_network(run.variant.kind, shape, classes, 0, vcp=run.variant.vcp, layers=run.variant.layers)
    result = Result(run, epochs)
    for _ in range(epochs):
        result.add(dict.fromkeys(result.history, 0.5), 1.0)
    kernels = [variable for variable in model.trainable_variables if "kernel" in variable.path]
    result.kernels = {
        epoch: {
            f"layer_{number}": np.zeros(kernels[number - 1].shape) for number in (1, 3)[: (run.variant.layers or 3) - 1]
        }
        for epoch in range(snapshots)
    }
    for arrays in result.kernels.values():
        arrays.update({name: array.astype("float32") for name, array in arrays.items()})
    result.network = {variable.path: variable.numpy() for variable in model.trainable_variables}
    result.state = {f"{moment}/{name}": array for moment in MOMENTS for name, array in result.network.items()}
    versions = dict.fromkeys(("freeconv", "python", "keras", "numpy", "h5py", "tensorflow"), "1.2.3")
    about = {"grids": {"free_1": [7, 7]}, "classes": classes, "weights_seed": 1, "data_sha256": 64 * "0"}
    result.environments = [{"epoch": 0, "device": "CPU", "backend": "tensorflow", "versions": versions, "threads": 1}]
    write_run(tmp_path / "run.h5", result, about)
    assert run_bytes(job, ImageSet(100, shape, classes)) == pytest.approx(
        (tmp_path / "run.h5").stat().st_size, abs=5000
    )


def write_shard(augmentation, level, images, compression="zstd", copy_index=0):
    params = check_params({"aug": {"rotate": level or 0.1}})
    config = grid.shard_config(params, "mnist-5k", augmentation, level, copy_index)
    path = Path(paths.shard_file("mnist-5k", augmentation, level, copy_index))
    write_h5(path, {"images": images, "labels": np.zeros(len(images), "int64")}, {"config": config.dump()}, compression)
    return path.stat().st_size / (images.nbytes + 8 * len(images))


def test_stored_shards_tell_the_compression_of_their_dataset_and_augmentation(project):
    params = check_params({"aug": {"translate": [0, 0.1, 0.3, 0.8], "rotate": 0.5, "copies": 2}})
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (300, *MNIST), "uint8")
    low = write_shard("translate", 0.1, noise)
    high = write_shard("translate", 0.8, noise // 16)
    write_shard("translate", 0.8, noise, copy_index=1)  # one of each level is enough
    write_shard("none", 0.0, noise // 16, "gzip")  # compressed otherwise
    Path("results/shards/mnist-5k/rotate/0.5").mkdir(parents=True)
    Path("results/shards/mnist-5k/rotate/0.5/copy-0.h5").write_bytes(b"cut off")
    assert high < 0.7 < low
    raw = 5000 * (784 + 8)
    sizes = {
        path: shard["bytes"]
        for path, shard in estimate.study_shards(params, {"mnist-5k": image_set(params, "mnist-5k")}).items()
    }
    expected = {
        ("translate", 0.1): low,
        ("translate", 0.3): low,
        ("translate", 0.8): high,
        ("none", 0): 1,
        ("rotate", 0.5): 1,
    }
    assert sizes == {
        paths.shard_file("mnist-5k", *kind, copy): round(raw * share)
        for kind, share in expected.items()
        for copy in range(1 if kind[0] == "none" else 2)
    }
    cost = cost_of(params)
    assert {row["augmentation"]: row["measured"] for row in cost["shards"]} == {
        "none": False,
        "translate": True,
        "rotate": False,
    }
    assert any("compression is not known" in note for note in cost["notes"])


def test_uncompressed_shards_have_a_known_size(project):
    params = check_params({"shards": {"compression": "none"}})
    write_shard("translate", 0.2, np.zeros((300, *MNIST), "uint8"))
    cost = cost_of(params)
    assert all(row["measured"] and row["bytes"] == row["raw_bytes"] for row in cost["shards"])
    assert not any("compression" in note for note in cost["notes"])


ONE = 5000 * (784 + 8)


@pytest.mark.parametrize(
    ("fuse", "cores", "at_once"),
    [
        # kept for the sample figures: copy 0 of levels 0, 0.2, 0.4 and of noise 0.1, whose pixels take two bytes
        (["fold"], 1, 3 * ONE + ONE + 5000 * 784 + 2 * (ONE + 5000 * 784)),
        (["fold"], 2, 3 * ONE + ONE + 5000 * 784 + 2 * (ONE + 5000 * 784) + 2 * ONE),
        (["fold"], 99, 1 * ONE + 6 * ONE + 3 * (ONE + 5000 * 784)),
        ([], 1, 3 * ONE + ONE + 5000 * 784 + 2 * (ONE + 5000 * 784)),
        (["fold", "level"], 1, 3 * ONE + ONE + 5000 * 784 + 4 * ONE),
    ],
)
def test_temporary_shards_by_hand(project, fuse, cores, at_once):
    params = check_params({"aug": {"noise": 0.1, "copies": 3}, "train": {"fuse": fuse}})
    found = totals(params, cores=cores)
    assert found["shard_bytes"] == 1 * ONE + 6 * ONE + 3 * (ONE + 5000 * 784)
    assert found["shard_bytes_saved_by_temp"] == found["shard_bytes"] - at_once


# time


def test_jobs_begin_in_their_turn():
    assert estimate.wall_seconds([], 2) == 0
    assert estimate.wall_seconds([5, 3, 1, 1, 4], 1) == 14
    # 5 ends at 5; 3, 1 and 1 end at 5 on the other core; 4 ends at 9
    assert estimate.wall_seconds([5, 3, 1, 1, 4], 2) == 9
    assert estimate.wall_seconds([5, 3, 1, 1, 4], 10) == 5
    # of one job nobody knows how long it takes
    assert estimate.wall_seconds([5, None, 1], 2) is None


def write_data(images=100, name="mnist-5k", shape=MNIST):
    """Write a dataset and return its hash."""
    path = paths.data_file(name)
    write_h5(path, {"images": np.zeros((images, *shape), "uint8"), "labels": np.zeros(images, "int64")}, {}, "gzip")
    return description(path, "images")[2]["content_sha256"]


def write_timed_run(run, sha256, seconds, epochs=None, **attributes):
    write_h5(
        paths.run_file(run.dataset, run.network, run.augmentation, run.level, run.fold),
        {"history/cpu_seconds": np.full(epochs or 3, seconds / (epochs or 3), "float32")},
        {"config": run.dump(), "seconds": seconds, "device": "CPU (here)", "data_sha256": sha256, **attributes},
        "none",
    )


def write_benchmark(name, seconds, memory):
    path = Path("logs/train", f"{name}.tsv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n9999\t0:00:00\t{memory}\t{seconds}\n")


# 500 images in 5 folds, of which 400 are trained on in batches of 40
TIMED = {"train": {"batch": 40, "epochs": 3}, "data": {"limit": 500}}


def test_hours_are_those_of_stored_runs(project):
    params = check_params(TIMED)
    sha256 = write_data(500)
    for run in grid.runs(params):
        if run.network == "cnn" and run.level == 0.2:
            # one stopped after two epochs, one needed twice the time
            epochs = 2 if run.fold == 0 else 3
            seconds = epochs * 400 * SECONDS_PER_IMAGE * (2 if run.fold == 1 else 1)
            write_timed_run(run, sha256, seconds, epochs, overhead_seconds=0.5)
    cost = cost_of(params, cores=2)
    rows = {row["network"]: row for row in cost["training"]}
    rate = SECONDS_PER_IMAGE * (2 + 6 + 3 * 3) / (2 + 4 * 3)
    run_seconds = 3 * 400 * rate + 0.5
    assert rows["cnn"]["seconds"] == pytest.approx(15 * run_seconds)
    assert (rows["cnn"]["source"], rows["cnn"]["memory_mb"]) == ("stored runs", None)
    assert (rows["fcn"]["seconds"], rows["fcn"]["source"]) == (None, "unknown")
    assert cost["totals"]["wall_seconds"] is None
    assert cost["device"] == "CPU (here)"
    assert any("without --no-time" in note for note in cost["notes"])
    only = check_params({**TIMED, "train": {**TIMED["train"], "networks": ["cnn"]}})
    # three jobs of five runs on two cores
    assert cost_of(only, cores=2)["totals"]["wall_seconds"] == pytest.approx(10 * run_seconds)
    assert cost_of(only, cores=3)["totals"]["wall_seconds"] == pytest.approx(5 * run_seconds)


@pytest.mark.parametrize("fuse", [[], ["fold"], ["fold", "level"]])
def test_benchmark_files_tell_a_jobs_start_up_and_memory(project, fuse):
    params = check_params({**TIMED, "train": {**TIMED["train"], "fuse": fuse}})
    sha256 = write_data(500)
    for run in grid.runs(params):
        write_timed_run(run, sha256, 1.2, overhead_seconds=99.0)
    jobs = list(grid.jobs(params))
    for index, job in enumerate(jobs):
        name = f"{job.dataset}/{job.network}/{job.augmentation}"
        name += "" if "level" in fuse else f"/{level_text(job.levels[0])}"
        name += "" if "fold" in fuse else f"/{job.fold_indices[0]}"
        write_benchmark(name, 1.2 * len(list(job.runs())) + 7, 1000 + index)
    write_benchmark("mnist-5k/cnn/noise", 1000, 9999)  # of runs that are not there
    Path("logs/train/mnist-5k/cnn/rotate.tsv").write_text("")
    cost = cost_of(params, cores=1)
    assert sum(row["seconds"] for row in cost["training"]) == pytest.approx(30 * 1.2 + 7 * len(jobs))
    assert cost["totals"]["wall_seconds"] == pytest.approx(30 * 1.2 + 7 * len(jobs))
    memory = [max(1000 + i for i, job in enumerate(jobs) if job.network == network) for network in ("cnn", "fcn")]
    assert [row["memory_mb"] for row in cost["training"]] == memory


def test_benchmarks_without_numbers_or_of_another_training_do_not_count(project):
    params = check_params({**TIMED, "train": {**TIMED["train"], "networks": ["cnn"]}})
    sha256 = write_data(500)
    for run in grid.runs(params):
        write_timed_run(run, sha256, 1.2, overhead_seconds=0.5)
    write_benchmark("mnist-5k/cnn/none/0", 2.0, "NA")  # less than its runs took
    write_benchmark("mnist-5k/cnn/translate/0.2", "NA", 500)
    (row,) = cost_of(params)["training"]
    assert row["seconds"] == pytest.approx(15 * (1.2 + 0.5))
    assert row["memory_mb"] is None


def test_only_runs_of_the_same_workload_count(project):
    sha256 = write_data(500)
    wanted = check_params({**TIMED, "aug": {"translate": 0}, "train": {**TIMED["train"], "networks": ["fcn"]}})
    for section in ({"batch": 20}, {"precision": "bfloat16"}, {"folds": 4}):
        other = wanted.model_copy(update={"train": wanted.train.model_copy(update=section)})
        for run in grid.runs(other):
            write_timed_run(run, sha256, 1.0)
        assert cost_of(wanted)["training"][0]["seconds"] is None, section
    for run in grid.runs(wanted):
        write_timed_run(run, "another dataset", 1.0)
    assert cost_of(wanted)["training"][0]["seconds"] is None
    Path(paths.run_file("mnist-5k", "fcn", "none", 0.0, 1)).write_bytes(b"cut off")
    missing = next(grid.runs(wanted)).model_copy(update={"fold": 2})
    write_h5(
        paths.run_file("mnist-5k", "fcn", "none", 0.0, 2), {"history/val_acc": np.zeros(1)}, {"config": {}}, "none"
    )
    assert cost_of(wanted)["training"][0]["seconds"] is None
    write_timed_run(missing, sha256, 1.2)
    assert cost_of(wanted)["training"][0]["seconds"] == pytest.approx(5 * 1.2)
    # missing connections, learning rate and level do not change the speed
    several = wanted.model_copy(update={"vcp": wanted.vcp.model_copy(update={"levels": [0.5]})})
    assert [row["runs"] for row in cost_of(several)["training"]] == [10]
    assert cost_of(several)["training"][0]["seconds"] == pytest.approx(10 * 1.2)


def test_runs_of_one_device_count(project, monkeypatch):
    sha256 = write_data(500)
    params = check_params({**TIMED, "aug": {"translate": 0}, "train": {**TIMED["train"], "networks": ["fcn"]}})
    for run in grid.runs(params):
        device = "NVIDIA H100" if run.fold < 3 else "CPU (here)"
        write_timed_run(run, sha256, 0.1 if run.fold < 3 else 2.0, device=device)
    cost = cost_of(params)
    assert (cost["device"], cost["totals"]["cores"]) == ("NVIDIA H100", 1)
    assert cost["totals"]["wall_seconds"] == pytest.approx(5 * 0.1)
    monkeypatch.setattr(speed, "start_up", lambda: ("CPU (here)", 3.0))
    cost = estimate.estimate(params, cores=2)
    assert (cost["device"], cost["totals"]["cores"]) == ("CPU (here)", 2)
    assert cost["training"][0]["seconds"] == pytest.approx(5 * 2.0)


def test_steps_are_timed_where_no_run_is_stored(project, monkeypatch):
    asked = []

    def constant_speed(wanted, classes, replicas, start_up):
        asked.append((wanted, classes, replicas, start_up))
        return Speed(train=2.0, evaluate=0.5, run=3.0, job=10.0, memory_mb=None, source="timed steps")

    monkeypatch.setattr(speed, "timed_speed", constant_speed)
    monkeypatch.setattr(speed, "start_up", lambda: ("CPU (here)", 4.0))
    params = check_params({**TIMED, "search": {"learning_rates": [0.1, 0.01], "layers": [2], "epochs": 1}})
    cost = estimate.estimate(params, cores=1)
    kinds = [("cnn", None), ("fcn", None), ("cnn", 2), ("fcn", 2)]
    assert asked == [(Workload(MNIST, kind, layers, 40, "float32", 5), 10, None, 4.0) for kind, layers in kinds]
    assert {row["source"] for row in cost["training"]} == {"timed steps"}
    # 15 runs of three epochs in three jobs; two runs of one epoch in two jobs
    epoch = 400 * 2.0 + (6 * 100 + 400) * 0.5  # the held-out fold six times, and training images as they are
    large, small = 15 * (3 * epoch + 3) + 3 * 10, 2 * (epoch + 3) + 2 * 10
    assert [row["seconds"] for row in cost["training"]] == [large, large, small, small]
    assert cost["totals"]["wall_seconds"] == 2 * (large + small)
    asked.clear()
    stacked = check_params({**TIMED, "train": {**TIMED["train"], "stack": "on", "fuse": ["fold", "level"]}})
    estimate.estimate(stacked)
    assert [replicas for _, _, replicas, _ in asked] == [10, 10]  # two levels of translation, five folds


# images


def write_images(folder, shape=(20, 24, 3), number=3):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for index in range(number):
            cv2.imwrite(str(folder / name / f"{index}.png"), np.zeros(shape, "uint8"))


def own(limit=None):
    return check_params({"data": {"datasets": ["pets"], "folders": {"pets": "pets"}, "limit": limit}})


def test_builtin_datasets_are_known():
    member = DATASETS["mnist-5k"]
    found = member.read({"": member.packaged()})
    params = check_params({})
    assert image_set(params, "mnist-5k") == (len(found.images), found.images.shape[1:], len(found.classes))
    params = check_params({"data": {"limit": 6000}})
    assert image_set(params, "cifar10") == (6000, CIFAR, 10)
    assert image_set(params, "mnist-5k") == (5000, MNIST, 10)


def test_images_of_ones_own_are_counted(project):
    write_images(project / "pets")
    assert image_set(own(), "pets") == (6, (20, 24, 3), 2)
    assert image_set(own(limit=4), "pets") == (4, (20, 24, 3), 2)
    # the file, made under a limit, tells the shape where the first image is an exception
    write_data(4, "pets", (20, 24, 1))
    assert image_set(own(), "pets") == (6, (20, 24, 1), 2)
    subprocess.run([sys.executable, "-m", "zipfile", "-c", "pets.zip", "pets/cat", "pets/dog"], check=True)
    zipped = check_params({"data": {"datasets": ["pets"], "folders": {"pets": "pets.zip"}}})
    Path(paths.data_file("pets")).unlink()
    assert image_set(zipped, "pets") == (6, (20, 24, 3), 2)


def test_missing_and_damaged_images_are_named(project):
    (project / "pets").mkdir()
    with pytest.raises(FreeconvError, match="pets: expected images train/<class>"):
        cost_of(own())
    write_images(project / "pets", (12, 12))
    with pytest.raises(
        FreeconvError, match="expected at most the 4 images of the training folds of pets, received 256"
    ):
        cost_of(own())
    small = own().model_copy(update={"train": own().train.model_copy(update={"batch": 2})})
    with pytest.raises(FreeconvError, match=r"at least 15 × 15 pixels for the three.*received 12 × 12"):
        cost_of(small)
    (project / "pets/cat/0.png").write_bytes(b"")
    with pytest.raises(FreeconvError, match=r"pets: expected a PNG or JPEG image.*cat/0\.png; replace or remove it"):
        cost_of(own())


def studied(**train):
    return check_params({"data": {"datasets": ["pets"], "folders": {"pets": "pets"}}, "train": {"folds": 2, **train}})


@pytest.mark.parametrize(
    ("shape", "train", "complaint"),
    [
        ((20, 24, 3), {"batch": 3}, None),
        (
            (20, 24, 3),
            {"batch": 4},
            "train.batch: expected at most the 3 images of the training folds of pets, received 4",
        ),
        ((20, 24, 3), {"batch": 1, "folds": 7}, "train.folds: expected at most the 6 images of pets, received 7; take"),
        ((14, 24), {"batch": 3}, "at least 15 × 15 pixels for the three of Table A.2), received 14 × 24"),
        ((24, 10), {"batch": 3}, "received 24 × 10"),
    ],
)
def test_images_are_held_against_the_study_before_any_job(project, shape, train, complaint):
    write_images(project / "pets", shape)
    if complaint is None:
        check_images(studied(**train))
        return
    with pytest.raises(FreeconvError, match=re.escape(complaint)):
        check_images(studied(**train))


def test_replaced_images_are_held_against_the_study(project):
    write_images(project / "pets", (10, 10))
    write_data(4, "pets", (20, 24, 1))  # made from the images that were there before
    with pytest.raises(FreeconvError, match="received 10 × 10"):
        check_images(studied(batch=3))


def test_builtin_images_are_held_against_the_study(project):
    check_images(check_params({}))
    with pytest.raises(FreeconvError, match=r"at most the 80 images of the training folds of mnist-5k, received 256"):
        check_images(check_params({"data": {"limit": 100}}))
    with pytest.raises(FreeconvError, match=r"train\.folds: expected at most the 3 images of mnist-5k, received 5"):
        check_images(check_params({"data": {"limit": 3}}))


# output


def shown(cost, terminal):
    output = io.StringIO()
    show(cost, Console(file=output, force_terminal=terminal, width=200, color_system=None))
    return output.getvalue()


def test_plain_text_and_a_terminal_show_the_same(project):
    write_shard("translate", 0.2, np.zeros((300, *MNIST), "uint8"))
    search = {"learning_rates": 0.1, "layers": [2]}
    cost = cost_of(check_params({"train": {"epochs": 100, "resumable": False}, "search": search}), cores=2)
    plain, table = shown(cost, False), shown(cost, True)
    results = f"{cost['totals']['result_bytes'] / 1e6:.1f} MB"
    assert all(ord(character) < 128 for character in plain)
    assert "──" in table
    for text in (plain, table):
        assert text.count("mnist-5k") == 7
        assert "32 runs in 8 jobs: 3,200 epochs, 12.3 million training images" in text
        assert "training: unknown; unknown with 2 jobs at a time" in text
        assert f"disk: results {results}, 9 shards at most " in text
        assert "of 100 epochs (mnist-5k) after 26." in text
    header, *rows = [line.split()[:4] for line in plain.splitlines()[:5]]
    assert header == ["dataset", "network", "runs", "epochs"]
    expected = {
        "cnn": ["15", "1,500"],
        "fcn": ["15", "1,500"],
        "cnn-layers-2": ["1", "100"],
        "fcn-layers-2": ["1", "100"],
    }
    assert rows == [["mnist-5k", network, *numbers] for network, numbers in expected.items()]
    for row in cost["training"]:
        row["memory_mb"] = 800.0 + (row["layers"] or 3)
    cost["totals"] |= {"seconds": 240.0, "wall_seconds": 7200.0}
    lines = estimate.summary({**cost, "device": "CPU (here)"})
    assert lines[1] == "training: 4.0 min on CPU (here); 2.0 h with 2 jobs at a time, each in up to 803.0 MB of memory"


def test_numbers_in_words():
    assert [estimate._count(number) for number in (999, 1234, 11_520_000, 4.29e9, 2.5e12)] == [
        "999",
        "1.23 thousand",
        "11.5 million",
        "4.29 billion",
        "2,500 billion",
    ]
    assert [estimate._duration(seconds) for seconds in (None, 80, 100, 3000, 7200, 4e6)] == [
        "unknown",
        "80 s",
        "1.7 min",
        "50 min",
        "2.0 h",
        "1,111 h",
    ]
    assert [estimate._size(number) for number in (0, 2e4, 3.76e6, 2.5e9, 1e12)] == [
        "0 kB",
        "20 kB",
        "3.8 MB",
        "2.5 GB",
        "1.0 TB",
    ]


def test_the_command_prints_json_without_importing_keras(project):
    code = (
        "import sys; from freeconv.cli import app\n"
        "try: app()\n"
        "finally: print(*sorted({'keras', 'tensorflow', 'pandas', 'cv2'} & set(sys.modules)), file=sys.stderr)"
    )
    options = ["estimate", "--params", str(ROOT / "params/paper.yaml"), "--no-time", "--cores", "8", "--format", "json"]
    done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    found = json.loads(done.stdout)
    assert found == json.loads(json.dumps(cost_of(load_params(ROOT / "params/paper.yaml"), cores=8)))
    assert set(found) == {"totals", "device", "training", "shards", "notes"}
    assert found["totals"]["cores"] == 8
    assert found["totals"]["runs"] == sum(row["runs"] for row in found["training"])
    assert found["totals"]["seconds"] is None
