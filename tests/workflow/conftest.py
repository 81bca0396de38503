"""What the workflow makes of a copy of the project at toy size."""

import shutil

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
    made = made_once(tmp_path_factory, "finished", lambda home: Project(home / "project").toy())
    # tests edit it
    own = tmp_path_factory.mktemp("finished")
    return Project(shutil.copytree(made / "project", own / "project"))
