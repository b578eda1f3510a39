"""A job that is killed, at any point and however often, gives what one that is not killed gives."""

import shutil
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import keras
import numpy as np
import pytest

from freeconv.architectures.layers import BatchNormalization, Dense, Dropout, Free
from freeconv.commands import train
from freeconv.errors import FreeconvError
from freeconv.storage import checkpoint_file, run_file
from freeconv.storage.checkpoint_file import (
    checkpoint_identity,
    checkpoint_key,
    checkpoint_writer,
    read_checkpoint,
    write_checkpoint,
)
from freeconv.storage.hdf5 import read_h5
from freeconv.training.stack import Replicas, compile_replicas
from freeconv.training.state import SPLIT, Checkpoint, Result
from tests.tiny_jobs import checkpoint_path, config, data_path, registered, run_path, shard_path, write_tiny

TIMES = ("seconds", "overhead_seconds", "attributes_sha256", "content_sha256")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the small dataset and its shards."""
    folder = tmp_path_factory.mktemp("checkpoint")
    write_tiny(folder)
    return folder


class Killed(BaseException):
    """What stands for kill -9: nothing catches it."""


class Killer:
    """Counts the points at which a job can be killed and kills it at one of them.

    Args:
        at: the point, counted from 1; never if 0.
    """

    def __init__(self, at=0):
        self.at, self.points = at, 0

    def __call__(self, *_):
        self.points += 1
        if self.points == self.at:
            raise Killed

    def during(self, write_h5):
        """Return a writer that can be killed before, in the middle of and after writing."""

        def write(path, *others, **options):
            self()
            try:
                self()
            except Killed:
                path = Path(path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.tmp").write_bytes(b"half a file")
                raise
            write_h5(path, *others, **options)
            self()

        return write


def start_job(folder, target, job, stack, kill=None, minutes=0.0, keep=False):
    """Start a job with no results files, unless they are kept, and return whether it came to its end."""
    kill = kill or Killer()
    if not keep:
        shutil.rmtree(target / "results", ignore_errors=True)
    paths = shard_path(folder), run_path(target), checkpoint_path(target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint_file, "write_h5", kill.during(checkpoint_file.write_h5))
        patch.setattr(run_file, "write_h5", kill.during(run_file.write_h5))
        try:
            train.train(job, data_path(folder), *paths, kill, stack, checkpoint_minutes=minutes)
        except Killed:
            return False
    return True


def results_of(target, job):
    """Return the content of a job's results files, all that must not depend on kills; nothing else may be left."""
    files = {run_path(target)(run) for run in job.runs()}
    assert {path for path in target.rglob("*") if path.is_file()} == files
    found = {}
    for run in job.runs():
        arrays, attributes = read_h5(run_path(target)(run))
        assert all(attributes[name] > 0 for name in ("seconds", "overhead_seconds"))
        found[run.level, run.fold] = (
            {
                name: (array.dtype, array.shape, array.tobytes())
                for name, array in arrays.items()
                if name != "history/cpu_seconds"
            },
            {name: value for name, value in attributes.items() if name not in TIMES},
        )
    return found


# With networks that learn nothing, but whose numbers depend on every batch, shard and step before: every point.


class Sums(Replicas):
    """A stack whose weights are sums over what it was trained on."""

    __slots__ = ()

    @classmethod
    def compiled(cls, model, *_):
        places = {variable.path: place for place, variable in enumerate(model.trainable_variables)}

        def stack(start):
            state = keras.tree.map_structure(np.array, start)

            def learn(images, labels, index):
                shown = keras.ops.convert_to_numpy(images).mean()
                for rows in index:
                    state["step"] += 1
                    for number, row in enumerate(rows):
                        for first, weight in zip(state["first"], state["weights"], strict=True):
                            first[number] += np.sin(row @ np.arange(len(row)) + shown + weight[number].max())
                            weight[number] += first[number] / state["step"][number]
                return values(), values()

            def evaluate(images, labels, index):
                return values(), values()

            def values():
                return np.array([abs(np.sin(1e3 * float(weight.mean()))) for weight in state["weights"][-1]])

            def weights(names):
                return {name: state["weights"][places[name]].copy() for name in names}

            def keep(positions):
                return stack(keras.tree.map_structure(lambda array: array[positions], state))

            return cls(learn, evaluate, lambda *_: {}, weights, keep, lambda: keras.tree.map_structure(np.copy, state))

        return stack


@pytest.fixture
def sums(monkeypatch):
    """Train stacks that need no compilation."""
    monkeypatch.setattr(train, "build_network", lru_cache(train.build_network))
    monkeypatch.setattr(train, "compile_replicas", Sums.compiled)


