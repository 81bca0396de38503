"""What all rules share: the checked config, and the functions that name their inputs and params."""

import json
import os
import re
import sys
from functools import cache
from pathlib import Path

from snakemake.logging import logger
from snakemake.utils import update_config

from mmae.workflow import runs
from mmae.archive.contents import paper_files, workflow_outputs
from mmae.archive.reading import read_archive
from mmae.workflow.caches import fall_back
from mmae.files.checks import check_writable
from mmae.workflow.cluster import Request, check_requests, profile_of
from mmae.workflow.copies import restore_times
from mmae.errors import InputError, in_one_sentence
from mmae.workflow.limit import with_limit
from mmae.workflow.locks import clear_stale_locks
from mmae.workflow.orphans import MARK, end_orphans, mark
from mmae.evaluation.published import published_as
from mmae.dataset.arrays import are_whole
from mmae.files.read import read_json
from mmae.files.outputs import MODEL, TREE, is_whole
from mmae.workflow.provenance import code_digest
from mmae.config import from_text, read_config, read_section
from mmae.settings import Settings, can_do, training_of
from mmae.workflow.timing import write_timings

# the folder of this workflow, which may run elsewhere, or be a module of another
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]


def shipped(name):
    """Path of a file of this workflow; of a copy where the workflow itself is on no disk."""
    path = ROOT / name
    if not path.exists():
        return workflow.source_path(f"../../{name}")
    below = path.is_relative_to(Path.cwd())
    return local(str(path.relative_to(Path.cwd()) if below else path))


if workflow.modifier.skip_configfile:
    # a workflow that uses this one as a module says what it wants to be different
    defaults = read_config(shipped("config/config.yaml"))
    update_config(defaults, config)
    config |= defaults

# before rules start anything that keeps one
fall_back()
# what stands inside a mapping of --config reaches us as text
update_config(config, from_text(workflow.config_settings.config))

if workflow.is_main_process:
    RUNNING = clear_stale_locks(Path(".snakemake"), workflow.snakemake_tmp_dir)
    restore_times(Path(".snakemake/metadata"))
    # a job that outlives this process is known by its mark; a cluster's jobs do, and have none
    shell.prefix(f"set -euo pipefail; export {MARK}={mark(Path())}; ")


def stop(error):
    """End with the sentence alone: to an exception, Snakemake adds where in these files it arose."""
    sys.exit(in_one_sentence(error))


def check_call():
    """Raise InputError where Snakemake would go on, and fail or do what nobody asked for."""
    if "{" in workflow.main_snakefile or "}" in workflow.main_snakefile:
        raise InputError(
            os.path.dirname(workflow.main_snakefile),
            found="braces, which Snakemake takes for wildcards",
            expected="the project in a folder without",
        )
    check_writable("results")
    for key, value in workflow.config_settings.config.items():
        # null would be text
        if value is None:
            raise InputError(
                "config", key=key, found="nothing", expected="a value, or null"
            )
    words = [word.partition("=")[0] for word in sys.argv[1:]]
    if "--report" in words and "--report-after-run" not in words:
        if not any(Path("results").glob("*/paper/figures/*.png")):
            raise InputError(
                "--report",
                found="no figure under results/",
                expected="a finished run; start it first, without --report",
            )


try:
    check_call()
    # before the archive is opened, which may be large or far away
    read_section(Settings, config, "config")
    ARCHIVE = read_archive(
        config.get("from_archive"), config, workflow.config_settings.overwrite_config
    )
    # figures from an archive are those of its run
    update_config(config, ARCHIVE.config)
    if not ARCHIVE.path:
        # read once more below, with what is added
        read_section(Settings, config, "config")
        config |= with_limit(config, read_config(str(shipped("config/limit.yaml"))))
    SETTINGS = read_section(Settings, config, "config")
    RESTORED = ARCHIVE.restored(SETTINGS)
except (InputError, OSError) as error:
    stop(error)

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
# redshifts read out of a model's embeddings stand beside those that models give themselves
READOUTS = [f"{model}-{name}" for model in SETTINGS.models for name in runs.READOUTS]
# nothing of an archived run is computed: rules that do not say otherwise match no survey
COMPUTED = "(?!)" if ARCHIVE.path else SURVEY
# the authors' predictions are scored and drawn by the same rules as ours
OURS_OR_PUBLISHED = f"{SURVEY}|published"
PUBLISHED = "results/published/evaluation/himes2025/mask0.75/seed0"


