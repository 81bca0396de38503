"""The models, one file each.

A config entry says with `kind` which file it is: `mmae/models/<kind>.py`, which has SETTINGS (the
dataclass of its config entry, from `mmae.settings`) and build(settings).
"""

from importlib import import_module
from typing import Any

from torch import nn

from mmae.config import read_section
from mmae.errors import InputError

KINDS = ("paper",)
"""Files of this folder that are models."""


def build_model(entry: dict[str, Any], where: str = "config", name: str = "model") -> nn.Module:
    """Make the model of a config entry, with random weights from torch's global generator.

    Parameters
    ----------
    entry : dict
        A config entry; `kind` names the file.
    where, name : str
        File and dotted name of the entry, for the error message.

    Raises
    ------
    InputError
        If the kind is unknown or a key is wrong.
    """
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if kind not in KINDS:
        raise InputError(
            where, key=f"{name}.kind", found=repr(kind), expected=f"one of {list(KINDS)}"
        )
    module = import_module(f"mmae.models.{kind}")
    return module.build(read_section(module.SETTINGS, entry, where, name))
