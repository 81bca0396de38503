"""The whole workflow: what it plans, what it makes, what it says of mistakes."""

import json
import re

import nbformat
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from helpers import shared
from workflow_project import TOY, Project

pytestmark = pytest.mark.workflow

FIGURES = (
    *("figure_1", "figure_2", "figure_3", "masking", "comparison", "differences"),
    *("uncertainty", "reconstruction", "lines", "embeddings", "history"),
)
TABLES = (
    *("table_1", "cleaning", "comparison", "figure_1_lines", "figure_2_lines", "masking"),
    *("uncertainty", "reconstruction", "lines", "retrieval"),
)
NOTEBOOKS = (
    *("figure_1", "figure_2", "figure_3", "table_1", "cleaning", "masking", "comparison"),
    *("uncertainty", "reconstruction", "embeddings", "history"),
)
EVALUATED = {
    *("predict", "reconstruct", "score_reconstruction", "study_masks", "probe", "score"),
}
ARRAYS = {"split", "training_arrays"}
MATCHED = {"crossmatch", "fetch_spectra", "collect_spectra", "clean", *ARRAYS}
DATA = {"simulate_survey": 1, **dict.fromkeys(MATCHED, 1), "fetch_spectra": 2}


@pytest.mark.parametrize(
    ("config", "n_train", "n_masks", "n_probed"),
    [
        ("config.yaml", 22, 3, 12),
        pytest.param("toy.yaml", 8, 2, 4, marks=pytest.mark.nightly),
        ("paper.yaml", 22, 5, 12),
    ],
)
def test_every_config_plans_the_whole_paper(project, config, n_train, n_masks, n_probed):
    jobs = project.planned("--configfile", f"config/{config}")
    assert jobs["train"] == n_train
    assert jobs["study_masks"] == n_masks
    assert jobs["probe"] == n_probed
    assert jobs["score"] == jobs["predict"] + 2 * n_probed
    assert set(jobs) >= ARRAYS | EVALUATED | {*NOTEBOOKS} - {"cleaning"}


@pytest.mark.parametrize(
    ("source", "first", "absent"),
    [
        pytest.param(
            *("simulate", {"simulate_survey", *MATCHED, "cleaning"}, {"check_split"}),
            marks=pytest.mark.nightly,
        ),
        ("rebuild", {"fetch_galaxiesml", "fetch_zcatalog", *MATCHED, "cleaning"}, {"check_split"}),
        ("released", {"fetch_released", "check_split", *ARRAYS}, {"cleaning", "clean"}),
    ],
)
def test_only_the_first_rules_differ(project, source, first, absent):
    jobs = project.planned("--config", f'survey={{"source": "{source}"}}')
    assert set(jobs) >= first
    assert not set(jobs) & absent
    others = set(jobs) - first - {"fetch_published"}
    assert others == {
        "summarise",
        "train",
        "collect_histories",
        *EVALUATED,
        *NOTEBOOKS,
        "article",
    } - {"cleaning"}


def test_a_file_on_disk_that_is_not_there_is_named(project):
    files = '{"source": "released", "files": {"galaxiesml_spectra": "none.hdf5"}}'
    result = project.snakemake("-n", "--config", f"survey={files}")
    assert result.returncode == 1
    assert re.search(r"MissingInputException.*fetch_released", result.stdout + result.stderr)
    assert "none.hdf5" in result.stdout + result.stderr


def test_one_figure_needs_one_training(project):
    jobs = project.planned("results/toy/paper/figures/figure_3.pdf", *TOY)
    assert jobs == DATA | dict.fromkeys(["train", "predict", "score", "figure_3"], 1)


def test_one_training_needs_the_data_alone(project):
    jobs = project.planned("results/toy/models/mmae/mask0.75/seed0", *TOY)
    assert jobs == DATA | {"train": 1}


