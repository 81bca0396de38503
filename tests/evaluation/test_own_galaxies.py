"""A user's galaxies in FITS and tables: the same redshifts as in HDF5, and no wrong ones."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits

from galaxies import TOY, made_up_galaxies, modalities_of, paper_model, split_of
from helpers import shared
from mmae.dataset.image_statistics import describe_images, flags
from mmae.dataset.photometry import half_light_radii
from mmae.errors import InputError
from mmae.evaluation.catalogue import open_catalogues, read_blocks
from mmae.evaluation.own_galaxies import gather
from mmae.evaluation.predict_catalogue import predict_catalogues, shown_modalities
from mmae.evaluation.scoring import read_forecast
from mmae.files.write import write_blocks, write_table
from mmae.instruments import BANDS
from mmae.modalities.image import BLANK, NOT_FINITE
from mmae.modalities.vector import Vector, VectorGeometry
from mmae.models import build_model
from mmae.settings import VectorModality, View
from mmae.survey.galaxiesml import write_galaxiesml
from mmae.training.run import train_model
from own_fits import POSITIONS, band_file, band_files, five_hdus, header

N = len(POSITIONS)
VIEW = View({"spectrum": {"random": 1.0}, "image": {"random": 0.25}})
WHOLE = View({"spectrum": {"random": 1.0}})


@pytest.fixture(scope="module")
def arrays():
    made_up = made_up_galaxies(400, size=64, length=259)
    values = made_up.values
    photometry = np.hstack([values["photometry"][:, :5], half_light_radii(values["image"])])
    return made_up._replace(values=values | {"photometry": photometry.astype("f4")})


@pytest.fixture(scope="module")
def images(arrays) -> np.ndarray:
    return arrays.values["image"][:N]


@pytest.fixture(scope="module")
def magnitudes(arrays) -> dict[str, np.ndarray]:
    columns = arrays.values["photometry"][:N, :5].T.astype(float)
    return {f"{band}_cmodel_mag": one for band, one in zip(BANDS, columns, strict=True)}


def redshifts(model, *paths: Path, view: View, names: dict[str, str] | None = None) -> pd.DataFrame:
    """What `mmae predict` writes, in blocks of two galaxies."""
    known = {"image": modalities_of(64)["image"]}
    opened = open_catalogues(gather(paths, names or {}), shown_modalities(model, view), known)
    return pd.concat(predict_catalogues(model, opened, view, 0, 2, Counter()), ignore_index=True)


def images_of(*paths: Path) -> np.ndarray:
    """The images that are read of a user's files."""
    known = {"image": modalities_of(64)["image"]}
    (catalogue,) = open_catalogues(gather(paths, {}), known)
    return np.concatenate([block.values["image"] for block in read_blocks(catalogue, 2)])


def test_fits_table_and_hdf5_give_the_same_redshifts(tmp_path, arrays, images, magnitudes):
    write_galaxiesml(
        tmp_path / "own.hdf5", {"object_id": np.arange(N), **magnitudes}, iter([images])
    )
    bands = band_files(tmp_path / "bands", images)
    (tmp_path / "files").mkdir()
    paths = [five_hdus(tmp_path / "files" / f"{k}.fits", one) for k, one in enumerate(images)]
    tables = {end: tmp_path / f"own.{end}" for end in ("csv", "ecsv", "fits", "vot")}
    table = {"ID": [f"galaxy {k}" for k in range(N)], "z_spec": arrays.redshift[:N]}
    table |= {"FILE": [f"files/{path.name}" for path in paths], **magnitudes}
    for path in tables.values():
        write_table(path, pd.DataFrame(table))
    torch.manual_seed(0)
    known = modalities_of(64, 259, TOY["modalities"]["image"]["patch"])
    networks = [build_model(TOY["models"][name], known).eval() for name in ("mmae", "cnn")]
    trees = train_model(TOY["models"]["gbdt"], "gbdt", arrays, split_of(400), 0.0, 0, None, "")
    for model, view in ((networks[0], VIEW), (networks[1], WHOLE), (trees.model, WHOLE)):
        expected = redshifts(model, tmp_path / "own.hdf5", view=view)["z_pred"]
        assert expected.nunique() == N
        for path in tables.values():
            found = redshifts(model, path, view=view, names={"object_id": "ID", "image": "FILE"})
            assert found["object_id"].tolist() == table["ID"], path
            assert found["z_spec"].tolist() == pytest.approx(arrays.redshift[:N].tolist())
            assert found["z_pred"].equals(expected), path
        for sources in ([bands], paths) if model in networks else ():
            found = redshifts(model, *sources, view=view)["z_pred"]
            assert found.equals(expected), sources
    assert redshifts(networks[1], bands, view=WHOLE)["object_id"].tolist() == [
        f"{2 + 5 * k}-cutout-9813-pdr2_wide" for k in range(N)
    ]


