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
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path

PACKAGE = Path(__file__).parent
WORDS = {"help", "description"}
"""Keyword arguments that tell and do not compute."""
WORDS_AT = {"key": 0, "path_option": 1}
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

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)


def _reachable(*entries: str) -> set[str]:
    """One line for each definition, import and data file that the entries can reach."""
    lines: set[str] = set()
    modules: dict[str, _Module] = {}
    seen: set[tuple[str, str | None]] = set()
    todo = [(module, name or None) for module, _, name in (e.partition(":") for e in entries)]
    while todo:
        home, name = item = todo.pop()
        if item in seen:
            continue
        seen.add(item)
        if home not in modules:
            modules[home] = _parse(home)
        module = modules[home]
        if name is None:
            todo += [(home, defined) for defined in module.definitions]
        elif name in module.imports:
            todo.append(module.imports[name])
        elif name not in module.definitions and _is_module(f"{home}.{name}"):
            todo.append((f"{home}.{name}", None))
        for statement in module.effects + module.definitions.get(name or "", []):
            lines.add(f"{home} {ast.dump(statement)}")
            lines |= _data_lines(home, statement)
            for used in _names_in(statement):
                if used in module.imports:
                    target = module.imports[used]
                    lines.add(f"{home} {used} is {target}")
                    todo += [target] if _is_module(target[0]) else []
                elif used in module.definitions:
                    todo.append((home, used))
            local = _imports_in(ast.walk(statement)).values()
            todo += [target for target in local if _is_module(target[0])]
    return lines


def _parse(home: str) -> _Module:
    """Sort the top-level statements of a module, or of a notebook's code cells."""
    if home.endswith(".ipynb"):
        cells = json.loads(Path(home).read_text())["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    else:
        code = _source(home).read_text()
    tree = _without_words(ast.parse(code))
    module = _Module(imports=_imports_in(tree.body))
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        names = _defined_names(statement)
        for name in names:
            module.definitions.setdefault(name, []).append(statement)
        if not names:
            module.effects.append(statement)
    return module


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


def _names_in(statement: ast.stmt) -> set[str]:
    """All names that a statement reads or writes, at any depth."""
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


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


def _data_lines(home: str, statement: ast.stmt) -> set[str]:
    """Digests of the package's data files that a statement names."""
    if home.endswith(".ipynb"):
        return set()
    lines = set()
    for node in ast.walk(statement):
        name = node.value if isinstance(node, ast.Constant) else None
        if isinstance(name, str) and name and Path(name).name == name and len(name) < 100:
            for data in PACKAGE.glob(f"*/data/{escape(name)}"):
                lines.add(f"{name} {hashlib.sha256(data.read_bytes()).hexdigest()}")
    return lines
