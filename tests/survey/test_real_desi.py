"""Real files of DESI, through every step that they can go through."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table, hstack, vstack

from helpers import run_mmae, shared
from mmae.dataset.arrays import open_arrays
from mmae.dataset.spectra import normalise, pool
from mmae.errors import InputError
from mmae.instruments import desi_wave
from mmae.survey.collect import Spectra, Unavailable, coadd_spectra
from mmae.survey.desi import ZCATALOG_HDU, ZCATALOG_PATH, coadd_path, read_coadd, release_columns
from mmae.survey.galaxiesml import MAGNITUDES, write_galaxiesml

SV3 = ("sv3", "dark", 26065)
SPECIAL = ("special", "dark", 27247)
TARGETS = {SV3: [39627866878511337, 39627866878514741], SPECIAL: [39089837499744649]}
EMPTY = 616088619186127404
"""A sky fibre out of place: COADD_FIBERSTATUS is 520, and there are no data."""


def real(kind: str, names: tuple) -> Path:
    """A real file of a healpix."""
    survey, program, healpix = names
    return shared("real/desi") / f"{kind}-{survey}-{program}-{healpix}.fits"


def spectra_of(path: Path, targetid: list[int]) -> list[Spectra | Unavailable]:
    matches = pd.DataFrame({"targetid": targetid, "survey": "x", "program": "x", "healpix": 1})
    return list(coadd_spectra(matches, lambda *names: nullcontext(path)))


def combined(path: Path, targetid: int) -> tuple[np.ndarray, np.ndarray]:
    """Flux and ivar of one target, pixel by pixel, by the words of DESI's coaddition."""
    flux, ivar = np.zeros(len(desi_wave())), np.zeros(len(desi_wave()))
    with fits.open(path, memmap=False) as hdus:
        row = hdus["FIBERMAP"].data["TARGETID"].tolist().index(targetid)
        for arm in "BRZ":
            pixel = np.round((hdus[f"{arm}_WAVELENGTH"].data - 3600) / 0.8).astype(int)
            weight = hdus[f"{arm}_IVAR"].data[row] * (hdus[f"{arm}_MASK"].data[row] == 0)
            np.add.at(flux, pixel, weight.astype(float) * hdus[f"{arm}_FLUX"].data[row])
            np.add.at(ivar, pixel, weight)
    return np.divide(flux, ivar, out=np.zeros_like(flux), where=ivar > 0), ivar


@pytest.mark.parametrize("names", TARGETS)
def test_spectra_of_real_coadds(names):
    path = real("coadd", names)
    (found,) = spectra_of(path, TARGETS[names])
    assert found.rows.tolist() == list(range(len(TARGETS[names])))
    assert not found.n_damaged.any()
    for target, flux, ivar in zip(TARGETS[names], found.flux, found.ivar, strict=True):
        expected_flux, expected_ivar = combined(path, target)
        assert (ivar > 0).mean() > 0.99
        np.testing.assert_allclose(flux, expected_flux, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ivar, expected_ivar, rtol=1e-5)


@pytest.mark.parametrize("names", TARGETS)
def test_real_spectra_are_normalised_and_pooled(names):
    (found,) = spectra_of(real("coadd", names), TARGETS[names])
    normalised = normalise(found.flux, found.ivar)
    weight = np.where(found.flux != 0, found.ivar, 0).astype(float)
    mean = (weight * normalised).sum(axis=1) / weight.sum(axis=1)
    rms = np.sqrt((weight * normalised**2).sum(axis=1) / weight.sum(axis=1))
    assert mean == pytest.approx(0, abs=1e-5)
    assert rms == pytest.approx(1, abs=1e-5)
    assert pool(normalised, 30).shape == (len(normalised), 259)


def test_single_exposures_of_targets_seen_once_are_their_spectra():
    """The masks of this file are compressed (GZIP_1) and unsigned."""
    (ours,) = spectra_of(real("spectra", SV3), TARGETS[SV3][:1])
    (theirs,) = spectra_of(real("coadd", SV3), TARGETS[SV3][:1])
    assert np.array_equal(ours.flux, theirs.flux)
    assert np.array_equal(ours.ivar, theirs.ivar)


def test_a_real_spectrum_without_data_is_empty():
    (found,) = spectra_of(real("coadd", SV3), [EMPTY])
    assert not found.ivar.any()
    assert not normalise(found.flux, found.ivar).any()


def test_a_real_file_without_fibermap_is_one_sentence():
    with pytest.raises(InputError, match=r"quasarnp_test_coadd.fits: HDU FIBERMAP: found only \["):
        read_coadd(shared("real/desi") / "quasarnp_test_coadd.fits")


@pytest.mark.parametrize("hdu", ["FIBERMAP", "EXP_FIBERMAP", "SCORES"])
def test_the_embedded_surveys_columns_are_those_of_real_files(hdu):
    ours = release_columns().query("hdu == @hdu")
    with fits.open(real("coadd", SPECIAL)) as hdus:
        theirs = {column.name: column.format for column in hdus[hdu].columns}
    assert dict(zip(ours["name"], ours["format"], strict=True)) == theirs


