# Set-up and the main jobs. `make reproduce` and `make test` need Python 3.11 or newer, make and git.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
REPORT := results/demo/report.html

# Snakemake keeps a cache before it reads our rules; src/mmae/caches.py does the same for all others
ifeq ($(shell test -w "$$HOME" && echo yes),)
export XDG_CACHE_HOME ?= $(CURDIR)/.cache
endif

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: reproduce test test-all test-lsdb test-mlflow test-rail compare toy lint docs schema lock bench calibrate figures sky clean help

help:
	@echo "make reproduce  set up, run the embedded survey, write all figures, tables and the report"
	@echo "make test       set up and run the tests; make test-all: those that are long, too"
	@echo "make test-lsdb  install the optional LSDB into .venv and test it; make test-mlflow: MLflow; make test-rail: qp, RAIL"
	@echo "make compare    what the new model must show, measured with every seed of the embedded survey's run: one table"
	@echo "make toy        the whole workflow in two minutes, for a look"
	@echo "make lint       formatting, style, the workflow's own lint, import rules"
	@echo "make docs       docs/ and the docstrings as a site: build/site/index.html"
	@echo "make schema     write config/schema.yaml from src/mmae/settings"
	@echo "make lock       renew the lock file and the conda environment from pyproject.toml"
	@echo "make bench      speed and memory of data steps, training and predictions; the cross-match at full size (2 GB of disk)"
	@echo "make sky        ask models and controls for the redshifts of real spectra: the tables and figures of docs/sky.md"
	@echo "make figures    draw the reference run's figures and tables again, from its archive"
	@echo "make calibrate  hold the embedded survey against real data, half an hour: the table in docs/survey.md"

reproduce: $(READY)
	snakemake --cores all
	@if [ ! -e $(REPORT) ] || [ -n "$$(find results/demo/paper -newer $(REPORT) -print -quit)" ]; then \
	    snakemake --report $(REPORT); \
	fi
	@echo "All in one page: results/demo/index.html; figures and tables: results/demo/paper; report: $(REPORT)"
	@echo "Time and memory of each rule: results/demo/benchmarks.csv"

# as many processes as cores: threads beside them would wait for each other
test test-all: export OMP_NUM_THREADS ?= 1

test: $(READY)
	pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test-all: $(READY)
	pytest -m "" --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test-lsdb: $(READY)
	pip install --quiet --disable-pip-version-check --no-deps -r envs/requirements-lsdb.lock
	pytest tests/survey/test_crossmatch_lsdb.py

test-mlflow: $(READY)
	pip install --quiet --disable-pip-version-check --no-deps -r envs/requirements-mlflow.lock
	pytest tests/training/test_mlflow_log.py

compare: $(READY)
	snakemake --cores all compare
	@cat results/demo/paper/tables/targets.md

test-rail: $(READY)
	pip install --quiet --disable-pip-version-check --no-deps -r envs/requirements-rail.lock
	pytest tests/evaluation/test_ensembles.py tests/evaluation/test_own_galaxies.py

toy: $(READY)
	snakemake --configfile config/toy.yaml --cores all

lint: $(READY)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint
	lint-imports

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo "The site: build/site/index.html"

schema: $(READY)
	mmae schema > config/schema.yaml.part
	mv config/schema.yaml.part config/schema.yaml

lock:
	envs/update

bench: $(READY)
	python benchmarks/survey.py
	python benchmarks/crossmatch.py
	@data=results/demo/dataset/galaxiesml_spectra.hdf5; \
	if [ -e $$data ]; then \
	    python benchmarks/storage.py $$data; \
	    python benchmarks/training.py $$data results/demo/dataset/arrays; \
	    python benchmarks/predict.py results/demo/catalog/galaxiesml.hdf5 \
	        results/demo/models/mmae/mask0.75/seed0 image0.25-spectrum1.00; \
	else echo "storage, training, predict: run make reproduce first"; fi

figures: $(READY)
	snakemake --cores all --config from_archive=results/reference/archive

calibrate: $(READY)
	PYTHONPATH=benchmarks python -m calibration --write docs/survey.md

sky: $(READY)
	snakemake $(foreach model,sky paper,results/sky/models/$(model)/mask0.75/seed0) --cores all --configfile config/sky.yaml
	PYTHONPATH=benchmarks python -m sky --write docs/sky.md

$(READY): envs/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"error: Python 3.11 or newer is needed, found {v[0]}.{v[1]}; name another with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r envs/requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@
