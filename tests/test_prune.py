from pathlib import Path

from freeconv import runs
from freeconv.params import check_params
from freeconv.prune import prune, stale_files

PHASES = ["data", "shards", "train", "report"]


def write_all(params):
    for path in runs.all_files(params):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()


def test_a_smaller_study_leaves_nothing_of_a_larger_one(project):
    small, large = check_params({"aug": {"translate": 0.4}}), check_params({})
    write_all(large)
    write_all(small)
    assert prune(large, PHASES) == []
    deleted = prune(small, PHASES)
    assert {str(path) for path in deleted} == set(set(runs.all_files(large)) - set(runs.all_files(small)))
    folders = {path.parts[1] for path in deleted if path.parts[0] == "results"}
    assert folders == {"shards", "train", "distance", "measure"}
    assert stale_files(small, PHASES) == []
    assert not Path("results/train/mnist-5k/cnn/none").exists()
    assert all(Path(path).exists() for path in runs.all_files(small))


def test_other_phases_and_other_files_are_left_alone(project):
    write_all(check_params({}))
    for name in ("reports/notes.md", "reports/tables/mine.csv"):
        Path(name).touch()
    small = check_params({"aug": {"translate": 0.4}})
    assert all("shards" in str(path) for path in prune(small, ["shards"]))
    prune(small, PHASES)
    assert Path("reports/notes.md").exists()
    assert Path("reports/tables/mine.csv").exists()
