"""Lines planted in true and reconstructed spectra, whose differences are known."""

import numpy as np
import pytest

from mmae.errors import InputError
from mmae.instruments import LINES, SPEED_OF_LIGHT_KMS
from mmae.metrics.line_quality import (
    COMPARED_LINES,
    ERROR_COLUMNS,
    SHIFT_ANGSTROM,
    bpt_errors,
    line_errors,
    noise_lines,
)

WAVE = 3611.6 + 24.0 * np.arange(256)
NOISE = 0.005
REDSHIFTS = {
    **{"Ly-alpha": 2.6, "C IV": 2.1, "C III]": 1.6, "Mg II": 0.9, "[O II]": 0.5},
    **{"H-beta": 0.3, "[O III]": 0.3, "H-alpha": 0.08, "[S II]": 0.2},
}
"""At which each line is well inside the spectrum."""


def spectrum_of(z: float, *lines: tuple[str, float, float, float], noise=NOISE, seed=0):
    """Lines (name, height, FWHM in Å, offset in Å) on a straight continuum, (1, 256)."""
    flux = -0.5 + 3e-4 * (WAVE - 6000) + np.random.default_rng(seed).normal(0, noise, 256)
    for name, height, fwhm, offset in lines:
        x = WAVE - LINES[name].wave * (1 + z) - offset
        flux = flux + height * np.exp(-4 * np.log(2) * (x / fwhm) ** 2)
    return flux[None]


def errors_of(z, true, rebuilt, lines=COMPARED_LINES):
    return line_errors(WAVE, true, rebuilt, np.array([z]), lines).set_index("line")


@pytest.mark.parametrize("line", COMPARED_LINES)
@pytest.mark.parametrize("fwhm", [60.0, 140.0])
def test_planted_lines_are_compared_within_a_percent(line, fwhm):
    z = REDSHIFTS[line]
    centre = LINES[line].wave * (1 + z)
    true = spectrum_of(z, (line, 2.0, fwhm, -4.0))
    rebuilt = spectrum_of(z, (line, 1.2, 1.3 * fwhm, 11.0), seed=1)
    row = errors_of(z, true, rebuilt).loc[line]
    assert row["found_true"]
    assert row["found_reconstructed"]
    assert row["centre_error_kms"] == pytest.approx(
        SPEED_OF_LIGHT_KMS * 15.0 / centre, abs=0.01 * SPEED_OF_LIGHT_KMS * fwhm / centre
    )
    # both fits contribute
    assert row["height_ratio"] == pytest.approx(0.6, rel=0.02)
    assert row["width_ratio"] == pytest.approx(1.3, rel=0.02)
    assert not row["missed"]
    assert not row["false"]


@pytest.mark.parametrize(("weak", "strong"), [("H-beta", "[O III]"), ("[S II]", "H-alpha")])
@pytest.mark.parametrize("z", [0.01, 0.1, 0.4])
def test_a_strong_neighbour_neither_steals_nor_hides_a_line(weak, strong, z):
    def pair(height):
        return spectrum_of(z, (weak, height, 45.0, 0.0), (strong, 3.0, 45.0, 0.0))

    row = errors_of(z, pair(0.4), pair(0.6)).loc[weak]
    assert row["found_true"]
    assert abs(row["centre_error_kms"]) < 200
    assert row["height_ratio"] == pytest.approx(1.5, rel=0.05)
    row = errors_of(z, pair(0.0), pair(0.4)).loc[weak]
    assert not row["found_true"]
    assert row["found_reconstructed"]


def test_missed_and_false_lines():
    true, without = spectrum_of(2.6, ("Ly-alpha", 1.0, 100.0, 0.0)), spectrum_of(2.6, seed=1)
    missed = errors_of(2.6, true, without).loc["Ly-alpha"]
    assert (missed["missed"], missed["false"]) == (True, False)
    assert missed[["centre_error_kms", "height_ratio", "width_ratio"]].isna().all()
    false = errors_of(2.6, without, true).loc["Ly-alpha"]
    assert (false["missed"], false["false"]) == (False, True)
    neither = errors_of(2.6, without, without).loc["Ly-alpha"]
    assert (neither["missed"], neither["false"]) == (False, False)


