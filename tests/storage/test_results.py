from pathlib import Path

import numpy as np
import pytest

from freeconv.storage.results import read_runs, read_traces
from freeconv.study import grid, paths
from tests.made_study import small_params, write_run, write_runs, write_traces


def of(params, network, augmentation, level, fold):
    return next(
        run
        for run in grid.runs(params)
        if (run.network, run.augmentation, run.level, run.fold) == (network, augmentation, level, fold)
    )


@pytest.mark.parametrize(
    ("section", "key"), [({"seed": 3}, "seed"), ({"train": {"folds": 3, "epochs": 4, "batch": 64}}, "batch")]
)
def test_runs_from_other_parameters_are_refused_and_the_key_named(project, section, key):
    write_runs(small_params())
    study, problems = read_runs(small_params(**section))
    assert study == []
    assert [problem.path for problem in problems] == grid.run_files(small_params())
    assert all(problem.problem.startswith(f"expected {key} = ") for problem in problems)
    assert not any(problem.used or "\n" in problem.text() for problem in problems)


def test_missing_and_damaged_runs_are_named_and_the_rest_is_read(project):
    params = small_params()
    write_runs(params)
    missing = Path(paths.run_file("mnist-5k", "cnn", "translate", 0.4, 1))
    damaged = Path(paths.run_file("mnist-5k", "fcn", "none", 0, 0))
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:1000])
    study, problems = read_runs(params)
    assert len(study) == len(grid.run_files(params)) - 2
    assert {problem.path for problem in problems} == {str(missing), str(damaged)}
    assert "does not exist" in next(problem.problem for problem in problems if problem.path == str(missing))


def test_a_diverged_run_is_left_out(project):
    params = small_params()
    write_runs(params)
    run = of(params, "fcn", "translate", 0.2, 1)
    write_run(run, 4, arrays={"history/train_loss": np.array([2.0, 1.0, np.nan, np.nan], "float32")})
    study, (problem,) = read_runs(params)
    assert run not in [one.config for one in study]
    assert not problem.used
    assert "received nan in epoch 3" in problem.problem


def test_a_run_that_learned_nothing_is_used_and_named(project):
    params = small_params()
    write_runs(params)
    run = of(params, "fcn", "translate", 0.2, 1)
    write_run(run, 4, arrays={"history/val_acc": np.array([0.2, 0.11, 0.1, 0.11], "float32")})
    study, (problem,) = read_runs(params)
    assert run in [one.config for one in study]
    assert problem.used
    assert "received 0.1100" in problem.problem


def test_what_is_wrong_with_a_trace_is_named(project):
    params = small_params()
    write_runs(params)
    path = Path(paths.distance_file("mnist-5k", "fcn", "rotate", 0.1))
    write_traces(params)
    whole, problems = read_traces(params)
    assert problems == []

    def problem_of(text):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        traces, problems = read_traces(params)
        assert "\n" not in problems[0].text()
        assert len(traces) == len(whole[whole["level"] != 0.1])
        (problem,) = problems
        assert problem.path == str(path)
        return problem.problem

    text = path.read_text()
    assert "does not exist" in problem_of(None)
    for other in ("a,b\n1,2\n", "", "# {}\n", "# []\na,b\n", text.partition("\n")[2]):
        assert problem_of(other) == (
            "expected a first line with configuration and SHA-256, received another one; remove the file and run again"
        )
    for other in (text[:-1], text.replace("0.1", "0.2", 1), text.replace(",1,", ",2,", 1)):
        assert "received" in problem_of(other)
        assert "the file was changed or damaged; remove the file and run again" in problem_of(other)
    other = Path(paths.distance_file("mnist-5k", "fcn", "none", 0)).read_text()
    assert "expected train.augmentation = 'rotate', received 'none'" in problem_of(other)
    _, problems = read_traces(small_params(distance={"radii": [2]}))
    assert "expected radii = [2], received [1, 4]" in problems[0].problem
