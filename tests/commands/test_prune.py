from pathlib import Path

from freeconv.commands.prune import prune, stale_files
from freeconv.study import grid, paths
from freeconv.study.params import check_params

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
    deleted = prune(small, PHASES)
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
    assert set(prune(params, ["train"])) == set(checkpoints)
    assert not any(path.exists() for path in checkpoints)


def test_other_phases_and_other_files_are_left_alone(project):
    write_all(check_params({}))
    for name in ("reports/notes.md", "reports/tables/mine.csv"):
        Path(name).touch()
    small = check_params({"aug": {"translate": 0.4}})
    assert all("shards" in str(path) for path in prune(small, ["shards"]))
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
