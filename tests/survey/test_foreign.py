"""Spectra of other surveys: every layout, every unit, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from helpers import shared
from mmae.dataset.spectra import pool_by_ivar
from mmae.errors import InputError
from mmae.instruments import ARMS, LINES, desi_wave
from mmae.survey.desi import Coadd, write_coadd
from mmae.survey.foreign.reading import read_spectra
from mmae.survey.foreign.resample import air_to_vacuum, estimated_ivar, resample

LOGLAM = 3.58 + 1e-4 * np.arange(3700)
WAVE = 10**LOGLAM
Z = np.array([0.1, 0.3])


def truth(wave: np.ndarray) -> np.ndarray:
    """Two spectra that differ, smooth enough to be compared on any pixels."""
    return np.array([5 + np.sin(wave / 200), 3 + 4 * np.exp(-0.5 * ((wave - 6000) / 100) ** 2)])


FLUX = truth(WAVE)
IVAR = np.full(FLUX.shape, 4.0)
ONE = {"flux": FLUX[0], "ivar": IVAR[0]}


def npz_of(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def fits_of(path: Path, *hdus) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def table_hdu(name: str = "", units: dict | None = None, **columns) -> fits.BinTableHDU:
    hdu = fits.table_to_hdu(Table(columns, units=units))
    hdu.name = name
    return hdu


def many_npz(folder: Path) -> Path:
    fibre = {"plate": [3650, 3650], "mjd": [55244, 55244], "fiber": [1, 3]}
    return npz_of(folder / "a.npz", loglam=LOGLAM, flux=FLUX, ivar=IVAR, z=Z, **fibre)


def vectors(folder: Path) -> Path:
    wave = np.array([WAVE, WAVE])
    columns = {"TARGETID": [39627776344457978, 2], "WAVE": wave, "FLUX": FLUX, "ERR": IVAR**-0.5}
    return fits_of(folder / "a.fits", table_hdu(Z=Z, **columns))


def sp_plate(folder: Path) -> Path:
    header = fits.Header({"COEFF0": 3.58, "COEFF1": 1e-4, "PLATEID": 431, "MJD": 51877})
    images = [fits.PrimaryHDU(FLUX, header), fits.ImageHDU(IVAR)]
    path = folder / "spPlate-0431-51877.fits"
    fits.HDUList([*images, table_hdu("PLUGMAP", FIBERID=[7, 9])]).writeto(path)
    return path


def sdss_spec(folder: Path) -> Path:
    fibre = {"PLATE": [431], "MJD": [51877], "FIBERID": [19], "Z": Z[:1]}
    coadd = table_hdu("COADD", **ONE, loglam=LOGLAM, and_mask=np.ones(len(WAVE), int))
    return fits_of(folder / "spec-0431-51877-0019.fits", coadd, table_hdu("SPECOBJ", **fibre))


def nanometres(folder: Path) -> Path:
    units = {"LAMBDA": "nm", "FLUX_DENSITY": "1e-17 erg / (s cm2 nm)"}
    columns = {"LAMBDA": WAVE / 10, "FLUX_DENSITY": 10 * FLUX[0], "IVAR": IVAR[0] / 100}
    return fits_of(folder / "a.fits", table_hdu(units=units, **columns))


def jansky(folder: Path) -> Path:
    """Flux per frequency, told by its unit."""
    factor = 1e-17 * WAVE**2 / 2.99792458e18 * 1e23
    table = Table(
        {"wave": WAVE * 1e-4, "flux": FLUX[0] * factor, "sigma": IVAR[0] ** -0.5 * factor},
        units={"wave": "um", "flux": "Jy"},
        meta={"REDSHIFT": Z[1]},
    )
    table.write(folder / "a.ecsv")
    return folder / "a.ecsv"


def votable(folder: Path) -> Path:
    table = Table({"wavelength": WAVE, **ONE}, units={"wavelength": "Angstrom"})
    table.write(folder / "a.xml", format="votable")
    return folder / "a.xml"


def csv(folder: Path) -> Path:
    pd.DataFrame({"Wavelength": WAVE[::-1], "Flux": FLUX[0][::-1], "ivar": 4.0}).to_csv(
        folder / "a.csv", index=False
    )
    return folder / "a.csv"


def named_by_unit(folder: Path) -> Path:
    return npz_of(folder / "a.npz", wave_um=WAVE * 1e-4, **ONE, mask=np.zeros(len(WAVE), bool))


MANY = {
    many_npz: ["3650-55244-1", "3650-55244-3"],
    vectors: [39627776344457978, 2],
    sp_plate: ["431-51877-7", "431-51877-9"],
}
SINGLE = {
    sdss_spec: "431-51877-19",
    **dict.fromkeys((nanometres, jansky, votable, csv, named_by_unit), "a"),
}


@pytest.mark.parametrize("layout", [*MANY, *SINGLE], ids=lambda layout: layout.__name__)
def test_every_layout_gives_the_same_spectra(layout, tmp_path):
    found = read_spectra(layout(tmp_path))
    assert found.name.tolist() == MANY.get(layout, [SINGLE.get(layout)])
    known = {many_npz: Z, vectors: Z, sdss_spec: Z[:1], jansky: Z[1:]}
    expected = known.get(layout)
    assert (found.z_spec is None) == (expected is None)
    if expected is not None:
        np.testing.assert_allclose(found.z_spec, expected)
    covered = found.ivar > 0
    inside = (desi_wave() > WAVE[1]) & (desi_wave() < WAVE[-2])
    assert covered[:, inside].all()
    assert not covered[:, (desi_wave() < WAVE[0] - 2) | (desi_wave() > WAVE[-1] + 3)].any()
    assert (found.flux[~covered] == 0).all()
    expected = truth(desi_wave())[: len(found.flux)]
    np.testing.assert_allclose(found.flux[:, inside], expected[:, inside], atol=0.1)
    # an original of 1.9 Å gives what it knows to the pixels of 0.8 Å that share it
    step = np.interp(desi_wave(), WAVE[1:], np.diff(WAVE))
    expected = np.broadcast_to(4 * 0.8 / step, found.ivar.shape)
    np.testing.assert_allclose(found.ivar[:, inside], expected[:, inside], rtol=0.1)
    assert set(found.flags) == {""}


def test_resampling_keeps_flux_and_what_pooling_by_ivar_gives():
    rng = np.random.default_rng(0)
    wide = 3599.6 + 3.2 * (np.arange(1945) + 0.5)  # four of DESI's pixels each
    flux, ivar = rng.normal(5, 1, (3, 1945)), rng.uniform(0.5, 2, (3, 1945))
    ivar[:, 100:103] = 0
    ours = resample(wide, flux, ivar)
    for found, expected in zip(pool_by_ivar(*ours, 40), pool_by_ivar(flux, ivar, 10), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert (ours[1][:, 400:412] == 0).all()
    narrow = np.linspace(3590, 9840, 30011)
    flux, _ = resample(narrow, rng.normal(5, 1, (1, 30011)).cumsum(axis=1), np.ones((1, 30011)))
    whole = rng.normal(5, 1, (1, 30011))
    ours, _ = resample(narrow, whole, np.ones_like(whole))
    inside = (narrow > 3600) & (narrow < 9824)
    step = narrow[1] - narrow[0]
    assert ours.sum() * 0.8 == pytest.approx(whole[:, inside].sum() * step, rel=1e-3)


@pytest.mark.parametrize(("air", "line"), [(4861.33, "H-beta"), (6562.80, "H-alpha")])
def test_wavelengths_in_air_become_those_in_vacuum(air, line):
    """NIST's wavelengths of hydrogen in air."""
    assert air_to_vacuum(np.array([air]))[0] == pytest.approx(LINES[line].wave, abs=0.02)


