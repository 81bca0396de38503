"""DESI's files, and the spectra taken out of them."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from helpers import read_zcatalog
from mmae.errors import InputError
from mmae.instruments import ARMS, N_WAVE, desi_wave
from mmae.survey.collect import Unavailable, coadd_spectra, combine_arms
from mmae.survey.desi import (
    ZCATALOG_COLUMNS,
    ZCATALOG_PATH,
    ZCATALOG_READ,
    Coadd,
    coadd_path,
    read_coadd,
    write_coadd,
)


def make_coadd(targetid: list[int], seed: int = 0) -> Coadd:
    rng = np.random.default_rng(seed)
    draws = {a.name: rng.uniform(1, 2, (2, len(targetid), a.n_pixels)).astype("f4") for a in ARMS}
    return Coadd(
        np.array(targetid),
        {arm: values[0] for arm, values in draws.items()},
        {arm: values[1] for arm, values in draws.items()},
        {arm.name: np.zeros((len(targetid), arm.n_pixels), np.int32) for arm in ARMS},
    )


def spectra_below(root, matches: pd.DataFrame) -> list:
    return list(coadd_spectra(matches, lambda *names: nullcontext(coadd_path(root, *names))))


def save(path, coadd: Coadd) -> None:
    write_coadd(path, coadd, pd.DataFrame({"TARGETID": coadd.targetid}))


def test_the_grid_is_desis():
    wave = desi_wave()
    assert len(wave) == N_WAVE == 7781
    assert (wave[0], round(wave[-1], 1)) == (3600.0, 9824.0)
    assert [arm.n_pixels for arm in ARMS] == [2751, 2326, 2881]
    for arm in ARMS:
        part = wave[arm.offset : arm.offset + arm.n_pixels]
        assert np.allclose(part, arm.wave)


def test_coadds_survive_a_round_trip_in_desis_layout(tmp_path):
    coadd = make_coadd([7, 9])
    coadd.mask["B"][1, 5] = 4
    path = coadd_path(tmp_path, "main", "dark", 31255)
    assert path.relative_to(tmp_path).as_posix() == (
        "healpix/main/dark/312/31255/coadd-main-dark-31255.fits"
    )
    save(path, coadd)
    back = read_coadd(path)
    assert back.targetid.tolist() == [7, 9]
    for ours, theirs in zip(coadd[1:], back[1:], strict=True):
        for arm in ARMS:
            assert np.array_equal(ours[arm.name], theirs[arm.name])
    with fits.open(path) as hdus:
        names = {hdu.name for hdu in hdus}
    kinds = ("WAVELENGTH", "FLUX", "IVAR", "MASK")
    assert names >= {f"{arm}_{kind}" for arm in "BRZ" for kind in kinds} | {"FIBERMAP"}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda hdus: hdus.pop("R_IVAR"), "HDU R_IVAR: found only"),
        (lambda hdus: hdus["Z_WAVELENGTH"].data.__iadd__(3), "HDU Z_WAVELENGTH: found 7523.0"),
        (lambda hdus: hdus["B_IVAR"].data.__imul__(-1), "B_IVAR: found 5502 pixels negative"),
        (lambda hdus: hdus["B_IVAR"].data.fill(np.nan), "B_IVAR: found 5502 pixels negative"),
        (lambda hdus: hdus.pop("FIBERMAP"), "HDU FIBERMAP"),
    ],
)
def test_wrong_coadds_are_named(tmp_path, damage, words):
    save(tmp_path / "good.fits", make_coadd([7, 9]))
    with fits.open(tmp_path / "good.fits") as hdus:
        for hdu in hdus[2:]:
            _ = hdu.data
        damage(hdus)
        hdus.writeto(tmp_path / "bad.fits", checksum=True)
    with pytest.raises(InputError, match=words):
        read_coadd(tmp_path / "bad.fits")


@pytest.mark.parametrize("place", [3000, 30_000, 60_000, -9000])
def test_a_flipped_byte_is_found(tmp_path, place):
    save(tmp_path / "c.fits", make_coadd([7, 9]))
    content = bytearray((tmp_path / "c.fits").read_bytes())
    content[place] ^= 1
    (tmp_path / "c.fits").write_bytes(content)
    with pytest.raises(InputError, match=r"c.fits: found a damaged or truncated file"):
        read_coadd(tmp_path / "c.fits")


def test_a_coadd_of_another_length_is_named(tmp_path):
    coadd = make_coadd([7, 9])
    save(tmp_path / "c.fits", coadd._replace(targetid=np.array([7, 9, 11])))
    with pytest.raises(InputError, match=r"B_FLUX: found shape \(2, 2751\), expected shape \(3,"):
        read_coadd(tmp_path / "c.fits")


def test_arms_are_averaged_by_inverse_variance_where_they_overlap():
    flux = {arm.name: np.full((1, arm.n_pixels), k + 1.0) for k, arm in enumerate(ARMS)}
    ivar = {arm.name: np.full((1, arm.n_pixels), (1.0, 3.0, 1.0)[k]) for k, arm in enumerate(ARMS)}
    mask = {arm.name: np.zeros((1, arm.n_pixels), int) for arm in ARMS}
    flux["R"][0, 0], ivar["R"][0, 0] = np.nan, 0.0  # 5760 Å: B alone has it
    mask["B"][0, 2701] = 1  # 5760.8 Å: R alone has it
    combined, weight = combine_arms(flux, ivar, mask)
    at = {round(wave, 1): k for k, wave in enumerate(desi_wave())}
    assert combined.dtype == np.float32
    assert combined[0, at[3600.0]] == 1.0
    assert (combined[0, at[5760.0]], weight[0, at[5760.0]]) == (1.0, 1.0)
    assert (combined[0, at[5760.8]], weight[0, at[5760.8]]) == (2.0, 3.0)
    assert (combined[0, at[5780.0]], weight[0, at[5780.0]]) == (1.75, 4.0)
    assert combined[0, at[7600.0]] == 2.25
    assert combined[0, -1] == 3.0


def test_pixels_without_any_arm_are_zero_and_have_no_weight():
    flux = {arm.name: np.ones((1, arm.n_pixels)) for arm in ARMS}
    ivar = {arm.name: np.zeros((1, arm.n_pixels)) for arm in ARMS}
    mask = {arm.name: np.zeros((1, arm.n_pixels), int) for arm in ARMS}
    combined, weight = combine_arms(flux, ivar, mask)
    assert not combined.any()
    assert not weight.any()


def test_spectra_go_to_the_rows_of_their_targets(tmp_path):
    near, far = make_coadd([5, 6, 8], seed=1), make_coadd([7], seed=2)
    save(coadd_path(tmp_path, "main", "dark", 1), near)
    save(coadd_path(tmp_path, "main", "dark", 2), far)
    matches = pd.DataFrame(
        {
            "targetid": [7, 8, 5],
            "survey": "main",
            "program": "dark",
            "healpix": [2, 1, 1],
        }
    )
    flux = np.empty((3, N_WAVE))
    for rows, values, _ in spectra_below(tmp_path, matches):
        flux[rows] = values
    first = slice(0, 100)
    assert np.allclose(flux[0, first], far.flux["B"][0, first])
    assert np.allclose(flux[1, first], near.flux["B"][2, first])
    assert np.allclose(flux[2, first], near.flux["B"][0, first])


def test_what_a_tree_lacks_is_listed_with_its_reason(tmp_path):
    save(coadd_path(tmp_path, "main", "dark", 1), make_coadd([5]))
    matches = pd.DataFrame(
        {"targetid": [99, 5, 7], "survey": "main", "program": "dark", "healpix": [1, 1, 2]}
    )
    absent, there, no_file = spectra_below(tmp_path, matches)
    assert isinstance(absent, Unavailable)
    assert absent.rows.tolist() == [0]
    assert absent.reason == "coadd-main-dark-1.fits: the target is not in its FIBERMAP"
    assert there.rows.tolist() == [1]
    assert no_file.rows.tolist() == [2]
    assert no_file.reason.endswith("coadd-main-dark-2.fits: no such file")


def test_the_catalogue_is_in_desis_layout(small_survey):
    catalog = read_zcatalog(small_survey.desi)
    assert tuple(catalog) == ZCATALOG_READ
    assert set(catalog["SPECTYPE"]) == {"GALAXY", "QSO", "STAR"}
    with fits.open(small_survey.desi / ZCATALOG_PATH) as hdus:
        assert hdus[1].name == "ZCATALOG"
        assert tuple(hdus[1].columns.names) == ZCATALOG_COLUMNS
