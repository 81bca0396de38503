"""DESI's files, and the spectra taken out of them."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from helpers import read_zcatalog
from mmae.errors import InputError
from mmae.instruments import ARMS, N_WAVE, desi_wave
from mmae.survey.collect import Spectra, Unavailable, coadd_spectra, combine_arms
from mmae.survey.desi import (
    ZCATALOG_PATH,
    ZCATALOG_READ,
    Coadd,
    coadd_path,
    read_coadd,
    release_columns,
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
    kinds = ("WAVELENGTH", "FLUX", "IVAR", "MASK")
    arms = [f"{arm}_{kind}" for arm in "BRZ" for kind in kinds]
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == [
            *("PRIMARY", "FIBERMAP", "EXP_FIBERMAP"),
            *arms,
            "SCORES",
        ]
        assert hdus["B_MASK"].data.dtype == np.uint32
        assert hdus["B_MASK"].header["BITPIX"] == 32
        for name, n in {"FIBERMAP": 71, "EXP_FIBERMAP": 29, "SCORES": 42}.items():
            assert len(hdus[name].columns) == n
            assert hdus[name].data["TARGETID"].tolist() == [7, 9]


def as_image(mask: np.ndarray, name: str) -> fits.ImageHDU:
    return fits.ImageHDU(mask, name=name)


def compressed(kind: str):
    return lambda mask, name: fits.CompImageHDU(mask, name=name, compression_type=kind)


@pytest.mark.parametrize("dtype", [np.uint32, np.int32])
@pytest.mark.parametrize(
    "make", [as_image, compressed("GZIP_1"), compressed("GZIP_2"), compressed("RICE_1")]
)
def test_masks_of_every_form_are_read(tmp_path, dtype, make):
    """Unsigned ones are stored with an offset (BZERO), which no memory map can show."""
    coadd = make_coadd([7, 9])
    for mask in coadd.mask.values():
        mask[1, ::100] = 2**30 + 1
    save(tmp_path / "plain.fits", coadd)
    with fits.open(tmp_path / "plain.fits") as hdus:
        for arm in ARMS:
            name = f"{arm.name}_MASK"
            hdus[name] = make(coadd.mask[arm.name].astype(dtype), name)
        hdus.writeto(tmp_path / "c.fits", checksum=True)
    back = read_coadd(tmp_path / "c.fits")
    for arm in ARMS:
        assert np.array_equal(back.mask[arm.name], coadd.mask[arm.name])
        assert np.array_equal(back.flux[arm.name], coadd.flux[arm.name])


def test_a_scaled_flux_is_read(tmp_path):
    save(tmp_path / "plain.fits", make_coadd([7, 9]))
    with fits.open(tmp_path / "plain.fits") as hdus:
        flux = np.round(hdus["B_FLUX"].data * 1000).astype(np.int16)
        scaled = fits.ImageHDU(flux / 1000, name="B_FLUX")
        scaled.scale("int16", bscale=0.001)
        hdus["B_FLUX"] = scaled
        hdus.writeto(tmp_path / "c.fits", checksum=True)
    assert np.allclose(read_coadd(tmp_path / "c.fits").flux["B"], flux / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda hdus: hdus.pop("R_IVAR"), "HDU R_IVAR: found only"),
        (lambda hdus: hdus["Z_WAVELENGTH"].data.__iadd__(3), "HDU Z_WAVELENGTH: found 7523.0"),
        (lambda hdus: hdus.pop("B_MASK"), "HDU B_MASK: found only"),
        (lambda hdus: hdus.pop("FIBERMAP"), "HDU FIBERMAP: found only"),
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


@pytest.mark.parametrize("place", [3000, 4000, 35_000, 60_000, -9000])
def test_a_flipped_byte_is_found(tmp_path, place):
    save(tmp_path / "c.fits", make_coadd([7, 9]))
    content = bytearray((tmp_path / "c.fits").read_bytes())
    content[place] ^= 1
    (tmp_path / "c.fits").write_bytes(content)
    with pytest.raises(InputError, match=r"c.fits: found a damaged or truncated file"):
        read_coadd(tmp_path / "c.fits")


def test_a_flipped_bit_in_headers_without_checksums_is_one_sentence_or_harmless(tmp_path):
    """Not all files have checksums."""
    save(tmp_path / "c.fits", make_coadd([7]))
    with fits.open(tmp_path / "c.fits") as hdus:
        for hdu in hdus:
            hdu.header.remove("CHECKSUM"), hdu.header.remove("DATASUM")
        hdus.writeto(tmp_path / "bare.fits")
        headers = range(hdus.fileinfo(4)["datLoc"])  # as far as B_FLUX
    whole, outcomes = (tmp_path / "bare.fits").read_bytes(), {"noticed": 0, "harmless": 0}
    for place in headers[::301]:
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        (tmp_path / "bare.fits").write_bytes(content)
        try:
            read_coadd(tmp_path / "bare.fits")
        except InputError:
            outcomes["noticed"] += 1
        else:
            outcomes["harmless"] += 1
    assert min(outcomes.values()) > 10, outcomes


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
    for rows, values, *_ in spectra_below(tmp_path, matches):
        flux[rows] = values
    first = slice(0, 100)
    assert np.allclose(flux[0, first], far.flux["B"][0, first])
    assert np.allclose(flux[1, first], near.flux["B"][2, first])
    assert np.allclose(flux[2, first], near.flux["B"][0, first])


@pytest.mark.parametrize(
    ("kind", "value", "lost"),
    [
        ("flux", np.nan, 1),
        ("flux", -np.inf, 1),
        ("ivar", np.nan, 1),
        ("ivar", np.inf, 1),
        ("ivar", -1, 1),
        ("mask", 4, 0),
    ],
)
def test_a_bad_pixel_loses_its_weight_and_nothing_else(tmp_path, kind, value, lost):
    """A masked pixel may hold anything and is not counted."""
    whole, bad = make_coadd([7, 9]), make_coadd([7, 9])
    getattr(bad, kind)["B"][0, 5] = value
    if kind == "mask":
        bad.flux["B"][0, 5] = np.nan
    matches = pd.DataFrame({"targetid": [9, 7], "survey": "main", "program": "dark", "healpix": 1})
    spectra = []
    for folder, coadd in (("whole", whole), ("bad", bad)):
        save(coadd_path(tmp_path / folder, "main", "dark", 1), coadd)
        spectra += spectra_below(tmp_path / folder, matches)
    good, found = spectra
    assert found.n_damaged.tolist() == [0, lost]
    assert good.n_damaged.tolist() == [0, 0]
    for ours, theirs in ((found.flux, good.flux), (found.ivar, good.ivar)):
        assert ours[1, 5] == 0
        theirs[1, 5] = 0
        assert np.array_equal(ours, theirs)


def test_a_spectrum_that_nobody_matched_may_hold_anything(tmp_path):
    coadd = make_coadd([5, 7, 9])
    coadd.flux["R"][[0, 2]], coadd.ivar["Z"][[0, 2]] = np.nan, -np.inf
    save(coadd_path(tmp_path, "main", "dark", 1), coadd)
    matches = pd.DataFrame({"targetid": [7], "survey": "main", "program": "dark", "healpix": 1})
    (spectra,) = spectra_below(tmp_path, matches)
    assert spectra.n_damaged.tolist() == [0]
    assert (spectra.ivar > 0).all()


def test_single_exposures_are_not_taken_for_a_coadded_spectrum(tmp_path):
    save(coadd_path(tmp_path, "main", "dark", 1), make_coadd([7, 9, 7]))
    matches = pd.DataFrame({"targetid": [9], "survey": "main", "program": "dark", "healpix": 1})
    (spectra,) = spectra_below(tmp_path, matches)
    assert isinstance(spectra, Spectra)
    with pytest.raises(
        InputError, match=r"FIBERMAP, column TARGETID: found several spectra of t.*7"
    ):
        spectra_below(tmp_path, matches.assign(targetid=7))


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
        (_, table) = hdus
        assert table.name == "ZCATALOG"
        formats = {column.name: column.format for column in table.columns}
    expected = release_columns().query("hdu == 'ZCATALOG'")
    assert formats == dict(zip(expected["name"], expected["format"], strict=True))
    assert len(formats) > 130
    real = {"SURVEY": "7A", "PROGRAM": "6A", "HEALPIX": "J", "COEFF": "10D", "ZWARN": "K"}
    assert formats.items() >= (real | {"COADD_FIBERSTATUS": "J", "OBJTYPE": "3A"}).items()


def test_the_faults_of_the_release_are_in_the_catalogue(small_survey):
    catalog = read_zcatalog(small_survey.desi)
    assert {0, 1, 8, 512, 513, 515, 520, 1033} <= set(catalog["COADD_FIBERSTATUS"]) | {513, 515}
    odd = catalog[~catalog["OBJTYPE"].isin(["TGT", "SKY"])]
    assert set(odd["OBJTYPE"]) == {"", "BAD"}
    assert (odd.loc[odd["OBJTYPE"] == "", "TARGETID"] < 0).all()
    assert catalog["TARGET_RA"].isna().sum() == 2
    assert set(catalog["SURVEY"]) == {"main", "sv3", "special"}
