"""Models that are fitted in one go to catalogue columns, by scikit-learn.

scikit-learn and skops are imported where a regressor is written or read: they take longer to start
than torch, and every command on a network knows of estimators.
"""

import io
import json
import zipfile
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmae.errors import InputError
from mmae.models.base import Prediction
from mmae.models.batch import Batch


class Photometry(NamedTuple):
    """What a catalogue says of galaxies."""

    magnitudes: np.ndarray
    """(N, 5), AB; NaN where unknown."""
    sizes: np.ndarray
    """(N, 5), half-light radii, arcsec."""
    redshift: np.ndarray
    """(N,), z_spec."""


class Estimator:
    """A scikit-learn regressor of ln(1 + z) behind the doors of a `GalaxyModel`.

    The error that counts is dz / (1 + z), which is a difference of ln(1 + z).
    """

    spectrum_length: ClassVar[int] = 0
    hides_tokens: ClassVar[bool] = False
    reads_photometry: ClassVar[bool] = True
    n_image_tokens: ClassVar[int] = 1
    n_spectrum_tokens: ClassVar[int] = 1
    trusted: ClassVar[tuple[str, ...]] = ()
    """Types of scikit-learn inside, beyond those that skops trusts anyway."""

    def __init__(self, settings: Any):
        self.settings = settings
        self.regressor: Any = None

    def fit(self, train: Photometry, validation: Photometry, seed: int) -> None:
        """Fit on training galaxies; stop early on validation galaxies."""
        raise NotImplementedError

    @staticmethod
    def features(magnitudes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Magnitudes, the colours between them, sizes: (B, 14)."""
        return np.hstack([magnitudes, -np.diff(magnitudes, axis=1), sizes])

    def predict(self, batch: Batch, image_mask: Tensor, spectrum_mask: Tensor) -> Prediction:
        """Redshifts."""
        features = self.features(batch.magnitudes.cpu().numpy(), batch.sizes.cpu().numpy())
        zeta = self.regressor.predict(features)
        return Prediction(torch.from_numpy(np.expm1(zeta)))

    def save(self, path: Path) -> None:
        """Write the regressor with skops: a zip of JSON and arrays, never a pickle."""
        import skops.io

        with path.open("wb") as stream:
            stream.write(_without_addresses(skops.io.dumps(self.regressor)))

    def load(self, path: Path) -> None:
        """Read the regressor.

        Raises
        ------
        InputError
            If the file is damaged or holds types that are not those of the regressor.
        """
        import skops.io
        from sklearn.base import is_regressor

        try:
            regressor = skops.io.load(path, trusted=list(self.trusted))
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                path, found=f"no regressor that is trusted ({reason})", expected="a skops file"
            ) from error
        if not is_regressor(regressor):
            raise InputError(path, found=f"a {type(regressor).__name__}", expected="a regressor")
        self.regressor = regressor


def _without_addresses(content: bytes) -> bytes:
    """A skops file without the clock and the addresses of objects: equal regressors, equal bytes.

    Addresses are the names of arrays and say which objects are one and the same. Here each object
    has a number of its own: what was one in memory may become several, which estimators, read
    only, do not notice.
    """
    numbers, names, written = count(), {}, io.BytesIO()

    def numbered(node: dict[str, Any]) -> dict[str, Any]:
        if "__id__" in node:
            node["__id__"] = next(numbers)
        if isinstance(file := node.get("file"), str):
            node["file"] = names.setdefault(file, f"{len(names)}{Path(file).suffix}")
        return node

    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        schema = json.loads(old.read("schema.json"), object_hook=numbered)
        for name, other in names.items():
            new.writestr(zipfile.ZipInfo(other), old.read(name))
        new.writestr(zipfile.ZipInfo("schema.json"), json.dumps(schema, indent=2))
    return written.getvalue()
