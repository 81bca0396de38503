"""Redshift estimators as an astronomer would first try them: trees and a small softmax network."""

from itertools import pairwise

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from torch.nn import functional

from mmae.metrics.redshift import outlier_fraction, sigma_nmad

SOFTNESS = 0.008
"""Of the network's targets in ln(1 + z)."""


def magnitudes_and_colours(mag: np.ndarray) -> np.ndarray:
    """Magnitudes (N, B) and adjacent colours, shape (N, 2 B - 1)."""
    return np.hstack([mag, -np.diff(mag, axis=1)])


def trees(features: np.ndarray, z: np.ndarray, n_train: int) -> np.ndarray:
    """Predictions of boosted trees with an absolute error for all rows after the training rows."""
    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        learning_rate=0.05,
        max_iter=800,
        max_leaf_nodes=31,
        early_stopping=True,
        validation_fraction=0.15,
        n_iter_no_change=30,
        random_state=0,
    )
    model.fit(features[:n_train], np.log1p(z[:n_train]))
    return np.expm1(model.predict(features[n_train:]))


def softmax(
    features: np.ndarray, z: np.ndarray, n_train: int, *, epochs: int = 40, bins: int = 344
) -> np.ndarray:
    """Predictions (medians) of a perceptron with a softmax over ln(1 + z), for the other rows."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    mean, deviation = features[:n_train].mean(0), features[:n_train].std(0) + 1e-3
    x = torch.tensor((features - mean) / deviation, dtype=torch.float32).clamp(-6, 6)
    y = torch.tensor(np.log1p(z), dtype=torch.float32)
    centre = (torch.arange(bins) + 0.5) * float(y.max()) * 1.02 / bins
    widths = [x.shape[1], 256, 256, 256]
    layers: list[torch.nn.Module] = []
    for a, b in pairwise(widths):
        layers += [torch.nn.Linear(a, b), torch.nn.GELU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], bins))
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, (0.9, 0.98), weight_decay=0.05)
    size = 64 if n_train < 10_000 else 256
    steps = epochs * (n_train // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 3e-3, total_steps=steps, pct_start=0.1
    )
    for _ in range(epochs):
        order = torch.randperm(n_train, generator=generator)
        for k in range(n_train // size):
            rows = order[k * size : (k + 1) * size]
            target = torch.exp(-0.5 * ((centre - y[rows][:, None]) / SOFTNESS) ** 2)
            target = target / target.sum(1, keepdim=True)
            loss = -(target * functional.log_softmax(network(x[rows]), 1)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        below = (functional.softmax(network(x[n_train:]), 1).cumsum(1) < 0.5).sum(1)
    return np.expm1(centre[below.clamp(max=bins - 1)].numpy())


def scatter_and_outliers(predicted: np.ndarray, z: np.ndarray) -> str:
    """sigma_NMAD and the share of outliers over 0.15."""
    return f"{sigma_nmad(predicted, z):.4f}, {100 * outlier_fraction(predicted, z):.1f}%"
