"""Files of runs whose hashes are right and whose content is not that of the run, or of any."""

import json
import re

import numpy as np
import pytest

from freeconv.commands.growth import found_results
from freeconv.errors import FreeconvError
from freeconv.storage.hdf5 import read_h5, write_h5
from freeconv.storage.results import read_runs
from freeconv.storage.run_content import NEEDED
from freeconv.storage.run_file import read_kernels, read_network, read_result, read_run
from freeconv.study import grid
from freeconv.training.state import LATER
from tests.made_study import small_params, write_runs

PARAMS = small_params(aug={"translate": [0]}, train={"folds": 3, "epochs": 4, "held_out": [0, 1]})
RUN = next(run for run in grid.runs(PARAMS) if run.network == "fcn")
PATH = grid.run_file(RUN)
ASKED = 4


@pytest.fixture
def stored(project):
    """Return arrays and attributes of a run's file, in a study that is otherwise as it should be."""
    write_runs(PARAMS)
    return read_h5(PATH)


def readers():
    """Return every reader of a run's file."""
    return [
        lambda: read_run(RUN, PATH, ASKED),
        lambda: read_kernels(RUN, PATH, ASKED),
        lambda: read_network(RUN, PATH, "0" * 64, ASKED),
        lambda: read_result(RUN, PATH, ASKED),
    ]


def write(arrays, attributes):
    """Write a file with hashes that are right."""
    own = ("arrays", "content_sha256", "compression", "attributes_sha256")
    write_h5(PATH, arrays, {name: value for name, value in attributes.items() if name not in own}, "none")


def is_refused_everywhere(message):
    """Fail unless each reader refuses the file in the same line, and the tables do without it."""
    for read in readers():
        with pytest.raises(FreeconvError, match=message) as error:
            read()
        assert "\n" not in str(error.value)
    study, (problem,) = read_runs(PARAMS)
    assert len(study) == len(grid.run_files(PARAMS)) - 1
    assert (problem.path, problem.used) == (PATH, False)


@pytest.mark.parametrize("value", [np.nan, 57.0, -0.01, 1.0001, np.inf])
@pytest.mark.parametrize("name", ["val_acc"])
def test_accuracies_that_cannot_be(stored, name, value):
    arrays, attributes = stored
    arrays[f"history/{name}"][2] = value
    write(arrays, attributes)
    is_refused_everywhere(f"{PATH}: expected {name} from 0 to 1, received {value:.4g}.* in epoch 3; remove the file")


@pytest.mark.parametrize("epochs", [9000, 3, 5])
def test_another_number_of_epochs_than_the_files_own_record(stored, epochs):
    arrays, attributes = stored
    arrays |= {name: np.full(epochs, 0.5, "float32") for name in arrays if name.startswith("history/")}
    write(arrays, attributes)
    is_refused_everywhere(f"expected as many epochs as its record says, 4, received histories of {epochs}")


def test_no_record_of_epochs(stored):
    arrays, attributes = stored
    del attributes["epochs"]
    write(arrays, attributes)
    is_refused_everywhere("expected as many epochs as its record says, None, received histories of 4")
    write(arrays, {**attributes, "config": {**attributes["config"], "epochs": 4}})  # as files of before had it
    assert len(read_runs(PARAMS)[0]) == len(grid.run_files(PARAMS))


@pytest.mark.parametrize("length", [0, 3, 5])
@pytest.mark.parametrize("name", ["train_loss", "swap_acc", "clean_train_acc"])
def test_histories_of_unequal_or_no_length(stored, name, length):
    arrays, attributes = stored
    arrays[f"history/{name}"] = np.full(length, 0.5, "float32")
    write(arrays, attributes)
    is_refused_everywhere("with a number for each epoch, received|as many epochs as its record says")


def test_no_epochs_at_all(stored):
    arrays, attributes = stored
    arrays |= {name: np.zeros(0, "float32") for name in arrays if name.startswith("history/")}
    write(arrays, {**attributes, "epochs": 0})
    is_refused_everywhere("with a number for each epoch, received <f4 of shape")


@pytest.mark.parametrize("name", ["val_loss", "train_acc", "translate_acc"])
def test_missing_histories(stored, name):
    arrays, attributes = stored
    del arrays[f"history/{name}"]
    write(arrays, attributes)
    is_refused_everywhere(f"expected the history of {name}, received a file without it")


@pytest.mark.parametrize("name", LATER)
def test_what_earlier_versions_did_not_record_may_be_missing_or_unknown(stored, name):
    arrays, attributes = stored
    arrays[f"history/{name}"][:2] = np.nan
    write(arrays, attributes)
    assert read_runs(PARAMS)[1] == []
    del arrays[f"history/{name}"]
    write(arrays, attributes)
    assert read_runs(PARAMS)[1] == []


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, "?", 3.5])
def test_missing_and_wrong_attributes(stored, name, value):
    if (name, value) == ("data_sha256", "?"):
        pytest.skip("it is another one's")
    arrays, attributes = stored
    del attributes[name]
    write(arrays, attributes if value is None else {**attributes, name: value})
    is_refused_everywhere(f"expected the attribute {name}, received a file with {value!r}")


