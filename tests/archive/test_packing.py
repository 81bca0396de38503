"""Packing a run: what is in, what is not, and that nothing but an old archive is replaced."""

import copy
import json
import shutil
import subprocess
from importlib.metadata import version

import pytest
import yaml
from rocrate.rocrate import ROCrate

from archive_run import CONFIG, METRICS, SETTINGS, WEIGHTS, write_config
from helpers import PROJECT, assert_one_sentence, run_mmae
from mmae.archive import packing
from mmae.archive.contents import PAPER_FILES, paper_files, required_files
from mmae.archive.manifest import parse_manifest
from mmae.archive.packing import pack
from mmae.archive.reading import read_archive
from mmae.config import read_section
from mmae.errors import InputError
from mmae.settings import Settings

CITATION = PROJECT / "CITATION.cff"


def names_in(folder) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_all_but_images_and_arrays_is_packed(run, packed):
    expected = {p for p in names_in(run) if not p.endswith((".hdf5", ".npy"))}
    own = {"README.md", "config.yaml", "versions.json"}
    own |= {"manifest-sha256.txt", "ro-crate-metadata.json"}
    assert names_in(packed) == expected | own
    assert {METRICS, WEIGHTS, "dataset/matches.csv", "paper/figures/figure_1.png"} <= expected
    assert all((packed / name).read_bytes() == (run / name).read_bytes() for name in expected)


def test_a_light_archive_holds_the_headlines_weights_alone(run, packed, tmp_path):
    light = tmp_path / "light"
    pack(run, CONFIG | {"archived_weights": "headline"}, CITATION, light)
    gone = names_in(packed) - names_in(light)
    assert gone == {p for p in names_in(packed) if p.endswith((".safetensors", ".skops"))} - {
        WEIGHTS
    }
    assert read_archive(str(light), CONFIG, {}).sums.keys() >= {WEIGHTS, METRICS}


def test_sha256sum_reads_the_manifest(packed, archive):
    command = ["sha256sum", "--check", "--strict", "manifest-sha256.txt"]
    result = subprocess.run(command, cwd=packed, capture_output=True, text=True)
    assert result.returncode == 0
    assert result.stdout.count(": OK\n") == len(names_in(packed)) - 1
    (archive / METRICS).write_text("other")
    assert subprocess.run(command, cwd=archive, capture_output=True).returncode == 1


def test_the_same_run_gives_the_same_bytes(run, packed, tmp_path):
    pack(run, CONFIG | {"from_archive": None}, CITATION, tmp_path / "again")
    assert names_in(tmp_path / "again") == names_in(packed)
    for name in names_in(packed):
        assert (tmp_path / "again" / name).read_bytes() == (packed / name).read_bytes(), name


def test_config_and_versions_are_those_of_the_run(packed):
    kept = yaml.safe_load((packed / "config.yaml").read_text())
    assert kept == {name: value for name, value in CONFIG.items() if name != "from_archive"}
    versions = json.loads((packed / "versions.json").read_text())
    assert versions["packages"]["torch"] == version("torch")
    assert len(versions["packages"]) > 100


