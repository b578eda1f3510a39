"""A run that is continued from its file gives what one that was trained in one go gives."""

import os
from functools import lru_cache

import numpy as np
import pytest

from freeconv.architectures.layers import BatchNormalization, Dense, Dropout, Free
from freeconv.commands import train
from freeconv.errors import FreeconvError
from freeconv.storage.checkpoint_file import read_recorded
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.storage.run_file import TrainedLongerError, read_network, read_run
from freeconv.study.jobs import Optimizer, Schedule
from freeconv.training.stack import compile_replicas
from freeconv.training.state import LATER, Result, members_left
from tests.storage.test_checkpoint_file import Killer, Sums, start_job
from tests.tiny_jobs import checkpoint_path, config, data_path, registered, run_path, shard_path, write_tiny

# What may differ between a run in one go and one that was continued.
TIMES = ("seconds", "overhead_seconds", "attributes_sha256", "content_sha256", "arrays")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the small dataset and its shards."""
    folder = tmp_path_factory.mktemp("growth")
    write_tiny(folder)
    return folder


@pytest.fixture
def sums(monkeypatch):
    """Train stacks that need no compilation."""
    monkeypatch.setattr(train, "build_network", lru_cache(train.build_network))
    monkeypatch.setattr(train, "compile_replicas", Sums.compiled)


def grow(folder, target, job, stack="off", progress=lambda *_: None, **other):
    """Train a job on what is there."""
    paths = shard_path(folder), run_path(target), checkpoint_path(target)
    train.train(job, data_path(folder), *paths, progress, stack, attic=target / "attic", **other)


def contents(target, job):
    """Return the content of a job's files, all that must not depend on how often it was started."""
    found = {}
    for run in job.runs():
        arrays, attributes = read_h5(run_path(target)(run))
        found[run.level, run.fold] = (
            {
                name: (array.dtype, array.shape, array.tobytes())
                for name, array in arrays.items()
                if name != "history/cpu_seconds"
            },
            {name: value for name, value in attributes.items() if name not in TIMES},
        )
    return found


def epochs_of(target, job):
    """Return how many epochs each run of a job has."""
    return [len(read_h5(run_path(target)(run))[0]["history/val_acc"]) for run in job.runs()]


SUMS = {"network": "cnn", "patience": 2, "kernels_every": 2}
JOBS = {
    "off": {**SUMS, "levels": [0.2], "fold_indices": [0, 2]},
    "on": {**SUMS, "levels": [0.2, 0.4], "fold_indices": [0, 1, 2]},
}


@pytest.mark.parametrize("patience", [1, 2, 9])
@pytest.mark.parametrize("stack", ["off", "on"])
def test_a_continued_run_equals_one_in_one_go_wherever_it_is_continued_and_stops(
    folder, tmp_path, sums, stack, patience
):
    job = {**JOBS[stack], "patience": patience}
    whole = config(**job, epochs=7)
    grow(folder, tmp_path / "whole", whole, stack)
    expected = contents(tmp_path / "whole", whole)
    assert patience == 9 or min(epochs_of(tmp_path / "whole", whole)) < 7
    for first in (1, 4, 6):
        target = tmp_path / f"{first}"
        grow(folder, target, config(**job, epochs=first), stack)
        grow(folder, target, whole, stack)
        assert contents(target, whole) == expected, first
    for epochs in range(1, 8):
        grow(folder, tmp_path / "steps", config(**job, epochs=epochs), stack)
    assert contents(tmp_path / "steps", whole) == expected


REGULAR = Free(4, 3, 2), BatchNormalization(0.8), Dropout(0.5), Dense(8)
SGD, COSINE = Optimizer(name="sgd", momentum=0.9), Schedule(name="cosine", epochs=9, warmup=2)
REAL = {
    "missing-on": (
        "on",
        {"network": "fcn-vcp-0.5", "vcp_mask": "connections", "levels": [0.2], "fold_indices": [0, 2], "patience": 1},
    ),
    "regular-off": ("off", {"network": "regular", "levels": [0.2], "fold_indices": [0]}),
    "sgd-on": ("on", {"network": "cnn", "levels": [0.2], "fold_indices": [0, 2], "optimizer": SGD, "schedule": COSINE}),
    "plain-off": ("off", {"network": "cnn", "levels": [0.2], "fold_indices": [0], "optimizer": Optimizer(name="sgd")}),
    "regular-on": ("on", {"network": "regular", "levels": [0.2], "fold_indices": [0, 1, 2], "patience": 1}),
}