@pytest.mark.parametrize(("name", "value"), [("classes", 0), ("classes", -1), ("images", 2)])
def test_no_classes_and_fewer_images_than_folds(stored, name, value):
    arrays, attributes = stored
    write(arrays, {**attributes, name: value})
    is_refused_everywhere("expected classes and at least 3 images, one a fold")


@pytest.mark.parametrize("change", ["positions", "snapshots", "order", "last", "layer"])
def test_kernels_that_are_none(stored, change):
    arrays, attributes = stored
    if change == "positions":
        arrays["kernels/free_1"] = arrays["kernels/free_1"][:, :7]
    elif change == "snapshots":
        arrays["kernels/free_1"] = arrays["kernels/free_1"][:3]
    elif change == "layer":
        arrays["kernels/free_9"] = arrays["kernels/free_1"]
    else:
        arrays["kernel_epochs"] = np.array([0, 2, 1, 3, 4] if change == "order" else [0, 1, 2, 3, 9])
    write(arrays, attributes)
    for read in (readers()[1], readers()[3]):
        with pytest.raises(FreeconvError, match=f"{PATH}: expected kernel"):
            read()


@pytest.mark.parametrize("sha256", ["1" * 64, "", "0" * 63])
def test_runs_on_other_data_share_no_table(stored, sha256):
    arrays, attributes = stored
    write(arrays, {**attributes, "data_sha256": sha256})
    _, (problem,) = read_runs(PARAMS)
    assert problem.path == PATH
    assert problem.problem.startswith("expected a run on data with SHA-256 0000")


def test_runs_of_other_code_share_no_table(stored):
    arrays, attributes = stored
    write(arrays, {**attributes, "code": "another"})
    is_refused_everywhere("expected code = '[0-9a-f]{16}', received 'another'")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "backend",
            "jax",
            "expected one backend for all runs of a study, received tensorflow in 3 runs, jax in 1 runs",
        ),
        ("device", "another", "expected one device"),
        (
            "versions",
            {"keras": "3.15.0", "numpy": "2.4.0"},
            "one version of keras .* 3.12.0 in 3 runs, 3.15.0 in 1 runs",
        ),
        ("versions", {"keras": "3.12.0", "numpy": "9"}, "expected one version of numpy"),
    ],
)
def test_runs_that_were_not_trained_alike_are_used_and_named(stored, name, value, text):
    arrays, attributes = stored
    write(arrays, {**attributes, name: value})
    study, (problem,) = read_runs(PARAMS)
    assert len(study) == len(grid.run_files(PARAMS))
    assert (problem.path, problem.used) == (PATH, True)
    assert re.search(text, problem.problem)


@pytest.mark.parametrize(("name", "first", "second"), [("threads", 1, 8), ("flags", {}, {"XLA_FLAGS": "--fast"})])
def test_threads_and_flags_are_compared_where_they_are_recorded(stored, name, first, second):
    arrays, attributes = stored
    write(arrays, {**attributes, name: first})
    assert read_runs(PARAMS)[1] == []
    other = grid.run_file(next(run for run in grid.runs(PARAMS) if run.network == "cnn"))
    of_other, about = read_h5(other)
    write_h5(
        other,
        of_other,
        {**{k: v for k, v in about.items() if k not in ("compression", "content_sha256")}, name: second},
    )
    (problem,) = read_runs(PARAMS)[1]
    assert problem.used
    assert f"expected one {'set of flags' if name == 'flags' else name} for all runs" in problem.problem


def test_this_projects_own_version_is_no_mixture(stored):
    arrays, attributes = stored
    write(arrays, {**attributes, "versions": {**attributes["versions"], "freeconv": "9.9"}})
    assert read_runs(PARAMS)[1] == []


def test_a_run_of_other_versions_is_trained_anew_only_if_asked_for(stored, project, capsys):
    content = {path: (project / path).read_bytes() for path in grid.run_files(PARAMS)}
    _, attributes = stored
    job = next(job for job in grid.jobs(PARAMS) if job.network == "fcn")
    about = lambda run: {"data_sha256": "0" * 64}  # noqa: E731
    now = {"versions": {**attributes["versions"], "keras": "3.99"}, "backend": attributes["backend"]}
    same = {**now, "versions": attributes["versions"]}
    for environment in (None, same):
        found = found_results(job, grid.run_file, about, "attic", environment)
        assert all(result.finished for result in found)
    assert not (project / "attic").exists()
    found = found_results(job, grid.run_file, about, "attic", now)
    assert not any(result.epochs for result in found)
    moved = sorted((project / "attic").rglob("*.h5"))
    assert len(moved) == len(found)
    assert moved[0].read_bytes() in content.values()
    assert "expected versions of this machine (train.versions), received others" in capsys.readouterr().out


def test_json_of_another_shape_is_no_configuration(stored):
    arrays, attributes = stored
    for config in ([1, 2], {"epochs": 4}, {}):
        write(arrays, {**attributes, "config": json.loads(json.dumps(config))})
        is_refused_everywhere(f"{PATH}: expected .*, received None; the file is from other parameters")