def test_magnitudes_alone_do_for_a_model_that_is_shown_no_image(tmp_path, images, magnitudes):
    settings = VectorModality("vector", tuple(magnitudes))
    one = Vector("photometry", settings, VectorGeometry(tuple(magnitudes), False))
    names = ["image", "spectrum", "photometry"]
    model = paper_model(modalities_of(64, 259) | {"photometry": one}, modalities=names)
    view = View({name: {"random": 1.0} for name in names[:2]})
    columns = {"object_id": np.arange(N), **magnitudes}
    write_galaxiesml(tmp_path / "own.hdf5", columns, iter([images]))
    write_table(tmp_path / "own.ecsv", pd.DataFrame(columns))
    expected, found = (redshifts(model, tmp_path / f"own.{e}", view=view) for e in ("hdf5", "ecsv"))
    assert found.equals(expected)
    assert found["z_pred"].nunique() == N


@pytest.mark.parametrize("ending", ["csv", "ecsv", "fits", "vot", "parquet"])
def test_what_predict_writes_metrics_read(tmp_path, arrays, images, magnitudes, ending):
    """Under the names of others, too."""
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    redshift = np.resize(arrays.redshift[:N].astype(float), 30)
    found = pd.DataFrame({"object_id": np.arange(30) + 10**17, "z_spec": redshift})
    found = found.assign(z_pred=redshift * 1.01, flags="").astype({"flags": object})
    found.loc[3, ["z_pred", "flags"]] = np.nan, "blank g"
    write_blocks(tmp_path / f"z.{ending}", [found[:17], found[17:]])
    read = read_forecast(tmp_path / f"z.{ending}")
    assert read["object_id"].tolist() == found["object_id"].tolist()
    assert read["flags"][3] == "blank g"
    others = {"z_spec": "Z_SPEC", "z_pred": "zphot"}
    write_table(tmp_path / f"other.{ending}", found.rename(columns=others).assign(z_pred="?"))
    for table in (read, read_forecast(tmp_path / f"other.{ending}", True, others)):
        for name in others:
            np.testing.assert_array_equal(table[name], found[name])


def test_flux_is_converted_and_the_middle_is_cut(tmp_path, images):
    for zero_point, card in ((31.4, "BUNIT"), (22.5, "MAGZERO"), (30.0, "FLUXMAG0")):
        folder = tmp_path / card
        folder.mkdir()
        for band, flux in zip(BANDS, images[0] * 10 ** (0.4 * (zero_point - 27)), strict=True):
            wide = np.pad(flux.astype("f4"), ((31, 32), (3, 3)))
            path = band_file(folder / f"cutout-HSC-{band.upper()}.fits", wide, band, 150, 2)
            value = {"BUNIT": "nJy", "FLUXMAG0": 10**12}.get(card, zero_point)
            with fits.open(path, mode="update") as hdus:
                del hdus[0].header["FLUXMAG0"]
                hdus[1].header[card] = value
        np.testing.assert_allclose(images_of(folder), images[:1], rtol=2e-6)


