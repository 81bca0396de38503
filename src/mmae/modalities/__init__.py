"""What is known of a galaxy: one file a kind of modality, one config entry a modality.

A config entry says with `kind` which file it is: `mmae/modalities/<kind>.py`, which has MODALITY,
a subclass of `mmae.modalities.base.Modality`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmae.config import read_section
from mmae.errors import InputError
from mmae.modalities.base import Modality, check_geometry
from mmae.settings.modalities import MODALITIES_FOLDER, MODALITY_KINDS

if TYPE_CHECKING:
    import h5py

    from mmae.settings import Arrays


def kind_of(entry: Any, where: object, name: str) -> type[Modality]:
    """The class of a config entry.

    Raises
    ------
    InputError
        If there is no such kind, or its file has no MODALITY.
    """
    kind = entry.get("kind") if isinstance(entry, Mapping) else None
    path = MODALITIES_FOLDER / f"{kind}.py"
    if not (isinstance(kind, str) and kind.isidentifier() and path.is_file()):
        raise InputError(
            where, key=f"{name}.kind", found=repr(kind), expected=f"one of {list(MODALITY_KINDS)}"
        )
    module = import_module(f"mmae.modalities.{kind}")
    if not hasattr(module, "MODALITY"):
        raise InputError(path, found="no MODALITY", expected=f"one, as {name}.kind says")
    return module.MODALITY


def of_file(
    entries: Mapping[str, Any], file: "h5py.File", arrays: "Arrays", where: str = "config"
) -> dict[str, Modality]:
    """Modalities of a config, in its order, as a dataset file has them.

    Raises
    ------
    InputError
        If an entry is wrong, or the file lacks one.
    """
    found = {}
    for name, entry in entries.items():
        kind = kind_of(entry, where, f"modalities.{name}")
        settings = read_section(kind.Settings, entry, where, f"modalities.{name}")
        found[name] = kind.of_file(name, settings, file, arrays)
    return found


def check_modalities(
    found: Mapping[str, Modality], expected: Mapping[str, Modality], where: object
) -> None:
    """Check that galaxies are as those that a model was trained on.

    Raises
    ------
    InputError
        If they lack a modality that the model reads, or its geometry differs.
    """
    for name, modality in expected.items():
        if name not in found:
            raise InputError(
                where,
                found=f"the modalities {list(found)}",
                expected=f"'{name}', which the model reads",
            )
        check_geometry(found[name], modality, where)


def to_plain(modalities: Iterable[Modality]) -> list[dict[str, Any]]:
    """Name, entry and geometry of each, for JSON."""
    return [
        {
            "name": one.name,
            "settings": dataclasses.asdict(one.settings),
            "geometry": dataclasses.asdict(one.geometry),
        }
        for one in modalities
    ]


def from_plain(content: Iterable[Mapping[str, Any]], where: object) -> dict[str, Modality]:
    """What `to_plain` gave.

    Raises
    ------
    InputError
        If something is missing or of another type.
    """
    found = {}
    try:
        for one in content:
            name, entry = one["name"], dict(one["settings"])
            kind = kind_of(entry, where, f"modality '{name}'")
            settings = read_section(kind.Settings, entry, str(where), f"modality '{name}'")
            geometry = read_section(kind.Geometry, one["geometry"], str(where), "geometry")
            found[name] = kind(name, settings, geometry)
    except (KeyError, TypeError) as error:
        raise InputError(
            where, key="modalities", found=f"none ({error})", expected="name, settings, geometry"
        ) from error
    return found
