"""Entries of a config as galaxies have them, in manifests and models; geometries compared."""

import dataclasses
import json
import re

import h5py
import numpy as np
import pytest

from galaxies import TOY, catalogue_of, modalities_of
from mmae.config import read_section
from mmae.dataset import layout
from mmae.errors import InputError
from mmae.modalities import check_modalities, from_plain, kind_of, of_file, to_plain
from mmae.modalities.base import Modality, differences
from mmae.modalities.image import Image
from mmae.modalities.spectrum import NORMALISATION, Spectrum
from mmae.modalities.vector import Vector
from mmae.settings import Arrays
from mmae.settings.modalities import MODALITY_KINDS

KNOWN = modalities_of(size=64, length=259) | {"catalogue": catalogue_of(errors=True)}
WAVE = KNOWN["spectrum"].geometry.wave


def with_geometry(name: str, **fields) -> dict[str, Modality]:
    """The modalities, of which one has another geometry."""
    one = KNOWN[name]
    geometry = dataclasses.replace(one.geometry, **fields)
    return KNOWN | {name: type(one)(name, one.settings, geometry)}


def arrays_of(**keys) -> Arrays:
    return read_section(Arrays, TOY["arrays"] | keys, "config")


def test_every_kind_has_a_file():
    for kind, expected in {"image": Image, "spectrum": Spectrum, "vector": Vector}.items():
        assert kind_of({"kind": kind}, "config", "m") is expected
        assert expected.Settings is MODALITY_KINDS[kind]
    assert len(MODALITY_KINDS) == 3


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "cube"}, "found 'cube', expected one of"),
        ({"kind": "../image"}, "found '../image', expected one of"),
        ({"kind": 3}, "found 3, expected one of"),
        ({}, "found None, expected one of"),
        ("image", "found None, expected one of"),
        ({"kind": "scaling"}, r"scaling\.py: found no MODALITY, expected one, as m\.kind says"),
    ],
)
def test_kinds_that_are_none_are_told(entry, words):
    with pytest.raises(InputError, match=words):
        kind_of(entry, "config", "m")


def test_they_come_back_from_plain_content():
    plain = json.loads(json.dumps(to_plain(KNOWN.values())))
    found = from_plain(plain, "manifest.json")
    assert list(found) == [*KNOWN]
    for name, one in found.items():
        assert type(one) is type(KNOWN[name])
        assert (one.name, one.settings, one.geometry) == (
            name,
            KNOWN[name].settings,
            KNOWN[name].geometry,
        )


def test_those_of_a_config_are_in_its_order_and_as_the_file_has_them(tmp_path):
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        file[layout.IMAGE] = np.zeros((2, 5, 64, 64), "f4")
        file[layout.FLUX] = file[layout.IVAR] = np.zeros((2, 90), "f4")
        file[layout.WAVE] = 3600 + 0.8 * np.arange(90)[None]
        file["hsc/g_cmodel_mag"] = np.zeros(2)
        entries = {
            "magnitude": {"kind": "vector", "columns": ["g_cmodel_mag"]},
            "spectrum": {"kind": "spectrum", "patch": 1},
            "image": {"kind": "image", "patch": 16},
        }
        arrays = arrays_of(pool=45)
        found = of_file(entries, file, arrays)
        assert list(found) == ["magnitude", "spectrum", "image"]
        assert [one.shape for one in found.values()] == [(1,), (2,), (5, 64, 64)]
        assert [one.n_tokens for one in found.values()] == [1, 2, 16]
        entries["image"]["ptch"] = 8
        words = r"config: modalities\.image\.ptch: found an unknown key, expected one of \['kind', "
        with pytest.raises(InputError, match=words):
            of_file(entries, file, arrays)


def test_galaxies_of_the_same_geometry_fit():
    check_modalities(KNOWN, KNOWN, "arrays")
    check_modalities(KNOWN, {"spectrum": KNOWN["spectrum"]}, "arrays")
    # as numbers come back from a file in single precision
    close = tuple(float(np.float32(x)) for x in WAVE)
    check_modalities(with_geometry("spectrum", wave=close), KNOWN, "arrays")
    check_modalities(with_geometry("image", pixel_scale_arcsec=0.168 + 1e-9), KNOWN, "arrays")


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        (
            "image",
            {"bands": ("g", "r", "i", "z")},
            r"bands: found \('g', 'r', 'i', 'z'\), expected \('g', 'r', 'i', 'z', 'y'\)",
        ),
        ("image", {"bands": ("y", "z", "i", "r", "g")}, r"bands: found \('y', 'z'"),
        ("image", {"size": 32}, "size: found 32, expected 64"),
        (
            "image",
            {"pixel_scale_arcsec": 0.262},
            r"pixel_scale_arcsec: found 0\.262, expected 0\.168",
        ),
        ("image", {"zero_point_mag": 22.5}, r"zero_point_mag: found 22\.5, expected 27\.0"),
        (
            "spectrum",
            {"wave": WAVE[:-1]},
            r"wave: found 258 values from 3611\.6 to \d+\.?\d*, expected 259 values from 3611\.6",
        ),
        ("spectrum", {"wave": tuple(x + 1 for x in WAVE)}, r"wave: found 259 values from 3612\.6"),
        ("spectrum", {"wave": ()}, "wave: found none, expected 259 values"),
        ("spectrum", {"pool": 15}, "pool: found 15, expected 30"),
        ("spectrum", {"normalisation": NORMALISATION["ivar"]}, "normalisation: found averaged by"),
        (
            "photometry",
            {"columns": tuple(f"measured/{band}_aperture_mag" for band in "grizy")},
            r"columns: found \('measured/g_aperture_mag', .*expected \('g_cmodel_mag', ",
        ),
        ("photometry", {"errors": True}, "errors: found True, expected False"),
    ],
)
def test_galaxies_of_another_geometry_are_refused_in_a_sentence(name, fields, words):
    """What is found is told, and what the model was trained on."""
    with pytest.raises(InputError) as told:
        check_modalities(with_geometry(name, **fields), KNOWN, "my/arrays")
    sentence = str(told.value)
    assert re.search(
        rf"^my/arrays: modality '{name}', {words}.*, as the model was trained on$", sentence
    ), sentence
    assert "\n" not in sentence
    assert len(sentence) < 500
    # the other way round, too
    with pytest.raises(InputError, match=f"modality '{name}'"):
        check_modalities(KNOWN, with_geometry(name, **fields), "my/arrays")


def test_a_modality_that_is_absent_or_of_another_kind_is_told():
    some = {name: KNOWN[name] for name in ("image", "photometry")}
    words = (
        r"arrays: found the modalities \['image', 'photometry'\], expected 'spectrum', which the"
    )
    with pytest.raises(InputError, match=words):
        check_modalities(some, KNOWN, "arrays")
    other = KNOWN | {"spectrum": KNOWN["photometry"]}
    words = "found kind vector, expected spectrum, as the model was trained on"
    with pytest.raises(InputError, match=words):
        check_modalities(other, KNOWN, "arrays")


def test_differences_are_the_first_of_all_fields():
    ours, theirs = KNOWN["image"].geometry, with_geometry("image", size=9)["image"].geometry
    assert differences(theirs, ours) == ("size", 9, 64)
    assert differences(ours, ours) is None