@pytest.mark.parametrize("name", list(REAL))
def test_networks_learn_the_same(folder, tmp_path, name, monkeypatch):
    stack, values = REAL[name]
    compiled = {}
    monkeypatch.setattr(train, "compile_replicas", lambda *args: compiled.setdefault("once", compile_replicas(*args)))
    with registered("regular", *REGULAR):
        whole = config(**values, epochs=7)
        grow(folder, tmp_path / "whole", whole, stack)
        for epochs in (3, 7):
            grow(folder, tmp_path / "grown", config(**values, epochs=epochs), stack)
        assert contents(tmp_path / "grown", whole) == contents(tmp_path / "whole", whole)


def test_complete_runs_are_left_shorter_ones_continued_and_missing_ones_trained(folder, tmp_path, sums, capsys):
    first = config(**{**SUMS, "patience": 9}, levels=[0.2], fold_indices=[0], epochs=2)
    grow(folder, tmp_path, first)
    (run,) = first.runs()
    path = run_path(tmp_path)(run)
    os.utime(path, (1, 1))
    before = path.read_bytes()
    capsys.readouterr()
    learned = []
    more = first.model_copy(update={"fold_indices": [0, 1], "levels": [0.2, 0.4]})
    grow(
        folder,
        tmp_path,
        more,
        progress=lambda run, epoch, row, _: learned.append((run.level, run.fold, epoch)) if row else None,
    )
    assert (path.read_bytes(), path.stat().st_mtime > 1) == (before, True)
    assert sorted(learned) == [
        (level, fold, epoch) for level, fold in ((0.2, 1), (0.4, 0), (0.4, 1)) for epoch in (1, 2)
    ]
    assert "1 of 4 runs are complete and left as they are" in capsys.readouterr().out
    grow(folder, tmp_path, more.model_copy(update={"epochs": 3}))
    assert epochs_of(tmp_path, more) == [3] * 4
    assert "tiny cnn translate 0.2 fold 0: 2 of 3 epochs are stored, goes on" in capsys.readouterr().out
    grow(folder, tmp_path, first.model_copy(update={"epochs": 1}))
    assert epochs_of(tmp_path, first) == [3]
    assert not (tmp_path / "attic").exists()


@pytest.mark.parametrize("stack", ["off", "on"])
def test_growth_may_be_killed_at_any_point(folder, tmp_path, sums, stack):
    job = {**JOBS[stack], "fold_indices": [0, 2]}
    short, long = config(**job, epochs=2), config(**job, epochs=5)
    every = Killer()
    grow(folder, tmp_path / "whole", short, stack)
    assert killed(folder, tmp_path / "whole", long, stack, every) is False
    expected = contents(tmp_path / "whole", long)
    for point in range(1, every.points + 1, 5):
        target = tmp_path / f"{point}"
        grow(folder, target, short, stack)
        assert killed(folder, target, long, stack, Killer(point))
        grow(folder, target, long, stack, checkpoint_minutes=0.0)
        assert contents(target, long) == expected, point
        assert not list((target / "checkpoints").glob("*"))
        assert not (target / "attic").exists()


def killed(folder, target, job, stack, kill):
    """Start a job on what is there and return whether it was killed."""
    return not start_job(folder, target, job, stack, kill, keep=True)


def test_growth_that_was_killed_goes_on_when_more_or_fewer_epochs_are_asked_for(folder, tmp_path, sums, capsys):
    values = {**SUMS, "patience": 9, "levels": [0.2], "fold_indices": [0]}
    for asked in (3, 7):
        target = tmp_path / f"{asked}"
        assert killed(folder, target, config(**values, epochs=5), "off", Killer(18))
        grow(folder, target, config(**values, epochs=asked))
        grow(folder, tmp_path / f"whole-{asked}", config(**values, epochs=asked))
        job = config(**values, epochs=asked)
        assert contents(target, job) == contents(tmp_path / f"whole-{asked}", job)


