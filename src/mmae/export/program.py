"""A trained network as a program of torch.export: tensors in, tensors out, none of our code."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from mmae.errors import InputError
from mmae.models.base import GalaxyModel
from mmae.models.batch import Batch
from mmae.models.masking import Mask

Tensors = dict[str, Tensor]
TOLERANCE = 1e-5
"""Relative, or of the largest value: what the program may differ from the model."""


PROGRAM = "model.pt2"


class Exported(NamedTuple):
    """A program and what it says."""

    program: ExportedProgram
    outputs: tuple[str, ...]


class Program(nn.Module):
    """What is exported of a model.

    Parameters
    ----------
    model : GalaxyModel
        In evaluation mode, on the CPU.
    """

    def __init__(self, model: GalaxyModel):
        super().__init__()
        self.model, self.hides = model, getattr(model.settings, "hides", False)

    def forward(self, values: Tensors, hidden: Tensors) -> Tensors:
        """All that the model says of B galaxies.

        Parameters
        ----------
        values : dict of str to Tensor, shape (B, *shape)
            Of the modalities in `model.exported`, as training arrays have them; NaN where missing.
            All other modalities are hidden whole.
        hidden : dict of str to Tensor of bool, shape (B, N)
            Tokens that are hidden, of the same modalities; empty for models that hide nothing.

        Returns
        -------
        dict of str to Tensor
            Fields of `Prediction` that the model gives, and `<name>_reconstruction`; NaN for
            galaxies with an image that is not finite. A density is `density`, the probability of
            bins (B, K), and `density_edges`, their ends in ln(1 + z).
        """
        first = next(iter(values.values()))
        n = first.shape[0]  # a number that len() would fix
        usable = torch.ones(n, dtype=torch.bool, device=first.device)
        known, valid, masks = {}, {}, {}
        for name, modality in self.model.modalities.items():
            if name in values:
                missing = ~values[name].isfinite()
                known[name] = values[name].masked_fill(missing, 0.0)
                if len(modality.shape) == 3:
                    usable = usable & ~missing.flatten(1).any(dim=1)
                else:
                    valid[name] = ~missing
            else:
                known[name] = first.new_zeros(n, *modality.shape)
            if self.hides:
                whole = torch.ones(n, modality.n_tokens, dtype=torch.bool, device=first.device)
                masks[name] = Mask(hidden.get(name, whole))
        batch = Batch(known, first.new_full((n,), torch.nan), valid)
        rebuilt = {}
        if self.hides:
            rebuilt, said = self.model.reconstruct(batch, masks)
        else:
            said = self.model.predict(batch, masks)
        found = {name: part for name, part in said._asdict().items() if part is not None}
        found |= {f"{name}_reconstruction": part for name, part in rebuilt.items()}
        edges = {}
        if said.density is not None:
            found["density"] = said.density.probability
            edges["density_edges"] = said.density.edges
        return edges | {
            name: part.masked_fill(~usable.view(-1, *[1] * (part.dim() - 1)), torch.nan)
            for name, part in found.items()
        }

    def inputs(self, n: int) -> tuple[Tensors, Tensors]:
        """Values and masks of n galaxies, drawn from numbers of no meaning."""
        generator = torch.Generator().manual_seed(0)
        shown = [self.model.modalities[name] for name in self.model.exported]
        values = {one.name: torch.randn(n, *one.shape, generator=generator) for one in shown}
        hidden = {one.name: torch.rand(n, one.n_tokens, generator=generator) < 0.5 for one in shown}
        return values, hidden if self.hides else {}


@torch.no_grad()
def export_program(model: GalaxyModel, where: Path) -> Exported:
    """Trace a model with torch.export, and check that the program says what the model says.

    Parameters
    ----------
    model : GalaxyModel
        In evaluation mode, on the CPU.
    where : Path
        Of the model, for the error message.

    Raises
    ------
    InputError
        If it cannot be traced, or differs.
    """
    program = Program(model).eval()
    inputs = program.inputs(2)
    galaxies = Dim("galaxies")
    shapes = tuple({name: {0: galaxies} for name in part} for part in inputs)
    try:
        exported = torch.export.export(program, inputs, dynamic_shapes=shapes)
    except Exception as error:  # of its own kinds, which are many
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            where, found=f"a model that torch.export cannot trace ({reason})", expected="another"
        ) from error
    inputs = program.inputs(3)
    ours, theirs = program(*inputs), exported.module()(*inputs)
    for name, part in ours.items():
        largest = float(part.nan_to_num().abs().max())
        if not torch.allclose(part, theirs[name], TOLERANCE, TOLERANCE * largest, equal_nan=True):
            raise InputError(where, key=name, found="an exported program that differs")
    # which would be saved as a pickle
    exported.example_inputs = None
    return Exported(exported, tuple(ours))
