"""Multi-modal masked autoencoders for galaxy images and spectra: arXiv:2510.22527, reproduced."""

import os

from snakemake.utils import min_version, validate

min_version("9.27")


CONFIG = "config/config.yaml"


# the folder that it runs in may have a config of its own
configfile: CONFIG if os.path.exists(CONFIG) else workflow.source_path(CONFIG)


include: "workflow/rules/common.smk"


# models have defaults of their own, which are filled in when the config is read
validate(config, "config/schema.yaml", set_default=False)


# once there are findings, the report opens with them
OPENING = f"results/{SURVEY}/paper/opening.rst"


report: os.path.abspath(OPENING) if os.path.exists(OPENING) else "workflow/report/workflow.rst"


include: f"workflow/rules/sources/{SETTINGS.survey.source}.smk"  # section 3: simulated or fetched
include: "workflow/rules/survey.smk"  # section 3: both surveys, matched
include: "workflow/rules/dataset.smk"  # section 3: cleaning; section 4: split and normalisation
include: "workflow/rules/training.smk"  # section 4: the model, trained at every mask ratio
include: "workflow/rules/evaluation.smk"  # section 5: predictions and metrics
include: "workflow/rules/paper.smk"  # the paper's figures and tables
include: "workflow/rules/comparison.smk"  # all models compared; what the paper leaves to later work
include: "workflow/rules/archive.smk"  # a run packed for others; figures and tables from it


rule all:
    """All figures and tables of the paper and one page of them, on the survey of the config."""
    default_target: True
    input:
        [paper(name) for name in paper_files(SETTINGS)],
        f"results/{SURVEY}/index.html",
        if_released(f"results/{SURVEY}/dataset/authors_split.csv"),  # is it the paper's?
