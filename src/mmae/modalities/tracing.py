"""What code asks of data that a trace by torch.export does not have."""

import torch
from torch import Tensor


def may_be_any(condition: Tensor) -> bool:
    """Whether any element is True; while torch.export traces, when none is known, it may be."""
    return torch.compiler.is_exporting() or bool(condition.any())