def test_another_repositorys_commit_is_not_ours(tmp_path, monkeypatch):
    """A copy of the project without .git, unpacked inside a checkout of something else."""

    def git(*words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init")
    git("commit", "--allow-empty", "--message", "something else")
    copy_of_ours = tmp_path / "downloads/galaxy-mmae"
    copy_of_ours.mkdir(parents=True)
    monkeypatch.setattr(packing, "ROOT", copy_of_ours)
    versions = packing.software_versions()
    assert (versions["commit"], versions["modified"]) == (None, False)
    monkeypatch.setattr(packing, "ROOT", tmp_path)
    assert packing.software_versions()["commit"] == git("rev-parse", "HEAD")


def test_the_crate_describes_every_file_its_authors_and_the_paper(packed):
    crate = ROCrate(packed)
    sums = parse_manifest((packed / "manifest-sha256.txt").read_text(), packed)
    files = {entity.id: entity for entity in crate.data_entities}
    assert set(files) == names_in(packed) - {"ro-crate-metadata.json"}
    for name in set(files) & set(sums):
        assert files[name]["sha256"] == sums[name]
        assert files[name]["contentSize"] == str((packed / name).stat().st_size)
    root = crate.root_dataset
    assert "toy survey (simulated galaxies)" in crate.name
    assert root["datePublished"] == "2020-09-13", "of the run, not of the packing"
    assert root["creator"][0]["name"] == "The galaxy-mmae developers"
    assert root["citation"]["identifier"] == "arXiv:2510.22527"
    assert root["citation"]["author"][0]["name"] == "Morgan Himes"
    assert root["license"].id == "https://spdx.org/licenses/MIT"
    needed = {entity["name"]: entity for entity in root["isBasedOn"]["softwareRequirements"]}
    assert needed["torch"]["softwareVersion"] == version("torch")


def test_the_readme_says_what_it_is(packed):
    text = (packed / "README.md").read_text()
    for words in ("**Simulated** galaxies", "results/toy/", "arXiv:2510.22527", "from_archive="):
        assert words in text


def test_every_figure_and_table_of_the_paper_is_required():
    assert "[paper(name) for name in paper_files(SETTINGS)]" in (PROJECT / "Snakefile").read_text()
    rules = "".join(p.read_text() for p in (PROJECT / "workflow/rules").glob("*.smk"))
    assert {n for n in PAPER_FILES if f"/paper/{n}" in rules} == {*PAPER_FILES}


def test_figures_of_studies_are_asked_for_where_there_is_one():
    studies = {"figures/missing.pdf", "figures/unpaired.pdf"}
    usual = paper_files(read_section(Settings, CONFIG, "config"))
    assert {*usual} == {*PAPER_FILES} - studies
    config = copy.deepcopy(CONFIG)
    config["models"]["mmae"]["training"] = {"unpaired": 0}
    config["grid"]["study_views"] = ["no-y"]
    assert {*paper_files(read_section(Settings, config, "config"))} == {*PAPER_FILES}


def test_other_views_than_the_grids_are_kept_for_the_figures():
    """Figures 1 and 2 show views that the grid need not have."""
    grid = CONFIG["grid"] | {"views": ["no-y"]}
    names = required_files(read_section(Settings, CONFIG | {"grid": grid}, "config"))
    run = "evaluation/mmae/mask0.75/seed0"
    for view in ("image0.75-spectrum0.75", "image0.00-spectrum1.00"):
        assert f"{run}/{view}/reconstructions.npz" in names
    for view in ("no-y", "image0.25-spectrum1.00"):
        assert f"{run}/{view}/metrics.json" in names
    assert f"{run}/image0.00-spectrum1.00/metrics.json" not in names


def test_the_figure_of_what_is_missing_is_there_where_views_hide_it():
    assert "paper/figures/missing.pdf" not in required_files(SETTINGS)
    grid = CONFIG["grid"] | {"study_views": ["no-y"]}
    names = required_files(read_section(Settings, CONFIG | {"grid": grid}, "config"))
    assert set(names) - set(required_files(SETTINGS)) == {"paper/figures/missing.pdf"}


@pytest.mark.parametrize(
    "name", [METRICS, WEIGHTS, "dataset/split.npz", "paper/tables/comparison.csv"]
)
def test_a_half_finished_run_names_what_is_missing(run, tmp_path, name):
    results = shutil.copytree(run, tmp_path / "results/toy")
    (results / name).unlink()
    write_config(tmp_path / "config.yaml")
    options = ["--results", results, "--output", tmp_path / "out/archive"]
    result = run_mmae("archive", "--config", tmp_path / "config.yaml", *options)
    assert_one_sentence(result, f"{results / name}: found no such file", "a finished run")
    assert not (tmp_path / "out").exists()


def test_what_is_no_archive_is_not_replaced(run, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"home: found a folder with thesis\.tex in it"):
        pack(run, CONFIG, CITATION, home)
    assert (home / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"survey": CONFIG["survey"] | {"name": "demo"}}, "survey.name: found demo, expected toy"),
        ({"grid": CONFIG["grid"] | {"masks": [0.75, 0.8]}}, "mask0.80/seed0.*no such file"),
        ({"training": CONFIG["training"] | {"epochs": 3}}, r"model\.json: training: .*'epochs': 2"),
        ({"grid": CONFIG["grid"] | {"models": ["vit"]}}, "'vit' is not among models"),
    ],
)
def test_the_config_of_another_run_is_told(run, tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        pack(run, CONFIG | change, CITATION, tmp_path / "archive")
    assert list(tmp_path.iterdir()) == []


def test_a_citation_without_a_paper_is_told(run, tmp_path):
    (tmp_path / "c.cff").write_text(
        "title: x\nversion: 1\nlicense: MIT\nauthors: []\nabstract: x\n"
    )
    with pytest.raises(InputError, match=r"c\.cff: preferred-citation: found no such key"):
        pack(run, CONFIG, tmp_path / "c.cff", tmp_path / "archive")


def test_a_run_on_the_released_dataset_needs_no_cleaning():
    released = copy.deepcopy(CONFIG)
    released["survey"]["source"] = "released"
    files = required_files(read_section(Settings, released, "config"))
    assert "dataset/authors_split.csv" in files
    assert not [name for name in files if "clean" in name or "crossmatch" in name]
    assert len(required_files(SETTINGS)) == len(files) + 3
