import re
import shutil
import tomllib
from graphlib import TopologicalSorter

import grimp
import pytest

from freeconv.augmentations import AUGMENTATIONS
from freeconv.code_hash import NUMBERS, SOURCE, code_hash, counted_files
from freeconv.datasets import DATASETS
from freeconv.measures import MEASURES
from freeconv.networks import NETWORKS
from freeconv.study.code import (
    distance_code,
    drawings_code,
    fetch_code,
    figures_code,
    measure_code,
    report_code,
    shard_code,
    tables_code,
    train_code,
)
from freeconv.study.grid import measure_config, shard_config, train_config
from freeconv.study.params import check_params

PACKAGE = {
    "freeconv/__init__.py": '__version__ = "1"\n',
    "freeconv/analysis/__init__.py": "",
    "freeconv/analysis/a.py": (
        '"""Module a."""\nimport json\nfrom freeconv.analysis.b import f\nfrom freeconv.errors import E\n\n\n'
        'def g(x):\n    """Say."""\n    # why\n    if x:\n        raise ValueError(f"no {x}")\n    return f()\n'
    ),
    "freeconv/analysis/b.py": "from . import c\n\n\ndef f():\n    return c.VALUE\n",
    "freeconv/analysis/c.py": "VALUE = 1\n",
    "freeconv/analysis/unused.py": "VALUE = 2\n",
    "freeconv/errors.py": "class E(Exception):\n    pass\n",
    "mine.py": (
        "from freeconv.analysis.c import VALUE\nfrom freeconv.augmentations import AUGMENTATIONS, Augmentation\n"
        'AUGMENTATIONS.add(Augmentation(name="mine", apply=lambda images: images + VALUE, title="mine"))\n'
    ),
}
A = "analysis.a"
MEMBER = ("mine.py",)


@pytest.fixture
def source(tmp_path):
    for name, text in PACKAGE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def hash_now(source, *roots, members=(), shown=False):
    code_hash.cache_clear()
    return code_hash(*(roots or (A,)), members=tuple(source / name for name in members), shown=shown, source=source)


def edit(source, name, old, new):
    path = source / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_module_stands_for_the_numbers_that_it_imports(source):
    assert set(counted_files(A, source=source)) == {f"freeconv.analysis{rest}" for rest in ("", ".a", ".b", ".c")}


def test_a_package_stands_for_all_its_modules(source):
    assert "freeconv.analysis.unused" in counted_files("analysis", source=source)


@pytest.mark.parametrize("name", ["analysis/a.py", "analysis/b.py", "analysis/c.py", "analysis/__init__.py"])
def test_changed_code_changes_the_hash(source, name):
    before = hash_now(source)
    path = source / "freeconv" / name
    path.write_text(path.read_text() + "OTHER = 3\n")
    assert hash_now(source) != before


@pytest.mark.parametrize("name", ["__init__.py", "errors.py", "analysis/unused.py"])
def test_what_decides_no_number_does_not_matter(source, name):
    before = hash_now(source)
    (source / "freeconv" / name).write_text("VALUE = 4\n")
    assert hash_now(source) == before


def test_comments_docstrings_and_texts_of_errors_do_not_matter(source):
    before = hash_now(source)
    edit(source, "freeconv/analysis/a.py", "Say.", "Say it.")
    edit(source, "freeconv/analysis/a.py", "# why", "# because")
    edit(source, "freeconv/analysis/a.py", 'f"no {x}"', '"never", 3')
    assert hash_now(source) == before
    edit(source, "freeconv/analysis/a.py", "ValueError", "KeyError")
    assert hash_now(source) != before


def test_a_text_that_is_no_docstring_matters(source):
    path = source / "freeconv/analysis/a.py"
    text = path.read_text()
    hashes = {hash_now(source)}
    for value in ("one", "two"):
        path.write_text(f"{text}TEXT = {value!r}\n")
        hashes.add(hash_now(source))
    assert len(hashes) == 3


def test_a_member_counts_for_the_jobs_that_use_it_without_its_titles(source):
    without, before = hash_now(source), hash_now(source, members=MEMBER)
    shown = hash_now(source, members=MEMBER, shown=True)
    assert len({without, before, shown}) == 3
    edit(source, "mine.py", 'title="mine"', 'title="yours"')
    assert hash_now(source, members=MEMBER) == before
    assert hash_now(source, members=MEMBER, shown=True) != shown
    edit(source, "mine.py", "images + VALUE", "images - VALUE")
    assert hash_now(source, members=MEMBER) != before
    assert hash_now(source) == without


def test_numbers_that_a_member_imports_count_with_it(source):
    before = hash_now(source, "analysis.unused", members=MEMBER)
    edit(source, "freeconv/analysis/c.py", "1", "2")
    assert hash_now(source, "analysis.unused", members=MEMBER) != before


