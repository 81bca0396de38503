#!/usr/bin/env bash
# Snakemake runs this in a new conda environment, in the project's folder: add the mmae command.
set -euo pipefail
pip install --no-deps --editable .
