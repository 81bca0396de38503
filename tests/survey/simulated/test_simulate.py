"""The embedded survey as a whole: its formats, its bytes, and that it looks like the real one."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from helpers import PROJECT, assert_one_sentence, await_end, read_zcatalog, run_mmae
from mmae.config import read_section
from mmae.instruments import BANDS, N_WAVE
from mmae.settings import ImageFaults, Simulation
from mmae.survey.desi import coadd_path, read_coadd
from mmae.survey.galaxiesml import REQUIRED, read_catalog
from mmae.survey.simulated.images import draw_conditions, sky_sigma
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
    same = set(other.values()) & set(first.values())
    assert same == {first["desi/simulated.txt"]}, "which says that it is simulated"


@pytest.mark.nightly
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
        bad = np.flatnonzero(~np.isfinite(image[:]).all(axis=(1, 2, 3)))
    truth = small_survey.truth_table("HSC")
    assert bad.tolist() == np.flatnonzero(truth["role"] == "bad_image").tolist()


def test_every_row_of_desis_catalogue_has_its_spectrum(small_survey):
    catalog = read_zcatalog(small_survey.desi)
    for (survey, program, healpix), rows in catalog.groupby(["SURVEY", "PROGRAM", "HEALPIX"]):
        coadd = read_coadd(coadd_path(small_survey.desi, survey, program, healpix))
        assert coadd.targetid.tolist() == rows["TARGETID"].tolist()


def test_a_disk_that_fills_up_is_one_sentence_and_leaves_no_part(small_disk):
    """There is room for the images, not for all spectra, which two processes write."""
    few = json.dumps({"survey": {"simulate": {"n_galaxies": 100}}})
    result = run_mmae(
        *("simulate-survey", "--config", "config/config.yaml", "--config", few, "--workers", 2),
        *("--galaxiesml", small_disk / "g.hdf5", "--desi", small_disk / "desi"),
        *("--truth", small_disk / "truth.fits"),
    )
    assert_one_sentence(result, str(small_disk), "cannot be written (No space left on device)")
    assert [path.name for path in small_disk.iterdir()] == ["g.hdf5"]


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
        image = np.nan_to_num(file["image"][:])
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
    simulate(tmp_path, config, targets=targets, images=False)
    with h5py.File(tmp_path / "galaxiesml.hdf5") as file:
        images = file["image"][:]
    assert np.allclose(images.std(axis=(0, 2, 3)), sky_sigma(), rtol=0.02), "nothing is drawn"
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
    assert (desi["desi_only"], desi["sky"]) == (8, 8)
    for role, count in {"bad_fiber": 4, "empty": 2, "bad_image": 1}.items():
        assert hsc[role] == desi[role] == count
    assert hsc["hsc_only"] == 8 - 4 - 2 - 1
    assert (desi["unassigned"], desi["displaced"], desi["no_position"]) == (6, 6, 2)


def test_faults_of_the_release_are_in_the_spectra(small_survey):
    truth = small_survey.truth_table("DESI")
    numbers = {"lost_arm": 0, "bad_pixel": 0, "empty": 0}
    for names, rows in truth.groupby(["SURVEY", "PROGRAM", "HEALPIX"]):
        coadd = read_coadd(coadd_path(small_survey.desi, *names))
        for k, row in enumerate(rows.itertuples()):
            empty = {arm for arm, ivar in coadd.ivar.items() if not ivar[k].any()}
            if row.role in ("bad_fiber", "empty", "unassigned"):
                assert empty == {"B", "R", "Z"}
                numbers["empty"] += 1
            elif row.lost_arm:
                assert empty == {row.lost_arm}
                numbers["lost_arm"] += 1
            bad = np.flatnonzero(~np.isfinite(coadd.flux["B"][k]))
            assert bad.tolist() == ([row.bad_pixel] if row.bad_pixel >= 0 else [])
            numbers["bad_pixel"] += len(bad)
    assert numbers == {"lost_arm": 3, "bad_pixel": 2, "empty": 4 + 2 + 6}


def test_a_survey_without_the_faults_of_the_release_is_the_same_but_for_them(tmp_path, config):
    """They are drawn from random numbers of their own."""
    faults = config["survey"]["simulate"]["faults"] | {"hsc_only": 0.3}
    names = ("unassigned", "no_position", "displaced", "bad_fiber", "empty", "bad_image")
    off = faults | dict.fromkeys((*names, "lost_arm", "not_finite"), 0)
    catalogs = []
    for folder, some in (("with", faults), ("without", off)):
        simulate(tmp_path / folder, config, faults=some)
        with h5py.File(tmp_path / folder / "galaxiesml.hdf5") as file:
            catalogs.append(np.nan_to_num(file["image"][:]))
    assert (catalogs[0] != catalogs[1]).sum() == 1
    ours, theirs = (read_zcatalog(tmp_path / folder / "desi") for folder in ("with", "without"))
    assert len(ours) > len(theirs)
    same = [name for name in theirs if name not in ("COADD_FIBERSTATUS", "HEALPIX")]
    for name in same:
        assert ours[name][: len(theirs)].tolist() == theirs[name].tolist(), name


def test_spikes_are_in_the_spectra(small_survey):
    spikes = small_survey.truth_table("ARTEFACTS")
    assert spikes["pixel"].between(0, N_WAVE - 1).all()
    assert spikes["TARGETID"].nunique() == 45
