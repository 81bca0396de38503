"""The authors' training step and loader, written anew from their description: the unit of speed.

For timing only. Nothing in the package imports this; models/paper.py is the model that is used.
Shapes: B galaxies, C bands, L spectrum pixels, N image tokens, M spectrum tokens, D width.
"""

from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from mmae.dataset.layout import FLUX, IMAGE, IVAR, REDSHIFT

DIM, DEPTH, HEADS, CROSS_LAYERS, DROPOUT = 256, 4, 8, 4, 0.1
PATCH, SIDE, BANDS, SPECTRUM_PATCH, SPECTRUM_TOKENS, PIXELS, POOL = 8, 8, 5, 8, 32, 259, 30
MASK_RATIO = 0.75


class CrossBlock(nn.Module):
    """Cross-attention, normalisation, feed-forward, normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(DIM, HEADS, dropout=DROPOUT, batch_first=True)
        self.first, self.second = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.feed_forward = nn.Sequential(
            *(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Dropout(DROPOUT)),
            *(nn.Linear(4 * DIM, DIM), nn.Dropout(DROPOUT)),
        )

    def forward(self, query: Tensor, other: Tensor) -> Tensor:
        """(B, N, D) reads (B, M, D); attention weights are computed and not used."""
        read, _ = self.attention(query, other, other)
        query = self.first(query + read)
        return self.second(query + self.feed_forward(query))


class Reference(nn.Module):
    """The model at the paper's sizes: 16,364,036 parameters."""

    def __init__(self) -> None:
        super().__init__()
        tokens = SIDE * SIDE
        self.image_embedding = nn.Conv2d(BANDS, DIM, PATCH, PATCH)
        self.spectrum_embedding = nn.Linear(SPECTRUM_PATCH, DIM)
        self.image_position = nn.Parameter(0.02 * torch.randn(1, tokens, DIM))
        self.spectrum_position = nn.Parameter(0.02 * torch.randn(1, SPECTRUM_TOKENS, DIM))
        self.spectrum_norm = nn.LayerNorm(DIM)
        self.image_encoder, self.spectrum_encoder = encoder(), encoder()
        self.fusion = nn.ModuleList(CrossBlock() for _ in range(CROSS_LAYERS))
        self.queries = nn.ParameterList(0.02 * torch.randn(1, 1, DIM) for _ in range(2))
        self.pools = nn.ModuleList(
            nn.MultiheadAttention(DIM, HEADS, batch_first=True) for _ in range(2)
        )
        self.image_decoder = decoder(tokens * BANDS * PATCH**2)
        self.spectrum_decoder = decoder(PIXELS)
        self.head = nn.Sequential(nn.Linear(2 * DIM, DIM), nn.ReLU(), nn.Linear(DIM, 1))

    def forward(
        self, image: Tensor, spectrum: Tensor, image_mask: Tensor, spectrum_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Image patches (B, N, P), spectrum (B, L) and redshift (B,); masks: True = hidden."""
        x = self.image_embedding(image).flatten(2).transpose(1, 2) + self.image_position
        patches = spectrum[:, : SPECTRUM_TOKENS * SPECTRUM_PATCH].unflatten(1, (-1, SPECTRUM_PATCH))
        y = self.spectrum_norm(self.spectrum_embedding(patches) + self.spectrum_position)
        x = self.image_encoder(x * (~image_mask).unsqueeze(-1))
        y = self.spectrum_encoder(y * (~spectrum_mask).unsqueeze(-1))
        for block in self.fusion:
            x, y = block(x, y), block(y, x)
        pooled = [
            pool(query.expand(len(tokens), -1, -1), tokens, tokens)[0].squeeze(1)
            for pool, query, tokens in zip(self.pools, self.queries, (x, y), strict=True)
        ]
        joint = torch.cat(pooled, dim=1)
        return (
            self.image_decoder(joint).unflatten(1, (SIDE * SIDE, -1)),
            self.spectrum_decoder(joint),
            self.head(joint).squeeze(-1),
        )


def encoder() -> nn.TransformerEncoder:
    """Four post-norm layers."""
    layer = nn.TransformerEncoderLayer(
        DIM, HEADS, 4 * DIM, DROPOUT, activation="gelu", batch_first=True
    )
    return nn.TransformerEncoder(layer, DEPTH, nn.LayerNorm(DIM), enable_nested_tensor=False)


def decoder(n_values: int) -> nn.Sequential:
    """From the joint vector to all values."""
    return nn.Sequential(
        *(nn.Linear(2 * DIM, 2 * DIM), nn.GELU(), nn.Dropout(DROPOUT)),
        *(nn.Linear(2 * DIM, DIM), nn.GELU(), nn.Dropout(DROPOUT)),
        nn.Linear(DIM, n_values),
    )


class ReferenceStep:
    """One step of the authors' training loop: fp32, AdamW, masks drawn on the way."""

    def __init__(self) -> None:
        self.model = Reference().train()
        slow = [self.model.image_position, self.model.spectrum_position, *self.model.queries]
        others = [p for p in self.model.parameters() if not any(p is s for s in slow)]
        groups = [{"params": slow, "lr": 1e-5, "weight_decay": 0.0}, {"params": others}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-4, weight_decay=0.01)

    def __call__(self, image: Tensor, spectrum: Tensor, redshift: Tensor) -> float:
        """Train on one batch; returns the loss."""
        n = len(image)
        image_mask = draw_mask(n, SIDE * SIDE)
        spectrum_mask = draw_mask(n, SPECTRUM_TOKENS)
        zeroed = torch.rand(n) < 0.5
        shown = spectrum.masked_fill(zeroed[:, None], 0.0)
        said_image, said_spectrum, z_pred = self.model(image, shown, image_mask, spectrum_mask)
        side = (BANDS, SIDE, PATCH, SIDE, PATCH)
        patches = image.reshape(n, *side).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        image_loss = functional.mse_loss(said_image[image_mask], patches[image_mask])
        pixels = (spectrum_mask & ~zeroed[:, None]).repeat_interleave(SPECTRUM_PATCH, dim=1)
        used = pixels.shape[1]
        spectrum_loss = functional.mse_loss(
            said_spectrum[:, :used][pixels], spectrum[:, :used][pixels]
        )
        dz = (z_pred - redshift) / (1 + redshift)
        redshift_loss = (1 - 1 / (1 + (dz / 0.15) ** 2)).mean()
        loss = 0.1 * image_loss + 0.01 * spectrum_loss + redshift_loss
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


def draw_mask(n: int, n_tokens: int) -> Tensor:
    """Hide three quarters of the tokens of each galaxy, galaxy by galaxy."""
    mask = torch.zeros(n, n_tokens, dtype=torch.bool)
    for row in mask:
        row[torch.randperm(n_tokens)[: int(MASK_RATIO * n_tokens)]] = True
    return mask


class ReferenceDataset(Dataset):
    """One galaxy at a time out of the HDF5 file, its spectrum normalised at every access."""

    def __init__(self, path: Path | str, rows: np.ndarray):
        self.path, self.rows, self.file = path, rows, None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Image, pooled spectrum and redshift."""
        # each worker opens the file itself
        self.file = self.file or h5py.File(self.path)
        row = self.rows[index]
        image = torch.from_numpy(self.file[IMAGE][row])
        spectrum = normalise(self.file[FLUX][row], self.file[IVAR][row])
        return image, torch.from_numpy(spectrum), torch.tensor(self.file[REDSHIFT][row]).float()


def normalise(flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
    """Weighted mean 0 and rms 1, wild ends repaired, pooled by 30."""
    valid = (ivar > 0) & (flux != 0)
    if not valid.any():
        return np.zeros(PIXELS, dtype=np.float32)
    weight, values = ivar[valid], flux[valid]
    mean = np.average(values, weights=weight)
    rms = np.sqrt(np.average((values - mean) ** 2, weights=weight)) or 1.0
    result = np.where(valid, (flux - mean) / rms, 0.0)
    for end in (0, -1):
        if abs(result[end]) > 100:
            result[end] = np.median(result[valid])
    return result[: PIXELS * POOL].reshape(PIXELS, POOL).mean(axis=1).astype(np.float32)


def reference_loader(path: Path | str, rows: np.ndarray, batch_size: int) -> DataLoader:
    """Shuffled batches, no worker."""
    return DataLoader(ReferenceDataset(path, rows), batch_size=batch_size, shuffle=True)