def test_real_images_of_hsc_are_read(tmp_path):
    """Of 48 x 58 pixels, which a border makes large enough."""
    with np.load(shared("real/hsc/hsc_cosmos_35.npz")) as real:
        flux = np.pad(real["images"], ((0, 0), (3, 3), (8, 8)), mode="reflect")
    path = five_hdus(tmp_path / "real.fits.fz", flux, compressed=True)
    np.testing.assert_array_equal(images_of(path), flux[None])
    with pytest.raises(InputError, match=r"Cut_HSC.fits: found images of shape \[\(5, 50, 50\)\]"):
        images_of(shared("real/hsc/Cut_HSC.fits"))


def set_card(**cards: object) -> Callable[[Path], None]:
    """Change the header of the first galaxy's image in g."""

    def change(folder: Path) -> None:
        with fits.open(folder / "2-cutout-HSC-G-9813-pdr2_wide.fits", mode="update") as hdus:
            for name, value in cards.items():
                for hdu in hdus[:2]:
                    if value is None:
                        hdu.header.remove(name, ignore_missing=True)
                if value is not None:
                    hdus[1].header[name] = value

    return change


def replaced(flux: np.ndarray | None = None, name: str = "2-cutout-HSC-G-9813-pdr2_wide.fits"):
    """Another image in the place of the first galaxy's in g."""

    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        if flux is not None:
            band_file(folder / name, flux, "g", *POSITIONS[0])

    return change


def in_file(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change the bytes of the first galaxy's image in g."""

    def changed(folder: Path) -> None:
        path = folder / "2-cutout-HSC-G-9813-pdr2_wide.fits"
        path.write_bytes(change(path.read_bytes()))

    return changed


def cube(folder: Path) -> None:
    fits.writeto(folder / "cube.fits", np.ones((5, 64, 64), "f4"))


def unnamed(folder: Path) -> None:
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(np.ones((64, 64), "f4")) for _ in BANDS)]
    fits.HDUList(hdus).writeto(folder / "five.fits")


def of_other_scale(folder: Path) -> None:
    path = folder / "2-cutout-HSC-G-9813-pdr2_wide.fits"
    with fits.open(path, mode="update") as hdus:
        hdus[1].header.update(header(*POSITIONS[0], (64, 64), "IMAGE", scale=0.262 / 0.168))


