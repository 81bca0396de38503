"""What all rules share: the checked config, and the functions that name their inputs and params."""

import json
import os
import sys
from functools import cache

from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from mmae.archive.contents import workflow_outputs
from mmae.archive.reading import read_archive
from mmae.checks import check_writable
from mmae.errors import InputError
from mmae.provenance import code_digest
from mmae.config import from_text, read_section
from mmae.settings import Settings

# what stands inside a mapping of --config reaches us as text
update_config(config, from_text(workflow.config_settings.config))

try:
    check_writable("results")
    ARCHIVE = read_archive(
        config.get("from_archive"), config, workflow.config_settings.overwrite_config
    )
    # figures from an archive are those of its run
    update_config(config, ARCHIVE.config)
    SETTINGS = read_section(Settings, config, "config")
    RESTORED = ARCHIVE.restored(SETTINGS)
except InputError as error:
    raise WorkflowError(str(error)) from None

SURVEY, GRID, HEADLINE = SETTINGS.survey.name, SETTINGS.grid, SETTINGS.headline
RELEASED = SETTINGS.survey.source == "released"
# what the network reads: downloaded, or cleaned here
DATASET = (
    "results/{survey}/catalog/galaxiesml_spectra.hdf5"
    if RELEASED
    else "results/{survey}/dataset/galaxiesml_spectra.hdf5"
)
SERVICES = {"coadd": "survey.desi", "sparcl": "survey.sparcl"}
SPECTRA_GROUPS = [f"{group:03d}" for group in range(SETTINGS.survey.spectra.groups)]
VIEWS = [f"image{mask:.2f}-spectrum1.00" for mask in GRID.test_masks]
# nothing of an archived run is computed: rules that do not say otherwise match no survey
COMPUTED = "(?!)" if ARCHIVE.path else SURVEY
# the authors' predictions are scored and drawn by the same rules as ours
OURS_OR_PUBLISHED = f"{SURVEY}|published"
PUBLISHED = "results/published/evaluation/himes2025/mask0.75/seed0"


wildcard_constraints:
    survey=COMPUTED,
    model="|".join([*SETTINGS.models, *SETTINGS.baselines, "himes2025"]),
    mask=r"[01]\.\d\d",
    seed=r"\d+",
    group=r"\d{3}",
    view=r"image[01]\.\d\d-spectrum[01]\.\d\d",


def paper(name):
    """Path of a figure or table of the configured survey."""
    return f"results/{SURVEY}/paper/{name}"


def catalog(name):
    """A survey's file or tree, simulated or fetched."""
    return f"results/{SURVEY}/catalog/{name}"


def on_disk(name):
    """Paths that the config gives for one of `survey.files`; none if it is to be fetched."""
    value = getattr(SETTINGS.survey.files, name)
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def coadd_tree():
    """The DESI tree on this disk that has the coadd files, if there is one."""
    if SETTINGS.survey.source == "simulate":
        return [catalog("desi")]
    return on_disk("desi")


def spectra_settings():
    """Sections of the config that say where spectra come from."""
    service = SETTINGS.survey.spectra.service
    return ["survey.spectra"] + ([] if coadd_tree() else [SERVICES[service]])


def group_spectra(path):
    """A group's spectra: kept where fetching them again would ask the network."""
    return temp(path) if coadd_tree() else path


def if_matched_here(path):
    """A path that exists only where pairs are matched and cleaned here."""
    return [] if RELEASED else path


def if_released(path):
    """A path that exists only where the released dataset is used."""
    return path if RELEASED else []


def runs(name):
    """Path of a file of every run: models at all ratios, seeds and views, then baselines."""
    whole = "image0.00-spectrum1.00"
    folders = [
        f"{model}/mask{mask:.2f}/seed{seed}/{view}"
        for model in GRID.models
        for mask in GRID.masks
        for seed in GRID.seeds
        for view in VIEWS
    ] + [
        f"{baseline}/mask0.00/seed{GRID.seeds[0]}/{whole}"
        for baseline in GRID.baselines
    ]
    return [f"results/{SURVEY}/evaluation/{folder}/{name}" for folder in folders]


def headline(view, name):
    """Path of a file of the run that the figures show, under one view of the test galaxies."""
    run = f"{HEADLINE.model}/mask{HEADLINE.mask:.2f}/seed{HEADLINE.seed}"
    return f"results/{SURVEY}/evaluation/{run}/{view}/{name}"


def figure_3_run(wildcards):
    """The predictions and metrics that Figure 3 shows: ours, or the authors' own."""
    view = "image0.25-spectrum1.00"
    names = {"predictions": "predictions.csv", "metrics": "metrics.json"}
    if wildcards.survey == SURVEY:
        return {key: headline(view, name) for key, name in names.items()}
    return {key: f"{PUBLISHED}/{view}/{name}" for key, name in names.items()}


def compared_runs(wildcards):
    """Metrics of all runs, or of the authors' two prediction files."""
    if wildcards.survey == SURVEY:
        return runs("metrics.json")
    views = ("image0.25-spectrum1.00", "image0.00-spectrum1.00")
    return [f"{PUBLISHED}/{view}/metrics.json" for view in views]


def settings(*sections):
    """The named sections of the config as JSON, for a command's --config."""
    content = {}
    for section in sections:
        *parents, last = section.split(".")
        source, target = config, content
        for parent in parents:
            source, target = source[parent], target.setdefault(parent, {})
        target[last] = source[last]
    return json.dumps(content)


@cache
def code(entry, *more):
    """Digest of the source that a command or a notebook uses: a change there reruns its rule."""
    return code_digest(entry, *more)


os.environ |= {
    # commands of this environment, also where it was not activated
    "PATH": os.pathsep.join([os.path.dirname(sys.executable), *os.get_exec_path()]),
    # what is no part of a result, and so no reason to do it again: not among the params
    "MMAE_CONFIG": settings("download", "crossmatch.engine"),
}