onsuccess:
    benchmarks = Path(f"results/{SURVEY}/benchmarks")
    logger.info(write_timings(benchmarks, benchmarks.with_suffix(".csv")))


wildcard_constraints:
    survey=COMPUTED,
    model="|".join([*SETTINGS.models, *READOUTS, "himes2025"]),
    mask=r"[01]\.\d\d",
    seed=r"\d+",
    group=r"\d{3}",
    view="|".join(map(re.escape, SETTINGS.views)),


def paper(name):
    """Path of a figure or table of the configured survey."""
    return f"results/{SURVEY}/paper/{name}"


def notebooks_of(paths):
    """The executed notebooks that make figures and tables."""
    places = [Path(path) for path in paths]
    return [f"{path.parents[1]}/notebooks/{path.stem}.ipynb" for path in places]


def captions():
    """The report's introduction, and the captions that cells of notebooks name."""
    names = {"workflow"}
    for name in paper_files(SETTINGS):
        path = shipped(f"notebooks/{Path(name).stem}.ipynb")
        cells = read_json(path)["cells"]
        names |= {cell["metadata"].get("caption", "workflow") for cell in cells}
    return [shipped(f"workflow/report/{name}.rst") for name in sorted(names)]


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


def unpaired_table():
    """Which images without a spectrum are kept, if any are."""
    are_kept = SETTINGS.dataset.unpaired and not RELEASED
    return f"results/{SURVEY}/dataset/unpaired.csv" if are_kept else []


def unpaired_images(wildcards):
    """Where images without a spectrum are, if they are kept."""
    if not unpaired_table():
        return {}
    return {"galaxiesml": catalog("galaxiesml.hdf5"), "unpaired": unpaired_table()}


def modality_files():
    """Files that modalities have of their own."""
    files = [getattr(one, "file", None) for one in SETTINGS.modalities.values()]
    return [path for path in files if path is not None]


def options_of(files, *names):
    """Options for those of some files of a rule that there are."""
    given = {name: files[name] for name in names if name in files.keys()}
    return [f"--{name}={path}" for name, path in given.items() if path]


def if_released(path):
    """A path that exists only where the released dataset is used."""
    return path if RELEASED else []


def evaluated(of, name, *view):
    """Path of a file of each run or view that a function of mmae.workflow.runs names."""
    return [
        f"results/{SURVEY}/evaluation/{part.folder}/{name}"
        for part in of(SETTINGS, *view)
    ]


def headline(view, name):
    """Path of a file of the run that the figures show, under one view of the test galaxies."""
    return f"results/{SURVEY}/evaluation/{runs.headline(SETTINGS).folder}/{view}/{name}"


def figure_3_run(wildcards):
    """The predictions and metrics that Figure 3 shows: ours, or the authors' own."""
    view = runs.HEADLINE_VIEW
    names = {"predictions": "predictions.csv", "metrics": "metrics.json"}
    if wildcards.survey == SURVEY:
        return {key: headline(view, name) for key, name in names.items()}
    return {key: f"{PUBLISHED}/{view}/{name}" for key, name in names.items()}


def forecast(wildcards):
    """What a run is scored by: predictions, and for ours validation galaxies and the split."""
    folder = "results/{survey}/evaluation/{model}/mask{mask}/seed{seed}/{view}"
    files = {"predictions": f"{folder}/predictions.csv"}
    if wildcards.survey == SURVEY:
        files["validation"] = f"{folder}/validation.csv"
        files["split"] = "results/{survey}/dataset/split.npz"
    return files


def with_validation(wildcards):
    """Options of `mmae score` for what else `forecast` names."""
    files = {
        name: path.format(**wildcards)
        for name, path in forecast(wildcards).items()
        if name != "predictions"
    }
    return [f"--{name}={path}" for name, path in files.items()]


def whole(kind):
    """Whether a folder has each of a kind's files."""
    return lambda folder: is_whole(folder, kind)


def again_unless(is_complete, path):
    """No input; where a folder lacks one of its files, the job that writes it is done again.

    Snakemake knows that the folder is there, and not what is in it.
    """

    def check(wildcards):
        folder = Path(path.format(**wildcards))
        if folder.is_dir() and not is_complete(folder):
            workflow.dag.forcefiles.add(str(folder))
        return []

    return check


def on_retry(amount, number=lambda wildcards: 1):
    """More memory or time at each attempt: too little may have been what ended the last one."""
    return lambda wildcards, attempt: amount * number(wildcards) * attempt


def training_settings(wildcards):
    """How the model of a rule is trained."""
    model = SETTINGS.models[wildcards.model]
    return training_of(SETTINGS.training, model.training)