def test_air_is_told_by_the_file_or_by_its_reader(tmp_path):
    plain = npz_of(tmp_path / "plain.npz", wave=WAVE, **ONE)
    told = npz_of(tmp_path / "told.npz", wave_air=WAVE, **ONE)
    table = table_hdu(wave=WAVE, **ONE)
    table.header["AIRORVAC"] = "air"
    header = fits_of(tmp_path / "header.fits", table)
    vacuum = table_hdu(wave=WAVE, **ONE)
    vacuum.header["VACUUM"] = True
    in_vacuum = fits_of(tmp_path / "vacuum.fits", vacuum)
    shifted = read_spectra(plain, air=True)
    assert np.abs(shifted.flux - read_spectra(plain).flux).max() > 0.02
    for path in (told, header):
        np.testing.assert_array_equal(read_spectra(path).flux, shifted.flux)
        assert read_spectra(path).flags.tolist() == ["air"]
    with pytest.raises(InputError, match=r"in vacuum by its header, expected no --air"):
        read_spectra(in_vacuum, air=True)


def test_unknown_noise_is_estimated(tmp_path, caplog):
    rng = np.random.default_rng(1)
    noise = np.where(np.arange(len(WAVE)) < 1850, 0.2, 0.6)
    flux = FLUX[:1] + noise * rng.normal(size=(1, len(WAVE)))
    good = np.ones(flux.shape, bool)
    good[0, 50:60] = False
    found = estimated_ivar(np.where(good, flux, 1e4), good)
    assert (found[~good] == 0).all()
    for part in (slice(100, 1700), slice(2000, None)):
        assert np.median(found[0, part] ** -0.5) == pytest.approx(noise[part][0], rel=0.1)
    path = npz_of(tmp_path / "a.npz", wave=WAVE, flux=flux, good=good)
    assert read_spectra(path).flags.tolist() == ["ivar missing"]
    assert "noise is estimated from neighbouring pixels" in caplog.text


