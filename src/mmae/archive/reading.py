"""Read an archive back: its config when the workflow is planned, its files when it runs."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmae.archive.container import KIND, Container, opened
from mmae.archive.contents import RESTORED, required_files
from mmae.archive.manifest import MANIFEST, parse_manifest
from mmae.archive.record import record_folder
from mmae.config import read_yaml
from mmae.errors import InputError
from mmae.files.checksums import file_digest
from mmae.files.write import check_space, staged
from mmae.progress import progress
from mmae.settings import Settings

CONFIG = "config.yaml"
NOT_OF_THE_RUN = ("from_archive", "published", "download", "logs")
"""Sections that stay the user's own: where things are on his machine or on the net."""
CHUNK = 1 << 20
LARGEST = {MANIFEST: 1 << 24, CONFIG: 1 << 18}
"""Bytes: a hundred thousand files, and ten times our longest config."""


@dataclass(frozen=True)
class Archived:
    """What the plan needs to know of an archive. The empty one stands for `from_archive: null`.

    Attributes
    ----------
    path : Path or None
        Folder or packed file.
    config : dict
        Of the archived run, without NOT_OF_THE_RUN.
    sums : dict
        SHA-256 of each file, by name.
    """

    path: Path | None = None
    config: dict[str, Any] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)

    @property
    def input_file(self) -> list[str]:
        """What a rule depends on: the manifest or the packed file; nothing without an archive."""
        if self.path is None:
            return []
        return [str(self.path / MANIFEST if self.path.is_dir() else self.path)]

    def restored(self, settings: Settings) -> list[str]:
        """Paths that figures and tables are made from, to be unpacked under results/.

        Parameters
        ----------
        settings : Settings
            Of the archived run.

        Raises
        ------
        InputError
            If the archive lacks a file that a figure or table needs, or results of an own run
            would be replaced by others.
        """
        if self.path is None:
            return []
        for name in required_files(settings):
            if name.startswith(RESTORED) and name not in self.sums:
                raise _missing(self.path, name)
        results = Path("results", settings.survey.name)
        names = [name for name in self.sums if name.startswith(RESTORED)]
        if (results / "models").exists():
            for name in _of_another_run(results, self.sums):
                raise InputError(
                    results / name,
                    found="a result of another run than that of from_archive",
                    expected=f"none ({results} has trained models: move it away first)",
                )
        return [str(results / name) for name in names]


def read_archive(from_archive: object, config: Mapping[str, Any], explicit: object) -> Archived:
    """What an archive holds, its config checked against what the user asked for.

    Parameters
    ----------
    from_archive : object
        That key of the config: None, a path, or the number of a Zenodo record.
    config : mapping
        The whole config, as it would be without an archive.
    explicit : object
        Nested mappings whose keys the user set himself: by config files and options of the
        command line. Their values must be those of the archive, but in NOT_OF_THE_RUN.

    Raises
    ------
    InputError
        If it is no archive or damaged, or the user asked for another run.
    """
    if from_archive is None:
        return Archived()
    source = from_archive
    if type(source) is int and source > 0:
        source = record_folder(source)
    if not isinstance(source, str | Path):
        raise InputError(
            "config",
            key="from_archive",
            found=repr(from_archive),
            expected="null, a path, or the number of a Zenodo record",
        )
    with opened(Path(source)) as archive:
        sums = _sums(archive)
        text = _checked(archive, CONFIG, sums)
    archived = read_yaml(text, f"{archive.path}/{CONFIG}", KIND)
    if not isinstance(archived, dict):
        raise InputError(archive.path, key=CONFIG, found="no config", expected=KIND)
    archived = {name: part for name, part in archived.items() if name not in NOT_OF_THE_RUN}
    for key, found, expected in _differences(explicit, config, archived):
        raise InputError(
            "config", key=key, found=found, expected=f"{expected}, as in {archive.path}/{CONFIG}"
        )
    return Archived(archive.path, archived, sums)


