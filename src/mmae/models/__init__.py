"""The models, one file each.

A config entry says with `kind` which file it is: `mmae/models/<kind>.py`, which has SETTINGS (the
dataclass of its config entry) and build(settings). Nothing else has to know a new model.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from mmae.errors import InputError
from mmae.settings import read_section


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
    kinds = [path.stem for path in Path(__file__).parent.glob("*.py") if _is_model(path)]
    if entry.get("kind") not in kinds:
        raise InputError(
            where,
            key=f"{name}.kind",
            found=repr(entry.get("kind")),
            expected=f"one of {sorted(kinds)}",
        )
    module = import_module(f"mmae.models.{entry['kind']}")
    return module.build(read_section(module.SETTINGS, entry, where, name))


def _is_model(path: Path) -> bool:
    """A model's file says what its settings are."""
    return "\nSETTINGS = " in path.read_text()