# Runs that stop at different epochs: two one after the other, or four of which two go on together.
SUMS = {"network": "cnn", "epochs": 5, "patience": 2, "kernels_every": 2}
JOBS = {
    "off": config(**SUMS, levels=[0.2], fold_indices=[0, 2]),
    "on": config(**SUMS, levels=[0.2, 0.4], fold_indices=[0, 2]),
}


@pytest.mark.parametrize("stack", ["off", "on"])
def test_a_job_may_be_killed_at_any_point(folder, tmp_path, sums, stack, capsys):
    job, every = JOBS[stack], Killer()
    assert start_job(folder, tmp_path / "whole", job, stack, every)
    whole = results_of(tmp_path / "whole", job)
    epochs = {len(np.frombuffer(arrays["history/val_acc"][2], "float32")) for arrays, _ in whole.values()}
    assert len(epochs) > 1, "runs are to stop at different epochs"
    capsys.readouterr()
    for point in range(1, every.points + 1, 7):  # every place comes, as an epoch has not seven points
        assert not start_job(folder, tmp_path / "killed", job, stack, Killer(point))
        assert start_job(folder, tmp_path / "killed", job, stack)
        assert results_of(tmp_path / "killed", job) == whole, point
    said = capsys.readouterr().out
    assert "resumed at epoch 1 of 5 from " in said
    assert "had finished, taken from " in said
    assert "cannot" not in said


@pytest.mark.parametrize(("stack", "points"), [("off", 10), ("on", 18)])
def test_a_job_may_be_killed_again_and_again(folder, tmp_path, sums, stack, points):
    job = JOBS[stack]
    assert start_job(folder, tmp_path / "whole", job, stack)
    killed = 0
    while not start_job(folder, tmp_path / "killed", job, stack, Killer(points)):
        killed += 1
        assert killed < 20  # the last start tells of all runs and writes all results, each with three points
    assert killed > 1
    assert results_of(tmp_path / "killed", job) == results_of(tmp_path / "whole", job)


def test_a_stack_that_was_split_stays_split(folder, tmp_path, sums, monkeypatch, capsys):
    """Memory may be short for a time only: what the killed job trained in halves must not begin again as a whole."""
    job, short = JOBS["on"], [True]

    def compiled(model, *settings):
        make = Sums.compiled(model, *settings)

        def limited(state):
            stack, number = make(state), len(state["step"])

            def learn(*batches):
                if short[0] and number == 4 and stack.state()["step"][0] > 0:
                    raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 bytes.")
                return stack.train(*batches)

            return stack._replace(train=learn)

        return limited

    monkeypatch.setattr(train, "compile_replicas", compiled)
    assert start_job(folder, tmp_path / "whole", job, "on")
    whole = results_of(tmp_path / "whole", job)
    assert all(attributes["stack"] == 2 for _, attributes in whole.values())
    # an epoch of four runs with its checkpoint, 4 + 4 + 3 points, the mark of the split, 3, and an epoch of a half, 7
    for point in (12, 14, 16, 20):
        short[0] = True
        assert not start_job(folder, tmp_path / "killed", job, "on", Killer(point))
        short[0] = point < 14  # killed before the mark stands, the job tries the whole once more
        assert start_job(folder, tmp_path / "killed", job, "on")
        assert results_of(tmp_path / "killed", job) == whole, point
    assert "does not fit" in capsys.readouterr().out


