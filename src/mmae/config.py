"""Configs read, merged and checked: from YAML or JSON to the dataclasses of settings/."""

import dataclasses
import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from mmae.errors import InputError
from mmae.settings import KINDS, Settings
from mmae.settings.modalities import MODALITY_KINDS

Section = TypeVar("Section")


LARGEST = 100_000
"""Values in a config; aliases of YAML may stand for many more."""


def read_yaml(text: str | bytes, where: Path | str, expected: str = "a config") -> Any:
    """Plain content of YAML, or InputError, also where aliases or nesting have no end."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if _size(node, {}) > LARGEST:
            raise yaml.YAMLError(f"more than {LARGEST} values, aliases written out")
        return None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(where, found=f"no YAML ({error})", expected=expected) from None


def _size(node: yaml.Node | None, known: dict[int, float]) -> float:
    """How many values a node is, aliases written out."""
    if id(node) not in known:
        # one that is inside itself
        known[id(node)] = math.inf
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        values = chain.from_iterable(parts) if isinstance(node, yaml.MappingNode) else parts
        known[id(node)] = 1 + sum(_size(value, known) for value in values)
    return known[id(node)]


def read_section(kind: type[Section], content: Any, where: str, name: str = "") -> Section:
    """Make a settings dataclass from plain content.

    Parameters
    ----------
    kind : settings dataclass
    content : mapping
        As read from YAML or JSON.
    where : str
        File, for the error message.
    name : str
        Dotted name of the section in that file.

    Raises
    ------
    InputError
        Naming the first key that is unknown, missing, of the wrong type or out of range.
    """
    _check_size(content, where)
    try:
        return TypeAdapter(kind).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise _one_sentence(error, content, kind, where, name) from None
    except TypeError as error:
        raise InputError(
            where, key=name, found="content that is no plain data", expected=str(error)
        ) from None


def _check_size(content: Any, where: str) -> None:
    """Raise InputError for content that grows without end when it is written out."""
    todo, n = [content], 0
    while todo:
        item, n = todo.pop(), n + 1
        if n > LARGEST:
            raise InputError(where, found=f"more than {LARGEST} values", expected="a config")
        if isinstance(item, Mapping | list):
            todo.extend(item.values() if isinstance(item, Mapping) else item)


def _one_sentence(
    error: ValidationError, content: Any, kind: type, where: str, section: str
) -> InputError:
    """The first problem of a validation, in the words of all our errors."""
    first = error.errors()[0]
    path = _path(content, first["loc"], "missing" in first["type"])
    name = ".".join(str(part) for part in (section, *path) if part != "")
    problem = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    match first["type"]:
        case "value_error":
            return InputError(where, problem, key=name)
        case "unexpected_keyword_argument":
            known = _known_keys(kind, first["loc"][:-1])
            return InputError(where, key=name, found="an unknown key", expected=f"one of {known}")
        case "missing" | "missing_argument":
            return InputError(where, key=name, found="no such key", expected="a value")
        case "float_type" if isinstance(first["input"], str):
            problem += " (in YAML, write 1.0e-4 rather than 1e-4)"
    return InputError(where, key=name, found=repr(first["input"]), expected=problem)


def _path(content: Any, loc: tuple, is_missing: bool) -> Iterator[str | int]:
    """Keys of a place in the content, without the kinds as one of which it was checked."""
    for part in loc:
        if isinstance(content, Mapping) and part in content:
            content = content[part]
        elif isinstance(content, list) and isinstance(part, int):
            content = content[part] if part < len(content) else None
        elif not (is_missing and part is loc[-1]):
            continue
        yield part


def _known_keys(kind: Any, path: tuple) -> list[str]:
    """Keys of the section at `path` below `kind`."""
    kinds = KINDS | MODALITY_KINDS
    for part in path:
        if dataclasses.is_dataclass(kind):
            kind = {f.name: f.type for f in dataclasses.fields(kind)}[part]
        elif part in kinds and kind.__origin__ is not dict:
            kind = kinds[part]
        else:
            kind = kind.__args__[-1]
    return [f.name for f in dataclasses.fields(kind)]


def read_config(*sources: str) -> dict:
    """Merge configs, later ones over earlier ones.

    Parameters
    ----------
    *sources : str
        Each a YAML file's path, or JSON text that starts with a brace.

    Raises
    ------
    InputError
        If a file is missing, is no YAML, or is no mapping.
    """
    merged: dict = {}
    for source in sources:
        inline = source.lstrip().startswith("{")
        where = "--config" if inline else source
        if not inline and not os.path.isfile(source):
            raise InputError(where, found="no such file", expected="a YAML config")
        content = _inline(source) if inline else read_yaml(Path(source).read_bytes(), where)
        if not isinstance(content, Mapping):
            raise InputError(where, found=type(content).__name__, expected="a mapping of sections")
        _merge(merged, content)
    return merged


def _inline(text: str) -> Any:
    """Content of JSON, or of YAML in braces, for which JSON's 1e-05 is no number."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return read_yaml(text, "--config")


def _merge(into: dict, other: Mapping) -> None:
    """Update nested mappings, as Snakemake does with several config files."""
    for name, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def from_text(content: Any) -> Any:
    """Content whose numbers, booleans and nulls are still text, as inside Snakemake's --config."""
    if isinstance(content, Mapping):
        return {name: from_text(value) for name, value in content.items()}
    if isinstance(content, list):
        return [from_text(value) for value in content]
    # YAML would make a null of nothing
    if not isinstance(content, str) or not content:
        return content
    try:
        value = read_yaml(content, "--config")
    except InputError:
        return content
    return content if isinstance(value, date) else value


def json_schema() -> dict:
    """JSON schema of the whole config."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | TypeAdapter(Settings).json_schema(mode="validation")
