"""Models on disk: weights, and what they belong to."""

import json
from types import MappingProxyType

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from galaxies import (
    SMALL_PAPER,
    TOY,
    batch_of,
    made_up_galaxies,
    modalities_of,
    paper_model,
)
from mmae.errors import InputError
from mmae.files.outputs import MODEL
from mmae.files.write import atomic
from mmae.modalities import to_plain
from mmae.models import build_model
from mmae.models.weights import WEIGHTS, load_model, save_model


class Blind(nn.Linear):
    """A network that reads nothing."""

    modalities = MappingProxyType({})


def test_weights_are_the_bytes_of_safetensors(tmp_path):
    model = Blind(3, 2)
    save_model(tmp_path, model, {"model": {}})
    save_file(model.state_dict(), tmp_path / "other")
    assert (tmp_path / WEIGHTS).read_bytes() == (tmp_path / "other").read_bytes()


def test_a_full_disk_is_one_sentence(small_disk):
    def save():
        with atomic(small_disk / "model", MODEL) as part:
            part.mkdir()
            save_model(part, Blind(4000, 1000), {"model": {}})

    sentence = r"disk/model: cannot be written \(No space left on device\)$"
    with pytest.raises(InputError, match=sentence):
        save()
    assert list(small_disk.iterdir()) == []


KNOWN = modalities_of(size=24, length=43)
ENTRY = SMALL_PAPER | {"mask_channel": True}


@pytest.fixture
def model() -> nn.Module:
    return paper_model(KNOWN, mask_channel=True)


def test_saving_and_loading_is_identity(model, tmp_path):
    arrays = made_up_galaxies(3, size=24, length=43)
    batch = batch_of(arrays)
    save_model(tmp_path, model, {"model": ENTRY, "mask": 0.75})
    loaded, description = load_model(tmp_path)
    assert description["mask"] == 0.75
    assert not loaded.training
    for ours, theirs in zip(model.predict(batch, {}), loaded.predict(batch, {}), strict=True):
        assert ours is theirs is None or torch.equal(ours, theirs)


def test_the_geometry_of_what_it_reads_travels_with_a_model(model, tmp_path):
    save_model(tmp_path, model, {"model": ENTRY})
    loaded, description = load_model(tmp_path)
    names = ["image", "spectrum"]
    assert [one["name"] for one in description["modalities"]] == names
    assert description["modalities"] == json.loads(
        json.dumps(to_plain(KNOWN[name] for name in names))
    )
    for name in names:
        assert loaded.modalities[name].geometry == KNOWN[name].geometry
        assert loaded.modalities[name].settings == KNOWN[name].settings
        assert type(loaded.modalities[name]) is type(KNOWN[name])


def test_the_scale_of_what_it_reads_travels_with_a_model(tmp_path):
    """Of numbers in the paper's model, of images in the others."""
    batch = batch_of(made_up_galaxies(40, size=64))
    known = modalities_of(size=64)
    entries = {
        "paper": SMALL_PAPER | {"modalities": [*known]},
        "cnn": TOY["models"]["cnn"],
        "bcnn": TOY["models"]["bcnn-mag"],
        "astroclip": TOY["models"]["astroclip"],
    }
    for kind, entry in entries.items():
        learnt = build_model(entry, known)
        learnt.prepare(batch, 40)
        (tmp_path / kind).mkdir()
        save_model(tmp_path / kind, learnt, {"model": entry})
        loaded, _ = load_model(tmp_path / kind)
        scales = {
            name: b for name, b in learnt.named_buffers() if "mean" in name or "noise" in name
        }
        scales = {name: values for name, values in scales.items() if "running" not in name}
        assert scales
        for name, values in scales.items():
            assert torch.equal(dict(loaded.named_buffers())[name], values)
            assert not torch.equal(dict(build_model(entry, known).named_buffers())[name], values)


def test_damaged_models_are_named(model, tmp_path):
    with pytest.raises(InputError, match=r"model\.json: found no such file"):
        load_model(tmp_path)
    save_model(tmp_path, model, {"model": ENTRY | {"dim": 32}})
    with pytest.raises(InputError, match="weights that do not fit"):
        load_model(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="weights that do not fit"):
        load_model(tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors: found no such file"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": None}, r"model\.json: model\.kind: found None, expected one of"),
        ({"modalities": None}, r"model\.json.*modalities: found none .* expected name, settings"),
        ({"modalities": [3]}, r"model\.json.*modalities: found none .* expected name, settings"),
        ({"modalities": []}, r"model\.json: model: found a model that reads 'image'"),
        (
            {"modalities": [{"name": "image", "settings": {"kind": "cube"}, "geometry": {}}]},
            r"model\.json: modality 'image'\.kind: found 'cube', expected one of \['image', ",
        ),
        (
            {
                "modalities": [
                    {"name": "i", "settings": {"kind": "image", "patch": 8}, "geometry": {}}
                ]
            },
            r"model\.json: geometry\.bands: found no such key",
        ),
    ],
)
def test_damaged_descriptions_are_named(model, tmp_path, change, words):
    save_model(tmp_path, model, {"model": ENTRY})
    description = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(description | change))
    with pytest.raises(InputError, match=words):
        load_model(tmp_path)


@pytest.mark.parametrize("missing", ["model", "modalities"])
def test_descriptions_that_are_none_are_named(model, tmp_path, missing):
    save_model(tmp_path, model, {"model": ENTRY})
    description = json.loads((tmp_path / "model.json").read_text())
    del description[missing]
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"model\.json: found no description .*'model' and 'modal"):
        load_model(tmp_path)


def test_a_model_of_another_name_is_told(model, tmp_path):
    save_model(tmp_path, model, {"model": ENTRY, "name": "mmae"})
    assert load_model(tmp_path, name="mmae")[1]["name"] == "mmae"
    with pytest.raises(InputError, match=r"model\.json: name: found 'mmae', expected model 'big'"):
        load_model(tmp_path, name="big")