@pytest.mark.parametrize("stack", ["off", "on"])
def test_growth_that_was_killed_is_kept_while_the_epochs_of_before_are_asked_for(folder, tmp_path, sums, capsys, stack):
    job = {**JOBS[stack], "patience": 9}
    short, long = config(**job, epochs=2), config(**job, epochs=5)
    every = Killer()
    grow(folder, tmp_path / "whole", short, stack)
    assert killed(folder, tmp_path / "whole", long, stack, every) is False
    expected, target = contents(tmp_path / "whole", long), tmp_path / "target"
    grow(folder, target, short, stack)
    before = contents(target, short)
    assert killed(folder, target, long, stack, Killer(every.points // 3))
    further = sorted((target / "checkpoints").glob("*"))
    assert further
    assert max(result.epochs for path in further for result, _ in read_recorded(path)) > 2
    grow(folder, target, short, stack)
    assert contents(target, short) == before
    assert sorted((target / "checkpoints").glob("*")) == further
    capsys.readouterr()
    grow(folder, target, long, stack)
    assert f"from {further[0]}" in capsys.readouterr().out
    assert contents(target, long) == expected
    assert not list((target / "checkpoints").glob("*"))


def test_a_file_of_another_run_goes_to_the_attic_and_both_values_are_named(folder, tmp_path, sums, capsys):
    job = {"network": "cnn", "levels": [0.2], "fold_indices": [0], "epochs": 2}
    grow(folder, tmp_path, config(**job))
    (run,) = config(**job).runs()
    old = run_path(tmp_path)(run).read_bytes()
    capsys.readouterr()
    other = config(**job, learning_rate=0.002)
    grow(folder, tmp_path, other)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "attic" in line]
    assert "fold-0.h5: expected learning_rate = 0.002, received 0.001; it is moved to " in line
    assert line.endswith(" and the run is trained anew")
    (kept,) = (tmp_path / "attic").rglob("*.h5")
    assert kept.read_bytes() == old
    assert kept.relative_to(tmp_path / "attic").parts[1:] == run_path(tmp_path)(run).relative_to(tmp_path).parts
    assert read_h5(run_path(tmp_path)(run))[1]["config"]["learning_rate"] == 0.002


@pytest.mark.parametrize(("name", "value"), [("code", "another"), ("data_sha256", "1" * 64)])
def test_a_run_of_other_code_or_data_is_trained_anew(folder, tmp_path, sums, monkeypatch, capsys, name, value):
    job = config(network="cnn", levels=[0.2], fold_indices=[0], epochs=2)
    with monkeypatch.context() as patch:
        about = train._Networks.about
        patch.setattr(train._Networks, "about", lambda self, run: {**about(self, run), name: value})
        grow(folder, tmp_path, job)
    capsys.readouterr()
    grow(folder, tmp_path, job)
    assert f"received {value!r}; it is moved to " in capsys.readouterr().out


def damaged(content, place):
    """Return bytes with one of them changed."""
    changed = bytearray(content)
    changed[place] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize("what", ["state", "cut off", "foreign"])
def test_a_damaged_file_goes_to_the_attic_and_the_run_starts_anew(folder, tmp_path, sums, capsys, what):
    short = config(network="cnn", levels=[0.2], fold_indices=[0], epochs=2)
    long = short.model_copy(update={"epochs": 4})
    grow(folder, tmp_path / "whole", long)
    grow(folder, tmp_path / "grown", short)
    (run,) = short.runs()
    path = run_path(tmp_path / "grown")(run)
    content = path.read_bytes()
    first = np.ascontiguousarray(read_h5(path)[0]["state/second/dense/kernel"]).tobytes()
    assert first in content
    broken = {"state": damaged(content, content.index(first) + 40), "cut off": content[:5000], "foreign": b"no file"}
    path.write_bytes(broken[what])
    capsys.readouterr()
    grow(folder, tmp_path / "grown", long)
    lines = [line for line in capsys.readouterr().out.splitlines() if "attic" in line]
    assert len(lines) == 1
    assert contents(tmp_path / "grown", long) == contents(tmp_path / "whole", long)


def test_a_run_without_state_is_trained_anew_if_it_is_too_short(folder, tmp_path, sums, capsys):
    values = {"network": "cnn", "levels": [0.2], "fold_indices": [0]}
    short = config(**values, epochs=2, resumable=False)
    grow(folder, tmp_path / "grown", short)
    (run,) = short.runs()
    assert not [name for name in read_h5(run_path(tmp_path / "grown")(run))[0] if name.startswith("state/")]
    capsys.readouterr()
    grow(folder, tmp_path / "grown", short)
    assert "anew" not in capsys.readouterr().out
    long = config(**values, epochs=4)
    grow(folder, tmp_path / "grown", long)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "anew" in line]
    assert "expected what training needs to go on after epoch 2 of 4" in line
    grow(folder, tmp_path / "whole", long)
    assert contents(tmp_path / "grown", long) == contents(tmp_path / "whole", long)


def test_a_seam_is_recorded_where_a_run_goes_on_elsewhere(folder, tmp_path, sums):
    values = {"network": "cnn", "levels": [0.2], "fold_indices": [0]}
    for epochs, threads in ((2, 1), (3, 1), (5, 2), (6, 2)):
        grow(folder, tmp_path, config(**values, epochs=epochs), threads=threads)
    (run,) = config(**values).runs()
    attributes = read_h5(run_path(tmp_path)(run))[1]
    (seam,) = attributes["seams"]
    assert (attributes["threads"], seam["epoch"], seam["threads"]) == (1, 3, 2)
    assert set(seam) == {"epoch", "versions", "backend", "device", "threads", "flags"}


