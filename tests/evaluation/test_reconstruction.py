"""Reconstructions whose errors are known, and what the table says of them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from galaxies import catalogue_of, modalities_of
from mmae.errors import InputError
from mmae.evaluation.reconstruction import (
    COARSE_EDGES,
    PROFILE,
    RECONSTRUCTION_COLUMNS,
    by_label,
    over_all_redshifts,
    reconstruction_table,
)
from mmae.instruments import LINES, PIXEL_SCALE_ARCSEC, SPEED_OF_LIGHT_KMS
from mmae.metrics.intervals import MIN_GALAXIES, wilson
from mmae.metrics.line_quality import BPT_RATIOS
from mmae.modalities.base import Measured
from mmae.modalities.spectrum import NORMALISATION, Spectrum, SpectrumGeometry
from mmae.settings import Scoring, SpectrumModality

IMAGE = modalities_of(size=64)["image"]
WAVE = 3611.6 + 24.0 * np.arange(256)
SCORING = Scoring(bootstrap_samples=40)
STRONG = ("[O II]", "H-beta", "[O III]", "H-alpha", "[S II]")
N = 12
REDSHIFT = np.linspace(0.02, 0.35, N)
"""H-alpha leaves the spectrum at z = 0.48, [O II] is in it at every redshift."""


def images(n: int = N) -> np.ndarray:
    """Round and flat galaxies of different sizes, redder towards the middle, (n, 5, 64, 64)."""
    y, x = PIXEL_SCALE_ARCSEC * (np.indices((64, 64)) - 31.5)
    size = np.linspace(0.5, 1.0, n)[:, None, None]
    flat = np.linspace(0.0, 0.5, n)[:, None, None]
    band = np.exp(-0.5 * ((x / size) ** 2 + (y / (size * (1 - flat))) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.01, (n, 5, 64, 64))
    return band[:, None] * np.array([1.0, 2.0, 3.0, 4.0, 5.0])[:, None, None] + noise


def spectra(
    redshift: np.ndarray,
    shift_kms: float = 0.0,
    height: float = 1.0,
    width: float = 60.0,
    lines: tuple[str, ...] = STRONG,
) -> np.ndarray:
    """Lines of one height and FWHM (Å), moved by one velocity, on a faint slope, (n, 256)."""
    flux = np.broadcast_to(2e-5 * (WAVE - 6000), (len(redshift), len(WAVE))).copy()
    for line in lines:
        centre = LINES[line].wave * (1 + redshift[:, None]) * (1 + shift_kms / SPEED_OF_LIGHT_KMS)
        flux += height * np.exp(-4 * np.log(2) * ((WAVE - centre) / width) ** 2)
    return flux + np.random.default_rng(0).normal(0, 1e-3, flux.shape)


def table_of(redshift: np.ndarray = REDSHIFT, scoring: Scoring = SCORING, **given) -> pd.DataFrame:
    """The table of a perfect reconstruction of hidden galaxies, but for the arrays given."""
    n = len(redshift)
    image = given.get("image", images(n))
    spectrum = given.get("spectrum", spectra(redshift))
    wave = tuple(given.get("wave", WAVE))
    measured = [
        *IMAGE.quality(
            image,
            given.get("image_reconstruction", image),
            given.get("image_hidden", np.ones((n, 64, 64), dtype=bool)),
            redshift,
        ),
        *Spectrum(
            "spectrum",
            SpectrumModality("spectrum", 8),
            SpectrumGeometry(wave, 30, NORMALISATION["mean"]),
        ).quality(
            spectrum,
            given.get("spectrum_reconstruction", spectrum),
            given.get("spectrum_hidden", np.ones((n, len(WAVE)), dtype=bool)),
            redshift,
        ),
    ]
    return reconstruction_table(measured, given.get("redshifts", redshift), scoring)


def row_of(table: pd.DataFrame, quantity: str, line: str = "", part: str = "all") -> pd.Series:
    rows = table[(table["quantity"] == quantity) & (table["line"] == line)]
    rows = rows[rows["part"] == part]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_perfect_reconstruction_has_no_errors(recwarn):
    table = table_of()
    assert list(table) == list(RECONSTRUCTION_COLUMNS)
    assert not recwarn.list
    value = table[table["n"] >= MIN_GALAXIES].set_index("quantity")["value"]
    assert table.loc[table["n"] < MIN_GALAXIES, "value"].isna().all()
    assert (value["image psnr"] == np.inf).all()
    ones = [
        "image ssim",
        "spectrum cosine",
        "line found",
        "line height",
        "line width",
        "line right",
    ]
    for quantity in ones:
        assert value[quantity].to_numpy() == pytest.approx(1.0, abs=1e-12)
    true = [f"bpt {ratio} true" for ratio in BPT_RATIOS]
    rest = value.drop(["image psnr", "spectrum noise", *true, *ones])
    assert (rest.abs() < 1e-9).all()
    assert set(rest.index) == {
        *(f"colour {colour}" for colour in ("g-r", "r-i", "i-z", "z-y")),
        *("half-light radius", "ellipticity", "spectrum mse", "continuum slope"),
        *("line centre", "line too wide", "line missed", "line unresolved", "line noise"),
        *("bpt [O III]/H-beta", "bpt [S II]/H-alpha"),
    }
    scatter = table.loc[~table["quantity"].isin(true), "scatter"].dropna()
    assert len(scatter)
    assert (scatter.abs() < 1e-9).all()


def test_errors_of_images_are_those_that_were_planted():
    image = images()
    brighter = np.array([1.0, 1.0, 10**0.04, 1.0, 1.0])[:, None, None]
    table = table_of(image=image, image_reconstruction=image * brighter)
    for colour, error in (("g-r", 0.0), ("r-i", 0.1), ("i-z", -0.1), ("z-y", 0.0)):
        row = row_of(table, f"colour {colour}")
        assert row["value"] == pytest.approx(error, abs=1e-9)
        assert row["unit"] == "mag"
    assert row_of(table, "image ssim")["value"] < 1
    # the smallest and roundest galaxy is taken for the largest and flattest, five times
    small, large = (np.repeat(one, 5, axis=0) for one in (image[:1], image[-1:]))
    table = table_of(image=small, image_reconstruction=large, redshift=REDSHIFT[:5])
    assert row_of(table, "ellipticity")["value"] == pytest.approx(0.5, abs=0.02)
    assert row_of(table, "half-light radius")["value"] > 0.3


def test_errors_of_spectra_are_those_that_were_planted():
    spectrum = spectra(REDSHIFT)
    tilted = spectrum + 3e-5 * (WAVE - 6000)
    row = row_of(table_of(spectrum_reconstruction=tilted), "continuum slope")
    assert row["value"] == pytest.approx(0.03, rel=1e-6)
    table = table_of(spectrum_reconstruction=-spectrum)
    assert row_of(table, "spectrum cosine")["value"] == pytest.approx(-1.0)
    expected = np.median(4 * (spectrum**2).mean(axis=1))
    assert row_of(table, "spectrum mse")["value"] == pytest.approx(expected)


def test_planted_lines_are_recovered_within_a_percent():
    alone = ("[O II]", "H-alpha")
    table = table_of(
        spectrum=spectra(REDSHIFT, lines=alone),
        spectrum_reconstruction=spectra(REDSHIFT, 300.0, 0.7, 84.0, lines=alone),
    )
    for line in alone:
        for quantity, value, unit in (
            ("line centre", 300.0, "km/s"),
            ("line height", 0.7, "reconstructed / true"),
            ("line width", 1.4, "reconstructed / true"),
        ):
            row = row_of(table, quantity, line)
            assert row["value"] == pytest.approx(value, rel=0.01)
            assert row["low"] <= row["value"] <= row["high"]
            assert row["scatter"] < 0.02 * value
            assert (row["unit"], row["statistic"], row["n"]) == (unit, "median", N)


def test_line_ratios_are_in_dex():
    strong = spectra(REDSHIFT, height=2.0, lines=("[O III]",))
    others = spectra(REDSHIFT, lines=("H-beta", "H-alpha", "[S II]"))
    table = table_of(spectrum_reconstruction=strong + others)
    row = row_of(table, "bpt [O III]/H-beta")
    assert row["value"] == pytest.approx(np.log10(2), abs=0.01)
    assert (row["unit"], row["n"]) == ("dex", N)
    assert row_of(table, "bpt [S II]/H-alpha")["value"] == pytest.approx(0.0, abs=0.01)


def test_missed_and_false_lines_are_counted_where_they_can_be():
    true, rebuilt = spectra(REDSHIFT), spectra(REDSHIFT)
    without = spectra(REDSHIFT, lines=("[O II]",))
    # galaxies 0 to 4 have no lines but [O II], of which 0 gets them; 5 and 6 lose theirs
    true[:5] = without[:5]
    rebuilt[1:7] = without[1:7]
    table = table_of(spectrum=true, spectrum_reconstruction=rebuilt)
    for line in ("H-beta", "[O III]", "H-alpha", "[S II]"):
        missed, false = (row_of(table, f"line {name}", line) for name in ("missed", "false"))
        assert (missed["n"], missed["statistic"]) == (7, "fraction")
        assert missed["value"] == pytest.approx(2 / 7)
        assert (missed["low"], missed["high"]) == wilson(2 / 7, 7)
        found, wide = (row_of(table, f"line {name}", line) for name in ("found", "too wide"))
        assert (found["value"], wide["value"]) == (pytest.approx(5 / 7), 0), "one of the three"
        assert false["n"] == 5
        assert false["value"] == pytest.approx(1 / 5)
        assert row_of(table, "line height", line)["n"] == 5
    assert row_of(table, "line missed", "[O II]")["value"] == 0
    assert "[O II]" not in set(table.loc[table["quantity"] == "line false", "line"])


def test_what_was_not_hidden_is_left_out():
    none = np.zeros((N, 64, 64), dtype=bool)
    table = table_of(image_hidden=none)
    assert not table["quantity"].str.contains("image|colour|radius|ellip").any()
    table = table_of(spectrum_hidden=np.zeros((N, 256), dtype=bool))
    assert not table["quantity"].str.contains("spectrum|slope|line|bpt").any()
    assert len(table)
    nothing = table_of(image_hidden=none, spectrum_hidden=np.zeros((N, 256), dtype=bool))
    assert list(nothing) == list(RECONSTRUCTION_COLUMNS)
    assert nothing.empty


def test_what_was_shown_does_not_count():
    rng = np.random.default_rng(1)
    image_hidden, spectrum_hidden = (
        np.ones((N, *shape), dtype=bool) for shape in ((64, 64), WAVE.shape)
    )
    image_hidden[:, :20] = False
    spectrum_hidden[:, 200:] = False
    image, spectrum = images(), spectra(REDSHIFT)
    given = {
        "image_reconstruction": image + 0.1 * rng.normal(0, 1, image.shape),
        "spectrum_reconstruction": spectrum + 0.1 * rng.normal(0, 1, spectrum.shape),
        "image_hidden": image_hidden,
        "spectrum_hidden": spectrum_hidden,
    }
    table = table_of(**given)
    nonsense = given | {
        "image_reconstruction": np.where(image_hidden[:, None], given["image_reconstruction"], 1e3),
        "spectrum_reconstruction": np.where(spectrum_hidden, given["spectrum_reconstruction"], 1e3),
    }
    pd.testing.assert_frame_equal(table, table_of(**nonsense))


def test_lines_belong_to_the_galaxies_of_which_something_was_hidden():
    hidden = np.ones((N, len(WAVE)), dtype=bool)
    hidden[REDSHIFT <= 0.2] = False
    scoring = Scoring(low_redshift=0.2, bootstrap_samples=10)
    table = table_of(spectrum_hidden=hidden, scoring=scoring)
    lines = table[table["line"] == "H-alpha"]
    assert set(lines["part"]) == {"all", "bin"}
    assert set(lines["n"]) == {int((REDSHIFT > 0.2).sum())}


def test_lines_hidden_in_part_are_left_out():
    z = np.full(3, 0.1)
    centre = LINES["H-alpha"].wave * 1.1
    hidden = np.ones((3, len(WAVE)), dtype=bool)
    # galaxy 0: the edge of where H-alpha is looked for is shown; 1: pixels just outside; 2: none
    hidden[0] = np.abs(WAVE - centre - 48) > 12
    hidden[1] = np.abs(WAVE - centre - 84) > 12
    table = table_of(redshift=z, spectrum_hidden=hidden)
    assert row_of(table, "line height", "H-alpha")["n"] == 2
    assert row_of(table, "line height", "H-beta")["n"] == 3


def test_ranges_and_numbers_of_galaxies():
    z = np.array([0.0, 0.1, 0.4, 0.41, 0.8, 1.0, 1.9, 3.0, 4.2, 5.0])
    table = table_of(redshift=z)
    ours = table[table["quantity"] == "image ssim"]
    found = ours[["part", "z_low", "z_high", "n"]].to_numpy().tolist()
    # ranges are without their lower end and with their upper one
    assert found == [
        ["all", 0.0, 4.2, 8],
        ["low_redshift", 0.0, 0.4, 2],
        ["bin", 0.0, 0.4, 2],
        ["bin", 0.4, 0.8, 2],
        ["bin", 0.8, 1.2, 1],
        ["bin", 1.2, 2.0, 1],
        ["bin", 2.0, 4.2, 2],
    ]
    assert ours["z_low"].tolist()[2:] == [*COARSE_EDGES[:-1]]
    # a bin without galaxies has no row, and the ranges are those of the settings
    scoring = Scoring(full_range=(0.1, 0.3), low_redshift=0.2, bootstrap_samples=10)
    near = table_of(scoring=scoring)
    ours = near[near["quantity"] == "spectrum mse"]
    inside = [int(np.sum(REDSHIFT[REDSHIFT > 0.1] <= high)) for high in (0.3, 0.2)]
    assert ours["n"].tolist() == [*inside, N]
    assert ours["part"].tolist() == ["all", "low_redshift", "bin"]


def test_values_are_those_of_the_range_alone():
    image = images()
    near = REDSHIFT < 0.2
    factor = np.where(near, 1.0, 10**0.04)[:, None, None]
    rebuilt = image.copy()
    rebuilt[:, 2] *= factor
    scoring = Scoring(low_redshift=0.2, bootstrap_samples=10)
    table = table_of(image=image, image_reconstruction=rebuilt, scoring=scoring)
    assert row_of(table, "colour r-i", part="low_redshift")["value"] == pytest.approx(0, abs=1e-9)
    z = REDSHIFT[~near]
    table = table_of(
        redshift=z, image=image[~near], image_reconstruction=rebuilt[~near], scoring=scoring
    )
    assert row_of(table, "colour r-i")["value"] == pytest.approx(0.1, abs=1e-9)


def test_few_galaxies_have_no_number():
    columns = ["value", "low", "high", "scatter", "scatter_low", "scatter_high"]
    n = MIN_GALAXIES
    for few, has in ((n - 1, False), (n, True)):
        row = row_of(table_of(redshift=REDSHIFT[:few]), "ellipticity")
        assert row["n"] == few
        assert row[columns].notna().all() == has
        assert row[columns].isna().all() != has


def test_intervals_shrink_with_the_scatter_and_do_not_change_between_calls():
    rng = np.random.default_rng(2)
    image = images()
    tables = [
        table_of(
            image=image, image_reconstruction=image * (1 + noise * rng.normal(0, 1, (N, 5, 1, 1)))
        )
        for noise in (0.01, 0.05)
    ]
    small, large = (row_of(table, "colour g-r") for table in tables)
    for row in (small, large):
        assert row["low"] < row["value"] < row["high"]
        assert row["scatter_low"] <= row["scatter"] <= row["scatter_high"]
    assert large["scatter"] > 2 * small["scatter"]
    assert large["high"] - large["low"] > 2 * (small["high"] - small["low"])
    # values that are no errors have no scatter
    assert np.isnan(row_of(tables[0], "image ssim")["scatter"])
    again = table_of(image=image, image_reconstruction=image * 0.9)
    pd.testing.assert_frame_equal(again, table_of(image=image, image_reconstruction=image * 0.9))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"image_reconstruction": images()[:, :4]}, r"images: found true \(12, 5, 64, 64\), recon"),
        ({"image_hidden": np.ones((N, 64, 60), dtype=bool)}, r"hidden \(12, 1, 64, 60\)"),
        ({"image_hidden": np.ones((N, 64, 64))}, "images: hidden: found float64, expected bool"),
        ({"spectrum_hidden": np.ones((N, 200), dtype=bool)}, r"spectra: .*hidden \(12, 200\)"),
        ({"spectrum_reconstruction": np.full((N, 256), np.nan)}, "3072 values not finite"),
        ({"wave": WAVE[:-1]}, r"\(255,\) wavelengths"),
        ({"redshifts": REDSHIFT[:-1]}, "image psnr: found 12 galaxies, 11 redshifts, expected as"),
        ({"redshifts": np.full(N, np.nan)}, "found redshifts not finite"),
    ],
)
def test_arrays_that_do_not_match_are_refused(given, words):
    full = {
        "image": images(),
        "spectrum": spectra(REDSHIFT),
        "image_hidden": np.ones((N, 64, 64), dtype=bool),
        "spectrum_hidden": np.ones((N, 256), dtype=bool),
    }
    with pytest.raises(InputError, match=words):
        table_of(**(full | given))


def test_the_numbers_of_a_catalogue_have_an_error_each():
    """In their own units; those that were shown, and their errors, do not count."""
    catalogue = catalogue_of(3, errors=True)
    true = np.tile([20.0, 19.0, 0.5, 0.1, 0.1, 0.1], (N, 1))
    rebuilt, hidden = true.copy(), np.zeros((N, 6), dtype=bool)
    rebuilt[:, :2] += [0.3, -0.2]
    hidden[:, [0, 2]] = True
    hidden[0, 0] = False
    table = reconstruction_table(
        catalogue.quality(true, rebuilt, hidden, REDSHIFT), REDSHIFT, SCORING
    )
    rows = table[table["part"] == "all"]
    assert rows["quantity"].tolist() == ["catalogue a", "catalogue c"]
    assert rows["n"].tolist() == [N - 1, N]
    assert rows["value"].tolist() == pytest.approx([0.3, 0.0])
    assert rows["scatter"].tolist() == pytest.approx([0.0, 0.0])


def test_other_bands_have_no_colours_of_these():
    other = dataclasses.replace(IMAGE.geometry, bands=("u", "g", "r", "i", "z"))
    image = images()
    arrays = (image, image, np.ones((N, 5, 64, 64), dtype=bool), REDSHIFT)
    found = [one.quantity for one in type(IMAGE)("image", IMAGE.settings, other).quality(*arrays)]
    assert found == ["image psnr", "image ssim"]


def test_any_quantity_has_its_rows():
    """What a modality of one's own measures stands in the table as any other."""
    one = Measured("words", "", "dimensionless", "fraction", False, np.arange(N) % 2.0)
    table = reconstruction_table([one], REDSHIFT, SCORING)
    row = row_of(table, "words")
    assert (row["n"], row["value"], row["statistic"]) == (N, 0.5, "fraction")
    assert np.isnan(row["scatter"])


