import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from freeconv.augmentations import AUGMENTATIONS
from freeconv.datasets import DATASETS
from freeconv.errors import FreeconvError
from freeconv.measures import MEASURES
from freeconv.networks import NETWORKS
from freeconv.registry import MODULES, Registry, load_modules, shown, shown_fields
from freeconv.study import grid
from freeconv.study.params import check_params

REGISTRIES = (AUGMENTATIONS, DATASETS, MEASURES, NETWORKS)

# Adds an augmentation that builds on a built-in one, and counts how often it is imported.
FLIP = """
import os
import numpy as np
from freeconv.augmentations import AUGMENTATIONS, Augmentation, Strength

assert AUGMENTATIONS["none"].name == "none"
with open("imported.txt", "a") as file:
    file.write("once\\n")


def flip(images: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    flipped = rng.random(len(images)) < level
    return np.where(flipped[:, None, None, None], images[:, :, ::-1], images)


AUGMENTATIONS.add(Augmentation(name="flip", apply=flip, strength=Strength(default=0.5), title="flip"))
"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A member."""

    name: str
    corners: int = 0
    order: int = shown(100)
    title: str = shown("")


@pytest.fixture(autouse=True)
def forgotten(tmp_path, monkeypatch):
    """Work in an empty folder; forget afterwards which modules were imported and what they added."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(MODULES, "")
    members = {registry.kind: dict(registry._members) for registry in REGISTRIES if registry.members()}
    modules = set(sys.modules)
    yield
    for registry in REGISTRIES:
        for name in set(registry._members) - set(members[registry.kind]):
            registry.remove(name)
    for name in set(sys.modules) - modules:
        if name.startswith("freeconv_module_"):
            del sys.modules[name]


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """Return a registry whose built-in members are two modules of a package."""
    package = tmp_path / "shapes_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from freeconv.registry import Registry\n"
        "from tests.test_registry import Shape\n"
        "SHAPES = Registry('shape', __name__)\n"
    )
    for name, corners, order in (("square", 4, 2), ("circle", 0, 3), ("triangle", 3, 1)):
        (package / f"{name}.py").write_text(
            "from shapes_of_a_test import SHAPES, Shape\n"
            f"SHAPES.add(Shape(name={name!r}, corners={corners}, order={order}))\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    import shapes_of_a_test

    yield shapes_of_a_test.SHAPES
    for name in [name for name in sys.modules if name.startswith("shapes_of_a_test")]:
        del sys.modules[name]


def one_line(refused) -> str:
    """Return the text of an error that must be one line."""
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_members_are_the_modules_of_a_package_in_their_order(shapes):
    assert list(shapes) == ["triangle", "square", "circle"]
    assert [member.corners for member in shapes.members()] == [3, 4, 0]
    assert shapes["square"].corners == 4
    assert "circle" in shapes
    assert "line" not in shapes


def test_equal_orders_are_in_the_order_of_names(shapes):
    for name in ("oval", "heptagon", "hexagon"):
        shapes.add(Shape(name=name))
    assert list(shapes) == ["triangle", "square", "circle", "heptagon", "hexagon", "oval"]


def test_a_member_knows_its_file(shapes, tmp_path):
    assert shapes.file("square") == tmp_path / "shapes_of_a_test/square.py"
    shapes.add(Shape(name="oval"))
    assert str(shapes.file("oval")) == __file__
    with pytest.raises(FreeconvError, match="received 'line'"):
        shapes.file("line")


def test_an_unknown_name_is_refused_with_all_that_are_known(shapes):
    with pytest.raises(FreeconvError) as refused:
        shapes["line"]
    assert one_line(refused) == (
        "shape: expected one of triangle, square, circle, received 'line'; correct it, or name the module that adds it "
        "in params.yaml (modules) or FREECONV_MODULES"
    )


def test_a_taken_name_is_refused_and_its_member_kept(shapes):
    before = shapes["square"]
    with pytest.raises(FreeconvError) as refused:
        shapes.add(Shape(name="square", corners=5))
    assert one_line(refused) == "shape square: expected a name of its own, received one that is taken; choose another"
    assert shapes["square"] is before
    shapes.add(Shape(name="square", corners=4, order=2))  # the same again
    assert list(shapes) == ["triangle", "square", "circle"]


def test_a_name_that_a_built_in_member_has_is_taken_before_any_is_asked_for(tmp_path):
    code = (
        "from freeconv.augmentations import AUGMENTATIONS, Augmentation\n"
        "AUGMENTATIONS.add(Augmentation(name='translate', apply=print, title='another'))\n"
        "list(AUGMENTATIONS)\n"
    )
    (tmp_path / "program.py").write_text(code)
    done = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "augmentation translate: expected a name of its own, received one that is taken" in done.stderr


def test_a_removed_member_is_gone(shapes):
    assert "circle" in shapes
    shapes.remove("circle")
    assert "circle" not in shapes
    assert list(shapes) == ["triangle", "square"]


def test_what_is_only_shown():
    assert shown_fields(Shape) == {"order", "title"}


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_built_in_members_have_files_names_and_places_of_their_own(registry):
    members = registry.members()
    assert len(members) > 1
    assert [registry[member.name] for member in members] == members
    assert len({member.order for member in members}) == len(members)
    # distances and shifts: two measures each that one function makes
    twins = 2 if registry.kind == "measure" else 0
    assert len({registry.file(name) for name in registry}) == len(members) - twins


def test_a_module_of_the_users_own_is_imported_once(tmp_path):
    (tmp_path / "flip.py").write_text(FLIP)
    assert "flip" not in AUGMENTATIONS
    load_modules(["flip.py"])
    assert "flip" in AUGMENTATIONS
    assert AUGMENTATIONS.file("flip").resolve() == tmp_path / "flip.py"
    load_modules(["flip.py", str(tmp_path / "flip.py")])
    assert list(AUGMENTATIONS)[-1] == "flip"
    assert (tmp_path / "imported.txt").read_text() == "once\n"


def test_what_a_module_adds_can_be_studied(tmp_path):
    (tmp_path / "flip.py").write_text(FLIP)
    with pytest.raises(FreeconvError, match=r"^params: aug\.flip: unknown key"):
        check_params({"aug": {"flip": [0.5]}})
    params = check_params({"modules": ["flip.py"], "aug": {"translate": [0.2], "flip": [0.5]}})
    assert params.levels("flip") == [0.5]
    assert grid.trained_levels(params) == {"translate": [0.2], "flip": [0.5]}
    assert grid.metrics(params)[-2:] == ("flip_acc", "swap_acc")
    assert {run.augmentation: run.evaluate.get("flip") for run in grid.runs(params)} == {"translate": None, "flip": 0.5}


def test_a_module_changes_nothing_for_a_study_without_it(tmp_path):

    def asked_for(params):
        return params.dump(), grid.all_files(params), [run.text() for run in grid.runs(params)]

    before = asked_for(check_params({"aug": {"translate": [0, 0.2]}}))
    (tmp_path / "flip.py").write_text(FLIP)
    after = check_params({"modules": ["flip.py"], "aug": {"translate": [0, 0.2]}})
    assert "flip" in AUGMENTATIONS
    assert asked_for(after) == before


def test_a_process_that_is_started_knows_what_modules_add(tmp_path):
    code = [sys.executable, "-c", "from freeconv.augmentations import AUGMENTATIONS; print(*AUGMENTATIONS)"]

    def known() -> list[str]:
        return subprocess.run(code, capture_output=True, text=True, check=True).stdout.split()

    (tmp_path / "flip.py").write_text(FLIP)
    assert "flip" not in known()
    load_modules(["flip.py"])
    assert os.environ[MODULES] == "flip.py"
    assert "flip" in known()


def test_the_environment_and_the_parameters_name_modules(tmp_path, monkeypatch):
    (tmp_path / "flip.py").write_text(FLIP)
    (tmp_path / "other.py").write_text(FLIP.replace('name="flip"', 'name="other"'))
    monkeypatch.setenv(MODULES, "flip.py")
    assert "flip" in AUGMENTATIONS
    load_modules(["other.py"])
    assert os.environ[MODULES] == f"flip.py{os.pathsep}other.py"
    assert list(AUGMENTATIONS)[-2:] == ["flip", "other"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.py", None, "modules: expected a Python file, received 'none.py', which does not exist; correct it"),
        ("folder", "", "modules: expected a Python file, received 'folder', which does not exist; correct it"),
        ("flip.txt", FLIP, "modules: expected a Python file, received 'flip.txt'; let its name end with .py"),
        ("bad.py", "1 / 0", "received bad.py, which raises ZeroDivisionError: division by zero; "),
        ("bad.py", "raise ValueError('a\\nb')", "received bad.py, which raises ValueError: a b; "),
        ("bad.py", "def (:", "received bad.py, which raises SyntaxError: "),
        ("bad.py", "import no_such_package", "which raises ModuleNotFoundError: No module named 'no_such_package'; "),
        ("bad.py", FLIP.replace('name="flip"', 'name="noise"'), "augmentation noise: expected a name of its own"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused_in_one_line(tmp_path, name, text, message):
    before = {name for name in sys.modules if name.startswith("freeconv_module_")}
    if name == "folder":
        (tmp_path / name).mkdir()
    elif text is not None:
        (tmp_path / name).write_text(text)
    for _ in range(2):  # it is not taken for imported
        with pytest.raises(FreeconvError) as refused:
            check_params({"modules": [name]})
        assert message in one_line(refused)
    assert os.environ[MODULES] == ""
    assert {name for name in sys.modules if name.startswith("freeconv_module_")} == before


def test_a_registry_of_a_package_that_does_not_exist():
    with pytest.raises(ModuleNotFoundError):
        list(Registry("thing", "no_such_package"))
