"""The models, one file each.

A config entry says with `kind` which file it is: `mmae/models/<kind>.py`, which has SETTINGS (the
dataclass of its config entry) and build(settings, modalities), which gives a `GalaxyModel` or an
`Estimator`.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmae.config import read_section
from mmae.errors import InputError
from mmae.modalities.base import Modality
from mmae.settings.models import KINDS, MODELS_FOLDER

if TYPE_CHECKING:
    from mmae.models.base import GalaxyModel
    from mmae.models.estimator import Estimator


def build_model(
    entry: dict[str, Any],
    modalities: Mapping[str, Modality],
    where: str = "config",
    name: str = "model",
) -> "GalaxyModel | Estimator":
    """Make the model of a config entry, with random weights from torch's global generator.

    Parameters
    ----------
    entry : dict
        A config entry; `kind` names the file.
    modalities : mapping of str to Modality
        Of the galaxies; it gets those that it reads.
    where, name : str
        File and dotted name of the entry, for the error message.

    Raises
    ------
    InputError
        If the kind is unknown, a key is wrong, or the galaxies lack a modality.
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
    settings = read_section(module.SETTINGS, entry, where, name)
    for modality in settings.reads:
        if modality not in modalities:
            raise InputError(
                where,
                key=name,
                found=f"a model that reads '{modality}'",
                expected=f"one of the modalities {list(modalities)}",
            )
    return module.build(settings, {one: modalities[one] for one in settings.reads})
