"""The list of an archive's files and checksums, in the format of `sha256sum --check`."""

import re
from collections.abc import Mapping
from pathlib import Path

from mmae.errors import InputError

MANIFEST = "manifest-sha256.txt"

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
# names become paths below a folder: nothing absolute, no "..", no drive, no backslash
_NAME = re.compile(r"(?!\.)[A-Za-z0-9_.-]+(/(?!\.)[A-Za-z0-9_.-]+)*")


def manifest_text(sums: Mapping[str, str]) -> str:
    """The manifest of files by name.

    Parameters
    ----------
    sums : mapping from name to SHA-256
        Names are relative, with forward slashes.

    Raises
    ------
    InputError
        If a name is not of plain letters, digits and `_ . - /`.
    """
    for name in sums:
        _check_name(name, "archive")
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def parse_manifest(text: str, where: Path | str) -> dict[str, str]:
    """SHA-256 of each file that a manifest lists.

    Parameters
    ----------
    text : str
    where : path
        Of the archive, for the error message.

    Raises
    ------
    InputError
        If a line is none of a checksum and a name, or a name is listed twice or leads elsewhere.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise InputError(
                f"{where}/{MANIFEST}",
                key=f"line {number}",
                found=repr(line[:80]),
                expected="a SHA-256, two spaces and a file name",
            )
        checksum, name = match.groups()
        _check_name(name, f"{where}/{MANIFEST}")
        if name in sums:
            raise InputError(f"{where}/{MANIFEST}", key=name, found="it twice", expected="it once")
        sums[name] = checksum
    return sums


def _check_name(name: str, where: str) -> None:
    """Raise InputError for a name that could lead out of the folder."""
    if not _NAME.fullmatch(name):
        raise InputError(
            where,
            found=f"the file name {name!r}",
            expected="a path inside the archive, of letters, digits and _ . -",
        )
