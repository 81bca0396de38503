"""Weights on disk."""

import pytest
from safetensors.torch import save_file
from torch import nn

from mmae.errors import InputError
from mmae.files import atomic
from mmae.models.weights import WEIGHTS, save_model
from mmae.outputs import MODEL


def test_weights_are_the_bytes_of_safetensors(tmp_path):
    model = nn.Linear(3, 2)
    save_model(tmp_path, model, {"model": {}})
    save_file(model.state_dict(), tmp_path / "other")
    assert (tmp_path / WEIGHTS).read_bytes() == (tmp_path / "other").read_bytes()


def test_a_full_disk_is_one_sentence(small_disk):
    def save():
        with atomic(small_disk / "model", MODEL) as part:
            part.mkdir()
            save_model(part, nn.Linear(4000, 1000), {"model": {}})

    sentence = r"disk/model: cannot be written \(No space left on device\)$"
    with pytest.raises(InputError, match=sentence):
        save()
    assert list(small_disk.iterdir()) == []