def is_network(wildcards):
    """Whether the model of a rule is trained in epochs, by processes, on a GPU if there is one."""
    return can_do(SETTINGS.models[wildcards.model]).fitted_by == "gradient"


def n_processes(wildcards):
    """How many processes train the model; scikit-learn's have one."""
    return training_settings(wildcards).processes if is_network(wildcards) else 1


def launcher(wildcards):
    """What starts a training: the command, or as many processes of it as the config says."""
    n = n_processes(wildcards)
    if n == 1:
        return ["mmae"]
    launch = ["python", "-m", "mmae.training.launch", "--standalone"]
    return [*launch, f"--nproc-per-node={n}", "-m", "mmae"]


def model_code(entry):
    """Digest of the source of a command and of the model that the wildcard names."""
    return lambda wildcards: code(
        entry,
        f"mmae.models.{SETTINGS.models[wildcards.model].kind}",
        *modality_kinds(),
    )


def model_threads(wildcards):
    """CPU threads of a model's training."""
    return training_settings(wildcards).threads * n_processes(wildcards)


def model_gpu(wildcards):
    """A GPU for each process of a training: profiles/default says how many there are."""
    on_cpu = training_settings(wildcards).device == "cpu"
    return 0 if on_cpu or not is_network(wildcards) else n_processes(wildcards)


def slurm_request(job):
    """What a job asks of SLURM."""
    names = {
        name: job.resources.get(f"slurm_{name}") for name in ("partition", "account")
    }
    texts = {name: str(value or "") for name, value in names.items()}
    return Request(job.rule.name, gpus=job.resources.get("gpu") or 0, **texts)


def check_slurm():
    """Tell what SLURM would refuse before the first job is submitted."""
    if workflow.executor_plugin.name != "slurm":
        return
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    try:
        check_requests(map(slurm_request, jobs), profile_of(sys.argv[1:]))
    except InputError as error:
        stop(error)


def evaluation_gpu(wildcards):
    """A GPU for a rule that predicts with a network, if the config says so."""
    return int(SETTINGS.evaluation.device != "cpu" and is_network(wildcards))


def compared_runs(wildcards):
    """Metrics and predictions of all that is compared, and what it cost; or the authors' two."""
    if wildcards.survey != SURVEY:
        views = [
            f"{PUBLISHED}/{view}" for view in (runs.HEADLINE_VIEW, runs.WHOLE_IMAGE)
        ]
        names = {"metrics": "metrics.json", "predictions": "predictions.csv"}
        return {
            key: [f"{view}/{name}" for view in views] for key, name in names.items()
        }
    return {
        "metrics": evaluated(runs.scored, "metrics.json"),
        "predictions": evaluated(runs.scored, "predictions.csv"),
        "costs": evaluated(runs.compared, "cost.json"),
        "speeds": evaluated(runs.predicted, "speed.json"),
        "trainings": f"results/{SURVEY}/evaluation/trainings.csv",
    }


def folders(metrics):
    """Folders of metrics, in one text for a notebook."""
    return " ".join(os.path.dirname(path) for path in metrics)


def reference(wildcards):
    """The run that all are compared with."""
    if wildcards.survey != SURVEY:
        return f"himes2025 0.75 {runs.HEADLINE_VIEW}"
    return f"{HEADLINE.model} {HEADLINE.mask:.2f} {runs.HEADLINE_VIEW}"


def view_labels():
    """Views in words, for notebooks."""
    return json.dumps({name: view.label for name, view in SETTINGS.views.items()})


def hidden_whole():
    """Modalities that views hide whole, for notebooks."""
    return json.dumps(
        {
            name: [m for m, kinds in view.hidden.items() if kinds.get("random") == 1]
            for name, view in SETTINGS.views.items()
        }
    )


def modality_kinds():
    """Modules of the kinds of modalities, which no import names."""
    kinds = {one.kind for one in SETTINGS.modalities.values()}
    return [f"mmae.modalities.{kind}" for kind in sorted(kinds)]


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
    # logs have the same letters in every locale
    "PYTHONUTF8": "1",
    # what is no part of a result, and so no reason to do it again: not among the params
    "MMAE_CONFIG": settings("download", "crossmatch.engine", "logs"),
}


onstart:
    for command in end_orphans(Path()):
        print(f"ended: {command}, which a killed run left running", file=sys.stderr)
    if workflow.executor_plugin.name == "local":
        # their shells, too, in which alone the prefix would set it
        os.environ[MARK] = mark(Path())
    check_slurm()