def measured() -> pd.DataFrame:
    """Two trainings, one of which lacks a quantity; lines are NaN as read from a CSV."""
    columns = ["model", "mask", "kind", "at", *RECONSTRUCTION_COLUMNS[:6], "n", "value"]
    whole, image = ("all", 0.0, 4.2), ("image ssim", np.nan, "dimensionless")
    rows = [
        ("a", 0.1, "mean", "z_spec", *image, *whole, 9, 0.8, 0.7, 0.85),
        ("a", 0.1, PROFILE, "z_spec", *image, *whole, 9, 0.5, 0.4, 0.6),
        ("b", 0.75, "mean", "z_spec", *image, *whole, 9, 0.91234, 0.9, 0.92),
        ("b", 0.75, "mean", "z_spec", *image, "bin", 0.0, 0.4, 9, 0.1, 0.1, 0.1),
        ("b", 0.75, PROFILE, "z_spec", *image, *whole, 9, 0.5, 0.4, 0.6),
    ]
    for at in ("z_spec", "z_pred"):
        line = "line centre", "H-alpha", "km/s", *whole, 3, -120.0, np.nan, np.nan
        rows.append(("b", 0.75, "mode", at, *line))
    return pd.DataFrame(rows, columns=[*columns, "low", "high"])


def test_models_are_told_apart_by_training_ratio_kind_and_redshift():
    tables = by_label(measured())
    kinds = [f"b, trained 75% hidden, {kind}" for kind in ("mean", "mode")]
    assert list(tables) == ["a, trained 10% hidden", "radial profile", *kinds]
    assert [len(table) for table in tables.values()] == [1, 1, 2, 1], "one profile, once"
    assert list(by_label(measured(), own_redshift=True))[4:] == [f"{kinds[1]} at its own z"]
    alone = by_label(measured()[measured()["mask"] == 0.75])
    assert list(alone) == ["b, mean", "radial profile", "b, mode"]


def test_a_page_has_the_full_range_and_a_column_a_model():
    page = over_all_redshifts(by_label(measured()))
    text = ["0.8 (0.7 to 0.85), n = 9", "0.5 (0.4 to 0.6), n = 9", "0.9123 (0.9 to 0.92), n = 9"]
    assert page.to_numpy().tolist() == [
        ["image ssim", "", "dimensionless", *text, ""],
        ["line centre", "H-alpha", "km/s", "", "", "", "-120, n = 3"],
    ]
    assert list(page)[3:] == list(by_label(measured()))