KINDS = ["found_reconstructed", "too_wide", "missed"]


@pytest.mark.parametrize(
    ("fwhm", "kind"), [(60.0, "found_reconstructed"), (528.0, "too_wide"), (None, "missed")]
)
def test_a_line_is_found_too_wide_or_missed(fwhm, kind):
    """The paper's reconstructed H-alpha is 528 Å wide: it is no line that is missed."""
    true = spectrum_of(0.08, ("H-alpha", 3.0, 60.0, 0.0))
    drawn = [("H-alpha", 0.6, fwhm, 24.0)] if fwhm else []
    row = errors_of(0.08, true, spectrum_of(0.08, *drawn, noise=0.001)).loc["H-alpha"]
    assert [name for name in KINDS if row[name]] == [kind]
    if fwhm:
        assert row["width_ratio"] == pytest.approx(fwhm / 60, rel=0.05)
        assert row["height_ratio"] == pytest.approx(0.2, rel=0.05)


def test_a_reconstruction_may_be_off_by_what_the_redshift_is_and_a_measured_line_may_not():
    true, far = (spectrum_of(0.08, ("H-alpha", 3.0, 60.0, offset)) for offset in (0.0, 72.0))
    row = errors_of(0.08, true, far).loc["H-alpha"]
    assert row["found_reconstructed"]
    assert row["centre_error_kms"] == pytest.approx(SPEED_OF_LIGHT_KMS * 72 / 7090, rel=0.05)
    assert not errors_of(0.08, far, far).loc["H-alpha", "found_true"]
    # where the spectrum was shown, its noise is no reconstruction
    hidden = np.abs(WAVE - LINES["H-alpha"].wave * 1.08)[None] < SHIFT_ANGSTROM
    table = line_errors(WAVE, true, far, np.array([0.08]), ["H-alpha"], hidden)
    assert table["missed"].tolist() == [True]


def test_lines_at_the_models_own_redshift_are_compared_in_the_rest_frame():
    true = spectrum_of(0.08, ("H-alpha", 3.0, 60.0, 0.0))
    own = spectrum_of(0.13, ("H-alpha", 1.5, 60.0, 0.0), seed=1)
    z, own_z = np.array([0.08]), np.array([0.13])
    row = line_errors(WAVE, true, own, z, ["H-alpha"], own_redshift=own_z).loc[0]
    assert row["found_reconstructed"]
    assert abs(row["centre_error_kms"]) < 30
    assert row["height_ratio"] == pytest.approx(0.5, rel=0.03)
    assert line_errors(WAVE, true, own, z, ["H-alpha"]).loc[0, "missed"]


@pytest.mark.parametrize(
    ("height", "fwhm", "right"),
    [(3.0, 60.0, True), (1.7, 90.0, True), (1.2, 60.0, False), (3.0, 150.0, False)],
)
def test_a_line_is_right_if_height_and_width_are(height, fwhm, right):
    true = spectrum_of(0.08, ("H-alpha", 3.0, 60.0, 0.0))
    rebuilt = spectrum_of(0.08, ("H-alpha", height, fwhm, 0.0), noise=0.001)
    assert errors_of(0.08, true, rebuilt).loc["H-alpha", "right"] == right


def test_below_a_pixel_all_widths_are_alike():
    narrow, pixel, wide = (
        spectrum_of(0.3, ("[O III]", 3.0, fwhm, 0.0), noise=0.001) for fwhm in (12.0, 40.0, 80.0)
    )
    assert errors_of(0.3, narrow, pixel).loc["[O III]", "right"]
    assert not errors_of(0.3, narrow, wide).loc["[O III]", "right"]


def test_widths_at_the_bound_of_the_fit_are_unresolved():
    narrow = spectrum_of(0.3, ("[O III]", 3.0, 12.0, 0.0))
    row = errors_of(0.3, narrow, narrow).loc["[O III]"]
    assert row["found_true"]
    assert row["unresolved"]
    assert np.isnan(row["width_ratio"]), "no 1.00 of a width that nobody knows"
    assert row["height_ratio"] == pytest.approx(1)
    wide = spectrum_of(0.3, ("[O III]", 3.0, 80.0, 0.0))
    assert not errors_of(0.3, wide, wide).loc["[O III]", "unresolved"]


