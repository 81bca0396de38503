"""Checkpoints of a training: the last two states, each whole and verified, never a pickle."""

import json
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from mmae.errors import InputError
from mmae.files.checksums import file_digest
from mmae.files.write import atomic

log = logging.getLogger(__name__)

OURS = re.compile(r"\.?\d{9,}\.(pt|sha256)(\.[0-9a-f]{12}\.part)?")
"""Names of checkpoints, their checksums, and what a killed writer of either left."""
KEPT = 2
"""A damaged last checkpoint falls back to the one before."""
LAYOUT = 3
"""Of a state: one of another layout is refused."""
MAY_CHANGE = ("training.processes", "training.checkpoint_minutes")
"""How a training is run, which is no part of what it is."""


class Checkpoints:
    """The checkpoints of one training in a folder.

    Parameters
    ----------
    folder : Path
        Made when it is needed. Of what others have in it nothing is touched.
    identity : mapping
        What the training is (model, its config, mask ratio, seed): JSON values. A checkpoint of
        another training is refused.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        self.folder = folder
        values = _flat(json.loads(json.dumps({"layout": LAYOUT, **identity})))
        self.identity = {key: value for key, value in values.items() if key not in MAY_CHANGE}

    def save(self, step: int, state: Mapping[str, Any]) -> bool:
        """Keep a state; a disk that is full costs this checkpoint and nothing else.

        Parameters
        ----------
        step : int
            Steps taken since the beginning of the training.
        state : mapping
            Tensors, numbers, texts, lists and mappings of them.

        Returns
        -------
        bool
            Whether it is on the disk.
        """
        path = self.folder / f"{step:09d}.pt"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic(path) as part:
                with part.open("wb") as stream:
                    torch.save({"identity": self.identity, "state": dict(state)}, stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                digest = file_digest(part)
            # without its sum a checkpoint does not count
            with atomic(_sum_of(path)) as part:
                part.write_text(f"{digest}\n", encoding="utf-8")
        except (OSError, RuntimeError, InputError) as error:
            log.warning("checkpoint %s not written (%s); the training goes on", path, error)
            return False
        for old in self._paths()[:-KEPT]:
            _sum_of(old).unlink(missing_ok=True)
            old.unlink(missing_ok=True)
        return True

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole; None if there is none.

        Raises
        ------
        InputError
            If the newest whole checkpoint is one of another training.
        """
        for path in reversed(self._paths()):
            try:
                if file_digest(path) != _sum_of(path).read_text(encoding="utf-8").strip():
                    raise ValueError("its checksum is another")
                # to the device of the one who goes on, which may be another
                found = torch.load(path, weights_only=True, map_location="cpu")
            except Exception as error:  # whatever torch makes of damaged bytes
                log.warning("checkpoint %s is damaged (%s): the one before is used", path, error)
                continue
            self._check(path, found["identity"])
            log.info("going on from checkpoint %s", path)
            return found["state"]
        return None

    def clear(self) -> None:
        """Delete all: the training is finished."""
        # a job that its scheduler lost may do the same
        with suppress(OSError):
            for path in self.folder.iterdir():
                if OURS.fullmatch(path.name):
                    path.unlink(missing_ok=True)
            # unless others have something in it
            self.folder.rmdir()

    def _paths(self) -> list[Path]:
        """Checkpoints, oldest first; other files may have similar names."""
        paths = self.folder.glob("*.pt") if self.folder.is_dir() else ()
        return sorted(path for path in paths if OURS.fullmatch(path.name))

    def _check(self, path: Path, found: Mapping[str, Any]) -> None:
        """Raise InputError unless a checkpoint is of this training."""
        for key in sorted(self.identity.keys() | found.keys()):
            if self.identity.get(key) != found.get(key):
                raise InputError(
                    path,
                    key=key,
                    found=f"a checkpoint of {found.get(key)}",
                    expected=f"{self.identity.get(key)}; delete {self.folder} to start anew",
                )


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Values of nested mappings under dotted keys, as the config is spoken of."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, Mapping)
        flat |= _flat(value, f"{before}{key}.") if inner else {f"{before}{key}": value}
    return flat


def _sum_of(path: Path) -> Path:
    """Where the checksum of a checkpoint is."""
    return path.with_suffix(".sha256")
