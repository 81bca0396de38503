"""The environment: one set of versions, for pip, conda and containers."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import PROJECT

LOCK = (PROJECT / "envs/requirements.lock").read_text()
PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE))


def declared() -> list[Requirement]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return [
        Requirement(line)
        for line in (*project["dependencies"], *project["optional-dependencies"]["dev"])
    ]


def test_every_line_of_the_lock_is_one_version():
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(PINNED) > 100
    assert PINNED["torch"] == "2.13.0"


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_the_lock_has_what_the_project_declares(requirement):
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)])


def test_conda_users_get_the_same_versions():
    environment = yaml.safe_load((PROJECT / "envs/environment.yaml").read_text())
    assert environment["channels"] == ["conda-forge"]
    *conda, pip = environment["dependencies"]
    assert conda == ["python=3.11", "pip"]
    assert dict(line.split("==") for line in pip["pip"]) == PINNED


def test_no_registry_host_is_named():
    for path in (PROJECT / "envs").iterdir():
        assert not re.search(r"https?://|--index-url|--find-links|file://", path.read_text())


def test_the_container_recipe_parses_and_names_files_that_exist():
    text = (PROJECT / "envs/Containerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "ENTRYPOINT", "CMD"}
    assert {line.split()[0] for line in lines} == known
    assert lines[0].startswith("FROM ")
    assert re.search(r"apt-get install .*\bg\+\+", text), "training.compile takes a compiler"
    for line in lines:
        if line.startswith("COPY "):
            *sources, _ = line.split()[1:]
            assert all((PROJECT / source).exists() for source in sources)
