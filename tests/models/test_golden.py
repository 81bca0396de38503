"""The paper's model against the authors' arrays: every .npz in $MMAE_GOLDEN."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from galaxies import modalities_of
from helpers import PROJECT
from mmae.dataset.spectra import normalise, pool
from mmae.models.authors import our_name
from mmae.models.batch import Batch, to_batch
from mmae.models.masking import Mask, random_mask
from mmae.models.paper import PaperMMAE
from mmae.settings import PaperModel

GOLDEN = Path(os.environ.get("MMAE_GOLDEN", PROJECT / "tests/data"))
FILES = sorted(GOLDEN.glob("*.npz"))
TOLERANCE = 1e-5
"""Relative to the scale of each array: its largest absolute value."""

LOSS_WEIGHTS = {"image": 0.1, "spectrum": 0.01, "redshift": 1.0}
MODEL_KEYS = ("dim", "depth", "heads", "cross_layers")

pytestmark = pytest.mark.golden


@pytest.fixture(
    scope="module",
    params=FILES or [pytest.param(None, marks=pytest.mark.skip(f"no .npz files in {GOLDEN}"))],
    ids=lambda path: path.stem if path else "none",
)
def golden(request) -> dict[str, np.ndarray]:
    with np.load(request.param, allow_pickle=False) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def model(golden) -> PaperMMAE:
    """Our model with the authors' parameters."""
    sizes = json.loads(str(golden["config"]))
    keys = {key: sizes[key] for key in MODEL_KEYS}
    settings = PaperModel(
        kind="paper", modalities=("image", "spectrum"), dropout=0.0, weights=LOSS_WEIGHTS, **keys
    )
    known = modalities_of(sizes["image_size"], sizes["spectrum_length"], sizes["image_patch"])
    model = PaperMMAE(settings, {name: known[name] for name in settings.modalities}).eval()
    model.load_state_dict(
        {our_name(name): torch.from_numpy(v) for name, v in part(golden, "param/").items()}
    )
    return model


@pytest.fixture(scope="module")
def results(golden, model):
    """Outputs and losses of one forward pass, and the gradient norms of one backward pass."""
    batch = batch_of(golden, golden["spectrum"])
    masks = {name: Mask(torch.from_numpy(golden[f"{name}_mask"])) for name in ("image", "spectrum")}
    output = model(batch.values, masks)
    parts = model.losses(batch, masks, torch.Generator()).parts
    losses = {name: mean.value for name, mean in parts.items()}
    total = model.total(losses)
    model.zero_grad()
    total.backward()
    return output, losses, total


def part(golden: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}


def batch_of(golden: dict[str, np.ndarray], spectrum: np.ndarray) -> Batch:
    """The authors' galaxies."""
    return to_batch({"image": golden["image"], "spectrum": spectrum}, golden["redshift"], "cpu")


def assert_agrees(ours: object, theirs: np.ndarray, name: str) -> None:
    ours = ours.detach().numpy() if isinstance(ours, torch.Tensor) else np.asarray(ours)
    assert ours.shape == theirs.shape, name
    scale = np.abs(theirs).max()
    worst = np.abs(ours.astype(float) - theirs).max()
    assert worst <= TOLERANCE * scale, f"{name}: off by {worst / scale:.1e} of its scale"


def test_golden_spectra_are_normalised_and_pooled(golden):
    width = json.loads(str(golden["config"]))["pool"]
    normalised = normalise(golden["flux"], golden["ivar"])
    assert_agrees(normalised, golden["normalized_flux"], "normalized_flux")
    pooled = pool(normalised, width)
    assert_agrees(pooled, golden["pooled_flux"], "pooled_flux")
    batch = batch_of(golden, pooled)
    assert_agrees(batch.values["spectrum"], golden["spectrum"], "spectrum")


def test_golden_parameters_are_all_ours(golden, model):
    ours = {name: tuple(p.shape) for name, p in model.named_parameters()}
    theirs = {our_name(name): v.shape for name, v in part(golden, "param/").items()}
    assert ours == theirs


def test_golden_outputs(golden, results):
    output, *_ = results
    for ours, name in (
        (output.reconstruction["image"], "image_reconstruction"),
        (output.reconstruction["spectrum"], "spectrum_reconstruction"),
        (output.embedding, "joint_embedding"),
        (output.z_pred, "redshift_prediction"),
    ):
        assert_agrees(ours, golden[name], name)


def test_golden_losses(golden, results):
    _, losses, total = results
    for name, loss in losses.items():
        assert_agrees(loss, golden[f"{name}_loss"], f"{name}_loss")
    assert_agrees(total, golden["total_loss"], "total_loss")


def test_golden_gradient_norms(golden, model, results):
    gradients = {name: p.grad for name, p in model.named_parameters()}
    norms = part(golden, "gradnorm/")
    assert norms
    scale = max(norms.values())
    for name, norm in norms.items():
        ours = gradients[our_name(name)].norm().item()
        # a single number: relative to itself, and to the largest where it is next to nothing
        assert abs(ours - norm) <= TOLERANCE * max(norm, 1e-4 * scale), name


def test_golden_masks_hide_as_many_as_ours(golden):
    sizes = json.loads(str(golden["config"]))
    for modality in ("image", "spectrum"):
        mask, ratio = golden[f"{modality}_mask"], sizes[f"{modality}_mask_ratio"]
        ours = random_mask(*mask.shape, ratio, torch.Generator().manual_seed(0))
        assert ours.sum(dim=1).tolist() == mask.sum(axis=1).tolist()


def test_golden_folder_that_was_named_has_files():
    if "MMAE_GOLDEN" in os.environ:
        assert FILES, f"MMAE_GOLDEN names {GOLDEN}, which has no .npz file"
