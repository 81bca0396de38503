"""The workflow run in another folder, and as a module of another workflow."""

import shutil

import pytest

from helpers import PROJECT
from workflow_project import Elsewhere

pytestmark = pytest.mark.workflow

MODULE = f"""
module galaxies:
    snakefile: {str(PROJECT / "workflow/Snakefile")!r}
    config: {{"survey": {{"name": "mine"}}}}


use rule * from galaxies as galaxies_*


rule mine:
    default_target: True
    input: rules.galaxies_all.input
"""
REPORT = "cut,removed,remaining\ncross-matched,0,10\n"


@pytest.fixture
def other(tmp_path) -> Elsewhere:
    """A folder without any file of this workflow."""
    return Elsewhere(tmp_path)


def test_runs_in_a_folder_of_its_own(project, other):
    elsewhere = ("--directory", str(other.folder), "--snakefile", str(PROJECT / "Snakefile"))
    assert other.planned(*elsewhere) == project.planned()
    table = "results/demo/paper/tables/cleaning.csv"
    write_report(other, "demo")
    result = other.snakemake(*elsewhere, "--cores", "1", table, "--allowed-rules", "cleaning")
    assert result.returncode == 0, result.stderr
    assert "cross-matched,0,10,measured here" in (other.folder / table).read_text()


def test_config_of_the_folder_is_read(other):
    shutil.copytree(PROJECT / "config", other.folder / "config")
    path = other.folder / "config/config.yaml"
    path.write_text(path.read_text().replace("name: demo", "name: ours"))
    result = other.snakemake("--snakefile", str(PROJECT / "Snakefile"), "--dry-run")
    assert "results/ours/dataset" in result.stdout


@pytest.mark.nightly
def test_is_a_module_of_another_workflow(project, other):
    (other.folder / "Snakefile").write_text(MODULE)
    planned = other.planned()
    del planned["mine"]
    assert planned == {f"galaxies_{name}": n for name, n in project.planned().items()}
    table = "results/mine/paper/tables/cleaning.csv"
    write_report(other, "mine")
    rules = ("--allowed-rules", "galaxies_cleaning")
    result = other.snakemake("--cores", "1", table, *rules)
    assert result.returncode == 0, result.stderr
    assert "cross-matched,0,10,measured here" in (other.folder / table).read_text()


def write_report(other: Elsewhere, survey: str) -> None:
    """Cleaning that has been done, which a notebook shows."""
    folder = other.folder / f"results/{survey}/dataset"
    folder.mkdir(parents=True)
    (folder / "cleaning.csv").write_text(REPORT)
