"""What commands share: where settings come from, and how paths are given."""

import os
from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path
from typing import Any, TypeVar

import click

from mmae.config import read_config, read_section
from mmae.errors import InputError

DEFAULT = "config/config.yaml"
BELOW = "MMAE_CONFIG"
"""Environment variable with a config below all others. The workflow gives settings in it that are
no part of a result."""

Section = TypeVar("Section")
Command = Callable[..., Any]


def path_option(name: str, help: str, required: bool = True) -> Callable[[Command], Command]:
    """A path. Whether it exists is checked where it is opened, in our own words."""
    return click.option(name, type=click.Path(path_type=Path), required=required, help=help)


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
            callback=lambda ctx, param, sources: read_config(
                *_environment(), *(sources or _default())
            ),
            help=f"YAML file or JSON text; later ones override earlier ones. [default: {DEFAULT}]",
        )(command)

    return decorate


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
