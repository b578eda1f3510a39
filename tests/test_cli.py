import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from freeconv import cli
from freeconv.study.jobs import TrainConfig
from freeconv.study.params import load_params
from tests.made_study import parameter_file

ROOT = Path(__file__).parent.parent


def freeconv(*arguments, cwd):
    return subprocess.run(
        [Path(sys.executable).with_name("freeconv"), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_runs_prints_the_grid(tmp_path):
    smoke = str(ROOT / "params/smoke.yaml")
    cells = freeconv("runs", "--params", smoke, cwd=tmp_path)
    assert cells.returncode == 0
    assert cells.stdout.splitlines()[-1] == "0 done, 0 running, 8 missing of 8 runs"
    table = freeconv("runs", "--params", smoke, "--format", "table", cwd=tmp_path)
    assert table.stdout.rstrip().endswith("8 runs")
    files = freeconv("runs", "--params", smoke, "--format", "files", cwd=tmp_path).stdout.split()
    assert len(files) == 8
    lines = freeconv("runs", "--params", smoke, "--format", "json", cwd=tmp_path).stdout.splitlines()
    # two networks, with and without translation, folds together
    assert len(lines) == 4
    assert {json.loads(line)["network"] for line in lines} == {"cnn", "fcn"}
    assert [run.fold for line in lines for run in TrainConfig.parse(line).runs()] == 4 * [0, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("runs", "--params", "none.yaml"), "none.yaml: expected a parameter file"),
        (("fetch", "unknown"), "unknown"),
        (("shard", "{}"), "configuration of ShardConfig: dataset: expected a value, received none"),
        (("shard", "nothing.json"), "expected JSON or the path of a JSON file, received 'nothing.json'"),
        (("train", '{"a": 1, "x'), "configuration of TrainConfig"),
        (("tables", "{}"), "results/train/mnist-5k/cnn/none/0/fold-0.h5"),
    ],
)
def test_a_mistake_ends_in_one_line_and_exit_code_1(tmp_path, arguments, message):
    done = freeconv(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("freeconv: error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_mistake_under_a_debugger_is_raised_where_it_happened(tmp_path):
    command = [sys.executable, "-m", "pdb", "-c", "continue", "-m", "freeconv", "train", "{}"]
    done = subprocess.run(command, cwd=tmp_path, input="q\n", capture_output=True, text=True, check=False)
    assert "Entering post mortem debugging" in done.stdout
    assert "freeconv.errors.FreeconvError: configuration of TrainConfig: dataset" in done.stdout + done.stderr


def test_params_checks_a_file(tmp_path):
    (tmp_path / "params.yaml").write_text(parameter_file(aug={"translate": 2}))
    done = freeconv("params", cwd=tmp_path)
    assert done.returncode == 1
    assert "aug.translate.0: expected less than 1, received 2" in done.stderr
    assert freeconv("params", str(ROOT / "params.yaml"), cwd=tmp_path).returncode == 0


def test_docs_are_written(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "workflow/schemas").mkdir(parents=True)
    assert freeconv("params", str(ROOT / "params.yaml"), "--write-docs", cwd=tmp_path).returncode == 0
    assert (tmp_path / "docs/params.md").read_text() == (ROOT / "docs/params.md").read_text()


def test_the_page_of_commands_is_that_of_the_commands(tmp_path):
    words = ["freeconv.cli", "utils", "docs", "--name", "freeconv", "--title", "Commands", "--output", "commands.md"]
    subprocess.run([sys.executable, "-m", "typer", *words], cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "commands.md").read_text() == (ROOT / "docs/commands.md").read_text()


def test_planning_and_help_do_not_import_what_is_slow():
    code = "import sys, freeconv.cli, freeconv.study.grid, freeconv.commands.fetch; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"keras", "tensorflow", "jax", "pandas", "matplotlib", "cv2", "snakemake", "dvc"} & set(loaded)


@pytest.mark.parametrize("arguments", [["runs"], ["watch"], ["runs", "--format", "files"], ["estimate", "--no-time"]])
def test_planning_commands_import_little(tmp_path, arguments):
    code = "import sys; from freeconv.cli import app\ntry: app()\nfinally: print(*sys.modules, file=sys.stderr)"
    words = [*arguments, "--params", str(ROOT / "params/smoke.yaml")]
    command = [sys.executable, "-c", code, *words]
    loaded = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stderr.split()
    heavy = {"keras", "tensorflow", "jax", "numpy", "scipy", "pandas", "matplotlib", "cv2", "PIL", "h5py"}
    assert not heavy & set(loaded)
    # an import takes a third of a millisecond and more: 330 and 410 modules when this was written, most of them of the
    # standard library, pydantic and rich
    assert len(loaded) < (370 if "--format" in arguments else 450)


def test_training_needs_neither_snakemake_nor_dvc_nor_tensorflow():
    code = (
        "import sys\n"
        "for name in ('snakemake', 'dvc', 'tensorflow', 'hdf5plugin'): sys.modules[name] = None\n"
        "import freeconv.commands.train, freeconv.study.grid, freeconv.cli"
    )
    subprocess.run([sys.executable, "-c", code], env={"KERAS_BACKEND": "jax", "PATH": ""}, check=True)


def test_the_default_parameters_are_the_readmes_demo():
    params = load_params(ROOT / "params.yaml")
    assert {0, 0.2, 0.4} <= set(params.aug.translate)
    assert params.train.networks == ["cnn", "fcn"]
    assert params.train.folds == 5
    assert params.train.held_out is None


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "expected enough memory for the job, received less; raise the limit (ulimit -v)"),
        (OSError(errno.ENOSPC, "No space left on device", "x.h5"), "x.h5: expected to read and write it, received"),
        (ModuleNotFoundError("No module named 'typer'", name="typer"), "received no package typer; pip install"),
    ],
)
def test_limits_of_the_machine_end_in_one_line(monkeypatch, error, line):
    def fails() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    monkeypatch.setattr(cli, "end_with_owner", lambda: None)
    with pytest.raises(SystemExit, match=re.escape(line)) as raised:
        cli.main()
    assert "\n" not in str(raised.value)


def test_an_array_beyond_the_memory_limit_ends_in_one_line(tmp_path):
    code = (
        "import resource, sys, numpy; from freeconv import cli\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32)); cli.app = lambda: numpy.zeros(2**33)\n"
        "sys.argv = ['freeconv', 'shard']; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (message,) = done.stderr.splitlines()
    assert "expected enough memory for the job, received less (Unable to allocate 64.0 GiB" in message
