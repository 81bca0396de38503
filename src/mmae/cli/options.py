"""What commands share: where settings come from, and how paths are given."""

import os
from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from mmae.config import read_config, read_section
from mmae.errors import InputError
from mmae.files.outputs import ANY, FILE, LINK, SHARED, Kind, check_output

DEFAULT = "config/config.yaml"
BELOW = "MMAE_CONFIG"
"""Environment variable with a config below all others. The workflow gives settings in it that are
no part of a result."""

Section = TypeVar("Section")
Command = Callable[..., Any]


class _Path(NamedTuple):
    """A path of the command line."""

    option: str
    path: Path
    kind: Kind
    """What is written or read."""
    is_output: bool


def path_option(
    name: str, help: str, required: bool = True, kind: Kind = ANY
) -> Callable[[Command], Command]:
    """A path to read. Whether it exists is checked where it is opened, in our own words."""
    path = click.Path(path_type=Path)
    return click.option(name, type=path, required=required, help=help, callback=reads(kind))


def output_option(
    name: str, help: str, required: bool = True, kind: Kind = FILE
) -> Callable[[Command], Command]:
    """A path to write. That it replaces nothing else is checked before the command begins."""
    path = click.Path(path_type=Path)
    return click.option(name, type=path, required=required, help=help, callback=writes(kind))


def path_argument(name: str, **more: Any) -> Callable[[Command], Command]:
    """One or more paths to read that have no option's name."""
    path = click.Path(path_type=Path)
    return click.argument(name, type=path, callback=reads(), **more)


def reads(kind: Kind = ANY) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback for one or more paths to read, as of `path_option`."""
    return lambda ctx, param, value: _note(ctx, param, value, kind, False)


def writes(kind: Kind = FILE) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback for a path to write, as of `output_option`."""
    return lambda ctx, param, value: _note(ctx, param, value, kind, True)


def _note(
    ctx: click.Context, param: click.Parameter, value: Any, kind: Kind, is_output: bool
) -> Any:
    """Check outputs, and what is read and written against the options before."""
    option = param.opts[0] if isinstance(param, click.Option) else param.human_readable_name
    inputs, outputs = ctx.meta.setdefault("mmae.paths", ([], []))
    for path in value if isinstance(value, tuple) else () if value is None else (value,):
        new = _Path(option, Path(path), kind, is_output)
        for old in outputs:
            _check_apart(old, new)
        if not is_output:
            inputs.append(new)
            continue
        check_output(path, kind)
        for old in (*inputs, *outputs):
            _check_apart(new, old)
        outputs.append(new)
    return value


def _check_apart(output: _Path, other: _Path) -> None:
    """Raise InputError if writing an output destroys an input or another output."""
    if {output.kind, other.kind} == {SHARED}:
        return
    where = None
    for place in _places(output):
        for taken in _places(other):
            if place == taken:
                where = "which is also"
            elif output.kind.names and taken.is_relative_to(place):
                where = "which has in it"
            elif not other.is_output and place.is_relative_to(taken):
                is_read = other.kind.has(place.relative_to(taken).as_posix())
                where = "which is inside" if is_read else where
    both = output.path, other.path
    if output.kind is not LINK and all(map(os.path.exists, both)) and os.path.samefile(*both):
        where = "which is also"
    if where:
        found = f"{output.path}, {where} {other.option} {other.path}"
        raise InputError(output.option, found=found, expected="an output apart from them")


def _places(path: _Path) -> set[Path]:
    """Where a path is, links resolved: itself, and what it leads to."""
    own = Path(os.path.realpath(path.path.parent), path.path.name)
    return {own} if path.kind is LINK else {own, Path(os.path.realpath(path.path))}


def columns_option(command: Command) -> Command:
    """The option --columns: what a table's columns are called, as a mapping from our names."""
    return click.option(
        "--columns",
        metavar="NAME=COLUMN,...",
        default="",
        callback=lambda ctx, param, value: _parse_columns(value),
        help="What columns are called in the file: z_spec=Z_SPEC,z_pred=zphot.",
    )(command)


def _parse_columns(text: str) -> dict[str, str]:
    """Names of columns, ours and theirs."""
    pairs = [part.split("=") for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 or not all(map(str.strip, pair)) for pair in pairs):
        expected = "such as z_spec=Z_SPEC,z_pred=zphot"
        raise InputError("--columns", found=repr(text), expected=expected)
    return {ours.strip(): theirs.strip() for ours, theirs in pairs}


class Fraction(click.FloatRange):
    """From 0 to 1; NaN, which no comparison refuses, is outside, and -0.0 is 0."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read one."""
        found = super().convert(value, param, ctx)
        if found != found:
            self.fail(f"{value} is not in the range 0<=x<=1.", param, ctx)
        return abs(found)


def config_option(**sections: type) -> Callable[[Command], Command]:
    """The option --config, with the keys of the sections that the command reads in its help.

    The command gets `config`, a plain mapping; `section` makes a settings dataclass of a part.
    Without sections it is a command that takes the whole config.
    """
    words = [
        f"{name}.{field}: {info.description}"
        for name, kind in sections.items()
        for field, info in kind.__pydantic_fields__.items()
    ]

    def decorate(command: Command) -> Command:
        if words:
            told = cleandoc(command.__doc__ or "")
            command.__doc__ = f"{told}\n\n\b\nConfig keys:\n" + "\n".join(
                f"  {word}" for word in words
            )
        return click.option(
            "--config",
            "config",
            multiple=True,
            metavar="FILE|JSON",
            callback=_read_config,
            help=f"YAML file or JSON text; later ones override earlier ones. [default: {DEFAULT}]",
        )(command)

    return decorate


def _read_config(
    ctx: click.Context, param: click.Parameter, sources: tuple[str, ...]
) -> dict[str, Any]:
    """The config of all sources; its files are inputs, too."""
    sources = sources or _default()
    _note(ctx, param, tuple(s for s in sources if not s.lstrip().startswith("{")), ANY, False)
    return read_config(*_environment(), *sources)


def _environment() -> tuple[str, ...]:
    """The config of the environment, where there is one."""
    return (os.environ[BELOW],) if os.environ.get(BELOW) else ()


def _default() -> tuple[str, ...]:
    """The project's config, where there is one."""
    return (DEFAULT,) if Path(DEFAULT).is_file() else ()


def section(config: dict[str, Any], name: str, kind: type[Section]) -> Section:
    """Settings of one section of a config.

    Parameters
    ----------
    config : dict
    name : str
        Dotted, such as `survey.simulate`.
    kind : settings dataclass

    Raises
    ------
    InputError
        If the section is missing or a key is wrong.
    """
    content: Any = config
    for part in name.split("."):
        if not isinstance(content, dict) or part not in content:
            raise InputError("config", key=name, found="no such section", expected="its keys")
        content = content[part]
    return read_section(kind, content, "config", name)