def test_an_unknown_module_is_an_error():
    with pytest.raises(ModuleNotFoundError, match=r"freeconv\.nothing"):
        code_hash("nothing")


def test_the_contract_and_the_hash_have_the_same_packages():
    contracts = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (numbers,) = [contract for contract in contracts if contract["name"] == "What decides numbers imports nothing else"]
    assert numbers["source_modules"] == [f"freeconv.{name}" for name in NUMBERS]


def test_imports_have_no_circles():
    graph = grimp.build_graph("freeconv", exclude_type_checking_imports=True)
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


PARAMS = check_params({"aug": {"translate": [0, 0.2], "noise": [0.1]}})
TRAIN = train_config(PARAMS, "mnist-5k", "fcn", "translate", [0.2], [0])


def codes(params=PARAMS):
    """Return the hash of each rule's code, of some jobs of a study."""
    code_hash.cache_clear()
    return {
        "fetch": fetch_code("mnist-5k"),
        "shard translate": shard_code(shard_config(params, "mnist-5k", "translate", 0.2, 0)),
        "shard noise": shard_code(shard_config(params, "mnist-5k", "noise", 0.1, 0)),
        "train cnn": train_code(train_config(params, "mnist-5k", "cnn", "translate", [0.2], [0])),
        "train fcn": train_code(TRAIN),
        "distance": distance_code(),
        "measure fcn": measure_code(measure_config(params, "mnist-5k", "fcn", "translate", 0.2)),
        "measure cnn": measure_code(measure_config(params, "mnist-5k", "cnn", "translate", 0.2)),
        "tables": tables_code(),
        "figures": figures_code(params),
        "drawings": drawings_code(params),
        "report": report_code(params),
    }


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Return a copy of the sources that hashes are taken of."""
    copy = tmp_path / "src"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(
        code_hash.__wrapped__, "__kwdefaults__", {**code_hash.__wrapped__.__kwdefaults__, "source": copy}
    )
    for registry in (AUGMENTATIONS, NETWORKS, DATASETS, MEASURES):
        list(registry)
        monkeypatch.setattr(
            registry,
            "_files",
            {
                name: copy / file.relative_to(SOURCE)
                for name, file in registry._files.items()
                if file.is_relative_to(SOURCE)  # not those of other tests
            },
        )
    yield copy
    code_hash.cache_clear()


FREE = {"train cnn", "train fcn", "measure cnn", "measure fcn"}  # networks of both kinds share the layers' module


PICTURES = {"figures", "drawings", "report"}


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("__init__.py", '__version__ = "', '__version__ = "9', set()),
        ("commands/progress.py", "epoch {", "Epoch {", set()),
        ("storage/hdf5.py", "expected an HDF5 file", "expected a file of HDF5", set()),
        ("study/paths.py", "index.html", "main.html", set()),
        ("machine/locks.py", "unknown", "nobody", set()),
        ("layers/base_free_conv.py", "\nimport ", "\nimport json\nimport ", FREE),
        ("networks/fcn.py", "table_a2(Free)", "table_a2(Free )", set()),
        ("networks/fcn.py", 'title="FCN"', 'title="Free"', {"figures", "report"}),
        ("networks/fcn.py", "table_a2(Free)", "table_a2(Convolution)", {"train fcn", "measure fcn"}),
        ("architectures/table_a2.py", "(32, 3, 2)", "(32, 5, 2)", FREE),
        ("augmentations/noise.py", "apply=add_noise", "apply=none", {"shard noise", "train cnn", "train fcn"}),
        ("augmentations/translate.py", 'title="translation"', 'title="shift"', PICTURES),
        ("measures/signal_to_noise.py", "import ", "import json\nimport ", {"measure cnn", "measure fcn"}),
        ("data/folds.py", "array_split", "split", FREE),
        ("training/loop.py", "import ", "import json\nimport ", {"train cnn", "train fcn"}),
        ("training/stack.py", "expected tensorflow or jax", "expected jax or tensorflow", set()),
        ("analysis/distance.py", "8·radius", "eight radii", set()),
        ("analysis/medians.py", "idxmax", "idxmin", {"tables"}),
        ("datasets/mnist_5k.py", "delimiter", "delimiter ", set()),
        ("datasets/mnist_5k.py", "np.uint8", "np.int16", {"fetch"}),
        ("datasets/mnist.py", "np.int64", "np.int32", set()),
        ("report/pages.py", "import ", "import cmath\nimport ", {"report"}),
    ],
    ids=lambda value: re.sub(r"\W+", " ", value) if isinstance(value, str) else None,
)
def test_an_edit_changes_the_hash_of_its_dependents_alone(tree, file, old, new, changed):
    before = codes()
    edit(tree, f"freeconv/{file}", old, new)
    after = codes()
    found = {name for name in before if before[name] != after[name]}
    # Pictures and pages are of all numbers: they are made again with them, by their inputs if not by their hash.
    assert found == changed if changed <= PICTURES else found - PICTURES == changed
