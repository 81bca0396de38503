"""Every config key: its name, type, range and meaning. `config/schema.yaml` is written from here.

One frozen dataclass a section, in one file a part of the paper. A command receives only the
sections that it uses.
"""

from typing import Annotated, Literal

from pydantic import model_validator

from mmae.settings.base import Count, Name, OnDisk, key, settings
from mmae.settings.data import (
    Arrays,
    CatalogFiles,
    Cleaning,
    Crossmatch,
    Dataset,
    Desi,
    Download,
    Faults,
    ImageFaults,
    Simulation,
    Sparcl,
    SpectraSource,
    Split,
    Survey,
    Zenodo,
    ZenodoRecord,
)
from mmae.settings.logs import Logs
from mmae.settings.masks import MASK_KINDS, View, ViewName
from mmae.settings.modalities import (
    ImageModality,
    Modality,
    SpectrumModality,
    VectorModality,
)
from mmae.settings.models import (
    COMPARING,
    KINDS,
    READOUTS,
    ROLES,
    AnnuliModel,
    AstroClipModel,
    BcnnModel,
    CnnModel,
    GbdtModel,
    MedianModel,
    Model,
    PaperModel,
    RestframeModel,
    can_do,
)
from mmae.settings.results import (
    Evaluation,
    Example,
    Examples,
    Grid,
    Headline,
    Published,
    PublishedFile,
    Scoring,
)
from mmae.settings.training import Training, Tuning, training_of

__all__ = [
    "BOTH_HIDDEN",
    "HEADLINE_VIEW",
    "KINDS",
    "MASK_KINDS",
    "SPECTRUM_ALONE",
    "WHOLE_IMAGE",
    "AnnuliModel",
    "Arrays",
    "AstroClipModel",
    "BcnnModel",
    "CatalogFiles",
    "Cleaning",
    "CnnModel",
    "Crossmatch",
    "Dataset",
    "Desi",
    "Download",
    "Evaluation",
    "Example",
    "Examples",
    "Faults",
    "GbdtModel",
    "Grid",
    "Headline",
    "ImageFaults",
    "ImageModality",
    "Logs",
    "MedianModel",
    "Modality",
    "Model",
    "PaperModel",
    "Published",
    "PublishedFile",
    "RestframeModel",
    "Scoring",
    "Settings",
    "Simulation",
    "Sparcl",
    "SpectraSource",
    "SpectrumModality",
    "Split",
    "Survey",
    "Training",
    "Tuning",
    "VectorModality",
    "View",
    "Zenodo",
    "ZenodoRecord",
    "can_do",
    "training_of",
]


WHOLE_IMAGE, SPECTRUM_ALONE = "image0.00-spectrum1.00", "image1.00-spectrum0.00"
HEADLINE_VIEW = "image0.25-spectrum1.00"
"""The paper's test: a quarter of the image is hidden, and all of the spectrum."""
BOTH_HIDDEN = "image0.75-spectrum0.75"
"""What Figure 1 shows, and the view in which reconstructions are measured."""
NEEDED_VIEWS = (WHOLE_IMAGE, SPECTRUM_ALONE, HEADLINE_VIEW, BOTH_HIDDEN)


@settings
class Settings:
    """The whole config."""

    survey: Survey
    download: Download
    crossmatch: Crossmatch
    clean: Cleaning
    dataset: Dataset
    split: Split
    arrays: Arrays
    modalities: dict[Name, Modality]
    models: dict[Name, Model]
    training: Training
    tuning: Tuning
    logs: Logs
    grid: Grid
    headline: Headline
    views: dict[ViewName, View]
    evaluation: Evaluation
    scoring: Scoring
    published: Published
    from_archive: Annotated[str | Count | None, OnDisk] = key(
        "a run's archive (folder, .zip, .tar.gz, or number of a Zenodo record): figures and tables"
        " from it, no data and no training; its own config holds",
        default=None,
    )
    archived_weights: Literal["all", "headline"] = key(
        "of which models the archive of a run holds the weights", default="all"
    )

    @model_validator(mode="after")
    def _models_are_known(self) -> "Settings":
        for name, model in self.models.items():
            try:
                can_do(model)
            except ValueError as error:
                raise ValueError(f"models.{name}.{error}") from None
        return self

    @model_validator(mode="after")
    def _trainings_are_possible(self) -> "Settings":
        in_grid = {name for part in ROLES for name in getattr(self.grid, part)}
        for name, model in self.models.items():
            try:
                own = training_of(self.training, model.training)
            except ValueError as error:
                raise ValueError(f"models.{name}.training.{error}") from None
            if own.batch_size == 1 and model.kind in COMPARING and name in in_grid:
                raise ValueError(
                    f"models.{name}.training.batch_size: found 1, expected at least 2 galaxies, "
                    f"which a model of kind {model.kind} compares"
                )
        return self

    @model_validator(mode="after")
    def _grid_names_exist(self) -> "Settings":
        for part, (words, fits) in ROLES.items():
            for model in getattr(self.grid, part):
                if model not in self.models:
                    raise ValueError(
                        f"grid.{part}: '{model}' is not among models: {list(self.models)}"
                    )
                if not fits(can_do(self.models[model])):
                    kind = self.models[model].kind
                    raise ValueError(
                        f"grid.{part}: '{model}' is of kind {kind}, expected one that {words}"
                    )
        for part in ("views", "study_views"):
            for view in getattr(self.grid, part):
                if view not in self.views:
                    raise ValueError(f"grid.{part}: '{view}' is not among views: {[*self.views]}")
        return self

    @model_validator(mode="after")
    def _modalities_exist(self) -> "Settings":
        known = list(self.modalities)
        named = {f"views.{name}.hidden": view.hidden for name, view in self.views.items()}
        named |= {f"models.{name}": can_do(model).reads for name, model in self.models.items()}
        for where, names in named.items():
            for name in names:
                if name not in known:
                    raise ValueError(f"{where}: '{name}' is not among modalities: {known}")
        for view in NEEDED_VIEWS:
            if view not in self.views:
                raise ValueError(f"views: found no '{view}', which figures of the paper show")
        return self

    @model_validator(mode="after")
    def _headline_is_in_the_grid(self) -> "Settings":
        for name in ("model", "mask", "seed"):
            value, known = getattr(self.headline, name), getattr(self.grid, f"{name}s")
            if value not in known:
                raise ValueError(f"headline.{name} {value} is not among grid.{name}s {list(known)}")
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> "Settings":
        for name in self.models:
            if name == "himes2025":
                raise ValueError(f"model '{name}' has the name of a published model")
            if name.endswith(tuple(f"-{readout}" for readout in READOUTS)):
                raise ValueError(f"model '{name}' has the name of another one's readout")
        return self
