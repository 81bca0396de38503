"""Bad input: one sentence that names file, key, found and expected; exit code 1; nothing half."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from helpers import SmallSurvey, assert_one_sentence, run_mmae
from mmae.survey.desi import ZCATALOG_PATH

OUTPUTS = {
    "crossmatch": ("matches", "contested", "counts"),
    "fetch-spectra": ("spectra", "unavailable"),
    "collect-spectra": ("spectra",),
    "clean": ("dataset", "report", "removed", "unpaired"),
    "split": ("split",),
    "training-arrays": ("arrays",),
    "train": ("output", "cost"),
}
INPUTS = {
    "crossmatch": ("galaxiesml", "desi"),
    "fetch-spectra": ("matches", "tree"),
    "collect-spectra": ("matches",),
    "clean": ("matches", "contested", "galaxiesml", "spectra"),
    "split": ("dataset",),
    "training-arrays": ("dataset",),
    "train": ("arrays", "split"),
}


ONE_GROUP = (
    *("--config", "config/config.yaml"),
    *("--config", json.dumps({"survey": {"spectra": {"groups": 1}}})),
)


def run_step(step: str, survey: SmallSurvey, new: Path, *options: object):
    """Run a step on a survey; its outputs go to a new folder."""
    words: list[object] = [step]
    for name in INPUTS[step]:
        words += [f"--{name}", getattr(survey, {"tree": "desi"}.get(name, name))]
    for name in OUTPUTS[step]:
        words += [f"--{name}", new / name]
    if step == "train":
        words += ["--model", "mmae", "--mask", "0.75", "--seed", "0"]
    elif step == "fetch-spectra":
        words += ["--group", "0", *(options or ONE_GROUP)]
    elif step == "collect-spectra":
        words += [f"--group={path}" for path in survey.groups]
    return run_mmae(*words, *options)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def one_coadd(survey: SmallSurvey) -> Path:
    """A coadd file that some match needs."""
    first = pd.read_csv(survey.matches).iloc[0]
    return next(
        survey.desi.glob(
            f"healpix/{first['survey']}/{first['program']}/*/{first['healpix']}/*.fits"
        )
    )


def edit_hdf5(path: Path, change) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def replace(file: h5py.File, name: str, values: np.ndarray) -> None:
    del file[name]
    file[name] = values


def without_masks(survey: SmallSurvey) -> None:
    path = one_coadd(survey)
    with fits.open(path, memmap=False) as hdus:
        rest = fits.HDUList([hdu for hdu in hdus if not hdu.name.endswith("_MASK")])
        rest.writeto(path, overwrite=True)


def without_column(survey: SmallSurvey) -> None:
    path = survey.desi / ZCATALOG_PATH
    with fits.open(path, memmap=False) as hdus:
        names = [name for name in hdus[1].columns.names if name != "ZWARN"]
        table = fits.BinTableHDU.from_columns([hdus[1].columns[n] for n in names], name="ZCATALOG")
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)


def edit_catalog(survey: SmallSurvey, column: str, value: float) -> None:
    with fits.open(survey.desi / ZCATALOG_PATH, mode="update", memmap=False) as hdus:
        hdus[1].data[column][hdus[1].data["OBJTYPE"] == "TGT"] = value


def image_for_catalog(survey: SmallSurvey) -> None:
    image = fits.ImageHDU(np.zeros((3, 3)), name="ZCATALOG")
    path = survey.desi / ZCATALOG_PATH
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path, overwrite=True)


def move_sky(survey: SmallSurvey) -> None:
    edit_hdf5(survey.galaxiesml, lambda f: replace(f, "dec", f["dec"][:] - 30))


def no_stars_but_stars(survey: SmallSurvey) -> None:
    table = pd.read_csv(survey.matches)
    table.assign(spectype="STAR").to_csv(survey.matches, index=False)


def set_values(name: str, where: object, value: float):
    return lambda s: edit_hdf5(s.dataset, lambda f: f[name].__setitem__(where, value))


CASES = {
    "HDF5 missing": (
        "crossmatch",
        lambda s: s.galaxiesml.unlink(),
        ["galaxiesml.hdf5", "found no such file", "expected"],
    ),
    "HDF5 truncated": (
        "crossmatch",
        lambda s: truncate(s.galaxiesml),
        ["galaxiesml.hdf5", "truncated", "expected an HDF5 file"],
    ),
    "HDF5 dataset missing": (
        "crossmatch",
        lambda s: edit_hdf5(s.galaxiesml, lambda f: f.__delitem__("specz_redshift")),
        ["galaxiesml.hdf5", "dataset 'specz_redshift'", "found only", "expected"],
    ),
    "HDF5 dataset of wrong shape": (
        "crossmatch",
        lambda s: edit_hdf5(s.galaxiesml, lambda f: replace(f, "image", np.zeros((3, 5, 32, 32)))),
        ["'image'", "found shape (3, 5, 32, 32)", "expected shape (N, 5, 64, 64)"],
    ),
    "HDF5 datasets of unequal length": (
        "crossmatch",
        lambda s: edit_hdf5(s.galaxiesml, lambda f: replace(f, "ra", f["ra"][:-1])),
        ["galaxiesml.hdf5", "different lengths", "expected one row a galaxy"],
    ),
    "positions not finite": (
        "crossmatch",
        lambda s: edit_hdf5(s.galaxiesml, lambda f: f["ra"].__setitem__(slice(20), np.nan)),
        ["galaxiesml.hdf5", "found 20 of 190 rows", "impossible ra or dec", "at most a fraction"],
    ),
    "declinations beyond the pole": (
        "crossmatch",
        lambda s: edit_hdf5(s.galaxiesml, lambda f: f["dec"].__setitem__(slice(20), 91.0)),
        ["galaxiesml.hdf5", "found 20 of 190 rows", "(crossmatch.max_damaged)"],
    ),
    "redshifts that are text": (
        "crossmatch",
        lambda s: edit_hdf5(
            s.galaxiesml, lambda f: replace(f, "specz_redshift", f["ra"][:].astype("S"))
        ),
        ["dataset 'specz_redshift'", "found text", "expected numbers"],
    ),
    "a group for a dataset": (
        "crossmatch",
        lambda s: edit_hdf5(s.galaxiesml, lambda f: (f.__delitem__("ra"), f.create_group("ra"))),
        ["dataset 'ra'", "found a group", "expected a dataset"],
    ),
    "target without a position": (
        "crossmatch",
        lambda s: edit_catalog(s, "TARGET_RA", np.nan),
        [
            "zall-pix-iron.fits",
            "targets with an impossible",
            "TARGET_RA",
            "at most a fraction 0.05",
        ],
    ),
    "target without a redshift": (
        "crossmatch",
        lambda s: edit_catalog(s, "Z", np.nan),
        ["zall-pix-iron.fits", "targets with an impossible Z", "(crossmatch.max_damaged)"],
    ),
    "an image for the catalogue": (
        "crossmatch",
        image_for_catalog,
        ["HDU ZCATALOG", "found ImageHDU", "expected a binary table"],
    ),
    "FITS missing": (
        "crossmatch",
        lambda s: (s.desi / ZCATALOG_PATH).unlink(),
        ["zall-pix-iron.fits", "found no such file"],
    ),
    "FITS truncated": (
        "crossmatch",
        lambda s: truncate(s.desi / ZCATALOG_PATH),
        ["zall-pix-iron.fits", "truncated", "expected a FITS file"],
    ),
    "FITS column missing": (
        "crossmatch",
        without_column,
        ["zall-pix-iron.fits", "column ZWARN", "found only", "expected the columns"],
    ),
    "no match": ("crossmatch", move_sky, ["no pair within 1.0 arcsec", "expected"]),
    "group missing": (
        "collect-spectra",
        lambda s: s.groups[1].unlink(),
        ["group1.hdf5", "found no such file"],
    ),
    "group of other matches": (
        "collect-spectra",
        lambda s: edit_hdf5(s.groups[1], lambda f: f["row"].__setitem__(0, 10**6)),
        ["group1.hdf5", "targets of another table"],
    ),
    "group twice": (
        "collect-spectra",
        lambda s: shutil.copy(s.groups[0], s.groups[1]),
        ["group0.hdf5", "found no group with target", "in the 2 groups"],
    ),
    "too many pairs without a spectrum": (
        "clean",
        lambda s: edit_hdf5(s.spectra, lambda f: f["available"].__setitem__(0, False)),
        ["target ", "found 1 of ", "pairs without a spectrum", "at most a fraction 0 of them"],
    ),
    "coadd truncated": (
        "fetch-spectra",
        lambda s: truncate(one_coadd(s)),
        ["coadd-", "truncated", "expected a FITS file"],
    ),
    "coadd without masks": (
        "fetch-spectra",
        without_masks,
        ["coadd-", "HDU B_MASK", "found only", "expected that HDU"],
    ),
    "table without a column": (
        "fetch-spectra",
        lambda s: pd.read_csv(s.matches).drop(columns="healpix").to_csv(s.matches, index=False),
        ["matches.csv", "column healpix", "found only"],
    ),
    "spectra of other matches": (
        "clean",
        lambda s: pd.read_csv(s.matches)[1:].to_csv(s.matches, index=False),
        ["spectra.hdf5", "targets of another table", "expected"],
    ),
    "nothing passes the cuts": ("clean", no_stars_but_stars, ["found no pair left", "expected"]),
    "too many images with NaN": (
        "clean",
        lambda s: edit_hdf5(s.galaxiesml, lambda f: f["image"].__setitem__(slice(30), np.nan)),
        ["target ", "pairs with pixels that are no numbers", "at most a fraction 0.05 of them"],
    ),
    "too many spectra with NaN": (
        "clean",
        lambda s: edit_hdf5(s.spectra, lambda f: f["damaged_pixels"].__setitem__(slice(30), 1)),
        ["target ", "pairs with pixels that are no numbers", "(clean.max_damaged)"],
    ),
    "dataset truncated": (
        "split",
        lambda s: truncate(s.dataset),
        ["dataset.hdf5", "truncated", "expected an HDF5 file"],
    ),
    "targetid that is no number": (
        "split",
        lambda s: edit_hdf5(s.dataset, lambda f: f["targetid"].__setitem__(0, b"abc")),
        ["dataset.hdf5", "dataset 'targetid'", "abc", "expected byte strings of integers"],
    ),
    "negative ivar": (
        "training-arrays",
        set_values("spectrum/ivar", (slice(3), 100), -1.0),
        ["dataset.hdf5", "3 of 150 galaxies with pixels that cannot be", "arrays.max_damaged"],
    ),
    "no redshifts": (
        "split",
        set_values("DESI_fibermap/DESI_redshift", slice(None), -99.0),
        ["split", "redshifts of 0 of 150 galaxies", "at least one of them in each subset"],
    ),
    "flux and ivar of different shapes": (
        "training-arrays",
        lambda s: edit_hdf5(
            s.dataset, lambda f: replace(f, "spectrum/ivar", f["spectrum/ivar"][:, :100])
        ),
        ["dataset.hdf5", "'spectrum/ivar'", "found shape (150, 100)", "(150, 7781)"],
    ),
    "arrays missing": (
        "train",
        lambda s: shutil.rmtree(s.arrays),
        ["arrays", "found no such file"],
    ),
    "split of another dataset": (
        "train",
        lambda s: np.savez(s.split, **{k: v + 1 for k, v in np.load(s.split).items()}),
        ["split.npz", "another dataset"],
    ),
    "split truncated": ("train", lambda s: truncate(s.split), ["split.npz", "expected a .npz"]),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_files(scratch_survey, tmp_path, case):
    step, damage, words = CASES[case]
    damage(scratch_survey)
    new = tmp_path / "new"
    result = run_step(step, scratch_survey, new)
    assert_one_sentence(result, *words)
    assert not new.exists() or list(new.iterdir()) == []


def test_the_traceback_is_there_for_who_asks(tmp_path):
    assert "Traceback" in run_mmae("--traceback", "metrics", tmp_path / "none.csv").stderr


@pytest.mark.parametrize("step", INPUTS)
def test_a_folder_that_cannot_be_written_is_named(small_survey, tmp_path, step):
    blocked = tmp_path / "results"
    blocked.write_text("a file where a folder should be")
    result = run_step(step, small_survey, blocked)
    assert_one_sentence(result, str(blocked), "cannot be written")
    assert "epoch" not in result.stderr, "told before the training, not after"
    assert blocked.read_text() == "a file where a folder should be"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(small_survey, tmp_path):
    blocked = tmp_path / "results"
    blocked.mkdir(mode=0o500)
    result = run_step("split", small_survey, blocked)
    assert_one_sentence(result, str(blocked), "cannot be written", "Permission denied")


def test_what_stood_there_before_survives_a_failure(scratch_survey, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    (new / "split").write_text("old")
    truncate(scratch_survey.dataset)
    assert_one_sentence(run_step("split", scratch_survey, new), "truncated")
    assert [path.name for path in new.iterdir()] == ["split"]
    assert (new / "split").read_text() == "old"
