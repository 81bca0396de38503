"""From download to training arrays against a server with the embedded survey's files behind it.

Only addresses, and what the small survey makes necessary, differ from config/paper.yaml.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import services
from mmae.dataset import layout
from services import answers, cut
from workflow_project import Project

pytestmark = pytest.mark.workflow

PAPER = ("--configfile", "config/paper.yaml", "--cores", "2")
ARRAYS = "results/paper/dataset/arrays"


@pytest.fixture(scope="module")
def server(small_survey, tmp_path_factory):
    """The services, with GalaxiesML in three files, as it is released."""
    parts = tmp_path_factory.mktemp("galaxiesml")
    with services.running() as server:
        server.desi = small_survey.desi
        server.records[13878122] = three_parts(small_survey.galaxiesml, parts)
        server.records[16989593] = {"GalaxiesML-Spectra.h5": small_survey.dataset}
        yield server


def three_parts(path: Path, folder: Path) -> dict[str, Path]:
    """Training, validation and testing files, whose names sort as testing, training, validation."""
    files = {}
    with h5py.File(path) as whole:
        n = whole["image"].shape[0]
        for name, rows in (
            ("testing", slice(0, n // 5)),
            ("training", slice(n // 5, n // 2)),
            ("validation", slice(n // 2, n)),
        ):
            files[f"5x64x64_{name}_with_morphology.hdf5"] = folder / f"{name}.hdf5"
            with h5py.File(folder / f"{name}.hdf5", "w") as part:
                for dataset in whole:
                    part[dataset] = whole[dataset][rows]
    return files


def config(server, max_unavailable: float = 0.0, **survey: object) -> list[str]:
    """Command-line config: other addresses, little patience."""
    zenodo = {name: {"url": server.url} for name in ("galaxiesml", "galaxiesml_spectra")}
    changes = {
        "survey": {
            "zenodo": zenodo,
            "desi": {"url": f"{server.url}/desi"},
            "sparcl": {"url": server.url},
            **survey,
        },
        "download": {"longest_wait": 0.1, "reserve_gb": 0.0},
        # the small survey has many faults for its size
        "crossmatch": {"max_damaged": 0.05},
        "clean": {"max_unavailable": max_unavailable, "max_damaged": 0.05},
    }
    return ["--config", *(f"{name}={json.dumps(value)}" for name, value in changes.items())]


@pytest.fixture(scope="module")
def run(server, small_survey, tmp_path_factory):
    """Make the training arrays in a new copy of the project; each way once."""
    done: dict[str, Project] = {}

    def make(way: str, **survey: object) -> Project:
        if way not in done:
            project = Project(tmp_path_factory.mktemp(way) / "project")
            words = config(server, **survey)
            result = project.snakemake(ARRAYS, *PAPER, *words)
            assert result.returncode == 0, result.stderr[-5000:]
            done[way] = project
        return done[way]

    return make


WAYS = {
    "released": {},
    "coadd": {"source": "rebuild", "spectra": {"groups": 3}},
    "sparcl": {"source": "rebuild", "spectra": {"groups": 3, "service": "sparcl"}},
}


def arrays(project: Project) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in (project.folder / ARRAYS).glob("*.npy")}


@pytest.mark.parametrize("way", ["coadd", pytest.param("sparcl", marks=pytest.mark.nightly)])
def test_both_ways_give_the_same_arrays_for_the_same_galaxies(run, small_survey, way):
    released, rebuilt = arrays(run("released", **WAYS["released"])), arrays(run(way, **WAYS[way]))
    assert set(released) == set(rebuilt)
    for name, values in released.items():
        np.testing.assert_array_equal(values, rebuilt[name], err_msg=name)
    assert len(released["targetid"]) == 150


def test_the_rebuilt_dataset_is_the_embedded_surveys_own(run, small_survey):
    path = run("coadd", **WAYS["coadd"]).folder / "results/paper/dataset/galaxiesml_spectra.hdf5"
    with layout.open_dataset(path) as ours, layout.open_dataset(small_survey.dataset) as theirs:
        for name in (layout.IMAGE, layout.FLUX, layout.IVAR, layout.REDSHIFT, layout.TARGETID):
            np.testing.assert_array_equal(ours[name][:], theirs[name][:], err_msg=name)


def test_downloads_stay_and_coadd_files_go(run):
    project = run("coadd", **WAYS["coadd"])
    kept = {path.name for path in (project.folder / "data").rglob("*") if path.is_file()}
    names = {name for name in kept if not name.startswith(".")}
    assert names == {
        "zall-pix-iron.fits",
        *(f"5x64x64_{n}_with_morphology.hdf5" for n in ("testing", "training", "validation")),
    }
    groups = (project.folder / "results/paper/dataset/spectra").glob("*.hdf5")
    assert len(list(groups)) == 3, "what asked the network stays"


def test_each_group_lists_what_could_not_be_had(run):
    groups = run("coadd", **WAYS["coadd"]).folder / "results/paper/dataset/spectra"
    tables = [pd.read_csv(path) for path in sorted(groups.glob("*.csv"))]
    assert [list(table) for table in tables] == [["targetid", "reason"]] * 3
    assert sum(map(len, tables)) == 0


@pytest.mark.nightly
def test_nothing_is_fetched_again(run, server, small_survey):
    project = run("released", **WAYS["released"])
    server.asked.clear()
    words = config(server, **WAYS["released"])
    result = project.snakemake(ARRAYS, *PAPER, "--forceall", *words)
    assert result.returncode == 0, result.stderr[-3000:]
    assert server.asked == []


@pytest.mark.nightly
def test_table_1_is_of_what_was_downloaded(run, server, small_survey):
    for way, rows in (
        ("released", ["GalaxiesML-Spectra"]),
        ("coadd", ["DESI", "GalaxiesML", "GalaxiesML-Spectra"]),
    ):
        project = run(way, **WAYS[way])
        words = config(server, **WAYS[way])
        target = "results/paper/paper/tables/table_1.csv"
        result = project.snakemake(target, *PAPER, *words)
        assert result.returncode == 0, result.stderr[-3000:]
        table = pd.read_csv(project.folder / target)
        measured = table[table["source"] == "measured here"]
        assert measured["dataset"].tolist() == rows
        assert measured["count"].iloc[-1] == 150


def test_the_schema_is_told(run):
    folder = run("released", **WAYS["released"]).folder / "results/paper/catalog"
    schema = pd.read_csv(folder / "schema.csv").set_index("dataset")
    assert schema.loc[layout.IMAGE, "found"] == "float32 (150, 5, 64, 64)"
    assert (folder / "galaxiesml_spectra.hdf5").is_symlink()


@pytest.mark.nightly
def test_a_broken_line_and_a_gap_in_desi_are_survived(server, small_survey, tmp_path):
    """Cuts and 503s everywhere; one coadd file that DESI does not have, within the limit."""
    server.faults = {
        "zall-pix-iron.fits": [cut(50_000), answers(503)],
        "/content": [cut(100_000), answers(500), cut(5)],
        ".fits": [services.well, answers(404), cut(3000)],
    }
    project = Project(tmp_path / "project")
    ways = {"source": "rebuild", "spectra": {"groups": 2}, "max_unavailable": 0.5}
    target = "results/paper/dataset/cleaning.csv"
    result = project.snakemake(target, *PAPER, *config(server, **ways))
    server.faults = {}
    assert result.returncode == 0, result.stderr[-5000:]
    counts = pd.read_csv(project.folder / target).set_index("cut")["removed"]
    groups = (project.folder / "results/paper/dataset/spectra").glob("*.csv")
    listed = pd.concat(pd.read_csv(path) for path in groups)
    assert counts["no spectrum to be had"] == len(listed) > 0
    assert listed["reason"].str.contains("answer 404").all()


@pytest.mark.nightly
def test_too_many_gaps_fail_with_their_number(server, small_survey, tmp_path):
    server.faults = {".fits": [services.well, *[answers(404)] * 100]}
    project = Project(tmp_path / "project")
    ways = {"source": "rebuild", "spectra": {"groups": 1}, "max_unavailable": 0.1}
    result = project.snakemake(
        "results/paper/dataset/cleaning.csv", *PAPER, *config(server, **ways)
    )
    server.faults = {}
    assert result.returncode == 1
    text = result.stdout + result.stderr
    assert "pairs without a spectrum, expected at most a fraction 0.1" in text
    assert not (project.folder / "results/paper/dataset/galaxiesml_spectra.hdf5").exists()
    assert len(pd.read_csv(project.folder / "results/paper/dataset/spectra/000.csv")) > 0
