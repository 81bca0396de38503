"""The models, one file each.

A config entry says with `kind` which file it is: `mmae/models/<kind>.py`, which has SETTINGS (the
dataclass of its config entry) and build(settings), which gives a `GalaxyModel` or an `Estimator`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmae.config import read_section
from mmae.errors import InputError
from mmae.settings.models import KINDS, MODELS_FOLDER

if TYPE_CHECKING:
    from mmae.models.base import GalaxyModel
    from mmae.models.estimator import Estimator


def build_model(
    entry: dict[str, Any], where: str = "config", name: str = "model"
) -> "GalaxyModel | Estimator":
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
    path = MODELS_FOLDER / f"{kind}.py"
    if not (isinstance(kind, str) and kind.isidentifier() and path.is_file()):
        raise InputError(
            where, key=f"{name}.kind", found=repr(kind), expected=f"one of {list(KINDS)}"
        )
    module = import_module(f"mmae.models.{kind}")
    if not hasattr(module, "SETTINGS"):
        raise InputError(
            path, found="no SETTINGS", expected=f"a model, as {name}.kind in {where} says"
        )
    return module.build(read_section(module.SETTINGS, entry, where, name))
