"""The embedded survey as a whole: its formats, its bytes, and that it looks like the real one."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from helpers import PROJECT, await_end, read_zcatalog
from mmae.config import read_section
from mmae.instruments import BANDS, N_WAVE
from mmae.settings import ImageFaults, Simulation
from mmae.survey.desi import coadd_path, read_coadd
from mmae.survey.galaxiesml import REQUIRED, read_catalog
from mmae.survey.simulated.images import draw_conditions
from mmae.survey.simulated.simulate import CONDITIONS, simulate_survey


def simulate(folder: Path, config: dict, workers: int = 1, **changes) -> dict[str, str]:
    """Simulate a handful of galaxies; digest of every file by its name."""
    settings = config["survey"]["simulate"] | {"n_galaxies": 12} | changes
    simulate_survey(
        read_section(Simulation, settings, "test"),
        folder / "galaxiesml.hdf5",
        folder / "desi",
        folder / "truth.fits",
        workers,
    )
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_however_it_is_worked(tmp_path, config):
    first = simulate(tmp_path / "a", config, seed=3)
    assert simulate(tmp_path / "b", config, seed=3, workers=2, chunk_size=5) == first
    other = simulate(tmp_path / "c", config, seed=4)
    assert other["galaxiesml.hdf5"] != first["galaxiesml.hdf5"]
    assert not set(other.values()) & set(first.values())


def test_workers_do_not_outlive_a_killed_simulation(tmp_path):
    files = [f"--{name}={tmp_path / name}" for name in ("galaxiesml", "desi", "truth")]
    command = [sys.executable, "-m", "mmae", "simulate-survey", "--workers=2", *files]
    running = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE)
    while not any(tmp_path.glob(".galaxiesml.*.part")):
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.05)
    workers: list[psutil.Process] = []
    while len(workers) < 3:  # two, and one that tidies up after them
        assert running.poll() is None, running.stderr.read()
        workers = psutil.Process(running.pid).children()
    assert len(workers) == 3
    running.kill()
    # whoever reads what the workers print would wait for ever if they went on
    running.communicate()
    await_end(workers)


def test_hsc_file_is_that_of_galaxiesml(small_survey):
    with h5py.File(small_survey.galaxiesml) as file:
        assert set(file) >= {*REQUIRED, "specz_redshift_err", "specz_flag_homogeneous"}
        for band in BANDS:
            assert f"{band}_cmodel_magsigma" in file
            for shape in ("sersic_index", "half_light_radius", "ellipticity"):
                assert np.isfinite(file[f"{band}_{shape}"][:]).all()
        image = file["image"]
        assert image.dtype == np.float32
        assert image.shape == (len(file["object_id"]), 5, 64, 64)
        assert np.isfinite(image[:]).all()


def test_every_row_of_desis_catalogue_has_its_spectrum(small_survey):
    catalog = read_zcatalog(small_survey.desi)
    for (survey, program, healpix), rows in catalog.groupby(["SURVEY", "PROGRAM", "HEALPIX"]):
        coadd = read_coadd(coadd_path(small_survey.desi, survey, program, healpix))
        assert coadd.targetid.tolist() == rows["TARGETID"].tolist()


def test_images_and_catalogue_tell_the_same_magnitudes(small_survey):
    catalog = read_catalog(small_survey.galaxiesml)
    truth = small_survey.truth_table("HSC")
    with h5py.File(small_survey.galaxiesml) as file:
        middle = file["image"][:, :, 17:47, 17:47].sum(axis=(2, 3))
    bright = (catalog["i_cmodel_mag"] < 19) & (truth["role"] == "good").to_numpy()
    assert bright.sum() > 30
    for k, band in enumerate(BANDS):
        cmodel = 10 ** (-0.4 * (catalog[f"{band}_cmodel_mag"][bright] - 27.0))
        ratio = middle[bright, k] / cmodel
        # the aperture misses outskirts and catches neighbours, and cmodel has its error
        assert 0.7 < np.median(ratio) < 1.1, band


def test_pixels_are_as_bright_and_as_noisy_as_those_of_hsc(small_survey):
    """Beside the mean and standard deviation of GalaxiesML's pixels, g to y.

    DESI's targets are the bright part of GalaxiesML, so that a few times its mean is right.
    """
    means = (0.078, 0.157, 0.231, 0.304, 0.369)
    deviations = (0.83, 1.44, 1.79, 2.60, 3.14)
    with h5py.File(small_survey.galaxiesml) as file:
        image = file["image"][:]
    for k in range(len(BANDS)):
        assert 1 < image[:, k].mean() / means[k] < 5
        assert 1 < image[:, k].std() / deviations[k] < 5


def test_catalogue_and_image_share_their_zero_points(small_survey):
    """Colours of the catalogue are wrong as those of the pixels are."""
    catalog = read_catalog(small_survey.galaxiesml)
    truth, sources = (small_survey.truth_table(name) for name in ("HSC", "SOURCES"))
    true = sources.iloc[truth["source"]].reset_index(drop=True)
    use = (truth["role"] == "good").to_numpy() & (true["mag_i"] < 19).to_numpy()
    error = {
        band: (catalog[f"{band}_cmodel_mag"] - true[f"mag_{band}"]).to_numpy()[use]
        for band in BANDS
    }
    colour = error["r"] - error["i"]
    # two zero points of 1.2% and two colour errors of 1%
    assert colour.std() == pytest.approx(0.024, abs=0.006)
    assert 0.06 < error["i"].std() < 0.14
    conditions = draw_conditions(
        len(truth), ImageFaults(0.0, 0.0, 0.0), np.random.default_rng([1, CONDITIONS])
    )
    zero = -2.5 * np.log10(conditions.zero_point[use])
    assert np.corrcoef(colour, zero[:, 1] - zero[:, 2])[0, 1] > 0.55


def test_truth_tells_what_every_row_is(small_survey):
    sources = small_survey.truth_table("SOURCES")
    for name in ("HSC", "DESI"):
        table = small_survey.truth_table(name)
        table = table[table["source"] >= 0]
        true = sources.iloc[table["source"]].reset_index(drop=True)
        stars = (table["role"] == "star").to_numpy()
        assert ((true["spectype"] == "STAR") == stars).all()
        if name == "HSC":
            assert np.array_equal(true["redshift"], table["redshift"])


def test_other_kinds_of_objects_come_by_config(tmp_path, config):
    targets = {"matched": 0.0, "bgs": 0.0, "lrg": 0.0, "elg": 1.0, "qso": 0.0}
    simulate(tmp_path, config, targets=targets)
    survey = read_zcatalog(tmp_path / "desi")
    seen = survey[survey["OBJTYPE"] == "TGT"]
    galaxies = seen[(seen["SPECTYPE"] == "GALAXY") & (seen["ZWARN"] == 0)]
    assert galaxies["Z"].between(0.6, 1.7).all()


def test_faults_are_as_many_as_asked_for(small_survey):
    hsc = small_survey.truth_table("HSC")["role"].value_counts()
    desi = small_survey.truth_table("DESI")["role"].value_counts()
    assert hsc["good"] == desi["good"] == 150
    for role, count in {"star": 4, "zwarn": 4, "inconsistent": 8, "missing": 4}.items():
        assert hsc[role] == desi[role] == count
    assert hsc["duplicate"] == desi["duplicate"] == 4
    assert (hsc["neighbour"], desi["repeat"]) == (8, 8)
    assert (hsc["hsc_only"], desi["desi_only"], desi["sky"]) == (8, 8, 8)


def test_spikes_are_in_the_spectra(small_survey):
    spikes = small_survey.truth_table("ARTEFACTS")
    assert spikes["pixel"].between(0, N_WAVE - 1).all()
    assert spikes["TARGETID"].nunique() == 45
