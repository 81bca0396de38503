"""Archives that were published on Zenodo, by the number of their record."""

from pathlib import Path

from mmae.archive.container import KIND, find_archive
from mmae.errors import InputError


def default_folder(record: int) -> Path:
    """Where a record's files are put unless another folder is named."""
    return Path("results", f"zenodo-{record}")


def record_folder(record: int) -> Path:
    """Folder of a record that was fetched before.

    Raises
    ------
    InputError
        If it was not; the sentence says how.
    """
    folder = default_folder(record)
    if not folder.is_dir():
        raise InputError(
            "config",
            key="from_archive",
            found=f"Zenodo record {record}, which is not in {folder}",
            expected=f"it downloaded first: mmae fetch-archive {record}",
        )
    return folder


def fetch_record(record: int, folder: Path) -> None:
    """Download the files of a Zenodo record, among them an archive.

    Parameters
    ----------
    record : int
        Number of the record.
    folder : Path
        To write, whole or not at all.

    Raises
    ------
    InputError
        If it cannot be downloaded or holds no archive, or the folder exists.
    """
    # at every start of the workflow this module is read: without what files.py brings
    from mmae.files import atomic

    if folder.exists():
        raise InputError(folder, found="a folder or file", expected="a name that is free")
    with atomic(folder) as part:
        part.mkdir()
        _download(record, part, folder)
        try:
            find_archive(part)
        except InputError:
            raise InputError(
                f"Zenodo record {record}", found=_names(part), expected=f"one of them {KIND}"
            ) from None


def _names(folder: Path) -> str:
    """What a folder holds, in words."""
    return f"the files {sorted(item.name for item in folder.iterdir())}"


def _download(record: int, part: Path, folder: Path) -> None:
    """Get all files of a record into `part`, each verified."""
    raise InputError(
        f"Zenodo record {record}",
        f"downloading is not available yet; put its files into {folder} by hand",
    )
