"""Models that are fitted in one go to catalogue columns, by scikit-learn.

scikit-learn and skops are imported where a regressor is written or read: they take longer to start
than torch, and every command on a network knows of estimators.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np
import torch

from mmae.errors import InputError
from mmae.modalities.base import Modality
from mmae.models.base import Prediction, reconstructs_nothing
from mmae.models.batch import Batch
from mmae.models.masking import Masks


class Columns(NamedTuple):
    """What a catalogue says of galaxies."""

    values: np.ndarray
    """(N, K); NaN where unknown. No column, (N, 0), for estimators that read nothing."""
    redshift: np.ndarray
    """(N,), z_spec."""


class Estimator:
    """A scikit-learn regressor of ln(1 + z) behind the doors of a `GalaxyModel`.

    The error that counts is dz / (1 + z), which is a difference of ln(1 + z).

    Parameters
    ----------
    settings : settings dataclass
        The config entry.
    modalities : mapping of str to Modality
        At most one, of whose numbers the features are made.
    """

    trusted: ClassVar[tuple[str, ...]] = ()
    """Types of scikit-learn inside, beyond those that skops trusts anyway."""

    def __init__(self, settings: Any, modalities: Mapping[str, Modality]):
        self.settings, self.modalities = settings, dict(modalities)
        self.regressor: Any = None

    def fit(self, train: Columns, validation: Columns, seed: int) -> None:
        """Fit on training galaxies; stop early on validation galaxies."""
        raise NotImplementedError

    def features(self, values: np.ndarray) -> np.ndarray:
        """What the regressor is given of the columns (B, K): (B, F)."""
        return values

    def predict_zeta(self, values: np.ndarray) -> np.ndarray:
        """ln(1 + z) of columns (B, K): (B,)."""
        return self.regressor.predict(self.features(values))

    def predict(self, batch: Batch, masks: Masks) -> Prediction:
        """Redshifts."""
        n = len(batch.redshift)
        parts = [batch.known(name).cpu().numpy() for name in self.modalities]
        zeta = self.predict_zeta(np.hstack(parts) if parts else np.empty((n, 0), np.float32))
        return Prediction(torch.from_numpy(np.expm1(zeta)))

    def reconstruct(self, batch: Batch, masks: Masks) -> NoReturn:
        """Raise InputError."""
        raise reconstructs_nothing()

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
