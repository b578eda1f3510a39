"""A study whose shards are deleted when no job needs them any more."""

import shutil

from tests.workflow.project import planned, snakemake, tiny_study


def test_shards_need_not_be_kept(tmp_path, tmp_path_factory):
    folder = shutil.copytree(tiny_study(tmp_path_factory), tmp_path / "project", symlinks=True)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("keep: true", "keep: false"))
    for name in ("shards", "train"):
        shutil.rmtree(folder / "results" / name)
    assert {"shard": 1, "train_translate": 1, "figures": 1}.items() <= planned(folder).items()
    done = snakemake(folder, "--cores", "2")
    assert done.returncode == 0, done.stdout[-5000:]
    assert not list((folder / "results/shards").rglob("*.h5"))
    assert planned(folder) == {}