@pytest.mark.parametrize(
    "target",
    [
        "toy/models/mmae/mask0.5/seed0",
        *(
            pytest.param(name, marks=pytest.mark.nightly)
            for name in (
                *("demo/paper/figures/figure_3.pdf", "published/paper/figures/figure_1.pdf"),
                "published/paper/tables/table_1.csv",
            )
        ),
        "published/models/mmae/mask0.75/seed0",
    ],
)
def test_what_no_rule_makes_is_no_run(project, target):
    """A misspelt ratio, another survey, our own runs under the name of the published ones."""
    result = project.snakemake(f"results/{target}", "-n", *TOY)
    assert result.returncode == 1
    assert "No rule to produce" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("device", "n_gpus"),
    [("cpu", 0), pytest.param("cuda", 1, marks=pytest.mark.nightly), ("auto", 1)],
)
def test_jobs_ask_for_a_gpu_when_the_config_does(project, device, n_gpus):
    sections = (f'{name}={{"device": "{device}"}}' for name in ("training", "evaluation"))
    result = project.snakemake("-n", *TOY, "--config", *sections)
    jobs = re.findall(
        r"rule (train|predict|probe|reconstruct|score_reconstruction|study_masks):"
        r".*?model=([\w-]+).*?resources: (.*?)\n",
        result.stdout,
        re.DOTALL,
    )
    assert [rule for rule, *_ in jobs].count("train") == 8
    assert len(jobs) > 18
    for _, model, resources in jobs:
        # scikit-learn has no use for one
        assert f"gpu={0 if model in ('gbdt', 'limit', 'median') else n_gpus}" in resources


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('training={"epoch": 3}', "config: training.epoch: found an unknown key"),
        pytest.param(
            *('training={"epochs": "x"}', "config: training.epochs: found 'x', expected a valid"),
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            *('survey={"name": "Two Words"}', "config: survey.name: found 'Two Words'"),
            marks=pytest.mark.nightly,
        ),
        ('grid={"masks": [0.5]}', "headline.mask 0.75 is not among grid.masks [0.5]"),
    ],
)
def test_a_wrong_config_is_told_in_one_line(project, config, words):
    result = project.snakemake("-n", *TOY, "--config", config)
    text = result.stdout + result.stderr
    assert result.returncode == 1
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if words in line]
    assert line.startswith("config: ")
    assert_sentence_alone(result, line)


def assert_sentence_alone(result, sentence: str) -> None:
    """The last line is the sentence; none says where in our files it arose."""
    text = result.stdout + result.stderr
    assert result.returncode == 1, text
    for word in ("Traceback", 'File "', "common.smk", "WorkflowError", ", line "):
        assert word not in text, text
    assert result.stderr.splitlines()[-1].startswith(sentence), text


@pytest.mark.parametrize(
    "words",
    [
        ("--cores", "1"),
        *(pytest.param((x,), marks=pytest.mark.nightly) for x in ("--lint", "--list-rules")),
    ],
)
def test_a_wrong_config_is_told_alone_whatever_snakemake_shall_do(project, words):
    result = project.snakemake(*words, "--config", 'training={"epochs": 0}')
    assert_sentence_alone(result, "config: training.epochs: found 0, expected greater than")


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("from_archive=", "config: from_archive: found nothing, expected a value, or null"),
        ('from_archive=""', "config: from_archive: found nothing"),
        ("from_archive=a{b}.zip", "config: from_archive: found 'a{b}.zip', expected a path"),
        (f"from_archive={'a' * 300}.zip", f"{'a' * 300}.zip"),
        ('survey={"files": {"desi": "/{x}"}}', "config: survey.files.desi: found '/{x}'"),
        (
            'grid={"study_masks": [0.25, 0.25]}',
            "config: grid: study_masks [0.25, 0.25] names one twice",
        ),
    ],
)
def test_what_nobody_can_mean_is_told_before_the_first_job(project, config, sentence):
    assert_sentence_alone(project.snakemake("-n", "--config", config), sentence)


def test_a_mask_of_minus_zero_is_planned_as_zero(project):
    jobs = project.planned(*TOY, "--config", 'grid={"masks": [0.75, -0.0]}')
    assert jobs["study_masks"] == 2


def test_a_report_before_a_run_is_told(project):
    for words in (("--report=page.html",), ("--report", "page.html", "-n")):
        result = project.snakemake(*TOY, *words)
        assert_sentence_alone(result, "--report: found no figure under results/, expected a fin")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.symlink_to("/nowhere"), "results: found a link to /nowhere, where not"),
        *(
            pytest.param(*case, marks=pytest.mark.nightly)
            for case in (
                (lambda path: path.write_text("a file"), "results: found a file, expected a"),
                (lambda path: path.symlink_to("results"), "results: found a link to results, wh"),
            )
        ),
    ],
)
def test_a_results_folder_that_is_none_is_told(tmp_path, make, sentence):
    project = Project(tmp_path / "project")
    make(project.folder / "results")
    assert_sentence_alone(project.snakemake("-n", *TOY), sentence)


