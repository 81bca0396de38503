"""A copy of the project, in which tests run the workflow."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from helpers import PROJECT

TOY = ("--configfile", "config/toy.yaml")
LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", ".snakemake", "results", "tests", "*.egg-info", "__pycache__", ".*_cache")
)


class Project:
    """A folder with the project in it, whose own package the workflow uses."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.package = folder / "src"
        if not folder.exists():
            shutil.copytree(PROJECT, folder, ignore=LEFT_OUT)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run Snakemake as a user does."""
        command = [sys.executable, "-m", "snakemake", *arguments]
        environment = os.environ | {"PYTHONPATH": str(self.package), "NO_COLOR": "1"}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True
        )

    def toy(self, *arguments: str) -> None:
        """Run targets at toy size."""
        result = self.snakemake(*TOY, "--cores", "2", *arguments)
        assert result.returncode == 0, result.stderr[-5000:]

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rules that would run, with their numbers of jobs."""
        result = self.snakemake("--dry-run", *arguments)
        assert result.returncode == 0, result.stderr[-5000:] + result.stdout[-5000:]
        text = result.stdout + result.stderr
        if "Nothing to be done" in text:
            return {}
        _, _, table = text.partition("Job stats:")
        jobs = dict(re.findall(r"^(\w+) +(\d+)$", table.partition("\n\n")[0], re.MULTILINE))
        assert "total" in jobs, text
        return {name: int(n) for name, n in jobs.items() if name not in ("all", "total")}


class Elsewhere(Project):
    """A folder with nothing of the project in it, which uses the project where it is."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.package = PROJECT / "src"