def restore(source: Path, results: Path, force: bool = False) -> None:
    """Verify every file of an archive, then unpack those that figures and tables are made from.

    Parameters
    ----------
    source : Path
        The archive.
    results : Path
        Folder of the survey, results/<survey>. Only files below it are written, and none if
        anything in the archive is not as its manifest says.
    force : bool
        Replace results of another run.

    Raises
    ------
    InputError
        If it is no archive, a file is missing, damaged or changed, the disk has no room, or
        results of another run would be replaced.
    """
    with staged(results / "restored") as stage:
        with opened(source) as archive:
            sums = _sums(archive)
            others = [] if force else _of_another_run(results, sums)
            if others:
                found = f"{len(others)} results of another run, such as {others[0]}"
                raise InputError(results, found=found, expected="none, or --force to replace them")
            check_space(results, sum(archive.size(n) for n in sums if n.startswith(RESTORED)))
            listed = [name for name in archive.names if name in sums]
            for name in progress(listed, "files verified"):
                copy = stage / name if name.startswith(RESTORED) else None
                _verify(archive, name, sums[name], copy)
        for name in sums:
            if name.startswith(RESTORED):
                (results / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(stage / name, results / name)


def _of_another_run(results: Path, sums: Mapping[str, str]) -> list[str]:
    """Names below a folder of results whose content is not an archive's."""
    names = (name for name in sums if name.startswith(RESTORED))
    return [
        name
        for name in names
        if os.path.lexists(old := results / name)
        and not (old.is_file() and file_digest(old) == sums[name])
    ]


def _sums(archive: Container) -> dict[str, str]:
    """The manifest, all of whose files are there."""
    if MANIFEST not in archive.names:
        raise InputError(archive.path, found=f"no {MANIFEST} in it", expected=KIND)
    text = _small(archive, MANIFEST).decode(errors="replace")
    sums = parse_manifest(text, archive.path)
    present = set(archive.names)
    for name in (CONFIG, *sums):
        if name not in present or name not in sums:
            raise _missing(archive.path, name)
    return sums


def _chunks(archive: Container, name: str) -> Iterator[bytes]:
    """Content of a file."""
    with archive.open(name) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _small(archive: Container, name: str) -> bytes:
    """Content of a file that is never large."""
    size = archive.size(name)
    if size > LARGEST[name]:
        expected = f"at most {LARGEST[name]}"
        raise InputError(archive.path, key=name, found=f"{size} bytes", expected=expected)
    return b"".join(_chunks(archive, name))


def _checked(archive: Container, name: str, sums: Mapping[str, str]) -> bytes:
    """Content of a small file, as the manifest has it."""
    content = _small(archive, name)
    _compare(archive.path, name, hashlib.sha256(content).hexdigest(), sums[name])
    return content


def _verify(archive: Container, name: str, expected: str, copy: Path | None) -> None:
    """Compare a file with its checksum, and copy the very bytes that were compared."""
    digest = hashlib.sha256()
    if copy is not None:
        copy.parent.mkdir(parents=True, exist_ok=True)
    with open(copy or os.devnull, "wb") as out:
        for chunk in _chunks(archive, name):
            digest.update(chunk)
            out.write(chunk)
    _compare(archive.path, name, digest.hexdigest(), expected)


def _compare(path: Path, name: str, found: str, expected: str) -> None:
    """Raise InputError unless two checksums agree."""
    if found != expected:
        raise InputError(
            path, key=name, found=f"SHA-256 {found}", expected=f"{expected} (damaged or changed)"
        )


def _missing(path: Path, name: str) -> InputError:
    """The error for a file that should be in an archive."""
    return InputError(path, key=name, found="no such file", expected="it in the archive")


def _differences(
    explicit: object, config: Any, archived: Any, name: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Keys that the user set to other values than the archive's, with both values."""
    if isinstance(explicit, Mapping) and isinstance(archived, Mapping):
        for part, below in explicit.items():
            if part in archived:
                key = f"{name}.{part}" if name else str(part)
                yield from _differences(below, config[part], archived[part], key)
    elif config != archived:
        yield name, config, archived
