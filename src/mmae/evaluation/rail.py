"""A trained model as an estimator of RAIL, LSST's framework for photometric redshifts.

Needs the extra `rail` (pz-rail-base).
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import qp
from ceci.config import StageParameter
from rail.core.data import TableHandle
from rail.estimation.estimator import CatEstimator

from mmae.evaluation.catalogue import open_catalogues
from mmae.evaluation.ensembles import Pdfs, ancil_of
from mmae.evaluation.own_galaxies import OwnGalaxies
from mmae.evaluation.predict_catalogue import predict_catalogues, shown_modalities
from mmae.modalities.usual import read_usual
from mmae.models.device import choose_device
from mmae.models.weights import load_model
from mmae.settings import View
from mmae.survey.galaxiesml import IMAGE, OBJECT_ID

WHOLE_IMAGE = View({"spectrum": {"random": 1.0}})


class MmaeEstimator(CatEstimator):
    """Densities of the redshift from images: a table with `image` (N, 5, 64, 64) and `object_id`.

    A file in GalaxiesML's layout is such a table (`hdf5_groupname=""`), with the other columns that
    the model may read, such as `g_cmodel_mag`. `trained` is a folder that `mmae train` wrote; the
    model is shown the whole image.
    """

    name = "MmaeEstimator"
    inputs = [("input", TableHandle)]  # noqa: RUF012
    config_options = CatEstimator.config_options.copy()
    config_options.update(
        trained=StageParameter(str, required=True, msg="folder of a trained model"),
        device=StageParameter(str, "cpu", msg="cpu, cuda or auto"),
        batch_size=StageParameter(int, 64, msg="galaxies predicted at a time"),
    )

    def open_model(self, tag: str = "model", **kwargs: Any) -> Any:
        """Load the trained model."""
        device = choose_device(self.config.device, "device")
        self.model, description = load_model(Path(self.config.trained), device, None)
        self.usual = read_usual(description, self.config.trained)
        return self.model

    def validate(self) -> None:
        """Check that the input has images and names of galaxies."""
        handle = self.get_handle("input", allow_missing=True)
        self._check_column_names(handle, [IMAGE, OBJECT_ID])

    def _process_chunk(
        self, start: int, end: int, data: Mapping[str, np.ndarray], first: bool
    ) -> None:
        own = OwnGalaxies(Path(f"galaxies {start} to {end - 1}"), dict(data), None)
        wanted = {one.modality.name: one.modality for one in self.usual or ()}
        opened = open_catalogues([own], shown_modalities(self.model, WHOLE_IMAGE), wanted)
        blocks: list[tuple[Pdfs, pd.DataFrame]] = []
        options = (WHOLE_IMAGE, 0, self.config.batch_size, Counter(), self.usual, None)
        for _ in predict_catalogues(self.model, opened, *options, lambda *one: blocks.append(one)):
            pass
        pdfs, tables = zip(*blocks, strict=True)
        parts = {name: np.concatenate([one.data[name] for one in pdfs]) for name in pdfs[0].data}
        kind = {"hist": qp.hist, "norm": qp.stats.norm}[pdfs[0].kind]
        ensemble = qp.Ensemble(kind, data=parts | {k: v[0] for k, v in pdfs[0].shared.items()})
        mode = np.concatenate([one.mode for one in pdfs])
        ensemble.set_ancil(ancil_of(pd.concat(tables, ignore_index=True), mode))
        self._do_chunk_output(ensemble, start, end, first, data=data)
