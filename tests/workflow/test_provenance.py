import os
import shutil
import subprocess
import sys

import pytest

from helpers import PROJECT
from mmae.workflow import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that a test may edit."""
    copy = tmp_path / "mmae"
    shutil.copytree(provenance.PACKAGE, copy)
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    return copy


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


CROSSMATCH = "mmae.cli.survey:crossmatch"
TRAIN = ("mmae.cli.training:train", "mmae.models.paper")
TRAIN_CNN = ("mmae.cli.training:train", "mmae.models.cnn")
PREDICT_TREES = ("mmae.cli.evaluation:predict", "mmae.models.gbdt")


@pytest.mark.parametrize(
    ("entry", "file", "old", "new", "changes"),
    [
        # what a command uses, near and far
        ((CROSSMATCH,), "survey/nearest.py", "<= radius_arcsec", "< radius_arcsec", True),
        ((CROSSMATCH,), "survey/desi.py", '"TARGET_RA": (-360', '"TARGET_RA": (-180', True),
        ((CROSSMATCH,), "cli/survey.py", "settings.radius_arcsec,", "2.0,", True),
        (TRAIN, "models/paper.py", "pooled.get(name, none)", "-pooled.get(name, none)", 1),
        (TRAIN, "metrics/redshift.py", "* errors.mad", "* 2 * errors.mad", True),
        (("mmae.cli.survey:simulate_survey",), "instruments.py", "27.0\n", "27.5\n", True),
        (TRAIN, "training/fit.py", "model.prepare(", "model.train().prepare(", True),
        (TRAIN, "settings/training.py", 'key("AdamW")', 'key("AdamW", lt=1.0)', True),
        (TRAIN_CNN, "models/cnn.py", "PixelUnshuffle(2)", "PixelUnshuffle(4)", True),
        (PREDICT_TREES, "models/estimator.py", "np.expm1(zeta)", "np.exp(zeta)", True),
        # what it does not use
        (
            TRAIN_CNN,
            "models/paper.py",
            "pooled.get(name, none)",
            "-pooled.get(name, none)",
            0,
        ),
        (TRAIN, "models/cnn.py", "PixelUnshuffle(2)", "PixelUnshuffle(4)", False),
        (PREDICT_TREES, "evaluation/probe.py", "max_iter=100", "max_iter=10", False),
        ((CROSSMATCH,), "cli/survey.py", "simulated %d HSC", "made %d HSC", False),
        ((CROSSMATCH,), "survey/desi.py", "shape != shape:", "shape == shape:", False),
        ((CROSSMATCH,), "dataset/clean.py", "!= 0", "!= 1", False),
        ((CROSSMATCH,), "settings/data.py", '"paper: 0.70")', '"paper: 0.70", lt=0.9)', False),
        (TRAIN, "metrics/redshift.py", "> CATASTROPHIC_LIMIT", "> 2", False),
        (TRAIN, "cli/__init__.py", '"clean": "dataset",', '"clean": "data",', False),
        # words
        (TRAIN, "models/paper.py", '"""One learnable query reads all tokens."""', '"""Pool."""', 0),
        (TRAIN, "models/paper.py", '# "four layers of', '# "three layers of', False),
        (TRAIN, "cli/training.py", 'help="Mask ratio."', 'help="Ratio."', False),
        (TRAIN, "cli/training.py", '"NPZ of the split."', '"Split."', False),
        (TRAIN, "settings/training.py", '"passes over the training galaxies"', '"epochs"', False),
    ],
)
def test_digest_follows_what_is_used(package, entry, file, old, new, changes):
    before = provenance.code_digest(*entry)
    edit(package / file, old, new)
    assert (provenance.code_digest(*entry) != before) is bool(changes)


def test_data_files_count(package):
    entry = "mmae.cli.survey:simulate_survey"
    before = provenance.code_digest(entry)
    (package / "survey/data/population.npz").write_bytes(b"another sample")
    assert provenance.code_digest(entry) != before


def test_text_with_stars_is_no_pattern(package):
    before = provenance.code_digest(CROSSMATCH)
    edit(package / "survey/crossmatch.py", '"one of the catalogues', '"**one** of the catalogues')
    assert provenance.code_digest(CROSSMATCH) != before


def test_notebooks_follow_their_imports(package):
    notebook = str(PROJECT / "notebooks/masking.ipynb")
    before = provenance.code_digest(notebook)
    edit(package / "plots/figure_3.py", "aspect=", "adjustable='box', aspect=")
    assert provenance.code_digest(notebook) == before
    edit(package / "plots/masking.py", "heat_maps(panels)", "heat_maps(panels[:2])")
    assert provenance.code_digest(notebook) != before


def test_another_locale_has_the_same_digests(monkeypatch):
    """It would plan what reads sources with other letters than ASCII, fetch_spectra, again."""
    entries = ("mmae.cli.survey:fetch_spectra", "notebooks/figure_1.ipynb")
    code = f"from mmae.workflow.provenance import code_digest; print(*map(code_digest, {entries}))"
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        **{"env": os.environ | ascii_alone, "cwd": PROJECT, "capture_output": True, "text": True},
    )
    assert result.returncode == 0, result.stderr
    monkeypatch.chdir(PROJECT)
    assert result.stdout.split() == [provenance.code_digest(entry) for entry in entries]
