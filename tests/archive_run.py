"""A made-up finished run: every file that an archive needs, at toy size, without the workflow."""

import json
import os
from pathlib import Path

import yaml

from helpers import PROJECT
from mmae.archive.contents import required_files
from mmae.config import read_config, read_section
from mmae.settings import Settings

CONFIG = read_config(str(PROJECT / "config/config.yaml"), str(PROJECT / "config/toy.yaml"))
SETTINGS = read_section(Settings, CONFIG, "config")
ENDED = 1_600_000_000
"""When the run ended: 13 September 2020, seconds since 1970."""
METRICS = "evaluation/mmae/mask0.75/seed0/image0.25-spectrum1.00/metrics.json"
WEIGHTS = "models/mmae/mask0.75/seed0/weights.safetensors"


def write_run(results: Path) -> None:
    """Write all files of a run, each with its own name as content, and what is never packed."""
    for name in (*required_files(SETTINGS), "dataset/matches.csv", "dataset/spectra.hdf5"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        content = f"{name}\n"
        if name.endswith("model.json"):
            own = CONFIG["models"][name.split("/")[1]].get("training", {})
            content = json.dumps({"name": name, "training": CONFIG["training"] | own})
        (results / name).write_text(content)
    (results / "paper/figures/figure_1.png").write_text("pixels\n")
    (results / "dataset/arrays").mkdir()
    (results / "dataset/arrays/images.npy").write_text("a terabyte\n")
    for path in results.rglob("*"):
        os.utime(path, (ENDED, ENDED))


def write_config(path: Path) -> None:
    """Write the config of the made-up run."""
    path.write_text(yaml.safe_dump(CONFIG))
