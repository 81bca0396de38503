"""Records of Zenodo: their files by name, size and checksum, as the service lists them.

Source: Zenodo's REST API, `GET /api/records/<id>`, in its forms of today and before 2023.
"""

import logging
import re
import reprlib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
)

from mmae.downloads.download import Remote, download_all, place
from mmae.downloads.http import Unreachable, ask
from mmae.errors import InputError
from mmae.files.read import read_json
from mmae.files.write import write_json
from mmae.settings import Download, ZenodoRecord

log = logging.getLogger(__name__)

LISTING = ".record.json"
"""What the service said of a record; no file of a record is hidden."""
LISTING_BYTES = 16_000_000
"""No good answer is longer: a record has 100 files, and some words on each."""
CONTENT_LINKS = ("content", "download", "self")
"""Which link of a file leads to its bytes; `self` does where there is no other."""
SLASH = "%2F"
"""A slash in the name of a file."""
NAME_BYTES = 200
"""A longer name of a file leaves no room for those of what is beside it."""

Checksum = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]


def _with_kind(checksum: Any) -> Any:
    """A checksum that does not say its kind is md5."""
    bare = isinstance(checksum, str) and re.fullmatch("[0-9a-f]{32}", checksum)
    return f"md5:{checksum}" if bare else checksum


class _Entry(BaseModel):
    """A file as a record lists it; names of before 2023 come second."""

    name: str = Field(validation_alias=AliasChoices("key", "filename"))
    size: int = Field(ge=0, lt=2**63, validation_alias=AliasChoices("size", "filesize"))
    checksum: Annotated[Checksum, BeforeValidator(_with_kind)]
    url: str = Field(
        validation_alias=AliasChoices(*(AliasPath("links", to) for to in CONTENT_LINKS))
    )


def record_folder(record: ZenodoRecord, settings: Download) -> Path:
    """Where the files of a dataset's record are kept."""
    return place(f"{record.url.rstrip('/')}/records/{record.record}", settings)


def fetch_record(
    record: ZenodoRecord, folder: Path, settings: Download, instead: str
) -> list[Path]:
    """Fetch the files of a record whose names match a pattern.

    A number that stands for all versions of a record leads to the newest of them, and from then on
    to that same one.

    Parameters
    ----------
    record : ZenodoRecord
    folder : Path
        Where the files come to lie, beside what the service said of them.
    settings : Download
    instead : str
        Config key that names a file already on disk, for machines that are offline.

    Returns
    -------
    list of Path
        In the order of their names.

    Raises
    ------
    Unreachable
        If the service cannot be had now, or the record is not open to all.
    InputError
        If no file matches, or a file is not what the record says.
    """
    where = f"{record.url.rstrip('/')}/api/records/{record.record}"
    pattern, listing = record.pattern.replace("/", SLASH), folder / LISTING
    kept = _kept(listing, record)
    try:
        content = _asked(record, where, settings) if kept is None else kept
        remotes = record_files(content, where, instead)
    except Unreachable as error:
        # beside the listing of another record lie that one's files
        by_hand = [] if listing.exists() else _by_hand(folder, pattern)
        if by_hand:
            log.warning("%s; %s are not verified", error, [path.name for path in by_hand])
            return by_hand
        raise Unreachable(
            str(error), f"or put its files '{pattern}' into {folder}, or name them in {instead}"
        ) from error
    _tell_version(content, record, where)
    wanted = sorted(name for name in remotes if fnmatchcase(name, pattern))
    if not wanted:
        raise InputError(
            where, key="files", found=f"only {sorted(remotes)}", expected=f"some '{pattern}'"
        )
    if kept is None:
        write_json(listing, content)
    try:
        download_all([(remotes[name], folder / name) for name in wanted], settings)
    except Unreachable as error:
        if restriction := _restriction(content):
            raise Unreachable(str(error), f"the record is {restriction}") from error
        raise
    return [folder / name for name in wanted]