def test_nothing_is_copied_while_no_checkpoint_is_due(tmp_path, monkeypatch):
    now, copies = [0.0], []
    monkeypatch.setattr(checkpoint_file.time, "monotonic", lambda: now[0])
    save = checkpoint_writer(tmp_path / "a.h5", {}, 3.0)

    def standing():
        copies.append(now[0])
        return SPLIT

    for now[0] in (100.0, 179.0, 180.0, 181.0, 359.0, 361.0):
        save(standing)
    assert copies == [180.0, 361.0]
    assert (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(("minutes", "times"), [(1.0, [60.0, 459.0, 858.0]), (0.0, [0.0, 20.0, 40.0])])
def test_checkpoints_that_take_long_are_rarer_unless_asked_for_after_every_epoch(tmp_path, monkeypatch, minutes, times):
    now, copies = [0.0], []
    monkeypatch.setattr(checkpoint_file.time, "monotonic", lambda: now[0])
    save = checkpoint_writer(tmp_path / "a.h5", {}, minutes)

    def standing():
        copies.append(now[0])
        now[0] += 19.0
        return SPLIT

    while len(copies) < 3:
        save(standing)
        now[0] += 1.0
    assert copies == times


# The file.

RUNS = list(config().runs())
ENVIRONMENT = {"versions": {"keras": "3.12.0"}, "backend": "tensorflow", "device": "CPU (a)"}
IDENTITY = checkpoint_identity(RUNS[:2], True, "0" * 64, ENVIRONMENT)


def some_checkpoint():
    """Return a checkpoint of two runs, of which one has finished."""
    rng = np.random.default_rng(0)
    results = []
    for run, epochs in zip(RUNS, (2, 3), strict=False):
        result = Result(run, 3, environments=[{"epoch": 0, **ENVIRONMENT}])
        for _ in range(epochs):
            result.add({name: rng.random() for name in result.history}, rng.random())
        result.kernels = {epoch: {"free_1": rng.random((4, 9, 2), "float32")} for epoch in range(epochs + 1)}
        results.append(result)
    results[0].network = {"free_1/kernel": rng.random((4, 9, 2), "float32"), "logits/bias": np.zeros(0, "float32")}
    weights = [[rng.random((1, 2, 3), "float32") for _ in range(12)] for _ in range(3)]
    state = {**dict(zip(("weights", "first", "second"), weights, strict=True)), "fixed": []}
    return Checkpoint(results, [1], {**state, "step": np.array([12], "float32")})


def exact(value):
    """Return a checkpoint with arrays as what can be compared."""
    return keras.tree.map_structure(
        lambda leaf: (leaf.dtype.str, leaf.shape, leaf.tobytes()) if isinstance(leaf, np.ndarray) else leaf,
        [[vars(result) for result in value.results], value.members, value.state],
    )


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "checkpoints" / "ab12.h5"
    write_checkpoint(path, IDENTITY, some_checkpoint())
    return path


def test_a_checkpoint_is_read_as_it_was_written(written, capsys):
    assert exact(read_checkpoint(written, IDENTITY, 3)) == exact(some_checkpoint())
    write_checkpoint(written, IDENTITY, Checkpoint(some_checkpoint().results, [], {}))
    assert exact(read_checkpoint(written, IDENTITY, 3)) == exact(Checkpoint(some_checkpoint().results, [], {}))
    write_checkpoint(written, IDENTITY, SPLIT)
    assert read_checkpoint(written, IDENTITY, 3) == SPLIT
    assert read_checkpoint(written.with_name("none.h5"), IDENTITY, 3) is None
    assert capsys.readouterr().out == ""


def test_a_stack_may_have_hundreds_of_runs(tmp_path):
    """More than the 64 kB that an HDF5 attribute can hold."""
    runs = list(config(levels=[number / 100 for number in range(60)], fold_indices=[0, 1]).runs())
    identity = checkpoint_identity(runs, True, "0" * 64, ENVIRONMENT)
    results = [Result(run, 3, kernels={0: {"free_1": np.zeros((1, 1, 1), "float32")}}) for run in runs]
    write_checkpoint(tmp_path / "a.h5", identity, Checkpoint(results, [], {}))
    found = read_checkpoint(tmp_path / "a.h5", identity, 3)
    assert found is not None
    assert [result.run for result in found.results] == runs


def test_whatever_decides_the_numbers_decides_the_key(monkeypatch):
    about = {"stack": RUNS[:2], "stacked": True, "data_sha256": "0" * 64, "environment": ENVIRONMENT}
    others = [
        {},
        {"stack": RUNS[:1]},
        {"stack": RUNS[1::-1]},
        {"stack": [run.model_copy(update={"patience": 49}) for run in RUNS[:2]]},
        {"stacked": False},
        {"data_sha256": "1" * 64},
        {"parents": ["2" * 64]},
        {"environment": {**ENVIRONMENT, "device": "CPU (b)"}},
        {"environment": {**ENVIRONMENT, "versions": {"keras": "3.12.1"}}},
    ]
    keys = [checkpoint_key(checkpoint_identity(**{**about, **other})) for other in others]
    monkeypatch.setattr(checkpoint_file, "train_code", lambda _: "another")
    keys.append(checkpoint_key(checkpoint_identity(**about)))
    assert len(set(keys)) == len(others) + 1
    assert keys[0] == checkpoint_key(IDENTITY)


def refused(path, capsys):
    """Return the line that says why a checkpoint is not used."""
    assert read_checkpoint(path, IDENTITY, 3) is None
    assert not path.exists()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("a checkpoint cannot be used and is deleted, what the runs' files lack is trained: ")
    assert str(path) in line
    return line


def test_the_checkpoint_of_another_job_is_refused(written, capsys):
    write_checkpoint(written, {**IDENTITY, "code": "another"}, some_checkpoint())
    assert refused(written, capsys).endswith("expected the checkpoint of this job, received one with other code")


@pytest.mark.parametrize("content", [b"", b"no HDF5 file", b"\x89HDF\r\n\x1a\n"], ids=["empty", "text", "signature"])
def test_a_foreign_file_is_refused(written, capsys, content):
    written.write_bytes(content)
    refused(written, capsys)


def test_another_hdf5_file_is_refused(written, folder, capsys):
    shutil.copy(data_path(folder), written)
    refused(written, capsys)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_half_a_checkpoint_is_refused(written, capsys, share):
    content = written.read_bytes()
    written.write_bytes(content[: int(share * len(content))])
    refused(written, capsys)


def test_a_flipped_bit_is_noticed_or_does_not_matter(written, capsys):
    content, whole = written.read_bytes(), exact(some_checkpoint())
    rng = np.random.default_rng(0)
    noticed = 0
    for place in rng.integers(0, 8 * len(content), 200):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << (place % 8)
        written.write_bytes(flipped)
        found = read_checkpoint(written, IDENTITY, 3)
        noticed += found is None
        assert found is None or exact(found) == whole
    assert len(capsys.readouterr().out.splitlines()) == noticed > 10


def test_a_full_disk_does_not_end_the_training(folder, tmp_path, sums, monkeypatch, capsys):
    def full(*_, **__):
        raise FreeconvError("a.h5: expected to write it, received No space left on device")

    monkeypatch.setattr(checkpoint_file, "write_h5", full)
    assert start_job(folder, tmp_path, JOBS["off"], "off")
    assert len(results_of(tmp_path, JOBS["off"])) == 2
    assert "training goes on without it: " in capsys.readouterr().out


# With networks that learn.

REAL = {
    "fcn-off": ("off", {"network": "fcn-vcp-0.5", "vcp_mask": "connections", "levels": [0.2], "fold_indices": [0]}),
    "fcn-on": ("on", {"network": "fcn", "levels": [0.2], "fold_indices": [0, 2], "epochs": 5, "patience": 1}),
    "regular-off": ("off", {"network": "regular", "levels": [0.2], "fold_indices": [0]}),
    "regular-on": ("on", {"network": "regular", "levels": [0.2], "fold_indices": [0, 2], "epochs": 5, "patience": 1}),
    "flat": ("off", {"network": "flat", "levels": [0.2], "fold_indices": [0]}),
}
REGULAR = Free(4, 3, 2), BatchNormalization(0.8), Dropout(0.5), Dense(8)


@pytest.mark.parametrize("name", list(REAL))
def test_networks_learn_the_same(folder, tmp_path, name, monkeypatch):
    """Compiled once, here; that two processes compile the same, `test_kill_9` shows."""
    stack, values = REAL[name]
    every, compiled = Killer(), {}
    monkeypatch.setattr(train, "compile_replicas", lambda *args: compiled.setdefault("once", compile_replicas(*args)))
    with registered("regular", *REGULAR), registered("flat", Dense(8)):
        job = config(**values)
        assert start_job(folder, tmp_path / "whole", job, stack, every)
        whole = results_of(tmp_path / "whole", job)
        for _ in range(2):
            assert not start_job(folder, tmp_path / "killed", job, stack, Killer(every.points // 3))
        assert start_job(folder, tmp_path / "killed", job, stack)
        assert results_of(tmp_path / "killed", job) == whole


def test_kill_9(folder, tmp_path, capsys):
    job = config(network="cnn", levels=[0.2], fold_indices=[0], epochs=30)
    (tmp_path / "data").symlink_to(folder / "data")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/shards").symlink_to(folder / "results/shards")
    command = [
        Path(sys.executable).with_name("freeconv"),
        "train",
        job.text(),
        "--checkpoint-minutes",
        "0",
        "--threads",
        "0",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("checkpoints/*.h5")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert start_job(folder, tmp_path / "whole", job, "off", minutes=3.0)
    shutil.copytree(tmp_path / "checkpoints", tmp_path / "killed/checkpoints")
    capsys.readouterr()
    assert start_job(folder, tmp_path / "killed", job, "off", minutes=3.0)
    assert "resumed at epoch" in capsys.readouterr().out
    assert results_of(tmp_path / "killed", job) == results_of(tmp_path / "whole", job)
