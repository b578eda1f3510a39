"""Registries: named members of one kind, such as augmentations or networks, one file each.

Built-in members are the modules of a package; whoever adds one adds a file there, or names a module of their own in
`params.yaml` (`modules`, see docs/extending.md).
"""

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, field, fields
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from freeconv.errors import FreeconvError

# The user's modules, as a search path of files: jobs are told by it what the parameters name.
MODULES = "FREECONV_MODULES"


class Member(Protocol):
    """What every member has: a name of its own, and its place in lists."""

    @property
    def name(self) -> str:
        """Name of its own."""

    @property
    def order(self) -> int:
        """Place in lists."""


M = TypeVar("M", bound=Member)


class Registry(Generic[M]):
    """The members of one kind, in the order of their `order`, then of their names.

    Args:
        kind: what they are, for messages: `augmentation`.
        package: whose modules are the built-in members.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._members: dict[str, M] = {}
        self._files: dict[str, Path] = {}
        self._complete = False

    def add(self, member: M) -> None:
        """Add a member.

        Raises:
            FreeconvError: there is another one of its name.
        """
        if self._members.get(member.name, member) != member:
            raise FreeconvError(
                f"{self.kind} {member.name}: expected a name of its own, received one that is taken; choose another"
            )
        self._members[member.name] = member
        self._files[member.name] = Path(sys._getframe(1).f_globals.get("__file__", "<interactive>"))

    def file(self, name: str) -> Path:
        """Return the file that adds a member."""
        self[name]  # is there one?
        return self._files[name]

    def remove(self, name: str) -> None:
        """Remove a member, as tests do that add one."""
        del self._members[name]

    def __getitem__(self, name: str) -> M:
        """Return a member.

        Raises:
            FreeconvError: there is none of this name.
        """
        if name not in self:
            raise FreeconvError(
                f"{self.kind}: expected one of {', '.join(self)}, received {name!r}; correct it, or name the module "
                f"that adds it in params.yaml (modules) or {MODULES}"
            )
        return self._members[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._members:  # thousands of times a study: a look into the environment would take half of it
            self._load()
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        """Yield the members' names."""
        return (member.name for member in self.members())

    def members(self) -> list[M]:
        """Return all members."""
        self._load()
        return sorted(self._members.values(), key=lambda member: (member.order, member.name))

    def _load(self) -> None:
        """Import the built-in members, once, and the user's modules that the environment names."""
        if not self._complete:
            self._complete = True
            for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
                importlib.import_module(f"{self.package}.{module.name}")
        load_modules(filter(None, os.environ.get(MODULES, "").split(os.pathsep)))


def load_modules(paths: Iterable[str]) -> None:
    """Import modules of the user's own, each once; what they add is then known, here and in jobs that are started.

    Args:
        paths: Python files, relative to the current folder.

    Raises:
        FreeconvError: a file is missing, or cannot be imported.
    """
    named = list(dict.fromkeys([*filter(None, os.environ.get(MODULES, "").split(os.pathsep)), *paths]))
    for path in named:
        name = f"freeconv_module_{Path(path).resolve().as_posix().encode().hex()}"
        if name in sys.modules:
            continue
        if not Path(path).is_file():
            raise FreeconvError(f"modules: expected a Python file, received {path!r}, which does not exist; correct it")
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise FreeconvError(f"modules: expected a Python file, received {path!r}; let its name end with .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except FreeconvError:
            del sys.modules[name]
            raise
        except Exception as error:
            del sys.modules[name]
            raise FreeconvError(
                f"modules: expected a module that can be imported, received {path}, which raises "
                f"{type(error).__name__}: {' '.join(str(error).split())}; repair it"
            ) from error
    if named:
        os.environ[MODULES] = os.pathsep.join(named)


def shown(default: Any = MISSING) -> Any:
    """Return a field of a member that is only shown to readers: an edit of it changes no number."""
    return field(default=default, metadata={"shown": True})


def shown_fields(kind: type) -> set[str]:
    """Return the names of the fields that are only shown."""
    return {entry.name for entry in fields(kind) if entry.metadata.get("shown")}
