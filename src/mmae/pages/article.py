"""The article of a run: its executed notebooks as one page, for a browser without a network."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import jinja2
import nbformat
from docutils.core import publish_parts
from markdown_it import MarkdownIt
from markupsafe import Markup
from nbformat import NotebookNode

from mmae.errors import InputError
from mmae.files.read import UNREADABLE, existing
from mmae.files.write import atomic
from mmae.pages.render import render
from mmae.settings import Grid, Split

CHAPTERS = {
    "Data": ("table_1", "cleaning"),
    "Training": ("history",),
    "The paper's results": ("figure_1", "figure_2", "figure_3"),
    "Past the paper": (
        *("comparison", "masking", "missing", "reconstruction"),
        *("uncertainty", "embeddings", "unpaired"),
    ),
}
"""Notebooks in the order of the paper."""
KEY_FIGURES = ("figure_1", "figure_3", "comparison_figure")
"""Captions of the figures that the report opens with."""
LONG = 8
"""Rows of a table that is folded away."""
LONG_ITEM = 700
"""Characters of a finding that is."""
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


class Part(NamedTuple):
    """What a cell shows."""

    kind: str
    """text, finding, table or figure."""
    html: Markup
    """Of a figure, the image."""
    caption: Markup = Markup()
    name: str = ""
    """Of the caption."""
    rows: int = 0


class Run(NamedTuple):
    """What is told of a run besides its notebooks."""

    survey: str
    source: str
    """As of `survey.source` in the config."""
    split: Split
    grid: Grid


class Section(NamedTuple):
    """One notebook."""

    name: str
    title: str
    parts: list[Part]
    notebook: str
    """Link from the page."""
    rule: str
    """Link to the file that has the rule, or empty."""
    what: str
    """The rule's docstring."""

    @property
    def finding(self) -> Markup:
        """The first thing that is found, in a sentence."""
        found = next((part.html for part in self.parts if part.kind == "finding"), Markup())
        items = re.findall(r"<(?:li|p)>(.*?)</(?:li|p)>", found, re.DOTALL)
        return Markup(items[0] if items else "")


def write_article(
    notebooks: Sequence[Path],
    captions: Sequence[Path],
    rules: Sequence[Path],
    run: Run,
    page: Path,
    opening: Path,
) -> None:
    """Write the page of a run, and what its report opens with.

    Parameters
    ----------
    notebooks : sequence of Path
        Executed ones. A cell whose metadata have `caption` shows a figure or table of that caption;
        `alt` is the figure in words.
    captions : sequence of Path
        The captions, <caption>.rst, and workflow.rst, which tells what the report is of.
    rules : sequence of Path
        Files with the rules of the same names.
    run : Run
    page : Path
        HTML file to write: one article, images inside.
    opening : Path
        reStructuredText file to write, the description of Snakemake's report.

    Raises
    ------
    InputError
        If a notebook or caption is missing, or a notebook has no place in CHAPTERS.
    """
    told = _Captions(captions, run)
    by_name = {path.stem: path for path in notebooks}
    known = [name for names in CHAPTERS.values() for name in names]
    if unknown := [name for name in by_name if name not in known]:
        raise InputError("notebooks", found=unknown[0], expected=f"some of {known}")
    chapters = {
        title: [_section(by_name[name], told, rules, page) for name in names if name in by_name]
        for title, names in CHAPTERS.items()
    }
    sections = [section for found in chapters.values() for section in found]
    words = {
        "run": run,
        "chapters": {title: found for title, found in chapters.items() if found},
        "sections": sections,
        "simulated": run.source == "simulate",
        "introduction": told("workflow"),
        "key_figures": [
            part
            for section in sections
            for part in section.parts
            if part.kind == "figure" and part.name in KEY_FIGURES
        ],
        "long": LONG,
    }
    for path, template in ((page, "article.html.jinja"), (opening, "opening.rst.jinja")):
        with atomic(path) as part:
            part.write_text(render(template, **words, in_lines=_in_lines), encoding="utf-8")


