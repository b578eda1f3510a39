import pytest

from tests.made_study import small_params, write_study

LONGEST = ("test_backends.py", "test_experiments.py", "test_all.py")  # a file is one process's


def pytest_collection_modifyitems(items):
    """Begin with the longest files, so that none is left to one process at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Work in an empty project folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Return the folder and parameters of a small synthetic study with its tables, figures and report made.

    Tests must not change it.
    """
    from freeconv.commands.figures import make_figures
    from freeconv.commands.report import make_report
    from freeconv.commands.tables import make_tables

    folder, params = tmp_path_factory.mktemp("study"), small_params()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study(params)
        make_tables(params)
        make_figures(params)
        make_report(params)
    return folder, params
