"""What a rule's code is: a hash of its module and of everything the module imports from this package.

Snakemake sees a changed shell command, but not a changed module behind it; each rule therefore names this hash in its
`params`. Comments, docstrings and layout do not count, so an edit of prose retrains nothing.
"""

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent


@lru_cache
def code_hash(module: str, source: Path = SOURCE) -> str:
    """Return a hash of a module's code and of all code that it imports from its own package, directly or not.

    Args:
        module: dotted name, e.g. `"freeconv.train"`.
        source: folder that holds the package.

    Returns:
        16 hexadecimal digits.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    digest = hashlib.sha256()
    for name, file in sorted(imported_files(module, source).items()):
        digest.update(f"{name}\0{_code(file)}\0".encode())
    return digest.hexdigest()[:16]


def imported_files(module: str, source: Path = SOURCE) -> dict[str, Path]:
    """Return the files of a module and of all modules below `source` that it imports, by dotted name."""
    if _file(module, source) is None:
        raise ModuleNotFoundError(f"No module named {module!r} in {source}")
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = _file(name, source)
        if file is None or name in found:
            continue
        found[name] = file
        waiting += [name.rpartition(".")[0], *_imports(name, file)]
    return found


def _file(module: str, source: Path) -> Path | None:
    """Return a module's file, or None if it is not below `source`."""
    stem = source.joinpath(*module.split(".")) if module else source / "-"
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _imports(module: str, file: Path) -> list[str]:
    """Return the dotted names that a file imports; `from a import b` may mean the module a.b, so both are named."""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    names = []
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


@lru_cache
def _tree(file: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(file.read_bytes())


@lru_cache
def _code(file: Path) -> str:
    """Return a file's code without comments, docstrings and layout, as `ast.unparse` writes it."""
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