def test_unusual_spectra_are_flagged(tmp_path):
    flux, ivar = np.repeat(FLUX[:1], 7, axis=0), np.repeat(IVAR[:1], 7, axis=0)
    ivar[1] = 0  # all bad
    ivar[2, 400:] = 0  # a few pixels
    flux[3] *= 1e-15  # in maggies
    ivar[3] *= 1e30
    flux[4, ::7], ivar[5, ::7] = np.nan, np.inf  # taken for bad
    flux[6] = np.nan
    found = read_spectra(npz_of(tmp_path / "a.npz", loglam=LOGLAM, flux=flux, ivar=ivar))
    assert found.flags.tolist() == ["", "ivar zero", "few pixels", "scale", "", "", "ivar zero"]
    assert np.isfinite(found.flux).all()
    assert np.isfinite(found.ivar).all()
    assert not found.ivar[1].any()
    scaled, usual = found.flux[3] * found.ivar[3] ** 0.5, found.flux[0] * found.ivar[0] ** 0.5
    np.testing.assert_allclose(scaled, usual, rtol=1e-4)
    seen = found.ivar > 0
    for row in (4, 5):
        assert 0.85 < seen[row].sum() / seen[0].sum() < 0.95
        np.testing.assert_allclose(found.flux[row, seen[row]], found.flux[0, seen[row]], rtol=0.01)


