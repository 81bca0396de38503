"""Checksums of files. It imports nothing of this package, so that all of it may."""

import hashlib
from pathlib import Path


def file_digest(path: Path | str, kind: str = "sha256") -> str:
    """Hexadecimal digest of a file's content; `kind` is a name that hashlib knows."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()
