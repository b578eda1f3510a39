"""What decides a job's numbers: a hash of the code that computes them.

Snakemake sees a changed shell command, but not a changed module behind it; each rule therefore has such a hash among
its `params` (see `freeconv.study.code`). Counted is the content of the packages that hold nothing but numbers, of those
modules that the named ones import, directly or not. They import nothing else of this project (a contract in
pyproject.toml that `make lint` checks), so progress, logs, files, locks, pages and versions are no part of it. Neither
are comments, docstrings, layout, the texts of errors, and what members of registries only show to readers.
"""

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
PACKAGE = "freeconv"
# As the contract in pyproject.toml has them.
NUMBERS = (
    "analysis",
    "architectures",
    "augmentations",
    "data",
    "datasets",
    "images",
    "layers",
    "measures",
    "metrics",
    "networks",
    "seeds",
    "training",
    "vocabulary",
)
# Their modules are members, which count for the jobs that use them.
REGISTRIES = ("augmentations", "datasets", "measures", "metrics", "networks")
# Pictures and pages are no numbers; they have rules, and so hashes, of their own.
SHOWN = ("report",)


@cache
def code_hash(*roots: str, members: tuple[Path, ...] = (), shown: bool = False, source: Path = SOURCE) -> str:
    """Return a hash of the code that some modules and members consist of, imports included.

    Args:
        roots: modules or packages in `NUMBERS` or `SHOWN`: `"training"`, `"data.passes"`. Of a package all modules
            count, but for the members of registries.
        members: files of members of registries that a job uses (see `freeconv.registry.Registry.file`).
        shown: whether what members only show to readers counts, too.
        source: folder that holds the package.

    Returns:
        16 hexadecimal digits; those of the code that it was certified to be equivalent to, if it was.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    digest = hashlib.sha256()
    for name, file in sorted(counted_files(*roots, members=members, source=source).items()):
        digest.update(f"{name}\0{_code(file, file.stat().st_mtime_ns, shown)}\0".encode())
    found = digest.hexdigest()[:16]
    return _equivalent().get(found, found)


@cache
def _equivalent() -> dict[str, str]:
    """Return hashes of code that was certified to compute the same numbers as other code (`make certify`)."""
    return json.loads(files("freeconv").joinpath("equivalent_code.json").read_text())


def counted_files(*roots: str, members: Iterable[Path] = (), source: Path = SOURCE) -> dict[str, Path]:
    """Return the files that `code_hash` counts: dotted name, or a member's file name, to file."""
    waiting = [name for root in roots for name in _modules(f"{PACKAGE}.{root}", source)]
    found: dict[str, Path] = {}
    for file in members:
        found[f"member {file.name}"] = file
        waiting += _imports("", file, file.stat().st_mtime_ns)
    while waiting:
        name = waiting.pop()
        file_of_name = _file(name, source)
        if file_of_name is None or name in found or not _is_counted(name):
            continue
        found[name] = file_of_name
        waiting += _imports(name, file_of_name, file_of_name.stat().st_mtime_ns)
    return found


def _is_counted(module: str) -> bool:
    """Return whether a module is in one of the packages that count."""
    package, _, rest = module.partition(".")
    return package == PACKAGE and rest.partition(".")[0] in (*NUMBERS, *SHOWN)


def _modules(root: str, source: Path) -> list[str]:
    """Return a module, or all modules of a package."""
    file = _file(root, source)
    if file is None:
        raise ModuleNotFoundError(f"No module named {root!r} in {source}")
    if file.name != "__init__.py" or root.removeprefix(f"{PACKAGE}.") in REGISTRIES:
        return [root]
    inner = sorted(path for path in file.parent.rglob("*.py") if path.name != "__init__.py")
    return [root, *(".".join(path.relative_to(source).with_suffix("").parts) for path in inner)]


def _file(module: str, source: Path) -> Path | None:
    """Return a module's file, or None if it is not below `source`."""
    stem = source.joinpath(*module.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__init__.py") if module else ()
    return next((file for file in candidates if file.is_file()), None)


@cache
def _imports(module: str, file: Path, _changed: int) -> tuple[str, ...]:
    """Return the dotted names that a file imports; `from a import b` may mean the module a.b, so both are named.

    What is imported for type checkers alone is left out.
    """
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    names = []
    for node in ast.walk(_without_type_checking(ast.parse(file.read_bytes()))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _without_type_checking(tree: ast.Module) -> ast.Module:
    """Return a module without its `if TYPE_CHECKING:` blocks."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
    ]
    return tree


@cache
def _code(file: Path, _changed: int, shown: bool) -> str:
    """Return what of a file's code can decide a number, as `ast.unparse` writes it."""
    tree = _Deciding(shown).visit(_without_type_checking(ast.parse(file.read_bytes())))
    return ast.unparse(tree)


class _Deciding(ast.NodeTransformer):
    """Leaves docstrings and the texts of errors out, and unless `shown` what members of registries only show."""

    def __init__(self, shown: bool) -> None:
        self.shown_fields = {} if shown else _shown_fields()

    def _without_docstring(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = getattr(node, "body", [])
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            body = body[1:]
        node.body = body or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Leave the docstring out."""
        return self._without_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Leave the docstring out."""
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Leave out the fields that are only shown, too."""
        if node.name in self.shown_fields:
            node.body = [
                entry
                for entry in node.body
                if not (
                    isinstance(entry, ast.AnnAssign)
                    and isinstance(entry.target, ast.Name)
                    and entry.target.id in self.shown_fields[node.name]
                )
            ]
        return self._without_docstring(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Keep what is raised, not what it says."""
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """Keep what is asserted, not what it says."""
        node.msg = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Keep what decides numbers of a member."""
        if isinstance(node.func, ast.Name) and node.func.id in self.shown_fields:
            hidden = self.shown_fields[node.func.id]
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in hidden]
        return self.generic_visit(node)


@cache
def _shown_fields() -> dict[str, set[str]]:
    """Return the fields that are only shown, by class of members."""
    from freeconv.augmentations import Augmentation, Strength
    from freeconv.datasets import BuiltinDataset
    from freeconv.measures import Measure
    from freeconv.networks import Network
    from freeconv.registry import shown_fields

    return {kind.__name__: shown_fields(kind) for kind in (Augmentation, Strength, BuiltinDataset, Measure, Network)}
