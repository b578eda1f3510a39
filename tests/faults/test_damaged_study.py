"""A damaged file in a study: whoever reads it names it, and once it is removed Snakemake makes the study whole."""

import shutil

import pytest

from tests.faults.test_disk import same
from tests.workflow.project import planned, run

# The phase whose file is damaged, the one that reads it, and what makes it again.
READ_BY = {
    "fetch": ("shard", "all_data"),
    "shard": ("train", "all_shards"),
    "train": ("distance", "all_train"),
    "distance": ("tables", "all_distance"),
    "measure": ("tables", "all_measure"),
    "tables": ("figures", "all"),
    "figures": ("report", "all"),
    "drawings": ("report", "all"),
}


@pytest.mark.parametrize("phase", list(READ_BY))
def test_named_removed_and_made_again(study, tmp_path, count, phase):
    project = shutil.copytree(study.folder, tmp_path / "project", symlinks=True)
    # not every table is read again, and of pictures those that pages hold
    pictures = phase in ("figures", "drawings")
    path = next(
        path
        for path in study.phases[phase][1]
        if not path.endswith("accuracy.csv") and (path.endswith(".svg") or not pictures)
    )
    content = (project / path).read_bytes()
    (project / path).write_bytes(content[: len(content) // 2])
    reader, target = READ_BY[phase]
    # In a copy: tables are written all the same, without what is damaged.
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    if reader == "train":  # which reads nothing where all runs are complete
        for output in study.phases[reader][1]:
            (copy / output).unlink()
    done = run("freeconv", reader, *study.phases[reader][0], cwd=copy)
    lines = [line for line in done.stdout.splitlines() if line.startswith("freeconv: ") and path in line]
    assert len(lines) == 1, done.stdout
    assert "remove" in lines[0]
    # Tables leave out what is damaged, say so, and go on.
    assert done.returncode == (0 if reader == "tables" else 1)
    found = run("freeconv", "doctor", "--quick", cwd=project)
    assert found.returncode == 1
    (project / path).unlink()
    if target != "all":
        assert f"run snakemake {target}" in run("freeconv", "doctor", "--quick", cwd=project).stdout
    for command in (("snakemake", target), ("snakemake",)):
        done = run(*command, cwd=project)
        assert done.returncode == 0, done.stdout[-3000:]
    assert planned(project) == {}
    every = [path for _, outputs in study.phases.values() for path in outputs]
    # These hold the seconds that the training took.
    tables = {f"reports/tables/{name}" for name in ("checklist.csv", "history.csv", "runs.csv", "SHA256SUMS")}
    timed = {*tables, "reports/runs.html", "reports/index.html"}
    changed = [path for path in every if path not in timed and not same(path, project / path, study.folder / path)]
    count("a damaged file in a study", reported=1, recovered=not changed, changed=len(changed))
    assert changed == []