def real_catalogue() -> Table:
    """As zall-pix is made: FIBERMAP, redshifts and S/N of all files side by side.

    Only one file has its redshifts; those of the others are made up.
    """
    redrock = real("redrock", SPECIAL)
    tables = []
    for names in (SV3, SPECIAL):
        fibermap = Table.read(real("coadd", names), "FIBERMAP")
        redshifts = Table.read(redrock, "REDSHIFTS")[np.zeros(len(fibermap), int)]
        scores = Table.read(redrock, "TSNR2")[np.zeros(len(fibermap), int)]
        for table in (redshifts, scores):
            table.remove_column("TARGETID")
        if names == SV3:
            redshifts["Z"], redshifts["ZWARN"] = 0.8, np.where(fibermap["OBJTYPE"] == "TGT", 0, 4)
        table = hstack([redshifts, fibermap, scores], metadata_conflicts="silent")
        table["SURVEY"], table["PROGRAM"] = np.array(names[0], "S7"), np.array(names[1], "S6")
        table["HEALPIX"] = np.int32(names[2])
        tables.append(table)
    catalogue = vstack(tables, metadata_conflicts="silent")
    for survey in ("SV1", "SV2"):
        for kind in ("DESI", "BGS", "MWS", "SCND"):
            catalogue[f"{survey}_{kind}_TARGET"] = 0
    catalogue["ZCAT_PRIMARY"], catalogue["ZCAT_NSPEC"] = True, np.int16(1)
    return catalogue.filled()


@pytest.fixture
def survey(tmp_path) -> Path:
    """A folder with a DESI tree of real files, and made-up images around its targets."""
    catalogue = real_catalogue()
    again = catalogue[catalogue["TARGETID"] == TARGETS[SV3][0]]
    again["SURVEY"], again["ZWARN"], again["ZCAT_PRIMARY"] = b"special", 4, False
    again["TARGET_DEC"] -= 0.2 / 3600  # nearer to the image
    catalogue = vstack([again, catalogue])
    assert len(catalogue.colnames) > 120
    path = tmp_path / "desi" / ZCATALOG_PATH
    path.parent.mkdir(parents=True)
    hdu = fits.table_to_hdu(catalogue)
    hdu.name = ZCATALOG_HDU
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    for names in TARGETS:
        target = coadd_path(tmp_path / "desi", *names)
        target.parent.mkdir(parents=True)
        shutil.copy(real("coadd", names), target)
    # in the order of the catalogue: a galaxy 0.2 arcsec from each fibre, and one in the void
    hsc = catalogue[1:]
    columns = {
        "object_id": 100 + np.arange(len(hsc) + 1),
        "ra": np.append(hsc["TARGET_RA"], 10.0),
        "dec": np.append(hsc["TARGET_DEC"] - 0.2 / 3600, 0.0),
        "specz_redshift": np.append(hsc["Z"], 0.5),
        **dict.fromkeys(MAGNITUDES, np.full(len(hsc) + 1, 20.0)),
    }
    images = np.random.default_rng(0).normal(0.1, 0.1, (len(hsc) + 1, 5, 64, 64)).astype("f4")
    write_galaxiesml(tmp_path / "hsc.hdf5", columns, [images])
    return tmp_path


def test_real_files_go_from_the_catalogue_to_the_training_arrays(survey):
    files = {name: survey / name for name in ("matches", "spectra", "dataset", "arrays")}
    words = {
        "crossmatch": ["galaxiesml", "desi", "matches", "contested", "counts"],
        "fetch-spectra": ["matches", "tree", "group", "spectra", "unavailable"],
        "collect-spectra": ["matches", "spectra"],
        "clean": [
            *("matches", "contested", "galaxiesml", "spectra"),
            *("dataset", "report", "removed", "unpaired"),
        ],
        "training-arrays": ["dataset", "arrays"],
    }
    paths = {"galaxiesml": survey / "hsc.hdf5", "desi": survey / "desi", "tree": survey / "desi"}
    config = ["--config=config/config.yaml", '--config={"survey": {"spectra": {"groups": 1}}}']
    for step, names in words.items():
        options = [f"--{name}={paths.get(name, survey / name)}" for name in names]
        if step == "fetch-spectra":
            options[2:4] = ["--group=0", f"--spectra={survey / 'group'}"]
        more = [f"--group={survey / 'group'}"] if step == "collect-spectra" else config
        result = run_mmae(step, *options, *more)
        assert result.returncode == 0, (step, result.stderr)

    counts = pd.read_csv(survey / "counts").set_index("quantity")["count"]
    assert counts["DESI rows"] == 7
    assert counts["DESI fibres on blank sky"] == 1
    assert counts["DESI fibres on neither target nor sky"] == 2
    assert counts["DESI rows of a target that another row stands for"] == 1
    assert counts["DESI targets matched"] == counts["DESI targets"] == 3
    targets = [target for names in TARGETS for target in TARGETS[names]]
    matches = pd.read_csv(files["matches"])
    assert matches["targetid"].tolist() == targets
    assert matches["object_id"].tolist() == [102, 104, 105]
    assert matches["survey"].tolist() == ["sv3", "sv3", "special"]
    assert (matches["zwarn"] == 0).all()
    with h5py.File(files["dataset"]) as file:
        flux, ivar = file["spectrum/flux"][:], file["spectrum/ivar"][:]
        assert file["targetid"][:].astype(np.int64).tolist() == targets
    arrays = open_arrays(files["arrays"])
    assert np.array_equal(arrays.values["spectrum"], pool(normalise(flux, ivar), 30))
    assert (np.abs(arrays.values["spectrum"]).max(axis=1) > 0.1).all()
