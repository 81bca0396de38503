"""A trained model in the hands of others: a process that knows nothing of this project."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from galaxies import SMALL_PAPER, TOY, modalities_of, paper_model
from helpers import PROJECT
from mmae.archive.crate import read_citation
from mmae.config import read_config, read_section
from mmae.errors import InputError
from mmae.evaluation.views import shower
from mmae.export.folder import export
from mmae.export.program import TOLERANCE, Program, export_program
from mmae.models import build_model
from mmae.models.batch import to_batch
from mmae.models.estimator import Columns
from mmae.models.weights import load_model, save_model
from mmae.settings import Settings, View

ModelCard = pytest.importorskip("huggingface_hub").ModelCard

SETTINGS = read_section(Settings, read_config(str(PROJECT / "config/config.yaml")), "config")
ABOUT = read_citation(PROJECT / "CITATION.cff")
N, METRICS = 5, ("sigma_nmad", "bias", "outlier_fraction")
ELSEWHERE = """
import sys, torch
from safetensors.torch import load_file, save_file
sys.path.insert(0, sys.argv[1])
from modeling_mmae import ExportedModel
model = ExportedModel.from_pretrained(sys.argv[1])
values = load_file(sys.argv[2])
mask = values.pop("hidden")
shown = {"images": {"image": values["image"]}, "both": values}
for name, given in shown.items():
    said = model(hidden={"image": mask}, **given)
    save_file({key: part.contiguous() for key, part in said.items()}, f"{sys.argv[3]}/{name}")
try:
    model(image=torch.zeros(2, 5, 8, 8))
except ValueError as error:
    print(error)
assert not [name for name in sys.modules if name.partition(".")[0] == "mmae"]
"""


def report_of(**keys) -> dict:
    """What `mmae score` writes, in short."""
    metrics = {
        name: {"z_range": [0.0, end], "n": 9}
        | dict.fromkeys(METRICS, 0.01)
        | {f"{key}_interval": [0.0, 0.02] for key in METRICS}
        for name, end in (("all", 4.2), ("low_redshift", 0.4))
    }
    conformal = {"coverage_68": 0.68, "coverage_95": 0.95, "width_68": 0.1}
    labels = {"survey": "demo", "model": "mmae", "mask": "0.75", "seed": "0"}
    view = {"view": "image0.25-spectrum1.00"}
    return labels | view | {"metrics": metrics | {"conformal": conformal}} | keys


def saved(folder: Path, model, entry: dict) -> Path:
    """Folder of a trained model."""
    folder.mkdir()
    save_model(folder, model, {"model": entry, "name": "mmae", "mask": 0.75, "seed": 0})
    return folder


@pytest.fixture(scope="module", params=["drop", "zero"])
def exported(request, tmp_path_factory):
    """Folder that was exported of a model with random weights, and the model."""
    home = tmp_path_factory.mktemp("export")
    model = paper_model(masking=request.param)
    folder = saved(home / "model", model, SMALL_PAPER | {"masking": request.param})
    (home / "metrics.json").write_text(json.dumps(report_of()))
    export(folder, [home / "metrics.json"], SETTINGS, ABOUT, home / "exported")
    return home / "exported", model


def test_a_process_without_this_project_says_the_same(exported, tmp_path):
    folder, model = exported
    generator = torch.Generator().manual_seed(1)
    values = {
        name: torch.randn(N, *one.shape, generator=generator)
        for name, one in model.modalities.items()
    }
    values["spectrum"][0] = torch.nan  # no spectrum
    values["spectrum"][1, 3:5] = torch.nan
    batch = to_batch(
        {name: part.numpy() for name, part in values.items()}, torch.zeros(N).numpy(), "cpu"
    )
    expected = {}
    for name, view in {"images": {"spectrum": 1.0}, "both": {}}.items():
        shown, masks = shower(model, View({"image": {"random": 0.5}} | view), 0)(batch)
        with torch.no_grad():
            rebuilt, said = model.reconstruct(shown, masks)
        expected[name] = {"z_pred": said.z_pred, "embedding": said.embedding}
        expected[name] |= {f"{key}_reconstruction": part for key, part in rebuilt.items()}
    save_file(values | {"hidden": masks["image"].tokens}, tmp_path / "values")

    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    done = subprocess.run(
        [sys.executable, "elsewhere.py", folder, "values", "."],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "image: found shape (2, 5, 8, 8)" in done.stdout
    for name, parts in expected.items():
        theirs = load_file(tmp_path / name)
        assert set(theirs) == set(parts)
        for key, part in parts.items():
            scale = float(part.abs().max())
            assert (theirs[key] - part).abs().max() <= TOLERANCE * scale, (name, key)

    again, description = load_model(folder)  # and `mmae predict` reads it, too
    assert description["name"] == "mmae"
    assert all(
        torch.equal(a, b)
        for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True)
    )


def test_the_hub_reads_the_card(exported):
    card = ModelCard.load(exported[0] / "README.md")
    assert card.data.license == "mit"
    values = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert values["sigma_NMAD, all"] == 0.01
    assert "| image 25% hidden | 0 to 4.2 | 9   | 0.0100 (0.0000 to 0.0200) |" in card.text
    for word in (
        "simulated galaxies",
        "zero point 27.0 AB mag",
        "bands g r i z y",
        "@article{himes2025",
    ):
        assert word in card.text


@pytest.mark.parametrize(
    "name",
    ["cnn", "bcnn", "annuli", "astroclip", pytest.param("restframe", marks=pytest.mark.nightly)],
)
def test_every_network_can_be_exported(name):
    torch.manual_seed(0)
    model = build_model(TOY["models"][name], modalities_of(size=32, length=64)).eval()
    program = export_program(model, name).program  # raises if it says anything else
    values, hidden = Program(model).inputs(4)
    values["image"][1, 2, 3, 3] = torch.inf
    said = program.module()(values, hidden)
    said.pop("delta_chi2", None)  # of spectra
    if "density" in said:
        n_bins = said["density"].shape[1]
        assert said.pop("density_edges").shape == (n_bins + 1,)
        assert torch.allclose(said["density"][0].sum(), torch.tensor(1.0))
    for part in said.values():
        assert part[1].isnan().all(), "an image that is damaged"
        assert part[[0, 2, 3]].isfinite().all()


def test_what_cannot_be_exported_is_told(tmp_path):
    median = build_model({"kind": "median"}, modalities_of())
    columns = Columns(np.zeros((3, 0)), np.ones(3))
    median.fit(columns, columns, 0)
    folder = saved(tmp_path / "median", median, {"kind": "median"})
    with pytest.raises(InputError, match="expected a network"):
        export(folder, [], SETTINGS, ABOUT, tmp_path / "exported")


def test_metrics_of_another_model_are_refused(tmp_path):
    folder = saved(tmp_path / "model", paper_model(), SMALL_PAPER)
    report = tmp_path / "metrics.json"
    report.write_text(json.dumps(report_of(seed="1")))
    with pytest.raises(InputError, match="seed: found '1', expected '0'"):
        export(folder, [report], SETTINGS, ABOUT, tmp_path / "exported")
    assert not (tmp_path / "exported").exists()
