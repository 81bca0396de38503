"""How this project is built: thin notebooks, complete rules, small files, no pickles."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import PROJECT
from mmae.cli import COMMANDS

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
RULE_FILES = sorted((PROJECT / "workflow/rules").rglob("*.smk"))
RULES = {
    name: body
    for path in RULE_FILES
    for name, body in re.findall(
        r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.DOTALL | re.MULTILINE
    )
}
MODES = ("r", "w", "a", "x", "r+", "w+")
"""In which `open` reads or writes text."""
WORK = {name: body for name, body in RULES.items() if "shell:" in body}


def cells_of(path: Path, kind: str) -> list[dict]:
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_load_call_and_tell(path):
    cells = cells_of(path, "code")
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in cells) == 1
    assert cells_of(path, "markdown")[0]["source"][0].startswith("# ")
    for cell in cells:
        assert len(cell["source"]) <= 16
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            assert not isinstance(
                node, ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.Lambda
            )


@pytest.mark.parametrize("name", WORK)
def test_rules_name_what_they_use(name):
    body = WORK[name]
    assert re.match(r'    """Sections? [0-9]', body), "the docstring names the paper's section"
    for word in ("threads:", "mem_mb=", "runtime=", "log:", "benchmark:", "conda:", "code="):
        assert word in body, word
    assert "run:" not in body
    assert "message:" not in body


def test_rules_and_commands_have_the_same_names():
    starts = r"^ +(?:mmae|\{params\.launcher:q\}) ([a-z-]+) "
    called = set(re.findall(starts, "".join(WORK.values()), re.MULTILINE))
    alone = {"cutouts", "look", "metrics", "schema", "fetch-archive", "history", "timing"}
    assert called == set(COMMANDS) - alone
    for command in called - {"notebook"}:
        assert command.replace("-", "_") in WORK


@pytest.mark.parametrize("name", WORK)
def test_benchmarks_are_named_by_their_rules(name):
    """`mmae timing` adds them up by that name."""
    (path,) = re.findall(r"benchmark:\n +f?\"results/[^/]+/benchmarks/([^\"]+)\"", WORK[name])
    assert path.split("/")[0].removesuffix(".tsv") == name


def test_figures_and_tables_are_in_the_report_with_a_caption():
    for name, body in WORK.items():
        captions = re.findall(r'caption="\.\./report/(\w+)\.rst"', body)
        shown = re.findall(r"\.(?:png|csv)\",\n +caption", body)
        assert len(captions) == len(shown)
        if "mmae notebook" in body:
            assert captions, name
        for caption in captions:
            text = (PROJECT / f"workflow/report/{caption}.rst").read_text()
            assert len(text.split()) > 12
            assert text.rstrip().endswith(".")


@pytest.mark.parametrize("handler", ["onstart", "onsuccess", "onerror"])
def test_no_handler_takes_the_place_of_another(handler):
    """Of several, Snakemake would call the last alone."""
    texts = [path.read_text() for path in [PROJECT / "Snakefile", *RULE_FILES]]
    assert sum(len(re.findall(rf"^{handler}:", text, re.MULTILINE)) for text in texts) <= 1


def test_the_snakefile_is_a_table_of_contents():
    text = (PROJECT / "Snakefile").read_text()
    places = [text.index(f"rules/{p}.smk") for p in ("survey", "dataset", "training", "evaluation")]
    assert places == sorted(places)
    assert not re.search(r"^(def|for|if) ", text, re.MULTILINE)
    assert len(text.splitlines()) <= 60


@pytest.mark.parametrize(
    "path",
    [*(PROJECT / "src").rglob("*.py")],
    ids=lambda path: path.relative_to(PROJECT / "src").as_posix(),
)
def test_functions_are_small(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            n_lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert n_lines <= 60, f"{node.name}: {n_lines} lines"


def _texts_without_encoding(code: str) -> list[str]:
    """Calls that open a text in the encoding of the machine's locale."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg for keyword in node.keywords}
        match node.func:
            case ast.Attribute(attr="read_text"):
                opens = not node.args
            case ast.Attribute(attr="write_text"):
                opens = len(node.args) < 2
            case ast.Name(id="open"):
                opens = "b" not in ast.unparse(node.args[1] if node.args[1:] else ast.Constant(""))
            case ast.Attribute(attr="open"):
                mode = node.args[0] if node.args else ast.Constant("r")
                opens = isinstance(mode, ast.Constant) and "b" not in str(mode.value)
                opens = opens and "fileobj" not in keywords
            case _:
                runs = ast.unparse(node.func).startswith(("run", "subprocess."))
                opens = runs and "text" in keywords
        if opens and "encoding" not in keywords:
            found.append(ast.unparse(node))
    return found


def test_texts_are_utf_8_whatever_the_locale_is():
    for code, n in (
        ("p.read_text(); p.read_text(encoding='utf-8')", 1),
        ("p.write_text('x'); open(p); open(p, 'w'); p.open('w'); p.open(); run(c, text=True)", 6),
        ("open(p, 'rb'); p.open('wb'); archive.open(name); run(c, encoding='utf-8')", 0),
    ):
        assert len(_texts_without_encoding(code)) == n
    paths = [p for folder in ("src", "benchmarks") for p in (PROJECT / folder).rglob("*.py")]
    codes = {path: path.read_text() for path in paths}
    codes |= {
        path: "\n".join("".join(cell["source"]) for cell in cells_of(path, "code"))
        for path in NOTEBOOKS
    }
    found = {path.name: calls for path in codes if (calls := _texts_without_encoding(codes[path]))}
    assert not found
    for path in RULE_FILES:
        assert not re.search(r"\b(open|read_text|write_text)\(", path.read_text()), path


@pytest.mark.parametrize(
    ("modules", "slow"),
    [
        # commands on a network start without what fits trees
        (
            "mmae.evaluation.predict mmae.evaluation.masking_study mmae.evaluation.reconstruction "
            "mmae.models.weights mmae.models.paper mmae.models.cnn mmae.training.fit",
            "sklearn skops",
        ),
        # and they open the training arrays without what makes them
        ("mmae.evaluation.predict mmae.models.weights", "astropy.io.fits scipy.ndimage"),
        # trees are trained without what trains networks
        ("mmae.training.run mmae.training.checkpoint mmae.models.gbdt", "lightning_fabric"),
        ("mmae.evaluation.scoring mmae.cli.evaluation", "torch sklearn astropy.io.fits"),
    ],
)
def test_commands_start_without_what_they_do_not_use(modules, slow):
    code = f"import sys, {', '.join(modules.split())}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not {*slow.split()} & {*result.stdout.split()}


def test_nothing_is_unpickled():
    for path in (PROJECT / "src").rglob("*.py"):
        text = path.read_text()
        assert "allow_pickle=True" not in text
        assert "import pickle" not in text
        assert not re.search(r"torch\.load\((?!.*weights_only=True)", text)
        assert "shell=True" not in text


@pytest.mark.parametrize(
    "path",
    [*(PROJECT / "src").rglob("*.py")],
    ids=lambda path: path.relative_to(PROJECT / "src").as_posix(),
)
def test_text_is_read_and_written_as_utf_8(path):
    """Not as the locale of whoever runs it says."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        mode = [a.value for a in node.args if isinstance(a, ast.Constant) and a.value in MODES]
        if name in ("read_text", "write_text") or (name in ("open", "fdopen") and mode):
            assert any(word.arg == "encoding" for word in node.keywords), f"line {node.lineno}"
