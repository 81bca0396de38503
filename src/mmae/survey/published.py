"""The authors' own predictions, verified by checksum."""

import hashlib
import shutil
from pathlib import Path

from mmae.errors import InputError
from mmae.files import atomic
from mmae.settings import PublishedFile


def fetch(file: PublishedFile, folder: str | None, path: Path) -> None:
    """Copy or download one prediction file.

    Parameters
    ----------
    file : PublishedFile
        Name, URL and checksum.
    folder : str or None
        A local copy is used where it has the file.
    path : Path
        To write.

    Raises
    ------
    InputError
        If it can be had neither way, or its checksum is wrong.
    """
    local = Path(folder) / file.name if folder else None
    with atomic(path) as part:
        if local is not None and local.is_file():
            shutil.copyfile(local, part)
        else:
            _download(file, part, local)
        found = hashlib.sha256(part.read_bytes()).hexdigest()
        if found != file.sha256:
            raise InputError(
                local if local is not None and local.is_file() else file.url,
                key="sha256",
                found=found,
                expected=file.sha256,
            )


def _download(file: PublishedFile, part: Path, local: Path | None) -> None:
    """Download to `part`, or say where the file may be put by hand."""
    import pooch

    try:
        pooch.retrieve(
            file.url, known_hash=None, fname=part.name, path=part.parent, progressbar=False
        )
    except Exception as error:  # every downloader has its own kinds
        where = f"put it at {local}" if local else "set published.folder to where it is"
        raise InputError(
            file.url, f"cannot be downloaded ({error}); {where}, or go online"
        ) from error
