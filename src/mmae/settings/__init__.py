"""Every config key: its name, type, range and meaning. `config/schema.yaml` is written from here.

One frozen dataclass a section, in one file a part of the paper. A command receives only the
sections that it uses.
"""

from pydantic import model_validator

from mmae.settings.base import Count, Name, key, settings
from mmae.settings.data import (
    Arrays,
    CatalogFiles,
    Cleaning,
    Crossmatch,
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
from mmae.settings.models import (
    KINDS,
    READOUTS,
    ROLES,
    AstroClipModel,
    BcnnModel,
    CnnModel,
    GbdtModel,
    MedianModel,
    Model,
    PaperModel,
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
    "KINDS",
    "Arrays",
    "AstroClipModel",
    "BcnnModel",
    "CatalogFiles",
    "Cleaning",
    "CnnModel",
    "Crossmatch",
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
    "Logs",
    "MedianModel",
    "Model",
    "PaperModel",
    "Published",
    "PublishedFile",
    "Scoring",
    "Settings",
    "Simulation",
    "Sparcl",
    "SpectraSource",
    "Split",
    "Survey",
    "Training",
    "Tuning",
    "Zenodo",
    "ZenodoRecord",
    "training_of",
]


@settings
class Settings:
    """The whole config."""

    survey: Survey
    download: Download
    crossmatch: Crossmatch
    clean: Cleaning
    split: Split
    arrays: Arrays
    models: dict[Name, Model]
    training: Training
    tuning: Tuning
    logs: Logs
    grid: Grid
    headline: Headline
    evaluation: Evaluation
    scoring: Scoring
    published: Published
    from_archive: str | Count | None = key(
        "a run's archive (folder, .zip, .tar.gz, or number of a Zenodo record): figures and tables"
        " from it, no data and no training; its own config holds",
        default=None,
    )

    @model_validator(mode="after")
    def _trainings_are_possible(self) -> "Settings":
        for name, model in self.models.items():
            try:
                training_of(self.training, model.training)
            except ValueError as error:
                raise ValueError(f"models.{name}.training.{error}") from None
        return self

    @model_validator(mode="after")
    def _grid_names_exist(self) -> "Settings":
        for part, kinds in ROLES.items():
            for model in getattr(self.grid, part):
                if model not in self.models:
                    raise ValueError(
                        f"grid.{part}: '{model}' is not among models: {list(self.models)}"
                    )
                kind = self.models[model].kind
                if kind in KINDS and kind not in kinds:
                    raise ValueError(
                        f"grid.{part}: '{model}' is of kind {kind}, expected one of {list(kinds)}"
                    )
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
