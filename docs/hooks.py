"""What MkDocs does besides: README.md is the first page, each package of the code has a page."""

import json
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/mmae"
API = sorted(
    path.stem
    for path in PACKAGE.iterdir()
    if (path.is_dir() or path.suffix == ".py") and path.name[0] not in "_."
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the code into the menu."""
    config.nav[-1] = {"API": [{f"mmae.{name}": f"api/{name}.md"} for name in API]}
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages that are written nowhere else."""
    pages = {f"api/{name}.md": f"# mmae.{name}\n\n::: mmae.{name}\n" for name in API}
    pages["tutorial.md"] = _of_notebook(ROOT / "docs/tutorial.ipynb")
    pages["index.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def _of_notebook(path: Path) -> str:
    """Text and code of a notebook in Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(
        source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for cell in cells
        for source in ["".join(cell["source"])]
    )


def on_page_markdown(markdown: str, *, page, config: MkDocsConfig, files: Files) -> str:
    """Lead links out of docs/ to pages of the site; to what has none, leave the words."""
    above = "" if page.file.src_uri == "index.md" else "../"
    markdown = re.sub(rf"\]\({above}docs/" if not above else r"\]\(\./", "](", markdown)

    def lead(found: re.Match) -> str:
        words, path = found["words"], found["path"]
        module = re.fullmatch(rf"{re.escape(above)}src/mmae/(\w+)(?:/(\w+))?\.py", path)
        if module:
            name = ".".join(part for part in ("mmae", *module.groups()) if part)
            return f"[{words}](api/{module[1]}.md#{name})"
        known = re.match(r"https?:|#", path) or files.get_file_from_path(path.partition("#")[0])
        return found[0] if known else words

    return re.sub(r"(?<!!)\[(?P<words>[^\]\n]+)\]\((?P<path>[^)\s]+)\)", lead, markdown)
