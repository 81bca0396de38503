"""Entries of several kinds, each a file of a folder: those of this project, and a user's own."""

from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

from mmae.settings.base import key

OTHER = "other"


def other_kind(
    what: str, folder: Callable[[], Path], known: Mapping[str, type], **keys: tuple[Any, Any]
) -> type:
    """Settings of a kind that its user added; its file has the keys, read when it is used.

    Parameters
    ----------
    what : str
        model or modality, for the class's name.
    folder : callable
        Gives that of the kinds' files.
    known : mapping
        Kinds that are none of these.
    **keys : (type, default)
        Keys that all kinds have.
    """

    def is_a_file(kind: str) -> str:
        if not (folder() / f"{kind}.py").is_file():
            raise ValueError(
                f"found {kind!r}, expected one of {list(known)}, or a file of mmae/{folder().name}"
            )
        return kind

    named = Annotated[
        str,
        AfterValidator(is_a_file),
        Field(pattern=r"^[a-z][a-z0-9_]*$", json_schema_extra={"not": {"enum": list(known)}}),
    ]
    fields = {"kind": (named, key(f"which file of mmae/{folder().name}"))} | keys
    body = {name: value for name, (_, value) in fields.items()}
    body["__annotations__"] = {name: kind for name, (kind, _) in fields.items()}
    body["__doc__"] = f"A {what} that its user added."
    body["__module__"] = __name__
    made = type(f"Other{what.capitalize()}", (), body)
    return dataclass(frozen=True, config=ConfigDict(extra="allow"))(made)


def tagged(known: Mapping[str, type], other: type) -> Any:
    """The union of all kinds, told apart by their key `kind`."""

    def tag(entry: Any) -> str:
        kind = entry.get("kind") if isinstance(entry, dict) else getattr(entry, "kind", None)
        return kind if isinstance(kind, str) and kind in known else OTHER

    parts = [Annotated[kind, Tag(name)] for name, kind in [*known.items(), (OTHER, other)]]
    return Annotated[reduce(or_, parts), Discriminator(tag)]
