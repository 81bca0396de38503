"""Nothing stale: an edit makes exactly the rules that use it, and what follows, run again."""

import json
import os
import shutil
from contextlib import ExitStack, contextmanager

import pytest

from workflow_project import TOY, Project

pytestmark = pytest.mark.workflow

COMPARED = {"comparison", "uncertainty"}
SCORED = {"score", "figure_3", *COMPARED}
EVALUATED = {
    *("predict", "probe", "reconstruct", "score_reconstruction", "study_masks"),
    *("figure_1", "figure_2", "masking", "reconstruction", "embeddings"),
    *SCORED,
}
HISTORIES = {"collect_histories", "history"}
TRAINED = {"train", *HISTORIES, *EVALUATED}
CLEANED = {
    *("clean", "split", "training_arrays", "summarise", "table_1", "cleaning"),
    *TRAINED,
}
COLLECTED = {"fetch_spectra", "collect_spectra", *CLEANED}
EVERYTHING = {"simulate_survey", "crossmatch", *COLLECTED}


@contextmanager
def edited(path, old: str, new: str):
    """Change a file and put it back, its time included."""
    before, times = path.read_text(), path.stat()
    assert old in before, f"{path} has no {old!r}"
    path.write_text(before.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture(scope="module", autouse=True)
def nothing_to_do_before_and_after(finished):
    assert finished.planned(*TOY) == {}
    yield
    assert finished.planned(*TOY) == {}


EDITS = [
    # code
    ("src/mmae/plots/figure_3.py", "lw=0.8, ls=", "lw=0.9, ls=", {"figure_3"}),
    ("src/mmae/plots/style.py", "font_scale=0.95", "font_scale=1.0", {
        *("figure_1", "figure_2", "figure_3", "masking", "reconstruction", "embeddings"),
        *("history", *COMPARED),
    }),
    ("src/mmae/evaluation/tables.py", '"measured here"', '"here"', {"table_1"}),
    ("src/mmae/metrics/redshift.py", "> CATASTROPHIC_LIMIT", "> 2", SCORED),
    ("src/mmae/plots/history.py", "LOG_FROM = 5.0", "LOG_FROM = 6.0", {"history"}),
    ("src/mmae/evaluation/story.py", "MOST_PERMUTED = 5040", "MOST_PERMUTED = 99", {"masking"}),
    ("src/mmae/models/paper.py", "pooled.get(name, none)", "-pooled.get(name, none)", TRAINED),
    ("src/mmae/training/fit.py", "network.train()", "network.eval()", TRAINED),
    ("src/mmae/survey/collect.py", "weight > 0", "weight > 1", COLLECTED),
    ("src/mmae/survey/simulated/quasars.py", "** -1.2", "** -1.3", EVERYTHING),
    # config
    ("config/toy.yaml", "training:\n  epochs: 2", "training:\n  epochs: 3", TRAINED),
    ("config/config.yaml", "radius_arcsec: 1.0", "radius_arcsec: 0.9",
     EVERYTHING - {"simulate_survey"}),
    ("config/config.yaml", "max_unavailable: 0.0", "max_unavailable: 0.1", CLEANED),
]  # fmt: skip
SAMPLE = [
    ("src/mmae/models/gbdt.py", "np.log1p(train", "np.log(train", {
        *("train", "predict", "score", *HISTORIES, *COMPARED),
    }),
    ("src/mmae/dataset/clean.py", "!= 0", "> 0", CLEANED),
    ("workflow/rules/paper.smk", '"MMAE, simulated galaxies"', '"MMAE"', {"figure_3"}),
    ("notebooks/table_1.ipynb", "# Table 1", "# Table one", {"table_1"}),
    ("config/toy.yaml", "bootstrap_samples: 20", "bootstrap_samples: 30", {
        *("study_masks", "score_reconstruction", "masking", "reconstruction"), *SCORED,
    }),
    ("config/config.yaml", "seed: 0                   # of the test masks", "seed: 1", EVALUATED),
]  # fmt: skip
UNUSED = [
    ("src/mmae/plots/figure_3.py", "def _draw_bars", "# a comment\ndef _draw_bars"),
    ("src/mmae/cli/training.py", 'help="Mask ratio."', 'help="Ratio."'),
    ("src/mmae/survey/published.py", "found != file", "found == file"),
    ("config/config.yaml", "epochs: 20", "epochs: 21"),
    ("config/config.yaml", "url: https://raw", "url: https://new"),
    ("config/config.yaml", "tries: 8", "tries: 9"),
    ("config/config.yaml", "tensorboard: true ", "tensorboard: false"),
    ("config/config.yaml", "mlflow: null ", "mlflow: runs"),
    ("src/mmae/workflow/timing.py", '"s": "seconds"', '"s": "time"'),
    ("config/config.yaml", "batch_size: 50 ", "batch_size: 51 "),
    ("src/mmae/downloads/zenodo.py", 'key="files"', 'key="file"'),
    ("README.md", "# ", "# The "),
]
"""What nothing here uses."""


@pytest.mark.parametrize(
    ("file", "old", "new", "rules"),
    [*SAMPLE, *(pytest.param(*edit, marks=pytest.mark.nightly) for edit in EDITS)],
)
def test_an_edit_reruns_what_uses_it(finished, file, old, new, rules):
    with edited(finished.folder / file, old, new):
        # what shows a figure is made again with it
        assert set(finished.planned(*TOY)) == rules | ({"article"} if rules else set())


def test_edits_of_what_nothing_uses_rerun_nothing(finished):
    with ExitStack() as all_edits:
        for file, old, new in UNUSED:
            all_edits.enter_context(edited(finished.folder / file, old, new))
        assert finished.planned(*TOY) == {}


@pytest.mark.nightly
def test_a_new_ratio_reruns_nothing_that_is_finished(finished):
    with edited(finished.folder / "config/toy.yaml", "[0.25, 0.75]", "[0.25, 0.50, 0.75]"):
        jobs = finished.planned(*TOY)
    assert jobs == dict.fromkeys(
        (
            *("train", "study_masks", "score_reconstruction", "masking", "reconstruction"),
            *("article", *HISTORIES),
            # what trainings were given stands in a table beside the comparison
            *COMPARED,
        ),
        1,
    )


def test_a_new_model_is_an_entry_of_the_config(finished):
    entry = (
        "  mmae:\n    dim: 16\n    depth: 1\n    heads: 2\n    cross_layers: 1\n    masking: zero\n"
    )
    text = (finished.folder / "config/toy.yaml").read_text()
    assert entry in text
    narrow = {
        **{"kind": "paper", "modalities": ["image", "spectrum"], "dim": 8, "depth": 1},
        **{"heads": 2, "cross_layers": 1, "weights": {"redshift": 1.0}},
    }
    added = f"  narrow: {json.dumps(narrow | {'dropout': 0.0})}\n{entry}"  # before its last keys
    with (
        edited(finished.folder / "config/toy.yaml", entry, added),
        edited(finished.folder / "config/toy.yaml", "  models: [mmae]", "  models: [mmae, narrow]"),
    ):
        jobs = finished.planned(*TOY)
    assert jobs == {
        "train": 1,
        "predict": 2,
        "score": 2,
        "comparison": 1,
        "uncertainty": 1,
        "article": 1,
        # it reconstructs, and stands in the figures beside the others
        **{"reconstruct": 2, "score_reconstruction": 2, "reconstruction": 1},
        **{"figure_1": 1, "figure_2": 1},
    } | dict.fromkeys(HISTORIES, 1)


@pytest.mark.parametrize(
    ("name", "rules", "trained"),
    [
        ("models/mmae/mask0.75/seed0/weights.safetensors", TRAINED, 1),
        *(pytest.param(*deleted, marks=pytest.mark.nightly) for deleted in (
            ("models/gbdt/mask0.00/seed0/regressor.skops",
             {"train", "predict", "score", *HISTORIES, *COMPARED}, 1),
            ("dataset/arrays/redshift.npy", {"training_arrays", *TRAINED}, None),
            ("catalog/desi/zcatalog/v1/zall-pix-iron.fits", EVERYTHING, None),
        )),
    ],
)  # fmt: skip
def test_a_file_deleted_inside_a_folder_is_made_again(finished, tmp_path, name, rules, trained):
    path, away = finished.folder / "results/toy" / name, tmp_path / "away"
    path.rename(away)
    try:
        jobs = finished.planned(*TOY)
        one = finished.planned("results/toy/paper/tables/cleaning.csv", *TOY)
    finally:
        away.rename(path)
    assert set(jobs) == rules | {"article"}
    assert trained in (None, jobs["train"])
    assert "table_1" not in one


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished project whose files all have new times, as `cp -r` makes it."""
    folder = tmp_path / "copied"
    return Project(shutil.copytree(finished.folder, folder, copy_function=shutil.copy))


def test_a_copy_runs_nothing_again_but_what_differs(copied):
    made = copied.folder / "results/toy/dataset"
    # the later a folder is copied, the more it seems to be new
    (made / "arrays/.snakemake_timestamp").touch()
    for path in (made / "galaxiesml_spectra.hdf5", copied.folder / "notebooks/table_1.ipynb"):
        path.touch()
    assert copied.planned(*TOY) == {}
    # its own results are compared by content, too
    table = made / "matches.csv"
    table.write_text(table.read_text() + "\n")
    assert set(copied.planned(*TOY)) >= {"fetch_spectra", "clean", "train", "figure_3"}


@pytest.mark.nightly
def test_a_copy_is_up_to_date_after_a_touch(copied):
    """What docs/restart.md offers for files that are too large to compare."""
    options = ("--max-checksum-file-size", "0")
    assert "train" in copied.planned(*TOY, *options)
    copied.toy("--touch", *options)
    assert copied.planned(*TOY, *options) == {}


def test_a_deleted_figure_is_drawn_again_and_nothing_else(finished):
    figure = finished.folder / "results/toy/paper/figures/masking.pdf"
    content, times = figure.read_bytes(), figure.stat()
    figure.unlink()
    try:
        assert finished.planned(*TOY) == {"masking": 1, "article": 1}
    finally:
        figure.write_bytes(content)
        os.utime(figure, ns=(times.st_atime_ns, times.st_mtime_ns))