class Trap:
    """Writes a file if it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "unpickled")


def objects(folder: Path) -> Path:
    flux = np.array([Trap(folder / "trap")], dtype=object)
    return npz_of(folder / "a.npz", wave=WAVE, flux=flux)


def truncated(folder: Path) -> Path:
    path = sdss_spec(folder)
    path.write_bytes(path.read_bytes()[:-20000])
    return path


def ragged(folder: Path) -> Path:
    columns = [
        fits.Column("wave", "PD()", array=np.array([WAVE, WAVE[1:]], dtype=object)),
        fits.Column("flux", "PD()", array=np.array([FLUX[0], FLUX[0, 1:]], dtype=object)),
    ]
    return fits_of(folder / "a.fits", fits.BinTableHDU.from_columns(columns))


def remote(folder: Path) -> Path:
    path = votable(folder)
    stream = '<BINARY><STREAM href="file:///etc/passwd"/></BINARY>'
    text = path.read_text()
    path.write_text(re.sub("<TABLEDATA>.*</TABLEDATA>", stream, text, flags=re.DOTALL))
    return path


def with_text(folder: Path, text: str) -> Path:
    (folder / "a.csv").write_text(text)
    return folder / "a.csv"


def in_seconds(folder: Path) -> Path:
    return fits_of(folder / "a.fits", table_hdu(units={"wave": "s"}, wave=WAVE, **ONE))


WRONG_ARRAYS = {
    "no wavelengths": (ONE, r"wavelengths: found only \['flux', 'ivar'\], expected a column such"),
    "no flux": ({"wave": WAVE}, r"flux: found only \['wave'\]"),
    "shapes": ({"wave": WAVE[1:]} | ONE, r"wave: found shape \(3699,\), expected \(3700,\)"),
    "turned": ({"wave": WAVE, "flux": FLUX.T}, r"wave: found shape \(3700,\), expected \(2,\)"),
    "text": ({"wave": WAVE, "flux": FLUX.astype(str)}, "flux: found type <U.*, expected numbers"),
    "one pixel": ({"wave": [5000.0], "flux": [1.0]}, "found 1 wavelength, expected two or more"),
    "no pixel": ({"wave": [], "flux": []}, r"found shape \(0,\)"),
    "equal": ({"wave": [5000.0, 5000.0], "flux": [1.0, 2.0]}, "found equal ones"),
    "infrared": ({"wave": 4 * WAVE} | ONE, "found 15207.* Å, expected some from 3600 to 9824 Å"),
    "nm": ({"wave": WAVE / 10} | ONE, "wavelengths: found 380.* as if in nm, expected"),
    "µm": ({"wave": WAVE / 1e4} | ONE, "as if in µm"),
    "log": ({"wave": LOGLAM} | ONE, "as if log10 of Å"),
    "not log": ({"loglam": WAVE} | ONE, "found 0 wavelengths"),
}
WRONG_FILES = {
    objects: "Object arrays cannot be loaded",
    ragged: "wave: found objects, expected numbers",
    in_seconds: "wave: found the unit s, expected one of wavelengths",
    truncated: "damaged or truncated",
    remote: "found data in another file",
    lambda path: fits_of(path / "a.fits", table_hdu("T", z=Z)): r"with the columns \['z'\]",
    lambda path: with_text(path, "This is no table.\nNor this; really."): "found (no table|only)",
    lambda path: with_text(path, ""): "found no file of spectra",
    lambda path: path / "b.fits": "no such file",
    lambda path: path: "no regular file",
}


@pytest.mark.parametrize("case", WRONG_ARRAYS)
def test_wrong_arrays_are_refused_in_one_sentence(case, tmp_path):
    arrays, words = WRONG_ARRAYS[case]
    with pytest.raises(InputError, match=words) as error:
        read_spectra(npz_of(tmp_path / "a.npz", **arrays))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("make", WRONG_FILES)
def test_wrong_files_are_refused_in_one_sentence(make, tmp_path):
    with pytest.raises(InputError, match=WRONG_FILES[make]) as error:
        read_spectra(make(tmp_path))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "trap").exists()


def coadd_of(targetid: list[int], seed: int = 0) -> Coadd:
    rng = np.random.default_rng(seed)
    sizes = {arm.name: (len(targetid), arm.n_pixels) for arm in ARMS}
    parts = [
        {name: draw(size).astype(kind) for name, size in sizes.items()}
        for draw, kind in (
            (lambda size: rng.normal(3, 1, size), np.float32),
            (lambda size: rng.uniform(1, 2, size), np.float32),
            (np.zeros, np.uint32),
        )
    ]
    return Coadd(np.array(targetid), *parts)


def test_exposures_of_a_target_are_averaged_and_redrock_stands_beside(tmp_path):
    coadd = coadd_of([9, 7, 9])
    coadd.mask["R"][2] = 1
    path = tmp_path / "spectra-main-dark-1.fits"
    write_coadd(path, coadd, pd.DataFrame({"TARGETID": coadd.targetid}))
    found = read_spectra(path)
    assert found.name.tolist() == [9, 7]
    assert found.z_redrock is None
    weight = coadd.ivar["B"][[0, 2], 100]
    expected = (weight * coadd.flux["B"][[0, 2], 100]).sum() / weight.sum()
    assert found.flux[0, 100] == pytest.approx(expected, rel=1e-5)
    assert found.ivar[0, 100] == pytest.approx(weight.sum(), rel=1e-5)
    assert found.flux[0, 4000] == pytest.approx(coadd.flux["R"][0, 4000 - ARMS[1].offset])
    redrock = table_hdu("REDSHIFTS", TARGETID=[7, 8], Z=[0.5, 0.6])
    fits_of(tmp_path / "redrock-main-dark-1.fits", redrock)
    np.testing.assert_array_equal(read_spectra(path).z_redrock, [np.nan, 0.5])
    with pytest.raises(InputError, match=r"DESI, which are in vacuum, expected no --air"):
        read_spectra(path, air=True)


def test_real_spectra_show_their_lines_where_their_redshifts_say():
    found = read_spectra(shared("real/spectra") / "sdss_starforming_431.npz")
    rest = desi_wave() / (1 + found.z_spec[:, None])
    near = np.abs(rest - LINES["H-alpha"].wave) < 30
    peaks = np.where(near & (found.ivar > 0), found.flux, -np.inf).argmax(axis=1)
    off = rest[np.arange(len(rest)), peaks] - LINES["H-alpha"].wave
    assert np.abs(np.median(off)) < 0.8
    assert (np.abs(off) < 3).mean() > 0.9
    assert set(found.flags) == {""}


@pytest.mark.parametrize(
    ("name", "n", "flags"),
    [
        ("spectra/eboss_lrg_3650.npz", 49, {""}),
        ("spectra/boss_quasars.npz", 80, {""}),
        ("spectra/desi_edr_three.npz", 3, {""}),
        ("spectra/fors2_lo_even.npz", 238, {"ivar missing"}),
        ("spectra/sdss_sky_fibres.npz", 152, {""}),
        ("desi/coadd-special-dark-27247.fits", 1, {""}),
        ("desi/spectra-sv3-dark-26065.fits", 5, {"", "ivar zero"}),
        ("desi/quasarnp_test_coadd.fits", 25, {"", "ivar zero"}),
    ],
)
def test_real_files_are_read(name, n, flags):
    found = read_spectra(shared("real") / name)
    assert found.flux.shape == found.ivar.shape == (n, 7781)
    assert len({*found.name.tolist()}) == n
    assert set(found.flags) == flags
    if "special" in name:
        assert found.z_redrock == pytest.approx([0.00726967], abs=1e-6)
