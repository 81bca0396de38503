"""Templates of pages, in data/ beside this file."""

from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup


def render(template: str, **words: Any) -> str:
    """A page; all but `Markup` is escaped. `style` is what all pages look like."""
    return _PAGES.get_template(template).render(words, style=Markup(_read("style.css")))


def _read(name: str) -> str:
    """Text of a file in data/."""
    return files("mmae.pages").joinpath("data", name).read_text(encoding="utf-8")


_PAGES = jinja2.Environment(
    loader=jinja2.FunctionLoader(_read),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
)