def test_readers_take_the_first_epochs_and_refuse_too_few(folder, tmp_path, sums):
    job = config(network="cnn", levels=[0.2], fold_indices=[0], epochs=5)
    grow(folder, tmp_path, job)
    (run,) = job.runs()
    path = str(run_path(tmp_path)(run))
    sha256 = read_h5(data_path(folder))[1]["content_sha256"]
    whole = read_run(run, path, 5)
    assert {name: values[:3].tolist() for name, values in whole.history.items()} == {
        name: values.tolist() for name, values in read_run(run, path, 3).history.items()
    }
    with pytest.raises(FreeconvError, match="expected 7 epochs, received 5; run snakemake"):
        read_run(run, path, 7)
    assert read_network(run, path, sha256, 5)
    with pytest.raises(TrainedLongerError, match="expected the network after 3 epochs, received that after 5"):
        read_network(run, path, sha256, 3)


def test_files_of_before_recorded_less(folder, tmp_path, sums):
    job = config(network="cnn", levels=[0.2], fold_indices=[0], epochs=2)
    grow(folder, tmp_path, job)
    (run,) = job.runs()
    path = run_path(tmp_path)(run)
    arrays, attributes = read_h5(path)
    later = [f"history/{name}" for name in LATER]
    old = {name: array for name, array in arrays.items() if name not in later and not name.startswith("state/")}
    config_of_before = {**attributes["config"], "epochs": 2}
    kept = {name: attributes[name] for name in ("data_sha256", "classes", "images", "grids")}
    write_h5(path, old, {"config": config_of_before, **kept}, "none")
    found = read_run(run, str(path), 2)
    assert set(found.history) == {name.removeprefix("history/") for name in old if name.startswith("history/")}
    content = path.read_bytes()
    grow(folder, tmp_path, job)
    assert path.read_bytes() == content
    assert not (tmp_path / "attic").exists()


def test_stacks_are_halved_as_they_were():
    run = next(config(patience=1).runs())

    def after(epochs, best):
        result = Result(run, 9, {"val_acc": [0.5] * epochs})
        result.best_epoch = best
        return result

    # they stop after epochs 2, 3, and never
    results = [after(2, 1), after(3, 2), after(5, 5), after(5, 5)]
    assert [members_left(results, epochs) for epochs in range(5)] == [[0, 1, 2, 3]] * 3 + [[2, 3]] * 2


def test_the_learning_rate_of_each_epoch_is_recorded_and_another_optimizer_is_another_run(
    folder, tmp_path, sums, capsys
):
    job = config(**SUMS, levels=[0.2], fold_indices=[0], epochs=3)
    scheduled = config(**SUMS, levels=[0.2], fold_indices=[0], epochs=3, schedule=Schedule(name="steps", at=[1, 2]))
    (run,), (of_schedule,) = job.runs(), scheduled.runs()
    assert "schedule" not in run.dump()
    assert "optimizer" not in of_schedule.dump()
    for one in (job, scheduled):
        grow(folder, tmp_path, one)
        rates = read_h5(run_path(tmp_path)(run))[0]["history/learning_rate"]
        assert rates.tolist() == pytest.approx([0.001] * 3 if one is job else [0.001, 0.0001, 0.00001])
    assert "schedule" in capsys.readouterr().out
    assert len(list((tmp_path / "attic").rglob("*.h5"))) == 1


@pytest.mark.parametrize("stack", ["off", "on"])
def test_limited_evaluation_changes_nothing_but_the_accuracies_of_changed_images(folder, tmp_path, stack):
    values = {"network": "cnn", "levels": [0.2], "fold_indices": [0, 1, 2], "epochs": 2}
    whole, limited = config(**values), config(**values, evaluate_images=4)
    grow(folder, tmp_path / "whole", whole, stack)
    grow(folder, tmp_path / "limited", limited, stack)
    assert "evaluate_images" not in whole.dump()
    for full, few in zip(whole.runs(), limited.runs(), strict=True):
        assert few.dump() == {**full.dump(), "evaluate_images": 4}
        expected, _ = read_h5(run_path(tmp_path / "whole")(full))
        arrays, attributes = read_h5(run_path(tmp_path / "limited")(few))
        assert attributes["config"]["evaluate_images"] == 4
        for name in ("translate_acc", "rotate_acc", "noise_acc", "edge_noise_acc", "swap_acc"):
            quarters = 4 * arrays[f"history/{name}"]
            assert (quarters == np.rint(quarters)).all()
            del expected[f"history/{name}"], arrays[f"history/{name}"]
        del expected["history/cpu_seconds"], arrays["history/cpu_seconds"]
        assert all((arrays[name] == array).all() for name, array in expected.items())
        # another number of images is another run
        with pytest.raises(FreeconvError, match="expected evaluate_images = None, received 4"):
            read_run(full, run_path(tmp_path / "limited")(few), 2)
