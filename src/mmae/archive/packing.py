"""Pack a finished run into a folder for others."""

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml

from mmae.archive.contents import packed_files
from mmae.archive.crate import read_citation, write_crate
from mmae.archive.manifest import MANIFEST, manifest_text
from mmae.archive.reading import CONFIG
from mmae.archive.readme import readme_text
from mmae.config import read_section
from mmae.errors import InputError
from mmae.files.checksums import file_digest
from mmae.files.outputs import ARCHIVE
from mmae.files.read import read_json
from mmae.files.write import atomic, write_json
from mmae.progress import progress
from mmae.settings import Settings

README, VERSIONS = "README.md", "versions.json"
ROOT = Path(__file__).parents[3]
"""Of the checkout that this package stands in, if it stands in one."""


def pack(results: Path, config: dict[str, Any], citation: Path, output: Path) -> None:
    """Write the archive of a finished run; the same run gives the same bytes.

    Parameters
    ----------
    results : Path
        Folder of the survey, results/<survey>.
    config : dict
        The whole config of the run.
    citation : Path
        CITATION.cff of the project: authors, licence, paper.
    output : Path
        Folder to write, whole or not at all. It replaces an older archive and nothing else.

    Raises
    ------
    InputError
        If a file of the run is missing, the config is of another survey or training or wrong, or
        something else stands in the place of the output.
    """
    kept = {name: section for name, section in config.items() if name != "from_archive"}
    settings = read_section(Settings, kept, "config")
    if settings.survey.name != results.name:
        raise InputError(
            "config", key="survey.name", found=settings.survey.name, expected=results.name
        )
    about, names = read_citation(citation), packed_files(results, settings)
    _check_trainings(results, names, config)
    with atomic(output, ARCHIVE) as part:
        for name in progress(names, "files packed"):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(results / name, part / name)
        (part / CONFIG).write_text(yaml.safe_dump(kept, width=100), encoding="utf-8")
        versions = software_versions()
        write_json(part / VERSIONS, versions)
        (part / README).write_text(readme_text(settings, about), encoding="utf-8")
        sums = {name: file_digest(part / name) for name in (*names, CONFIG, README, VERSIONS)}
        # the newest result dates the run, so that packing twice gives the same bytes
        newest = max((results / name).stat().st_mtime for name in names)
        crate = write_crate(part, sums, settings.survey, about, versions, newest)
        sums[crate.name] = file_digest(crate)
        (part / MANIFEST).write_text(manifest_text(sums), encoding="utf-8")


def _check_trainings(results: Path, names: list[str], config: dict[str, Any]) -> None:
    """Raise InputError if a model was trained with another config than the one to be packed."""
    for name in names:
        if name.startswith("models/") and name.endswith("/model.json"):
            found = read_json(results / name).get("training")
            own = config["models"][name.split("/")[1]].get("training") or {}
            expected = config["training"] | own
            if found != expected:
                raise InputError(results / name, key="training", found=found, expected=expected)


def software_versions() -> dict[str, Any]:
    """Versions of Python and of all packages here, and the commit where there is one.

    Returns
    -------
    dict
        `python`, `packages` by name, `commit` (None outside a git checkout) and `modified`:
        whether files differ from that commit.
    """
    packages = {d.metadata["Name"]: d.version for d in distributions()}
    # a copy without .git may lie inside another repository
    top = _git("rev-parse", "--show-toplevel")
    commit = _git("rev-parse", "HEAD") if top and Path(top).samefile(ROOT) else ""
    return {
        "python": sys.version.split()[0],
        "packages": packages,
        "commit": commit or None,
        "modified": bool(commit and _git("status", "--porcelain", "--untracked-files=no")),
    }


def _git(*arguments: str) -> str:
    """What git says about the checkout; empty where there is none."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
