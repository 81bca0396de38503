"""What the documents say of the code is there."""

import ast
import re

import pytest

from helpers import PROJECT

TESTS = re.findall(r"`([\w/]+\.py)::(test_\w+)`", (PROJECT / "docs/trust.md").read_text("utf-8"))


def test_every_test_that_is_named_exists():
    assert len(TESTS) > 50
    for path, name in TESTS:
        tree = ast.parse((PROJECT / "tests" / path).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("modalities", "modalities/test_own_modality.py"),
        ("models", "training/test_own_model.py"),
    ],
)
def test_the_example_is_the_one_that_is_tested(page, path):
    tree = ast.parse((PROJECT / "tests" / path).read_text("utf-8"))
    (source,) = (
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SOURCE"
    )
    assert f"```python\n{source.strip()}\n```" in (PROJECT / f"docs/{page}.md").read_text("utf-8")
