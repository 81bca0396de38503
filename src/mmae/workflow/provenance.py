"""Which source a piece of work depends on, as a short digest.

Snakemake sees a rule's shell command but not the package behind it. A rule that carries the digest
of its command's source among its params runs again when that source changes, and only then.
The digest follows names: from a command to the functions, classes and constants that it uses, in
whichever module of this package they stand. Comments, layout, docstrings and help texts do not
count.
"""

import ast
import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1]
WORDS = {"help", "description"}
"""Keyword arguments that tell and do not compute."""
WORDS_AT = {"key": 0, "path_option": 1, "output_option": 1}
"""Functions whose argument at this place does the same."""


def code_digest(entry: str, *more: str) -> str:
    """Digest of all package code that `entry` can reach.

    Parameters
    ----------
    entry : str
        `<module>:<function>`, a module, or the path of a notebook.
    *more : str
        Further modules, reached by a name in the config and not by an import.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for line in sorted(_reachable(entry, *more)):
        digest.update(line.encode())
    return digest.hexdigest()[:16]


@dataclass
class _Module:
    """Top level of a module: what each name is, and what runs whatever is used."""

    definitions: dict[str, list["_Statement"]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    effects: list["_Statement"] = field(default_factory=list)


class _Statement(NamedTuple):
    """What a top-level statement says, and what it refers to at any depth."""

    text: str
    names: set[str]
    imports: list[tuple[str, str | None]]
    constants: set[str]
    """Texts, of which some may be names of data files."""


def _reachable(*entries: str) -> set[str]:
    """One line for each definition, import and data file that the entries can reach."""
    lines: set[str] = set()
    data = _data_files()
    modules: dict[str, _Module] = {}
    seen: set[tuple[str, str | None]] = set()
    todo = [(module, name or None) for module, _, name in (e.partition(":") for e in entries)]
    while todo:
        home, name = item = todo.pop()
        if item in seen:
            continue
        seen.add(item)
        if home not in modules:
            modules[home] = _parse(home, _code(home))
        module = modules[home]
        if name is None:
            todo += [(home, defined) for defined in module.definitions]
        elif name in module.imports:
            todo.append(module.imports[name])
        elif name not in module.definitions and _is_module(f"{home}.{name}"):
            todo.append((f"{home}.{name}", None))
        for statement in module.effects + module.definitions.get(name or "", []):
            lines.add(f"{home} {statement.text}")
            if not home.endswith(".ipynb"):
                for path in (path for text in statement.constants for path in data.get(text, ())):
                    lines.add(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
            for used in statement.names:
                if used in module.imports:
                    target = module.imports[used]
                    lines.add(f"{home} {used} is {target}")
                    todo += [target] if _is_module(target[0]) else []
                elif used in module.definitions:
                    todo.append((home, used))
            todo += [target for target in statement.imports if _is_module(target[0])]
    return lines


def _code(home: str) -> str:
    """Source of a module, or of a notebook's code cells."""
    if not home.endswith(".ipynb"):
        return _source(home).read_text(encoding="utf-8")
    cells = json.loads(Path(home).read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


@cache
def _parse(home: str, code: str) -> _Module:
    """Sort the top-level statements of a module; most digests reach most of the modules."""
    tree = _without_words(ast.parse(code))
    module = _Module(imports=_imports_in(tree.body))
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        names = _defined_names(statement)
        found = _read(statement)
        for name in names:
            module.definitions.setdefault(name, []).append(found)
        if not names:
            module.effects.append(found)
    return module


def _read(statement: ast.stmt) -> _Statement:
    """Take from a statement what a digest needs of it."""
    nodes = [*ast.walk(statement)]
    return _Statement(
        text=ast.dump(statement),
        names={node.id for node in nodes if isinstance(node, ast.Name)},
        imports=[*_imports_in(nodes).values()],
        constants={
            node.value
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        },
    )


def _source(module: str) -> Path:
    """File of a module of this package."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_module(name: str) -> bool:
    """Whether `name` is a module of this package."""
    return name.startswith("mmae.") and _source(name).is_file()


def _defined_names(statement: ast.stmt) -> list[str]:
    """Names that a top-level statement binds or changes."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
    return []


def _imports_in(statements) -> dict[str, tuple[str, str | None]]:
    """Local name of each import -> (module, name in it or None for the module itself)."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in statements:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (alias.name, None)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = (inner, None) if _is_module(inner) else (node.module, alias.name)
                found[alias.asname or alias.name] = target
    return found


def _without_words(tree: ast.Module) -> ast.Module:
    """Remove docstrings, other bare strings, and the help texts of options and settings."""
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [
                s
                for s in body
                if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            ]
        if isinstance(node, ast.Call):
            node.keywords = [k for k in node.keywords if k.arg not in WORDS]
            if isinstance(node.func, ast.Name) and node.func.id in WORDS_AT:
                del node.args[WORDS_AT[node.func.id]]
    return tree


def _data_files() -> dict[str, list[Path]]:
    """The package's data files by their names."""
    files = defaultdict(list)
    for path in PACKAGE.glob("*/data/*"):
        files[path.name].append(path)
    return files
