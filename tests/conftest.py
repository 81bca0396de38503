"""A small embedded survey, taken once through every data step, and a model trained on it."""

import copy
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from helpers import PROJECT, SmallSurvey, made_once, run_mmae, small_disk_in
from mmae.cli import STRICT

# a defect ends in its traceback, in our own processes and in those that they start
os.environ[STRICT] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run Snakemake take longest: first, so that no process ends long after others."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 14 MB, where this user may mount one."""
    with small_disk_in(tmp_path / "disk", "14m") as folder:
        yield folder


@pytest.fixture(scope="session")
def config() -> dict:
    """The default config, as plain content."""
    return yaml.safe_load((PROJECT / "config/config.yaml").read_text())


N_GOOD = 150
FAULTS = {
    **{"star": 0.03, "zwarn": 0.03, "duplicate": 0.03, "inconsistent": 0.05, "missing": 0.03},
    **{"artefact": 0.3, "repeat": 0.05, "neighbour": 0.05},
    **{"hsc_only": 0.05, "desi_only": 0.05, "sky_fibre": 0.05, "unassigned": 0.04},
    **{"no_position": 0.01, "displaced": 0.04, "bad_fiber": 0.027, "empty": 0.013},
    **{"bad_image": 0.007, "lost_arm": 0.02, "not_finite": 0.013},
}


@pytest.fixture(scope="session")
def small_survey(tmp_path_factory: pytest.TempPathFactory, config: dict) -> SmallSurvey:
    """Run all data steps of the command line on a survey with many faults."""
    home = made_once(
        tmp_path_factory, "survey", lambda folder: make_survey(survey_in(folder), config)
    )
    return survey_in(home)


def survey_in(home: Path) -> SmallSurvey:
    """Paths of a survey in a folder."""
    names = {name: home / f"{name}" for name in ("desi", "arrays")}
    names |= {n: home / f"{n}.hdf5" for n in ("galaxiesml", "noiseless", "spectra", "dataset")}
    names |= {
        n: home / f"{n}.csv"
        for n in ("matches", "contested", "counts", "report", "removed", "unpaired")
    }
    groups = tuple(home / f"group{k}.hdf5" for k in range(2))
    return SmallSurvey(**names, groups=groups, split=home / "split.npz", truth=home / "truth.fits")


def make_survey(survey: SmallSurvey, config: dict) -> None:
    """Take every data step."""
    config = copy.deepcopy(config)
    config["survey"]["simulate"] |= {"n_galaxies": N_GOOD, "faults": FAULTS}
    config["survey"]["spectra"]["groups"] = len(survey.groups)
    own = survey.truth.with_name("config.yaml")
    own.write_text(yaml.safe_dump(config))
    config_option = ["--config", own]
    groups = survey.groups
    for step, paths in {
        "simulate-survey": ("galaxiesml", "desi", "truth", "noiseless"),
        "crossmatch": ("galaxiesml", "desi", "matches", "contested", "counts"),
        "fetch-spectra": ("matches",),
        "collect-spectra": ("matches", "spectra"),
        "clean": (
            *("matches", "contested", "galaxiesml", "spectra"),
            *("dataset", "report", "removed", "unpaired"),
        ),
        "split": ("dataset", "split"),
        "training-arrays": ("dataset", "arrays"),
    }.items():
        words = [word for name in paths for word in (f"--{name}", getattr(survey, name))]
        runs = [[f"--group={path}" for path in groups] if step == "collect-spectra" else []]
        if step == "fetch-spectra":
            runs = [
                [
                    *(f"--group={k}", "--tree", survey.desi, "--spectra", path),
                    *("--unavailable", path.with_suffix(".csv")),
                ]
                for k, path in enumerate(groups)
            ]
        for more in runs:
            config_words = [] if step == "collect-spectra" else config_option
            result = run_mmae(step, *words, *more, *config_words)
            assert result.returncode == 0, (step, result.stderr)


@pytest.fixture
def scratch_survey(small_survey: SmallSurvey, tmp_path: Path) -> SmallSurvey:
    """A copy of the small survey that a test may damage."""
    shutil.copytree(small_survey.truth.parent, tmp_path / "survey")
    return survey_in(tmp_path / "survey")


@pytest.fixture(scope="session")
def toy_config() -> list[str]:
    """Options that make a command use the toy's sizes."""
    names = ("config.yaml", "toy.yaml")
    return [word for name in names for word in ("--config", f"config/{name}")]


@pytest.fixture(scope="session")
def trained_model(
    small_survey: SmallSurvey, toy_config: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Folder of a model trained by the command on the small survey."""
    options = ["--arrays", small_survey.arrays, "--split", small_survey.split, *toy_config]

    def train(folder: Path) -> None:
        result = run_mmae(
            *("train", "--model", "mmae", "--mask", "0.75", "--seed", "0"),
            *("--output", folder / "mask0.75", "--cost", folder / "cost.json", *options),
        )
        assert result.returncode == 0, result.stderr

    return made_once(tmp_path_factory, "trained", train) / "mask0.75"
