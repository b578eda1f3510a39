import pytest

from freeconv.code_hash import _code, _tree, code_hash, imported_files

PACKAGE = {
    "pack/__init__.py": '"""A package."""\n',
    "pack/a.py": (
        '"""Module a."""\nimport json\nfrom pack.b import f\n\n\ndef g():\n    """Say."""\n    # why\n    return f()\n'
    ),
    "pack/b.py": "from . import c\n\n\ndef f():\n    return c.VALUE\n",
    "pack/c.py": "VALUE = 1\n",
    "pack/unused.py": "VALUE = 2\n",
}


@pytest.fixture
def source(tmp_path):
    for name, text in PACKAGE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def hash_now(source, module="pack.a"):
    for cached in (code_hash, _tree, _code):
        cached.cache_clear()
    return code_hash(module, source)


def test_a_module_stands_for_all_that_it_imports(source):
    assert set(imported_files("pack.a", source)) == {"pack", "pack.a", "pack.b", "pack.c"}


@pytest.mark.parametrize("name", ["pack/a.py", "pack/b.py", "pack/c.py", "pack/__init__.py"])
def test_changed_code_changes_the_hash(source, name):
    before = hash_now(source)
    (source / name).write_text(PACKAGE[name] + "OTHER = 3\n")
    assert hash_now(source) != before


def test_a_module_that_is_not_imported_does_not_matter(source):
    before = hash_now(source)
    (source / "pack/unused.py").write_text("VALUE = 4\n")
    assert hash_now(source) == before


def test_comments_docstrings_and_layout_do_not_matter(source):
    before = hash_now(source)
    (source / "pack/a.py").write_text(
        '"""Another\n\ndocstring."""\n# a comment\nimport json\nfrom pack.b import (\n    f,\n)\n'
        "def g():\n    return f()  # why\n"
    )
    assert hash_now(source) == before


def test_a_text_that_is_no_docstring_matters(source):
    before = hash_now(source)
    (source / "pack/a.py").write_text(PACKAGE["pack/a.py"] + "TEXT = 'one'\n")
    changed = hash_now(source)
    (source / "pack/a.py").write_text(PACKAGE["pack/a.py"] + "TEXT = 'two'\n")
    assert len({before, changed, hash_now(source)}) == 3


def test_training_depends_on_the_layer_but_not_on_the_report():
    files = set(imported_files("freeconv.train"))
    assert {"freeconv.layers.free_conv_2d", "freeconv.networks", "freeconv.replicas", "freeconv.augment"} < files
    assert not {"freeconv.params", "freeconv.report", "freeconv.tables", "freeconv.fetch", "freeconv.cli"} & files


def test_an_unknown_module_is_an_error():
    with pytest.raises(ModuleNotFoundError, match=r"freeconv\.nothing"):
        code_hash("freeconv.nothing")
