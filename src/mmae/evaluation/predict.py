"""What a trained model says of galaxies under a view of them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.evaluation.views import Model, Shown, shower
from mmae.metrics.ends import ENDS, QUANTILES
from mmae.models.base import GalaxyModel, Prediction
from mmae.models.batch import Batch, load_batch
from mmae.models.device import device_of
from mmae.models.masking import Masks, hidden_values
from mmae.progress import progress
from mmae.settings import View

WAVE = "_wave"
"""Ends the names of arrays that all galaxies have in common."""


@torch.no_grad()
def predict(
    model: Model,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Redshifts of galaxies.

    Parameters
    ----------
    model : GalaxyModel or Estimator
        In evaluation mode.
    arrays : TrainingArrays
    rows : ndarray of int, shape (B,)
    view : View
    seed : int
        Of the masks.
    batch_size : int

    Returns
    -------
    DataFrame
        targetid, z_spec and the columns of `redshifts`; one row a galaxy, in the order of `rows`.

    Raises
    ------
    InputError
        If the model gives no redshifts, or cannot hide what the view hides.
    """
    shown = batches(model, arrays, rows, view, seed, batch_size)
    parts = [redshifts(model.predict(*batch)) for batch in shown]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return truth(arrays, rows).assign(**columns)


def redshifts(said: Prediction) -> dict[str, np.ndarray]:
    """What a model says of the redshifts of a batch, by column: (B,) float64 each.

    Returns
    -------
    dict of str to ndarray
        z_pred and, if the model gives them, z_std, the ends of intervals
        (`mmae.metrics.ends.ENDS`), and delta_chi2.

    Raises
    ------
    InputError
        If the model gives no redshifts.
    """
    if said.z_pred is None:
        raise InputError(
            "model",
            found="one that gives no redshifts",
            expected="one that does; `mmae probe` reads redshifts out of embeddings",
        )
    columns = {"z_pred": said.z_pred, "z_std": said.z_std}
    if said.quantiles is not None:
        columns |= {name: said.quantiles[:, QUANTILES.index(q)] for name, q in ENDS.items()}
    columns["delta_chi2"] = said.delta_chi2
    return {
        name: values.float().cpu().numpy().astype(float)
        for name, values in columns.items()
        if values is not None
    }


@torch.no_grad()
def embed(
    model: Model, arrays: TrainingArrays, rows: np.ndarray, view: View, seed: int, batch_size: int
) -> np.ndarray:
    """Frozen embeddings of galaxies, shape (B, E) float32; parameters as for `predict`.

    Raises
    ------
    InputError
        If the model has no embedding, or cannot hide what the view hides.
    """
    parts = []
    for shown in batches(model, arrays, rows, view, seed, batch_size):
        embedding = model.predict(*shown).embedding
        if embedding is None:
            raise InputError("model", found="one without embeddings", expected="a network")
        parts.append(embedding.float().cpu().numpy())
    return np.concatenate(parts)


def truth(arrays: TrainingArrays, rows: np.ndarray) -> pd.DataFrame:
    """Columns targetid and z_spec of galaxies."""
    return pd.DataFrame(
        {"targetid": arrays.targetid[rows], "z_spec": arrays.redshift[rows].astype(float)}
    )


def reconstruct(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
    kinds: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """All of what `reconstructed_batches` gives, as one batch."""
    parts = list(reconstructed_batches(model, arrays, rows, view, seed, batch_size, kinds))
    return {
        name: parts[0][name]
        if name.endswith(WAVE)
        else np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }


@torch.no_grad()
def reconstructed_batches(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
    kinds: Sequence[str] = (),
) -> Iterator[dict[str, np.ndarray]]:
    """True, hidden and reconstructed values; parameters as for `predict`.

    Parameters
    ----------
    kinds : sequence of str
        Of the model's `reconstructions` besides the first.

    Yields
    ------
    dict of str to ndarray
        targetid, z_spec, z_pred (B,); for each modality `<name>`, `<name>_reconstruction`, of other
        kinds `<name>_<kind>`, `<name>_hidden` (bool), of shape (B, *shape), and `<name>_wave` (L,),
        Å, of those that have wavelengths. Values that belong to no token, which no loss trains, are
        as they are.

    Raises
    ------
    InputError
        If the model reconstructs nothing.
    """
    starts = range(0, len(rows), batch_size)
    shown = batches(model, arrays, rows, view, seed, batch_size)
    for start, (batch, masks) in zip(starts, shown, strict=True):
        own = rows[start : start + batch_size]
        values, said = reconstructed(model, batch, masks, kinds)
        yield values | {
            "z_pred": said,
            "targetid": arrays.targetid[own],
            "z_spec": arrays.redshift[own],
        }


def reconstructed(
    model: GalaxyModel, batch: Batch, masks: Masks, kinds: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Values of each modality, reconstructed, and what was hidden; and z_pred (B,)."""
    rebuilt, said = model.reconstruct(batch, masks)
    others = {kind: model.reconstruct(batch, masks, kind)[0] for kind in kinds}
    found: dict[str, np.ndarray] = {}
    for name, modality in model.modalities.items():
        true = batch.values[name]
        hidden = hidden_values(modality, masks[name]).expand(true.shape)
        every = modality.covered(torch.ones_like(masks[name].tokens))
        parts = {"": true, "_hidden": hidden & batch.valid.get(name, hidden)}
        for kind, values in {"reconstruction": rebuilt, **others}.items():
            parts[f"_{kind}"] = torch.where(every, values[name].to(true.dtype), true)
        found |= {f"{name}{part}": tensor.cpu().numpy() for part, tensor in parts.items()}
        if (wave := getattr(modality.geometry, "wave", None)) is not None:
            found[f"{name}{WAVE}"] = np.array(wave)
    return found, said.z_pred.cpu().numpy()


def true_and_rebuilt(
    said: Mapping[str, np.ndarray], modality: str, kind: str = "reconstruction"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, reconstruction and what was hidden, out of what `reconstruct` gives."""
    return said[modality], said[f"{modality}_{kind}"], said[f"{modality}_hidden"]


def batches(
    model: Model,
    arrays: TrainingArrays,
    rows: np.ndarray,
    view: View,
    seed: int,
    batch_size: int,
) -> Iterator[Shown]:
    """Batches with their masks.

    Random tokens depend on the seed and on a galaxy's place in `rows`, not on the batch size.
    """
    show = shower(model, view, seed)
    for start in progress(range(0, len(rows), batch_size), "batches"):
        part = rows[start : start + batch_size]
        yield show(load_batch(arrays, part, model.modalities, device_of(model)))
