"""Layers that several models are made of."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

LAST_STD = 0.01
"""Of the last weights of a block, which begins as next to nothing."""


def perceptron(*sizes: int) -> nn.Sequential:
    """Linear layers of these widths with GELU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class Block(nn.Module):
    """Attention and a feed-forward layer, each after a normalisation and beside the identity.

    Parameters
    ----------
    width : int
        Of a token; a multiple of `heads`.
    heads : int

    Notes
    -----
    Normalisation before each layer: Xiong et al. 2020, arXiv:2002.04745.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed_forward = perceptron(width, 3 * width, width)
        for last in (self.out, self.feed_forward[-1]):
            nn.init.normal_(last.weight, std=LAST_STD)
            nn.init.zeros_(last.bias)

    def forward(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        """(B, N, D) to the same shape; hidden tokens (B, N) are read by none."""
        split = self.query_key_value(self.norm_attention(tokens)).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)  # (B, heads, N, D / heads)
        # written out: for so few tokens faster than the fused kernel
        scores = query @ key.transpose(2, 3) * key.shape[3] ** -0.5
        share = scores.masked_fill(hidden[:, None, None], -math.inf).softmax(dim=3).to(value.dtype)
        tokens = tokens + self.out((share @ value).transpose(1, 2).flatten(2))
        return tokens + self.feed_forward(self.norm_feed_forward(tokens))


def visible_mean(tokens: Tensor, hidden: Tensor) -> Tensor:
    """Mean of the tokens (B, N, D) that are not hidden (B, N); 0 where all are: (B, D)."""
    seen = (~hidden).unsqueeze(-1).to(tokens.dtype)
    return (tokens * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)


def nothing_hidden(n: int, n_tokens: int, device: torch.device) -> Tensor:
    """A mask of n galaxies that hides none of their tokens, (n, n_tokens)."""
    return torch.zeros(n, n_tokens, dtype=torch.bool, device=device)
