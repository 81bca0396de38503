"""A run's archive in a fresh clone: every figure and table again, and nothing is computed."""

import shutil
import zipfile
from pathlib import Path

import pytest

from helpers import PROJECT
from mmae.archive.contents import paper_files
from mmae.config import read_config, read_section
from mmae.settings import Settings
from workflow_project import TOY, Project

pytestmark = pytest.mark.workflow

NOTEBOOKS = (
    *("figure_1", "figure_2", "figure_3", "masking", "table_1", "cleaning", "comparison"),
    *("uncertainty", "reconstruction", "embeddings", "history"),
)
CONFIGS = (str(PROJECT / "config/config.yaml"), str(PROJECT / "config/toy.yaml"))
TOY_SETTINGS = read_section(Settings, read_config(*CONFIGS), "config")
PLAN = dict.fromkeys(("restore", *NOTEBOOKS, "article"), 1)


@pytest.fixture(scope="module")
def archive(finished: Project) -> Path:
    """The archive of the toy run, as the target `archive` makes it."""
    finished.toy("archive")
    return finished.folder / "results/toy/archive"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which nothing has run."""
    return Project(tmp_path_factory.mktemp("clone") / "project")


@pytest.mark.nightly
def test_an_archive_gives_every_figure_and_table_and_the_same_bytes(finished, archive, clone):
    packed = clone.folder / "toy.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for path in archive.rglob("*"):
            file.write(path, path.relative_to(archive.parent))
    chosen = ("--config", "from_archive=toy.zip")
    assert clone.planned(*chosen) == PLAN
    result = clone.snakemake("--cores", "2", *chosen)
    assert result.returncode == 0, result.stderr[-5000:]
    assert clone.planned(*chosen) == {}
    old, new = finished.folder / "results/toy", clone.folder / "results/toy"
    assert not (new / "models").exists()
    assert not (new / "catalog").exists()
    names = paper_files(TOY_SETTINGS)
    for name in names:
        assert (new / "paper" / name).is_file()
    made = [p for folder in ("paper", "evaluation") for p in (new / folder).rglob("*.*")]
    same = [p for p in made if p.is_file() and p.suffix != ".ipynb"]
    assert len(same) > 2 * len(names)
    for path in same:
        assert path.read_bytes() == (old / path.relative_to(new)).read_bytes(), path


def test_an_archive_gives_one_figure_and_the_same_bytes(finished, archive, tmp_path):
    clone = Project(tmp_path / "project")
    name = "results/toy/paper/figures/figure_3.png"
    result = clone.snakemake("--cores", "2", name, "--config", f"from_archive={archive}")
    assert result.returncode == 0, result.stderr[-5000:]
    assert (clone.folder / name).read_bytes() == (finished.folder / name).read_bytes()
    assert not (clone.folder / "results/toy/models").exists()


def test_nothing_else_of_an_archived_run_can_be_made(archive, project):
    chosen = ("--config", f"from_archive={archive}")
    assert project.planned(*chosen) == PLAN
    result = project.snakemake("results/toy/models/mmae/mask0.75/seed0", "-n", *chosen)
    assert result.returncode == 1
    assert "No rule to produce" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--config", 'grid={"masks": [0.5, 0.75]}'),
            "config: grid.masks: found [0.5, 0.75], expected [0.25",
        ),
        pytest.param(
            ("--configfile", "config/paper.yaml"),
            "config: survey.name: found paper, expected toy",
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_asking_for_another_run_is_told_in_one_line(archive, project, options, words):
    name, value = options
    chosen = ("--config", f"from_archive={archive}", *((value,) if name == "--config" else ()))
    result = project.snakemake("-n", *chosen, *(options if name == "--configfile" else ()))
    text = result.stdout + result.stderr
    assert result.returncode == 1
    assert "Traceback" not in text
    assert any(line.startswith(words) for line in text.splitlines()), text


def test_a_damaged_archive_draws_nothing(archive, tmp_path, project):
    damaged = shutil.copytree(archive, tmp_path / "archive")
    with (damaged / "dataset/summary.csv").open("a") as stream:
        stream.write("1,2,3\n")
    result = project.snakemake("--cores", "2", "--config", f"from_archive={damaged}")
    text = result.stdout + result.stderr
    assert result.returncode == 1
    assert "dataset/summary.csv: found SHA-256" in text
    assert "Traceback" not in text
    results = project.folder / "results/toy"
    assert not [*results.glob("dataset/*"), *results.glob("evaluation/*"), *results.glob("paper/*")]


@pytest.mark.nightly
def test_an_archive_is_made_again_when_the_config_changes(finished, archive):
    assert finished.planned("archive", *TOY) == {}
    jobs = finished.planned("archive", *TOY, "--config", 'published={"folder": "elsewhere"}')
    assert jobs == {"archive": 1}