def test_noise_is_measured_where_no_line_is():
    z = np.full(300, 0.3)
    quiet = np.concatenate(
        [spectrum_of(0.3, ("[O III]", 3.0, 60.0, 0.0), seed=k) for k in range(300)]
    )
    assert noise_lines(WAVE, quiet, z).mean() < 0.02, "the line is in no window"
    spiky = quiet.copy()
    spiky[:, 20::40] += 1.0
    assert noise_lines(WAVE, spiky, z).mean() > 0.1
    assert np.isnan(noise_lines(WAVE[:40], quiet[:, :40], z)).all(), "no window"


def test_a_line_that_the_noise_would_hide_is_not_false():
    noisy = spectrum_of(2.6, noise=0.4)
    rebuilt = spectrum_of(2.6, ("Ly-alpha", 1.0, 100.0, 0.0))
    row = errors_of(2.6, noisy, rebuilt).loc["Ly-alpha"]
    assert row["found_reconstructed"]
    assert not row["found_true"]
    assert not row["false"]


def test_bends_of_the_continuum_and_lines_elsewhere_are_none():
    bend = spectrum_of(0.9, ("Mg II", 2.0, 700.0, 0.0))
    elsewhere = spectrum_of(0.9, ("Mg II", 2.0, 60.0, 75.0))
    for flux in (bend, elsewhere):
        assert not errors_of(0.9, flux, flux).loc["Mg II", "found_true"]


def test_a_row_is_a_galaxy_and_a_line_in_range():
    z = np.array([0.1, 2.6, 5.0])
    table = line_errors(WAVE, *[np.repeat(spectrum_of(0.1), 3, axis=0)] * 2, z)
    assert list(table) == list(ERROR_COLUMNS)
    found = table.groupby("galaxy")["line"].apply(set).to_dict()
    assert found == {
        0: {"[O II]", "H-beta", "[O III]", "H-alpha", "[S II]"},
        1: {"Ly-alpha", "C IV", "C III]"},
        2: {"Ly-alpha", "C IV"},
    }
    # a line whose place is not seen whole is out of range
    for inside, n in ((50, 0), (70, 1)):
        edge = np.array([(WAVE[0] + inside) / LINES["Ly-alpha"].wave - 1])
        assert len(line_errors(WAVE, *[spectrum_of(2.0)] * 2, edge, ["Ly-alpha"])) == n


def test_line_ratios_in_dex():
    def galaxy(*heights):
        names = ("H-beta", "[O III]", "H-alpha", "[S II]")
        lines = zip(names, heights, strict=True)
        return spectrum_of(0.1, *[(name, height, 50.0, 0.0) for name, height in lines])

    true = np.concatenate([galaxy(1, 2, 3, 1), galaxy(1, 2, 0, 1), galaxy(0, 0, 0, 0)])
    rebuilt = np.concatenate([galaxy(1, 4, 3, 0.5), galaxy(1, 1, 3, 1), galaxy(1, 1, 1, 1)])
    ratios = bpt_errors(line_errors(WAVE, true, rebuilt, np.full(3, 0.1)))
    assert ratios.index.tolist() == [0, 1]
    assert ratios["[O III]/H-beta"].to_numpy() == pytest.approx(
        [np.log10(2), -np.log10(2)], abs=0.02
    )
    assert ratios.loc[0, "[S II]/H-alpha"] == pytest.approx(-np.log10(2), abs=0.02)
    assert np.isnan(ratios.loc[1, "[S II]/H-alpha"])


def test_without_galaxies_there_are_no_rows():
    empty = np.zeros((0, 256))
    table = line_errors(WAVE, empty, empty, np.zeros(0))
    assert list(table) == list(ERROR_COLUMNS)
    assert len(bpt_errors(table)) == 0


def test_bad_spectra_and_lines_are_named():
    flux = spectrum_of(0.1)
    with pytest.raises(InputError, match=r"lines: found \['Q'\], expected some of \['Ly-alpha'"):
        errors_of(0.1, flux, flux, ["Q"])
    with pytest.raises(
        InputError, match=r"spectra \(1, 256\) and \(1, 200\), \(256,\) wavelengths"
    ):
        errors_of(0.1, flux, flux[:, :200])
