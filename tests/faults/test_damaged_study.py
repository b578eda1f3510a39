"""A damaged file in a study: whoever reads it names it, and once it is removed Snakemake makes the study whole."""

import shutil

import pytest
from project import planned, run
from test_disk import same

# The phase whose file is damaged, and the one that reads it.
READ_BY = {
    "fetch": "shard",
    "shard": "train",
    "train": "distance",
    "distance": "tables",
    "measure": "tables",
    "tables": "figures",
    "figures": "report",
    "drawings": "report",
}


@pytest.mark.parametrize("phase", list(READ_BY))
def test_named_removed_and_made_again(study, tmp_path, count, phase):
    project = shutil.copytree(study.folder, tmp_path / "project", symlinks=True)
    path = next(path for path in study.phases[phase][1] if not path.endswith(".svg"))
    content = (project / path).read_bytes()
    (project / path).write_bytes(content[: len(content) // 2])
    reader = READ_BY[phase]
    done = run("freeconv", reader, *study.phases[reader][0], cwd=project)
    lines = [line for line in done.stdout.splitlines() if line.startswith("freeconv: ") and path in line]
    assert len(lines) == 1, done.stdout
    assert "remove" in lines[0]
    # Tables leave out what is damaged, say so, and go on.
    assert done.returncode == (0 if reader == "tables" else 1)
    found = run("freeconv", "doctor", "--quick", cwd=project)
    assert found.returncode == 1
    (project / path).unlink()
    done = run("snakemake", cwd=project)
    assert done.returncode == 0, done.stdout[-3000:]
    assert planned(project) == {}
    every = [path for _, outputs in study.phases.values() for path in outputs]
    # These hold the seconds that the training took.
    timed = {"reports/tables/runs.csv", "reports/tables/SHA256SUMS", "reports/runs.html", "reports/index.html"}
    changed = [path for path in every if path not in timed and not same(path, project / path, study.folder / path)]
    count("a damaged file in a study", told=1, recovered=not changed, changed=len(changed))
    assert changed == []
