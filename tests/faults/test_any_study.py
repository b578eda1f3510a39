"""Properties of any study: what its parameters ask for, and what changes when they do."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeconv.commands.prune import stale_files
from freeconv.commands.shard import make_shard
from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.storage.shard_file import read_shard
from freeconv.study import grid, paths
from freeconv.study.params import check_params
from tests.tiny_jobs import data_about

LEVELS = st.lists(st.sampled_from([0, 0.1, 0.2, 0.5, 0.9, 0.99]), unique=True, max_size=3)
FOLDS = st.integers(2, 6).flatmap(
    lambda folds: st.fixed_dictionaries(
        {
            "folds": st.just(folds),
            "held_out": st.none() | st.lists(st.integers(0, folds - 1), unique=True, min_size=1, max_size=3),
        }
    )
)
STUDIES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 3),
        "data": st.fixed_dictionaries(
            {
                "datasets": st.lists(
                    st.sampled_from(["mnist-5k", "mnist", "cifar10"]), unique=True, min_size=1, max_size=2
                ),
                "limit": st.none() | st.integers(10, 5000),
            }
        ),
        "aug": st.fixed_dictionaries(
            {
                **dict.fromkeys(("translate", "rotate", "noise", "edge_noise"), LEVELS),
                "copies": st.integers(1, 3),
            }
        ),
        "train": st.tuples(
            FOLDS,
            st.fixed_dictionaries(
                {
                    "networks": st.lists(st.sampled_from(["cnn", "fcn"]), unique=True, min_size=1),
                    "epochs": st.integers(1, 9),
                    "fuse": st.sampled_from([[], ["fold"], ["fold", "level"]]),
                }
            ),
        ).map(lambda parts: {**parts[0], **parts[1]}),
        "vcp": st.fixed_dictionaries({"levels": LEVELS, "translate": LEVELS.filter(bool)}),
        "search": st.fixed_dictionaries(
            {"learning_rates": st.lists(st.sampled_from([0.1, 0.001, 1e-06]), unique=True, max_size=2)}
        ),
        "distance": st.fixed_dictionaries({"radii": st.lists(st.integers(1, 9), unique=True, min_size=1, max_size=2)}),
    }
)


def file_configs(params) -> dict[str, str]:
    """Return every file of shards, training, distances and measures with the configuration that it is made from."""
    found = {}
    for run in grid.runs(params):
        for copy_index in range(run.copies):
            path = paths.shard_file(run.dataset, run.augmentation, run.level, copy_index)
            found[path] = run.shard(copy_index).text()
        found[paths.run_file(run.dataset, run.network, run.augmentation, run.level, run.fold)] = run.text()
    for config in grid.measure_configs(params):
        cell = (config.train.dataset, config.train.network, config.train.augmentation, config.train.level)
        found[paths.measure_file(*cell)] = config.text()
        if config.train.network == "fcn":
            found[paths.distance_file(*cell)] = grid.distance_config(params, *cell).text()
    return found


@pytest.mark.representative
@settings(max_examples=30, deadline=None)
@given(values=STUDIES)
def test_every_file_is_asked_for_once_and_made_by_one_job(values):
    params = check_params(values)
    files = grid.all_files(params)
    assert len(set(files)) == len(files)
    assert check_params(json.loads(params.text())) == params
    made = [
        paths.run_file(job.dataset, job.network, job.augmentation, level, fold)
        for job in grid.jobs(params)
        for level in job.levels
        for fold in job.fold_indices
    ]
    assert sorted(made) == sorted(grid.run_files(params))
    assert set(file_configs(params)) <= set(files)


@pytest.mark.representative
@settings(max_examples=30, deadline=None)
@given(
    values=STUDIES,
    change=st.sampled_from(
        [
            ("seed", None, 9, ("results/shards", "results/train", "results/distance", "results/measure")),
            ("data", "mirror", "elsewhere", ()),
            ("train", "epochs", 11, ("results/distance", "results/measure")),
            ("train", "fuse", None, ()),
            ("train", "stack", "off", ()),
            ("shards", "compression", "gzip", ()),
            ("distance", "radii", [10], ("results/distance",)),
            ("measure", "permutations", 7, ("results/measure",)),
            ("report", "aggregate", "final", ()),
        ]
    ),
)
def test_a_changed_parameter_concerns_its_dependents_alone(values, change):
    section, key, value, folders = change
    # networks of the search have epochs of their own
    before = check_params({**values, "search": {}})
    changed = json.loads(before.text())
    if key is None:
        changed[section] = value
    elif key == "fuse":
        changed["train"]["fuse"] = [] if changed["train"]["fuse"] else ["fold"]
    else:
        changed[section][key] = value
    one, other = file_configs(before), file_configs(check_params(changed))
    assert one.keys() == other.keys()
    for path in one:
        assert (one[path] != other[path]) == path.startswith(folders or ("nothing",)), path


@pytest.mark.representative
@settings(max_examples=30, deadline=None)
@given(large=STUDIES, small=STUDIES)
def test_a_changed_study_leaves_nothing_stale(tmp_path_factory, large, small):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("any"))
        for path in grid.all_files(check_params(large)):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
        wanted = check_params(small)
        stale = {str(path) for path in stale_files(wanted, ["data", "shards", "train", "report"])}
        every = {str(path) for path in Path().rglob("*") if path.is_file()}
        recorded = {path for path in every - stale if not path.startswith(("reports/tables", "reports/plots"))}
        assert recorded <= set(grid.all_files(wanted))
        assert stale.isdisjoint(grid.all_files(wanted))


@pytest.mark.representative
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_images_of_any_shape_are_whole_or_refused(tmp_path_factory, data):
    count = data.draw(st.integers(1, 20))
    shape = (data.draw(st.integers(11, 40)), data.draw(st.integers(11, 40)), data.draw(st.sampled_from([1, 3])))
    augmentation = data.draw(st.sampled_from(["none", "translate", "rotate", "noise", "edge_noise"]))
    level = 0.0 if augmentation == "none" else data.draw(st.sampled_from([0.1, 0.5, 0.99]))
    compression = data.draw(st.sampled_from(["zstd", "gzip", "none"]))
    folder = tmp_path_factory.mktemp("any")
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype="uint8")
    write_h5(folder / "data.h5", {"images": images, "labels": np.arange(count)}, data_about(dataset="mnist-5k"))
    params = check_params({"aug": {"translate": [0.1]}})
    config = grid.shard_config(params, "mnist-5k", augmentation, level, 0)
    make_shard(config, folder / "data.h5", folder / "shard.h5", compression)
    sha256 = read_h5(folder / "data.h5")[1]["content_sha256"]
    shown, labels = read_shard(folder / "shard.h5", config, sha256)
    assert shown.shape == images.shape
    assert shown.dtype == ("float16" if "noise" in augmentation else "uint8")
    np.testing.assert_array_equal(labels, np.arange(count))
    if augmentation == "none":
        np.testing.assert_array_equal(shown, images)
    content = (folder / "shard.h5").read_bytes()
    (folder / "shard.h5").write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(FreeconvError, match="expected"):
        read_shard(folder / "shard.h5", config, sha256)
