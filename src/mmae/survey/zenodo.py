"""Records of Zenodo: their files by name, size and checksum, as the service lists them.

Source: Zenodo's REST API, `GET /api/records/<id>`.
"""

import json
import logging
import re
from fnmatch import fnmatchcase
from pathlib import Path

from mmae.errors import InputError
from mmae.files import read_json, write_json
from mmae.settings import Download, ZenodoRecord
from mmae.survey.download import Remote, download_all, place
from mmae.survey.http import Unreachable, ask

log = logging.getLogger(__name__)

LISTING = ".record.json"
"""What the service said of a record; no file of a record is hidden."""
CHECKSUM = re.compile(r"(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})")


def record_folder(record: ZenodoRecord, settings: Download) -> Path:
    """Where the files of a dataset's record are kept."""
    return place(f"{record.url.rstrip('/')}/records/{record.record}", settings)


def fetch_record(
    record: ZenodoRecord, folder: Path, settings: Download, instead: str
) -> list[Path]:
    """Fetch the files of a record whose names match a pattern.

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
        If the service cannot be had now.
    InputError
        If no file matches, or a file is not what the record says.
    """
    where = f"{record.url.rstrip('/')}/api/records/{record.record}"
    pattern = record.pattern
    listing = folder / LISTING
    try:
        # what was read once serves a machine that is offline now; records do not change
        content = read_json(listing) if listing.exists() else _listing(where, settings)
    except Unreachable as error:
        by_hand = sorted(path for path in folder.glob(pattern) if path.is_file())
        if by_hand:
            log.warning("%s; %s are not verified", error, [path.name for path in by_hand])
            return by_hand
        raise Unreachable(
            str(error), f"or put its files '{pattern}' into {folder}, or name them in {instead}"
        ) from error
    remotes = record_files(content, where)
    wanted = sorted(name for name in remotes if fnmatchcase(name, pattern))
    if not wanted:
        raise InputError(
            where, key="files", found=f"only {sorted(remotes)}", expected=f"some '{pattern}'"
        )
    if not listing.exists():
        write_json(listing, content)
    download_all([(remotes[name], folder / name) for name in wanted], settings)
    return [folder / name for name in wanted]


def _listing(where: str, settings: Download) -> dict:
    """What the service says of a record."""
    answer = ask("GET", where, settings)
    try:
        return json.loads(answer)
    except ValueError as error:
        raise InputError(where, found=f"no JSON ({error})", expected="a record") from error


def record_files(content: dict, where: str) -> dict[str, Remote]:
    """Files of a record by name.

    Parameters
    ----------
    content : dict
        The service's answer.
    where : str
        Its address, for the error message.

    Raises
    ------
    InputError
        If the answer is not what the API promises.
    """
    files = {}
    for entry in content.get("files", []) if isinstance(content, dict) else []:
        try:
            name, checksum = str(entry["key"]), str(entry["checksum"])
            size, address = int(entry["size"]), str(entry["links"]["self"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                where,
                key="files",
                found=f"an entry without {error}",
                expected="key, size, checksum and links.self",
            ) from error
        if Path(name).name != name or name[:1] in ("", ".") or not CHECKSUM.fullmatch(checksum):
            raise InputError(
                where, key=f"file '{name}'", found=checksum, expected="a plain name and a checksum"
            )
        files[name] = Remote(address, size, checksum)
    if not files:
        raise InputError(where, key="files", found="none", expected="the files of a record")
    return files
