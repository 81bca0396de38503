"""The authors' own predictions, verified by checksum."""

import shutil
from pathlib import Path

from mmae.downloads.download import Remote, download
from mmae.errors import InputError
from mmae.files.checksums import file_digest
from mmae.files.write import atomic
from mmae.settings import Download, PublishedFile


def fetch(file: PublishedFile, folder: str | None, path: Path, settings: Download) -> None:
    """Copy or download one prediction file.

    Parameters
    ----------
    file : PublishedFile
        Name, URL and checksum.
    folder : str or None
        A local copy is used where it has the file.
    path : Path
        To write.
    settings : Download

    Raises
    ------
    InputError
        If it can be had neither way, or its checksum is wrong.
    """
    local = Path(folder) / file.name if folder else None
    if local is None or not local.is_file():
        local = Path(settings.folder) / "himes2025" / file.name
        remote = Remote(file.url, checksum=f"sha256:{file.sha256}", instead="published.folder")
        download(remote, local, settings)
    with atomic(path) as part:
        shutil.copyfile(local, part)
        found = file_digest(part)
        if found != file.sha256:
            raise InputError(local, key="sha256", found=found, expected=file.sha256)
