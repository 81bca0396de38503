"""Metadata of an archive for machines: RO-Crate (https://w3id.org/ro/crate)."""

import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmae.archive.manifest import MANIFEST
from mmae.config import read_yaml
from mmae.errors import InputError
from mmae.files.read import existing
from mmae.settings import Survey

if TYPE_CHECKING:
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

NEEDED = ("title", "version", "license", "authors", "abstract", "preferred-citation")
SOFTWARE = ("torch", "numpy", "scikit-learn", "snakemake")
"""Packages that the numbers depend on most; versions.json has all."""
TYPES = {".npz": "application/zip", ".md": "text/markdown", ".yaml": "application/yaml"}


def read_citation(path: Path) -> dict[str, Any]:
    """Content of a CITATION.cff.

    Raises
    ------
    InputError
        If it is missing, or lacks a key that an archive tells on.
    """
    content = read_yaml(existing(path).read_bytes(), path, "a CITATION.cff")
    for name in NEEDED:
        if not isinstance(content, dict) or name not in content:
            raise InputError(path, key=name, found="no such key", expected="a CITATION.cff")
    return content


def write_crate(
    folder: Path,
    sums: Mapping[str, str],
    survey: Survey,
    about: dict[str, Any],
    versions: dict[str, Any],
    newest: float,
) -> Path:
    """Write ro-crate-metadata.json into a folder that has all its other files.

    Parameters
    ----------
    folder : Path
    sums : mapping from file name to SHA-256
    survey : Survey
    about : dict
        CITATION.cff.
    versions : dict
        As of `mmae.archive.packing.software_versions`.
    newest : float
        When the run ended, seconds since 1970; a crate must have a date.

    Returns
    -------
    Path
        The file.
    """
    from rocrate.rocrate import ROCrate

    kind = "simulated" if survey.source == "simulate" else "real"
    crate = ROCrate()
    crate.name = f"{about['title']}: results on the {survey.name} survey ({kind} galaxies)"
    crate.description = " ".join(about["abstract"].split())
    crate.datePublished = datetime.fromtimestamp(newest, UTC).date().isoformat()
    licence = f"https://spdx.org/licenses/{about['license']}"
    crate.license = _add(crate, licence, "CreativeWork", name=about["license"])
    crate.creator = _add_authors(crate, about["authors"])
    crate.root_dataset["citation"] = _add_paper(crate, about["preferred-citation"])
    crate.root_dataset["isBasedOn"] = _add_software(crate, about, versions)
    for name in sorted(sums):
        path = folder / name
        kind = TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        properties = {
            "name": name,
            "contentSize": str(path.stat().st_size),
            "sha256": sums[name],
            "encodingFormat": kind,
        }
        crate.add_file(path, name, properties=properties)
    # its own checksum cannot stand in a file that it lists
    crate.add_file(folder / MANIFEST, MANIFEST, properties={"name": "SHA-256 of each file"})
    crate.metadata.write(folder)
    return folder / crate.metadata.id


def _add(crate: "ROCrate", address: str, kind: str, **properties: object) -> "ContextEntity":
    """Add an entity that is no file."""
    from rocrate.model import ContextEntity

    return crate.add(ContextEntity(crate, address, {"@type": kind, **properties}))


def _add_authors(crate: "ROCrate", authors: list[dict[str, str]]) -> list["ContextEntity"]:
    """Authors in the form of CITATION.cff: people, or a group under one name."""
    entities = []
    for author in authors:
        names = [author[key] for key in ("given-names", "family-names") if key in author]
        kind, name = ("Person", " ".join(names)) if names else ("Organization", author["name"])
        address = author.get("orcid") or "#" + name.replace(" ", "-")
        entities.append(_add(crate, address, kind, name=name))
    return entities


def _add_paper(crate: "ROCrate", paper: dict[str, Any]) -> "ContextEntity":
    """The paper that is reproduced."""
    return _add(
        crate,
        paper["url"],
        "ScholarlyArticle",
        name=" ".join(paper["title"].split()),
        identifier=paper["identifiers"][0]["value"],
        datePublished=str(paper["year"]),
        author=_add_authors(crate, paper["authors"]),
    )


def _add_software(
    crate: "ROCrate", about: dict[str, Any], versions: dict[str, Any]
) -> "ContextEntity":
    """The code of the run, and what it ran with."""
    packages = {"Python": versions["python"]}
    packages |= {name: versions["packages"][name] for name in SOFTWARE}
    needed = [
        _add(crate, f"#{name}", "SoftwareApplication", name=name, softwareVersion=version)
        for name, version in packages.items()
    ]
    source = {"identifier": f"git commit {versions['commit']}"} if versions["commit"] else {}
    name, version = about["title"], about["version"]
    return _add(
        crate,
        "#software",
        "SoftwareSourceCode",
        name=name,
        version=version,
        softwareRequirements=needed,
        **source,
    )