def _by_hand(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder that match; what is hidden is of downloads that did not end."""
    return sorted(
        path
        for path in folder.glob("*")
        if fnmatchcase(path.name, pattern) and path.name[0] != "." and path.is_file()
    )


def _kept(listing: Path, record: ZenodoRecord) -> dict | None:
    """What was said of the record when it was first asked for, if it was.

    It serves a machine that is offline now, and keeps to one version; versions do not change.
    """
    if not listing.exists():
        return None
    try:
        content = read_json(listing)
        numbers = [_at(content, name) for name in ("asked", "id", "conceptrecid")]
        if str(record.record) not in map(str, numbers):
            raise InputError(listing, key="id", found=numbers[1], expected=record.record)
    except InputError as error:
        log.warning("%s; the record is read anew", error)
        return None
    return content


def _asked(record: ZenodoRecord, where: str, settings: Download) -> dict:
    """What the service says of a record, and which one it was asked for."""
    content = ask("GET", where, settings, LISTING_BYTES)
    return (content if isinstance(content, dict) else {}) | {"asked": record.record}


def _tell_version(content: dict, record: ZenodoRecord, where: str) -> None:
    """Warn of a number that stands for all versions; raise InputError at an unrelated record."""
    version, concept = _at(content, "id"), _at(content, "conceptrecid")
    if str(version) in ("None", str(record.record)):
        return
    if str(concept) not in ("None", str(record.record)):
        raise InputError(
            where, key="id", found=f"{version}, a version of {concept}", expected=record.record
        )
    log.warning(
        "%s: %s stands for all versions of a record; version %s is taken and kept to; put %s in "
        "its place where the config names the record",
        *(where, record.record, version, version),
    )


def record_files(content: dict, where: str, instead: str | None = None) -> dict[str, Remote]:
    """Files of a record by name.

    Parameters
    ----------
    content : dict
        The service's answer.
    where : str
        Its address, for the error message.
    instead : str, optional
        As of `fetch_record`.

    Returns
    -------
    dict of str to Remote
        A slash in a name is written SLASH, so that no name leads to another folder.

    Raises
    ------
    Unreachable
        If there are none, as the record is not open to all.
    InputError
        If the answer is not what the API promises.
    """
    files: dict[str, Remote] = {}
    entries = _at(content, "files")
    for entry in entries if isinstance(entries, list) else []:
        try:
            file = _Entry.model_validate(entry)
        except ValidationError as error:
            raise _unlike(error, where) from None
        name = file.name.replace("/", SLASH)
        plain = name.isprintable() and name[:1] not in ("", ".") and len(name.encode()) < NAME_BYTES
        if not plain or name in files:
            found = "it twice" if name in files else "no plain name"
            raise InputError(where, key=f"file '{file.name}'", found=found, expected="a plain name")
        content_url = f"{file.url}/content"
        files[name] = Remote(file.url, file.size, file.checksum, instead, content_url)
    if not files and (restriction := _restriction(content)):
        raise Unreachable(where, f"the record is {restriction}, and its files are not listed")
    if not files:
        raise InputError(where, key="files", found="none", expected="the files of a record")
    return files


def _unlike(error: ValidationError, where: str) -> InputError:
    """The first problem of an entry in words."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    missing = first["type"] == "missing"
    value = reprlib.repr(first["input"])
    found = f"an entry without '{name}'" if missing else f"{value}: {first['msg']}"
    expected = "key (or filename), size, checksum and links.content (or links.self)"
    return InputError(
        where, key="files" if missing else f"files: {name}", found=found, expected=expected
    )


def _restriction(content: dict) -> str:
    """In words, what keeps files from the public; empty if nothing is known to."""
    places = (("metadata", "access_right"), ("access", "status"), ("access", "files"))
    right = next((said for place in places if (said := _at(content, *place))), None)
    if right in (None, "open", "public", "metadata-only"):
        return ""
    until = _at(content, "metadata", "embargo_date") or _at(content, "access", "embargo", "until")
    return f"{right} until {until}" if until else str(right)


def _at(content: Any, *names: str) -> Any:
    """What stands under names in nested objects; None if nothing does."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content
