"""What the workflow makes of a copy of the project at toy size.

Where MMAE_TOY names a folder in which the toy has run, its results are copied.
"""

import os
import shutil
from pathlib import Path

import pytest

from helpers import made_once
from workflow_project import Project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which nothing has run."""
    return Project(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which the whole workflow has run at toy size."""

    def make(home: Path) -> None:
        project = Project(home / "project")
        if done := os.environ.get("MMAE_TOY"):
            for name in ("results/toy", ".snakemake"):
                shutil.copytree(Path(done, name), project.folder / name)
        project.toy()

    made = made_once(tmp_path_factory, "finished", make)
    # tests edit it
    own = tmp_path_factory.mktemp("finished")
    return Project(shutil.copytree(made / "project", own / "project"))
