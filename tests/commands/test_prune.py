import hashlib
import subprocess
import sys
from pathlib import Path

from freeconv.commands.prune import prune, stale_files
from freeconv.storage.run_file import to_attic
from freeconv.study import grid, paths
from freeconv.study.params import check_params
from tests.made_study import parameter_file, small_params, write_runs

PHASES = ["data", "shards", "train", "report"]


def write_all(params):
    for path in grid.all_files(params):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()


def test_a_smaller_study_leaves_nothing_of_a_larger_one(project):
    small, large = check_params({"aug": {"translate": 0.4}}), check_params({})
    write_all(large)
    write_all(small)
    assert prune(large, PHASES) == []
    removed = prune(small, PHASES)
    deleted = [file.path for file in removed]
    assert all(file.attic and file.attic.is_file() for file in removed)  # no DVC's cache holds them
    assert {str(path) for path in deleted} == set(set(grid.all_files(large)) - set(grid.all_files(small)))
    folders = {path.parts[1] for path in deleted if path.parts[0] == "results"}
    assert folders == {"shards", "train", "distance", "measure"}
    assert stale_files(small, PHASES) == []
    assert not Path("results/train/mnist-5k/cnn/none").exists()
    assert all(Path(path).exists() for path in grid.all_files(small))


def test_checkpoints_go_when_no_job_is_left_to_go_on_from_them(project):
    params = check_params({"aug": {"translate": 0.4}})
    write_all(params)
    checkpoints = [Path(paths.checkpoint_file("ab12")), Path(paths.CHECKPOINTS, ".cd34.h5.tmp")]
    for path in checkpoints:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    last = Path(grid.run_files(params)[-1])
    last.unlink()
    assert prune(params, PHASES) == []
    last.touch()
    assert prune(params, ["data", "shards", "report"]) == []
    removed = prune(params, ["train"])
    assert {file.path for file in removed} == set(checkpoints)
    assert not any(path.exists() for path in checkpoints)
    # what a killed job was writing is of no use to anyone
    assert [file.path for file in removed if file.attic is None] == [checkpoints[1]]


def test_other_phases_and_other_files_are_left_alone(project):
    write_all(check_params({}))
    for name in ("reports/notes.md", "reports/tables/mine.csv"):
        Path(name).touch()
    small = check_params({"aug": {"translate": 0.4}})
    assert all("shards" in str(file.path) for file in prune(small, ["shards"]))
    prune(small, PHASES)
    assert Path("reports/notes.md").exists()
    assert Path("reports/tables/mine.csv").exists()


def test_folders_that_a_study_leaves_empty_are_there_for_dvc(project):
    params = check_params({"train": {"networks": ["cnn"]}, "data": {"datasets": ["mnist-5k"]}})
    write_all(params)
    assert not Path("results/distance").exists()
    assert prune(params, ["report"]) == []
    assert all(Path(folder).is_dir() for folder in paths.FOLDERS["report"])
    assert not any(Path("results/distance").iterdir())


def dvc(*arguments):
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_what_dvcs_cache_holds_is_deleted(project):
    """Whole, and wherever the cache is; a changed, a damaged and an unknown file go to the attic, as they are."""
    large, small = check_params({}), check_params({"aug": {"translate": 0.4}})
    subprocess.run(["git", "init", "-q"], check=True)
    dvc("init", "-q")
    dvc("cache", "dir", "--local", str(project / "elsewhere"))
    write_all(large)
    stale = [str(path) for path in stale_files(large, ["train"])]
    files = sorted({*grid.run_files(large)} - {*grid.run_files(small)})
    assert stale == []
    for number, path in enumerate(files):
        Path(path).write_text(f"content {number}")
    dvc("add", "-q", "results/train")
    unknown, changed, damaged, *held = files
    Path(unknown).write_text("never recorded")
    Path(changed).write_text("changed since")
    name = hashlib.md5(Path(damaged).read_bytes()).hexdigest()
    cached = project / "elsewhere/files/md5" / name[:2] / name[2:]
    cached.chmod(0o644)
    cached.write_text("damaged")
    before = {path: Path(path).read_text() for path in files}
    removed = {str(file.path): file.attic for file in prune(small, ["train"])}
    assert set(removed) == set(files)
    assert not any(Path(path).exists() for path in files)
    assert [path for path in files if removed[path] is None] == held
    for path in (unknown, changed, damaged):
        assert removed[path].read_text() == before[path]
        assert removed[path].match(f"attic/*/{path}")


def test_files_of_one_name_do_not_replace_each_other_in_the_attic(project):
    for text in ("first", "second", "third"):
        Path("a.h5").write_text(text)
        to_attic("a.h5", "attic", "2026-01-01-000000")
    assert sorted(path.read_text() for path in Path("attic").rglob("a.h5")) == ["first", "second", "third"]


def command(*arguments, answer=""):
    program = Path(sys.executable).with_name("freeconv")
    return subprocess.run([program, "prune", *arguments], capture_output=True, text=True, check=False, input=answer)


def test_the_command_lists_files_and_hours_and_asks(project):
    params = small_params(aug={"translate": [0]})
    write_runs(params)
    files = grid.run_files(params)
    Path("params.yaml").write_text(parameter_file(train={"folds": 3, "held_out": [0]}, aug={"translate": [0.2]}))
    for answer in ("", "n\n"):
        done = command(answer=answer)
        assert done.returncode == 1
        assert f"{files[0]} (not in DVC's cache)" in done.stdout
        assert f"{len(files)} files that params.yaml does not ask for" in done.stdout
        assert "0.0 hours of training" in done.stdout
        assert all(Path(path).is_file() for path in files)
    done = command(answer="y\n")
    assert done.returncode == 0, done.stderr
    assert not any(Path(path).exists() for path in files)
    assert len(list(Path("attic").rglob("*.h5"))) == len(files)
    assert command().returncode == 0  # nothing to ask
    write_runs(params)
    assert command("--yes").returncode == 0
    assert not any(Path(path).exists() for path in files)
