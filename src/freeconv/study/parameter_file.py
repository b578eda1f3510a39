"""The values of a parameter file, the same for every reader: Snakemake, DVC, `freeconv`, and whatever else reads YAML.

DVC reads files as YAML 1.2 with ruamel.yaml, and so does this module, for `freeconv` and for the Snakefile. Programs
that read YAML 1.1 take some values for others (`010` is 8 there, `1:30` is 90, `yes` is true). A file that has one is
refused.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from freeconv.errors import FreeconvError

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node, ScalarNode

LARGEST = 2**15  # bytes; the paper's whole protocol has 2,400
DEPTH = 20  # mappings and lists in one another
VALUES = 10_000  # with those of aliases
TEMPLATE = "__use_yte__"

TAG = "tag:yaml.org,2002:"
# Numbers as everybody writes them. Readers of YAML 1.1 take those with a bare exponent (1e-5) for text; but Python, DVC
# and people write learning rates that way, and nothing here can be taken for text.
NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)  # read alike by all, and refused where the key is known


def read_values(path: str | Path) -> dict[str, Any]:
    """Return what a parameter file holds, as plain Python values; their keys and types are unchecked.

    Raises:
        FreeconvError: the file is missing, too large, no YAML or no mapping; it names a key twice, is a template, whose
            code Snakemake would run, or holds a value that readers of YAML take for different ones.
    """
    path = Path(path)
    try:
        there = path.is_file()
    except OSError as error:  # a name that no file can have
        raise FreeconvError(
            f"{str(path)[:80]}: expected a parameter file ({error.strerror}); name one, as params.yaml"
        ) from error
    if not there:
        raise FreeconvError(f"{path}: expected a parameter file, received nothing: the file does not exist")
    if (size := path.stat().st_size) > LARGEST:
        raise FreeconvError(f"{path}: expected at most {LARGEST:,} bytes of parameters, received {size:,}; shorten it")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FreeconvError(f"{path}: expected YAML in UTF-8, received other bytes ({error})") from error
    values = _parsed(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise FreeconvError(f"{path}: expected parameters as `key: value`, received {_short(values)}")
    if TEMPLATE in values:
        raise FreeconvError(f"{path}: expected parameters, received a template that can run code; remove {TEMPLATE}")
    return values


def with_changes(values: Mapping[str, Any], changes: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return values with those of Snakemake's --config laid on top, section by section.

    Snakemake leaves text what is inside of `'train={epochs: 1}'`; here it is read as if a file said so.

    Args:
        values: of a parameter file.
        changes: what Snakemake made of --config.
        source: where the changes come from, for messages.

    Raises:
        FreeconvError: a value is not YAML, or one that readers take for different ones.
    """
    changed = dict(values)
    for key, value in changes.items():
        below = changed.get(key)
        if isinstance(value, Mapping):
            changed[key] = with_changes(below if isinstance(below, dict) else {}, value, f"{source} {key}")
        else:
            changed[key] = _retyped(value, f"{source} {key}")
    return changed


def _retyped(value: Any, source: str) -> Any:
    """Return a value of --config with the types that it would have in a file."""
    if isinstance(value, Mapping):
        return with_changes({}, value, source)
    if isinstance(value, list):
        return [_retyped(item, source) for item in value]
    return _parsed(value, source) if isinstance(value, str) else value


def _parsed(text: str, source: str) -> Any:
    """Return the values of a YAML text; None if it is empty."""
    from ruamel.yaml import YAML  # 30 ms, which jobs need not wait for
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    # ruamel.yaml takes seconds to find that brackets are too deep
    if max(accumulate((char in "[{") - (char in "]}") for char in text), default=0) > DEPTH:
        raise _too_deep(source)
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        if root is None:
            return None
        for count, node in enumerate(_nodes(root, source), 1):
            if count > VALUES:
                raise FreeconvError(f"{source}: expected at most {VALUES:,} values, received more; shorten it")
            _check_scalar(node, source)
        return yaml.constructor.construct_document(root)
    except RecursionError:
        raise _too_deep(source) from None
    except MarkedYAMLError as error:
        raise FreeconvError(f"{source}: {_complaint(error)}") from error
    except (YAMLError, ValueError) as error:  # a date that there is not is a ValueError
        problem = " ".join(str(error).split())
        raise FreeconvError(f"{source}: expected YAML, received something else ({problem})") from error


def _too_deep(source: str) -> FreeconvError:
    """Return the error of a file that is too deep."""
    return FreeconvError(f"{source}: expected at most {DEPTH} mappings and lists in one another, received more")


def _complaint(error: Any) -> str:
    """Return what ruamel.yaml finds wrong, in one line."""
    where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
    problem = " ".join(str(error.problem).split())
    if duplicate := re.match(r'found duplicate key "(.*?)" with value', problem):
        return f"{where}expected each key once, received {duplicate[1]} again; remove one of them"
    return f"{where}expected YAML, received something else ({problem})"


def _nodes(root: "Node", source: str) -> "Iterator[ScalarNode]":
    """Yield the scalars of a document, those of an alias wherever it is used.

    Raises:
        FreeconvError: the document is deeper than DEPTH, as one is that holds itself.
    """
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEPTH:
            raise _too_deep(source)
        if isinstance(node.value, str):
            yield cast("ScalarNode", node)
            continue
        children = [child for pair in node.value for child in (pair if isinstance(pair, tuple) else (pair,))]
        waiting += [(child, depth + 1) for child in reversed(children)]


def _check_scalar(node: "ScalarNode", source: str) -> None:
    """Refuse an unquoted value that is not one and the same to all readers."""
    if node.style is not None:  # quoted, or a block of text
        return
    old, new = _kinds(node.value)
    if str(node.tag) != TAG + new or new == "merge" or NOT_FINITE.fullmatch(node.value):
        return  # not the value's look decides, but a tag
    if NUMBER.fullmatch(node.value) if new in ("int", "float") else old == new in ("str", "bool", "null"):
        return
    raise FreeconvError(
        f"{source}: line {node.start_mark.line + 1}: expected a value that all readers of YAML take for the same, "
        f"received {node.value}; write {' or '.join(_plain_forms(node.value))}"
    )


@lru_cache
def _kinds(value: str) -> tuple[str, str]:
    """Return what an unquoted value is in YAML 1.1 and in YAML 1.2: `int`, `str`, …."""
    from ruamel.yaml.nodes import ScalarNode
    from ruamel.yaml.resolver import VersionedResolver

    old, new = (
        str(VersionedResolver(version=version).resolve(ScalarNode, value, (True, False))).removeprefix(TAG)
        for version in ((1, 1), (1, 2))
    )
    return old, new


def _plain_forms(value: str) -> list[str]:
    """Return what can be written in place of a value: its readings as numbers or truth, and itself as text."""
    from ruamel.yaml import YAML

    forms = []
    for version in ((1, 1), (1, 2)):
        yaml = YAML(typ="safe", pure=True)
        yaml.version = version
        try:
            reading = yaml.load(value)
        except (ValueError, AttributeError):
            continue
        if isinstance(reading, bool | int | float):
            forms.append(str(reading).lower())
    return list(dict.fromkeys([*forms, f"'{value}'"]))


def _short(value: Any) -> str:
    """Return a value for a message."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
