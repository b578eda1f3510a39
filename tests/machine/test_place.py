"""Where a run could only fail it does not begin, and says why in one line."""

import os
import resource
import stat
from pathlib import Path

import pytest

from freeconv.errors import FreeconvError
from freeconv.machine import place
from freeconv.machine.place import NOTES, check_place, closed_notes, linked_notes, open_notes, own_notes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with three of Snakemake's notes, and as no stage of DVC."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    (NOTES / "deep").mkdir(parents=True)
    for name in ("a", "b", "deep/c"):
        (NOTES / name).write_text(name)
        (NOTES / name).chmod(0o660)
    return tmp_path


def refused():
    with pytest.raises(FreeconvError) as error:
        check_place()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_in_which_a_run_can_work_stays_as_it_is(folder):
    before = sorted(folder.rglob("*"))
    check_place()
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("path", ["/proc", "/proc/self", "/sys"])
def test_a_folder_that_cannot_be_written(folder, monkeypatch, path):
    monkeypatch.chdir(path)
    assert f"{Path(path).resolve()}: expected a folder that can be written, received one that cannot" in refused()


def test_a_folder_of_snakemakes_that_cannot_be_written(folder):
    (folder / ".snakemake/log").symlink_to("/proc")
    assert "/proc: expected a folder that can be written" in refused()


@pytest.mark.parametrize("name", ["a", "b", "deep/c"])
def test_notes_of_another_user(folder, monkeypatch, name):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != NOTES / name and access(path, mode))
    assert f"{NOTES / name}: expected Snakemake's notes to be readable, received one that is not; ask its owner" in (
        refused()
    )


@pytest.mark.parametrize("named", ["/no/such/folder", "relative", "/dev/null"])
def test_no_folder_for_temporary_files(folder, monkeypatch, named):
    monkeypatch.setenv("TMPDIR", named)
    assert refused() == f"TMPDIR: expected a folder, received {named}, which is none; make it or unset TMPDIR"


@pytest.mark.parametrize("named", [True, False])
def test_no_room_for_temporary_files(folder, monkeypatch, named):
    if named:
        monkeypatch.setenv("TMPDIR", str(folder))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # stands for a full disk
    try:
        message = refused()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    where = f"TMPDIR ({folder})" if named else "temporary files"
    assert message.startswith(f"{where}: expected room for 1 MB, received none (")


@pytest.mark.parametrize("name", ["results", "data", "reports", ".snakemake"])
def test_a_link_to_another_disk_under_dvc(folder, monkeypatch, tmp_path_factory, name):
    disk = tmp_path_factory.mktemp("disk")
    if (folder / name).exists():
        (folder / name).rename(disk / "moved")
    (folder / name).symlink_to(disk)
    check_place()
    monkeypatch.setenv("DVC_STAGE", "data")
    assert refused().startswith(f"{name}: expected a folder, as DVC records nothing behind links, received a link to ")


def test_notes_are_opened_as_far_as_the_mask_says(folder):
    mask = os.umask(0o022)
    try:
        assert len(closed_notes()) == 3
        open_notes()
        assert closed_notes() == []
        modes = {stat.S_IMODE(path.stat().st_mode) for path in NOTES.rglob("*") if path.is_file()}
        assert modes == {0o664}
        os.umask(0o077)
        (NOTES / "a").chmod(0o600)
        assert closed_notes() == []
        os.umask(0o027)
        open_notes()
        assert stat.S_IMODE((NOTES / "a").stat().st_mode) == 0o640
    finally:
        os.umask(mask)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_into_a_cache_are_replaced_by_copies(folder, tmp_path_factory, link):
    cache = tmp_path_factory.mktemp("cache") / "object"
    cache.write_text("cached")
    cache.chmod(0o444)
    for name in ("b", "deep/c"):
        (NOTES / name).unlink()
        link(cache, NOTES / name)
    assert linked_notes() == own_notes() == [NOTES / "b", NOTES / "deep/c"]
    assert linked_notes() == []
    (NOTES / "b").write_text("written by Snakemake")
    assert cache.read_text() == (NOTES / "deep/c").read_text() == "cached"
    assert sorted(path.name for path in NOTES.rglob("*")) == ["a", "b", "c", "deep"]


def test_what_is_checked_is_what_snakemake_writes():
    assert place.FOLDERS[0] == "."
    assert all(Path(name).parts[0] == ".snakemake" for name in place.FOLDERS[1:])