ROOM = np.random.default_rng(0).normal(0, 0.1, (64, 64)).astype("f4")
SENTENCES = {
    "no zero point": (set_card(FLUXMAG0=None), "no zero point", "setval"),
    "zero point in the place of FLUXMAG0": (set_card(FLUXMAG0=27.0), "FLUXMAG0: found 27.0"),
    "FLUXMAG0 in the place of a zero point": (set_card(MAGZERO=6.3e10), "MAGZERO: found 6"),
    "FLUXMAG0 of 0": (set_card(FLUXMAG0=0.0), "FLUXMAG0: found 0.0"),
    "FLUXMAG0 in words": (set_card(FLUXMAG0="unknown"), "FLUXMAG0: found unknown"),
    "two zero points": (set_card(MAGZERO=25.0), "FLUXMAG0 (27.00 mag), MAGZERO (25.00 mag)"),
    "unit and zero point disagree": (set_card(BUNIT="nJy"), "BUNIT nJy (31.40 mag)"),
    "another filter": (set_card(FILTER="NB0921"), "FILTER: found 'NB0921'", "HSC-G"),
    "bands mixed up": (set_card(FILTER="HSC-R"), "'HSC-R' where the name of file"),
    "another pixel scale": (of_other_scale, "WCS: found pixels of 0.262 arcsec"),
    "too small": (replaced(ROOM[:50, :50]), "found 50 x 50 pixels", "at least 64"),
    "not square and too small": (replaced(np.ones((80, 63), "f4")), "found 63 x 80 pixels"),
    "a whole patch": (replaced(np.ones((64, 4200), "f4")), "4200 x 64", "mmae cutouts"),
    "the same band twice": (replaced(ROOM, "again-HSC-G.fits"), "a second image in g"),
    "a cube": (cube, "cube.fits: found images of shape [(5, 64, 64)]", "two axes"),
    "five HDUs without names": (unnamed, "found no band", "FILTER in the header"),
    "truncated": (in_file(lambda all: all[:9000]), "damaged or truncated"),
    "no FITS at all": (in_file(lambda all: b"hello"), "damaged or truncated"),
    "empty": (in_file(lambda all: b""), "damaged or truncated"),
    "no image": (in_file(lambda all: all[:2880]), "no image in the HDUs"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_wrong_image_is_told_in_one_sentence(tmp_path, images, name):
    damage, *words = SENTENCES[name]
    folder = band_files(tmp_path / "bands", images)
    damage(folder)
    with pytest.raises(InputError) as error:
        gather([folder], {})
    for word in words:
        assert word in str(error.value)


TABLES = {
    "no row": ("image\n", "found no galaxy"),
    "a file that is not there": ("image\nnowhere.fits\n", "nowhere.fits: found no such file"),
    "columns in each other's place": (
        "image_r\nbands/2-cutout-HSC-G-9813-pdr2_wide.fits\n",
        "'HSC-G' where the name of file or column says r",
    ),
    "bands of different galaxies": (
        "image_g,image_r\nbands/2-cutout-HSC-G-9813-pdr2_wide.fits,"
        "bands/8-cutout-HSC-R-9813-pdr2_wide.fits\n",
        "another place in the sky than 2-cutout",
    ),
    "decimal identifiers": ("object_id,g_cmodel_mag\n1e17,20\n", "column object_id"),
    "a column that is not there": ("g_cmodel_mag\n20\n", "column ID: found only"),
    "no images": ("ID,g_cmodel_mag\n5,20\n", "'image': found only"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_wrong_table_is_told_in_one_sentence(tmp_path, images, name):
    text, words = TABLES[name]
    band_files(tmp_path / "bands", images)
    path = tmp_path / "own.csv"
    path.write_text(text)
    names = {"object_id": "ID"} if "column ID" in words or "ID" in text.split(",")[0] else {}
    with pytest.raises(InputError) as error:
        open_catalogues(gather([path], names), {"image": modalities_of(64)["image"]})
    assert words in str(error.value)


def scaled(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda flux: flux * np.float32(factor)


FLAGGED = {
    "a million times the flux": scaled(1e6),
    "a millionth of the flux": scaled(1e-6),
    "the wrong sign": scaled(-1),
    "magnitudes": lambda flux: 27 - 2.5 * np.log10(np.maximum(flux, 1e-3)),
    "half without data": lambda flux: np.where(np.arange(64)[:, None] < 32, 0, flux),
}
EMPTY = {"all zero": lambda flux: flux * 0, "no number": lambda flux: flux * np.nan}
WITHOUT = {
    **{"all zero": BLANK, "no number": "image without g r i z y"},
    **{"a band missing": "image without g", "a pixel missing": NOT_FINITE},
}


@pytest.mark.parametrize("name", [*FLAGGED, *WITHOUT])
def test_what_can_only_be_told_from_pixels_is_flagged(tmp_path, arrays, images, name):
    wrong = images.copy()
    wrong[0] = {**FLAGGED, **EMPTY}.get(name, lambda flux: flux)(wrong[0])
    if name == "a pixel missing":
        wrong[0, 2, 10, 10] = np.nan
    folder = band_files(tmp_path / "bands", wrong)
    if name == "a band missing":
        (folder / "2-cutout-HSC-G-9813-pdr2_wide.fits").unlink()
    found = images_of(folder)
    if name in FLAGGED:
        training = describe_images(arrays.values["image"], np.arange(400))
        assert flags(found, training).any(axis=1).tolist() == [True, False, False]
    else:
        unusable = modalities_of(64)["image"].unusable(found)
        assert unusable.tolist() == [WITHOUT[name], "", ""]