@pytest.mark.nightly
def test_braces_in_the_projects_path_are_told(tmp_path):
    project = Project(tmp_path / "pro{j}ect")
    sentence = f"{project.folder}: found braces, which Snakemake takes for wildcards"
    assert_sentence_alone(project.snakemake("-n", *TOY), sentence)


@pytest.mark.nightly
def test_another_locale_plans_nothing_again(finished, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    assert finished.planned(*TOY) == {}


@pytest.mark.nightly
def test_a_home_that_cannot_be_written_is_no_obstacle(finished, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/dev/null/home")
    # Snakemake wants its own before it reads the rules: docs/restart.md
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    finished.toy("--forcerun", "history", "--", "results/toy/paper/figures/history.pdf")
    assert any((finished.folder / ".cache/matplotlib").iterdir())


def test_numbers_inside_a_mapping_are_numbers(project):
    changes = ('grid={"masks": [0.5]}', 'headline={"mask": 0.5}', 'training={"epochs": 3}')
    jobs = project.planned(*TOY, "--config", *changes)
    assert jobs["study_masks"] == 1


def test_figures_tables_and_executed_notebooks_are_there(finished):
    paper = finished.folder / "results/toy/paper"
    for name in FIGURES:
        assert (paper / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (paper / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
    for name in TABLES:
        assert len(pd.read_csv(paper / f"tables/{name}.csv").columns) > 2
        assert (paper / f"tables/{name}.md").read_text().startswith("|")
        assert r"\begin{tabular}" in (paper / f"tables/{name}.tex").read_text()
    for name in NOTEBOOKS:
        cells = nbformat.read(paper / f"notebooks/{name}.ipynb", as_version=4).cells
        assert all(cell.execution_count for cell in cells if cell.cell_type == "code")


def test_one_page_shows_them_all(finished):
    page = (finished.folder / "results/toy/index.html").read_text()
    assert set(re.findall(r'<section id="(\w+)"', page)) == set(NOTEBOOKS)
    assert page.count("<img ") == page.count('src="data:image/png;base64,') == len(FIGURES)
    for link in re.findall(r'<a href="([^":#]+)"', page):
        assert (finished.folder / "results/toy" / link).is_file(), link


def test_the_comparison_has_every_model(finished):
    table = pd.read_csv(finished.folder / "results/toy/paper/tables/comparison.csv")
    measured = table[table["sigma_nmad"].notna()]
    rows = measured.groupby(["model", "mask", "view"]).size().to_dict()
    whole, spectrum = "image0.00-spectrum1.00", "image1.00-spectrum0.00"
    assert rows == dict.fromkeys(
        [
            *(("mmae", 0.75, view) for view in (whole, "image0.25-spectrum1.00")),
            *((model, 0.0, whole) for model in ("cnn", "bcnn-mag", "gbdt", "limit", "median")),
            *(
                (f"mmae-{name}", 0.75, view)
                for name in ("knn", "mlp")
                for view in (whole, spectrum)
            ),
            *(
                (f"astroclip-{name}", 0.0, view)
                for name in ("knn", "mlp")
                for view in (whole, spectrum)
            ),
        ],
        1,
    )
    assert set(measured["n"]) == {36}
    assert measured[["sigma_nmad_low", "sigma_nmad_high", "galaxies_seen"]].notna().all(axis=None)
    # all but the reference itself
    assert measured["difference"].isna().sum() == 1
    assert (measured["difference_low"] <= measured["difference_high"]).sum() == len(measured) - 1
    published = table[table["published_sigma_nmad"].notna()]
    assert {*published["published_sigma_nmad"]} == {0.016, 0.026, 0.020, 0.012}
    assert published["published_source"].notna().all()


def test_every_job_left_a_log_and_a_benchmark(finished):
    results = finished.folder / "results/toy"
    assert "epoch 2 of 2" in (results / "logs/train/mmae/mask0.75/seed0.log").read_text()
    benchmark = pd.read_csv(results / "benchmarks/train/mmae/mask0.75/seed0.tsv", sep="\t")
    assert benchmark["s"][0] > 0


def test_the_times_of_all_rules_are_in_one_table(finished):
    results = finished.folder / "results/toy"
    table = pd.read_csv(results / "benchmarks.csv").set_index("rule")
    assert table.loc["train", "jobs"] >= 7
    assert table.loc["total", "jobs"] == table["jobs"].drop("total").sum()
    left = {path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv") for path in
            (results / "benchmarks").rglob("*.tsv")}  # fmt: skip
    assert set(table.index) == {*left, "total"}
    assert "Traceback" not in (results / "benchmarks.csv").read_text()


def test_trainings_left_event_files(finished):
    """Beside the logs, by the config's default; a switch of it runs nothing again."""
    events = finished.folder / "results/toy/logs/tensorboard/mmae/mask0.75/seed0"
    read = EventAccumulator(str(events), size_guidance={"scalars": 0}).Reload()
    history = pd.read_csv(finished.folder / "results/toy/models/mmae/mask0.75/seed0/history.csv")
    found = [event.value for event in read.Scalars("validation/total")]
    assert found == pytest.approx(history["validation_total"].tolist())
    assert finished.planned(*TOY, "--config", 'logs={"tensorboard": false}') == {}


def test_cleaning_is_told_from_the_crossmatch_on(finished):
    table = pd.read_csv(finished.folder / "results/toy/paper/tables/cleaning.csv")
    measured = table[table["source"] == "measured here"]
    assert measured["cut"].iloc[0] == "cross-matched"
    assert measured["remaining"].iloc[-1] == 240
    assert measured["remaining"].iloc[0] == 240 + measured["removed"].sum()
    assert measured["cut"].iloc[-2].endswith(" artefact pixels replaced")
    assert measured["cut"].iloc[-1].endswith(" images without a spectrum left out")


@pytest.mark.nightly
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(finished):
    name = "image0.25-spectrum1.00/metrics.json"
    run = "results/toy/evaluation/mmae/mask0.75"
    # a seed of which nothing else is made
    again = f"{run}/seed1/{name}"
    finished.toy(again)
    first = (finished.folder / again).read_bytes()
    finished.toy("--forcerun", "train", "--", again)
    assert (finished.folder / again).read_bytes() == first
    other = json.loads((finished.folder / f"{run}/seed0/{name}").read_text())
    assert other["metrics"] != json.loads(first)["metrics"]


def test_the_report_is_one_page_that_asks_nothing_of_the_network(finished):
    result = finished.snakemake(*TOY, "--report", "results/toy/report.html")
    assert result.returncode == 0, result.stderr
    page = (finished.folder / "results/toy/report.html").read_text()
    assert not re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']https?:""", page)
    for words in (
        "Redshifts predicted from images alone",
        "in the paper a quasar at z = 2.17",
        "Sources that each quality cut removed",
        "All galaxies of this survey are",
        "What was found",
        *(f"{name}.png" for name in FIGURES),
        *(f"{name}.csv" for name in TABLES),
    ):
        assert words in page, words


@pytest.mark.nightly
def test_published_predictions_are_drawn_and_scored(finished):
    shared("himes2025")
    folder = shared("himes2025").as_posix()
    finished.toy("published", "--config", f'published={{"folder": "{folder}"}}')
    paper = finished.folder / "results/published/paper"
    assert (paper / "figures/figure_3.pdf").is_file()
    table = pd.read_csv(paper / "tables/comparison.csv")
    ours = table[table["model"] == "himes2025"].set_index("view")
    quarter, whole = ours.loc["image0.25-spectrum1.00"], ours.loc["image0.00-spectrum1.00"]
    assert quarter["low_sigma_nmad"] == 0.0163
    assert whole["low_sigma_nmad"] == 0.025
    assert quarter["low_n"] == whole["low_n"] == 11_148
    # the paper's surprise, on the authors' own predictions
    assert 0.008 < whole["difference_low"] < whole["difference_high"] < 0.011


@pytest.mark.nightly
def test_a_failed_notebook_says_where_and_leaves_no_figure(finished):
    """Bad input inside a notebook: the sentence is in the output of the run."""
    metrics = finished.folder / (
        "results/toy/evaluation/mmae/mask0.75/seed0/image0.25-spectrum1.00/metrics.json"
    )
    figure = finished.folder / "results/toy/paper/figures/figure_3.pdf"
    whole = metrics.read_text()
    try:
        metrics.write_text(whole[:100])
        result = finished.snakemake(*TOY, "--cores", "1", "results/toy/paper/figures/figure_3.pdf")
        assert result.returncode == 1
        text = result.stdout + result.stderr
        assert "Traceback" not in text
        assert "mmae: error: notebooks/figure_3.ipynb: cell 4: InputError: results/" in text
        assert "metrics.json: found no JSON" in text
        assert not figure.exists()
    finally:
        metrics.write_text(whole)
    finished.toy("results/toy/paper/figures/figure_3.pdf")
    assert figure.exists()
