"""One page of a run: what is in it, and that a browser needs nothing else."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from browser import look_at, needs_chromium
from helpers import PROJECT
from mmae.config import read_config, read_section
from mmae.errors import InputError
from mmae.pages.article import CHAPTERS, KEY_FIGURES, Run, write_article
from mmae.settings import Settings

SETTINGS = read_section(Settings, read_config(str(PROJECT / "config/config.yaml")), "config")
RUN = Run("demo", "simulate", SETTINGS.split, SETTINGS.grid)
CAPTIONS = sorted((PROJECT / "workflow/report").glob("*.rst"))
RULES = [PROJECT / f"workflow/rules/{name}.smk" for name in ("paper", "comparison")]
SHIPPED = {path.stem: path for path in (PROJECT / "notebooks").glob("*.ipynb")}
PNG = base64.b64encode((PROJECT / "docs/figure_1.png").read_bytes()).decode()
TABLE = "<style scoped>.x {}</style><table class='dataframe'><thead><tr><th></th><th>n</th></tr>"
LONG = "all models are better than others; " * 20
ALIEN = "<script src='http://example.org/x.js'></script>"


class Page(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br", "hr", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]


def executed(name: str, folder: Path) -> Path:
    """A shipped notebook with outputs of the kinds that its cells have."""
    source = nbformat.read(SHIPPED[name], as_version=4)
    cells = []
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cells.append(new_markdown_cell(cell.source))
            continue
        new = new_code_cell(cell.source, metadata=cell.metadata)
        if "alt" in cell.metadata:
            new.outputs.append(new_output("display_data", {"image/png": PNG, "text/plain": "fig"}))
        elif "caption" in cell.metadata:
            rows = "<tr><th>0</th><td>1</td></tr>" * (20 if name == "masking" else 2)
            html = f"{TABLE}</thead><tbody>{rows}</tbody></table>"
            new.outputs.append(new_output("execute_result", {"text/html": html}))
        if "Markdown(" in cell.source:
            found = f"- {name} was found, z < 0.4 {ALIEN}\n- and more\n- {LONG}"
            new.outputs.append(new_output("execute_result", {"text/markdown": found}))
        cells.append(new)
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Of the page and the report's opening of all notebooks that there are."""
    home = tmp_path_factory.mktemp("article")
    notebooks = [executed(name, home) for name in SHIPPED]
    write_article(notebooks, CAPTIONS, RULES, RUN, home / "index.html", home / "opening.rst")
    return home


@pytest.fixture(scope="module")
def made(folder) -> dict[str, str]:
    return {name: (folder / name).read_text("utf-8") for name in ("index.html", "opening.rst")}


def test_every_notebook_is_in_it_in_the_papers_order(made):
    order = [name for names in CHAPTERS.values() for name in names]
    assert sorted(order) == sorted(SHIPPED)
    page = Page(made["index.html"])
    assert [attrs["id"] for attrs in page.all("section")] == order
    for name in order:
        title = json.loads(SHIPPED[name].read_text())["cells"][0]["source"][0][2:].strip()
        assert title in page.text
        assert re.search(rf'<a href="{name}\.ipynb">', made["index.html"])
        assert re.search(rf'workflow/rules/\w+\.smk">{name}</a>: Section', made["index.html"])
    assert page.open == []


def test_it_asks_for_nothing_and_says_what_its_images_show(made):
    page = Page(made["index.html"])
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    assert not page.all("script")
    images = page.all("img")
    assert len(images) == sum(
        text.count('"alt":') for text in map(Path.read_text, SHIPPED.values())
    )
    for image in images:
        assert image["src"].startswith("data:image/png;base64,")
        assert len(image["alt"]) > 40
    assert all(link["href"] == "data:," for link in page.all("link"))
    assert not re.search(r"@import|url\(", made["index.html"])
    for link in page.all("a"):
        assert not link["href"].startswith("/")
        assert link["href"].partition("#")[0] or f'id="{link["href"][1:]}"' in made["index.html"]


def test_findings_stand_first_and_no_markup_of_cells_is_believed(made):
    text = Page(made["index.html"]).text
    assert 0 < text.index("What was found") < text.index("figure_3 was found, z < 0.4")
    assert text.index("figure_3 was found") < text.index("Table 1: data summary\n")
    assert text.count("masking was found") == 2
    assert text.index("What it means") > 0
    assert ALIEN in text, "as text"
    assert made["index.html"].count("<summary>In full: 1 more</summary>") == text.count(
        LONG.strip()
    )
    assert "<style scoped" not in made["index.html"]
    assert "<summary>Table of 20 rows</summary>" in made["index.html"]


def test_contrast_is_enough_to_read(made):
    rules = dict(
        re.findall(r"^([\w., -]+) \{(.*?)\}", made["index.html"], re.MULTILINE | re.DOTALL)
    )
    inks = {rule: re.search(r"(?<![-\w])color: (#\w+)", body) for rule, body in rules.items()}
    inks = {rule: found[1] for rule, found in inks.items() if found}
    assert {"body", "a"} <= set(inks)
    for rule, ink in inks.items():
        for paper in ("#fff", "#fff7ed"):
            assert contrast(ink, paper) >= 4.5, (rule, ink)


def contrast(*colours: str) -> float:
    """Of WCAG 2."""
    light = []
    for colour in colours:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        light.append(sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))
    low, high = sorted(light)
    return (high + 0.05) / (low + 0.05)


def test_the_report_opens_with_findings_and_key_figures(made):
    from docutils.core import publish_parts

    body = publish_parts(made["opening.rst"], writer="html5")["body"]
    page = Page(body)
    assert len(page.all("img")) == len(KEY_FIGURES)
    assert "figure_3 was found" in page.text
    assert "simulated" in page.text


@needs_chromium
def test_a_phone_shows_it_without_a_network(folder, tmp_path):
    seen = look_at(folder / "index.html", tmp_path)
    assert (seen.overflow, seen.broken, seen.requests, seen.errors) == (0, 0, [], [])
    assert seen.images > 10


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_figure_has_a_caption_and_words(name):
    drawn = [c for c in nbformat.read(SHIPPED[name], as_version=4).cells if "alt" in c.metadata]
    saved = sum(
        c.source.count("save_figure(") for c in nbformat.read(SHIPPED[name], as_version=4).cells
    )
    assert len(drawn) == saved
    captions = {path.stem for path in CAPTIONS}
    assert all(cell.metadata["caption"] in captions for cell in drawn)


def test_a_notebook_that_is_not_there_is_told(tmp_path):
    gone = [tmp_path / "table_1.ipynb"]
    with pytest.raises(InputError, match=r"table_1\.ipynb"):
        write_article(gone, CAPTIONS, RULES, RUN, tmp_path / "a.html", tmp_path / "b.rst")
    assert not list(tmp_path.iterdir())
