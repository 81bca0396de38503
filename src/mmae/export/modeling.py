"""A trained model of galaxy-mmae from its folder: torch, safetensors and huggingface_hub suffice.

`mmae export` puts this file beside the weights (model.safetensors), what they belong to
(config.json) and the program that torch.export made of the model (model.pt2).
"""

from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin, snapshot_download
from safetensors.torch import load_file
from torch import Tensor, nn

CONFIG, WEIGHTS, PROGRAM = "config.json", "model.safetensors", "model.pt2"


class ExportedModel(nn.Module, PyTorchModelHubMixin):
    """Redshifts, embeddings and reconstructions of galaxies.

    Parameters
    ----------
    program : nn.Module
        What was exported.
    config : dict
        Content of config.json.
    """

    def __init__(self, program: nn.Module, config: dict[str, Any]):
        super().__init__()
        self.program, self.config = program, config

    def forward(
        self, hidden: dict[str, Tensor] | None = None, **values: Tensor
    ) -> dict[str, Tensor]:
        """All that the model says of B galaxies.

        Parameters
        ----------
        hidden : dict of str to Tensor of bool, shape (B, tokens), optional
            Tokens to hide. Without it, nothing of what is given and all of what is not.
        **values : Tensor, shape (B, *shape)
            As `config["inputs"]` says: `image`, flux as in config["modalities"].

        Returns
        -------
        dict of str to Tensor
            z_pred (B,), embedding, <modality>_reconstruction, ...: what the model has.

        Raises
        ------
        ValueError
            If nothing is given, or a name or shape is not the model's.
        """
        inputs, hidden = self.config["inputs"], hidden or {}
        shapes = {name: tuple(one["shape"]) for name, one in inputs.items()}
        tokens = {name: (one["tokens"],) for name, one in inputs.items() if self.config["hides"]}
        if not values:
            raise ValueError(f"found no values, expected some of {list(shapes)}")
        n = next(iter(values.values())).shape[0]
        for given, expected in ((values, shapes), (hidden, tokens)):
            for name, part in given.items():
                if name not in expected or tuple(part.shape) != (n, *expected[name]):
                    raise ValueError(
                        f"{name}: found shape {tuple(part.shape)}, expected (B, *shape) of "
                        f"{expected}, the same B of all"
                    )
        device = next(self.parameters()).device
        masks = {
            name: hidden.get(name, torch.full((n, *shape), name not in values)).to(device)
            for name, shape in tokens.items()
        }
        filled = {
            name: values.get(name, torch.zeros(n, *shape)).to(device, torch.float32)
            for name, shape in shapes.items()
        }
        return self.program(filled, masks)

    @classmethod
    def _from_pretrained(
        cls, *, model_id: str, config: dict[str, Any], map_location: str = "cpu", **where: Any
    ) -> "ExportedModel":
        """Load a folder, or download one."""
        keys = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(snapshot_download(model_id, **{key: where[key] for key in keys}))
        program = torch.export.load(folder / PROGRAM).module()
        weights = load_file(folder / WEIGHTS)
        program.load_state_dict({f"model.{name}": part for name, part in weights.items()})
        return cls(program, config).to(map_location)
