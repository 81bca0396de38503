"""What the workflow makes of a copy of the project at toy size."""

import pytest

from workflow_project import Project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which nothing has run."""
    return Project(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which the whole workflow has run at toy size."""
    project = Project(tmp_path_factory.mktemp("finished") / "project")
    project.toy()
    return project