class _Captions:
    """Captions in HTML by their names."""

    def __init__(self, paths: Sequence[Path], run: Run):
        self.paths = {path.stem: path for path in paths}
        config = {"survey": {"name": run.survey, "source": run.source}}
        wildcards = SimpleNamespace(survey=run.survey)
        self.snakemake = SimpleNamespace(config=config, wildcards=wildcards)

    def __call__(self, name: str) -> Markup:
        """One of them, as Snakemake's report has it."""
        if name not in self.paths:
            raise InputError("captions", found=f"no {name}.rst", expected="one for each figure")
        text = existing(self.paths[name]).read_text(encoding="utf-8")
        text = jinja2.Template(text).render(snakemake=self.snakemake)
        return Markup(publish_parts(text, writer="html5")["body"])


def _section(path: Path, captions: _Captions, rules: Iterable[Path], page: Path) -> Section:
    """What a notebook tells."""
    try:
        first, *rest = nbformat.read(existing(path), as_version=4).cells
        title, _, text = first["source"].partition("\n")
    except (
        *UNREADABLE,
        AttributeError,
        KeyError,
        nbformat.validator.NotebookValidationError,
    ) as error:
        raise InputError(path, found=f"no notebook ({error})", expected="one executed") from error
    parts = [Part("text", _markdown(text)), *(p for c in rest for p in _parts(c, captions))]
    rule, what = _rule(path.stem, rules)
    above = page.parent
    # a copy of the workflow elsewhere is nothing to link to
    rule = rule if rule and rule.resolve().is_relative_to(Path.cwd()) else None
    return Section(
        path.stem,
        title.removeprefix("# "),
        parts,
        os.path.relpath(path, above),
        os.path.relpath(rule, above) if rule else "",
        what,
    )


def _parts(cell: NotebookNode, captions: _Captions) -> Iterator[Part]:
    """What is shown of a cell: text, and what its code made."""
    if cell["cell_type"] == "markdown":
        yield Part("text", _markdown(cell["source"]))
        return
    about = cell["metadata"]
    name = about.get("caption", "")
    for data in (output["data"] for output in cell.get("outputs", []) if "data" in output):
        if "text/markdown" in data:
            yield Part("finding", _folded(_markdown(data["text/markdown"])))
        elif "image/png" in data and name:
            image = Markup('<img src="data:image/png;base64,{}" alt="{}" loading="lazy">').format(
                "".join(data["image/png"].split()), about["alt"]
            )
            yield Part("figure", image, captions(name), name)
        elif "text/html" in data:
            table = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
            table = table.replace("<td>NaN</td>", "<td></td>")
            caption = captions(name) if name else Markup()
            yield Part("table", Markup(table), caption, name, table.count("<tr") - 1)


def _folded(html: Markup) -> Markup:
    """A list of findings, of which the long ones are folded away."""
    items = re.findall(r"<li>.*?</li>", html, re.DOTALL)
    long = [item for item in items if len(item) > LONG_ITEM]
    short = [item for item in items if len(item) <= LONG_ITEM]
    if not long:
        return html
    return Markup(
        f"<ul>{''.join(short)}</ul><details><summary>In full: {len(long)} more</summary>"
        f"<ul>{''.join(long)}</ul></details>"
    )


def _in_lines(html: Markup) -> Markup:
    """HTML inside reStructuredText: indented, and in lines that are not too long for it."""
    short = re.sub(r"[\w+/]{5000}", r"\g<0>\n", str(html))
    return Markup("\n   ".join(short.splitlines()))


def _markdown(text: str) -> Markup:
    """Markdown as HTML; HTML inside it is text."""
    return Markup(_MARKDOWN.render(text))


def _rule(name: str, paths: Iterable[Path]) -> tuple[Path | None, str]:
    """File that has a rule, and what the rule says of itself."""
    pattern = rf'^rule {re.escape(name)}:\n\s+"""(.*?)"""'
    for path in paths:
        found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        if found:
            return path, found[1]
    return None, ""
