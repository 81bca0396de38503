"""Section 4 of the paper: models, one config entry each. `kind` is the file in mmae/models."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.dataclasses import dataclass

from mmae.settings.base import Count, Fraction, Positive, Size, key, settings
from mmae.settings.training import Overrides, own_training

MODELS_FOLDER = Path(__file__).parents[1] / "models"
Layers = Annotated[tuple[Size, ...], Field(min_length=1)]


@settings
class PaperModel:
    """The multi-modal masked autoencoder of the paper (section 4), and its losses."""

    kind: Literal["paper"] = key("which file of mmae/models")
    image_size: Size = key("pixels on a side")
    image_patch: Size = key("pixels on a side of an image patch")
    spectrum_length: Size = key("pooled spectrum pixels (7781 or 7783 pixels pooled by 30: 259)")
    spectrum_patch: Size = key("pixels of a spectrum patch")
    dim: Size = key("width of a token")
    depth: Size = key("transformer layers of each encoder")
    heads: Size = key("attention heads")
    cross_layers: Size = key("cross-attention blocks")
    dropout: Fraction = key("dropout rate")
    image_weight: Annotated[float, Field(ge=0)] = key("weight of the image loss", default=0.1)
    spectrum_weight: Annotated[float, Field(ge=0)] = key(
        "weight of the spectrum loss", default=0.01
    )
    redshift_weight: Annotated[float, Field(ge=0)] = key("weight of the redshift loss", default=1.0)
    position_rate: Fraction = key(
        "learning rate of positions and pooling queries, relative", default=0.1
    )
    spectrum_mask: Fraction | None = key("mask ratio of spectra; null: the image's", default=None)
    masking: Literal["zero", "drop"] = key(
        "hidden tokens are zeroed (the paper) or dropped, which is several times faster",
        default="zero",
    )
    modality_dropout: Fraction = key("fraction of spectra zeroed entirely", default=0.5)
    modality_dropout_by: Literal["galaxy", "batch"] = key(
        "galaxy: each on its own (the paper's text); batch: whole batches (the authors' code)",
        default="galaxy",
    )
    training: Overrides = own_training()

    @model_validator(mode="after")
    def _sizes_divide(self) -> "PaperModel":
        _check_tokens(self)
        return self


@settings
class AstroClipModel:
    """Contrastive alignment of images and spectra, as AstroCLIP (Parker et al. 2024)."""

    kind: Literal["astroclip"] = key("which file of mmae/models")
    image_size: Size = key("pixels on a side")
    image_patch: Size = key("pixels on a side of an image patch")
    spectrum_length: Size = key("pooled spectrum pixels")
    spectrum_patch: Size = key("pixels of a spectrum patch")
    dim: Size = key("width of a token")
    depth: Size = key("transformer layers of each encoder")
    heads: Size = key("attention heads of the encoders")
    dropout: Fraction = key("dropout rate")
    embedding: Size = key("numbers that a galaxy becomes")
    pool_heads: Size = key("heads of the pooling query (AstroCLIP: 4)", default=4)
    logit_scale: Positive = key("factor of the cosines, fixed (AstroCLIP: 15.5)", default=15.5)
    training: Overrides = own_training()

    @model_validator(mode="after")
    def _sizes_divide(self) -> "AstroClipModel":
        _check_tokens(self)
        if self.dim % self.pool_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of pool_heads {self.pool_heads}")
        return self


def _check_tokens(model: Any) -> None:
    """Raise ValueError unless heads and patches divide what they must."""
    if model.dim % model.heads:
        raise ValueError(f"dim {model.dim} is not a multiple of heads {model.heads}")
    if model.image_size % model.image_patch:
        raise ValueError(
            f"image_size {model.image_size} is not a multiple of image_patch {model.image_patch}"
        )
    if model.spectrum_length < model.spectrum_patch:
        raise ValueError("spectrum_length is shorter than one spectrum_patch")


@settings
class BcnnModel:
    """The Bayesian convolutional network of Jones et al. 2024."""

    kind: Literal["bcnn"] = key("which file of mmae/models")
    image_size: Size = key("pixels on a side; halved by each of the first five convolutions")
    channels: Annotated[tuple[Size, ...], Field(min_length=5)] = key(
        "of the 3x3 convolutions (Jones et al.: 32, 64, 128, 256, 256, 512, 512)"
    )
    dense: Layers = key("units of the layers after them (Jones et al.: 512, 128, 32)")
    magnitude_dense: tuple[Size, ...] = key(
        "units of the branch on five magnitudes (Jones et al.: six of 200); []: images alone"
    )
    prior_std: Positive = key("standard deviation of the prior of the last layer's weights")
    draws: Count = key("draws from the posterior behind a prediction")
    training: Overrides = own_training()

    @model_validator(mode="after")
    def _can_be_halved(self) -> "BcnnModel":
        if self.image_size % 32:
            raise ValueError(f"image_size {self.image_size} is not a multiple of 32")
        return self


@settings
class CnnModel:
    """A plain residual network that gives a redshift."""

    kind: Literal["cnn"] = key("which file of mmae/models")
    image_size: Size = key("pixels on a side")
    channels: Layers = key("of its stages; each but the first halves the image")
    blocks: Size = key("residual blocks of a stage")
    dropout: Fraction = key("dropout rate before the head")
    training: Overrides = own_training()

    @model_validator(mode="after")
    def _can_be_halved(self) -> "CnnModel":
        factor = 2 ** len(self.channels)
        if self.image_size % factor:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of {factor}: it is halved at the "
                f"beginning and by each of {len(self.channels)} stages but the first"
            )
        return self


@settings
class GbdtModel:
    """Gradient-boosted trees on magnitudes, colours and sizes."""

    kind: Literal["gbdt"] = key("which file of mmae/models")
    learning_rate: Positive = key("shrinkage of each tree")
    trees: Count = key("at most")
    patience: Count = key("stop after so many trees without a better validation loss")
    leaves: Count = key("of a tree, at most")
    training: Overrides = key("not used: trees are not trained in epochs", default_factory=dict)


@settings
class MedianModel:
    """Always the median redshift of the training galaxies."""

    kind: Literal["median"] = key("which file of mmae/models")
    training: Overrides = key("not used: nothing is trained", default_factory=dict)


READOUTS = ("knn", "mlp")
"""What redshifts are read out of frozen embeddings with; part of a model's name in evaluation/."""

COMPARING = ("astroclip", "bcnn", "cnn")
"""Kinds that compare the galaxies of a batch: contrasts, batch norm."""

KINDS: dict[str, type] = {
    "paper": PaperModel,
    "astroclip": AstroClipModel,
    "bcnn": BcnnModel,
    "cnn": CnnModel,
    "gbdt": GbdtModel,
    "median": MedianModel,
}
"""Settings of the models that this project brings."""

ROLES = {
    "models": ("paper",),
    "baselines": ("bcnn", "cnn", "gbdt", "median"),
    "probes": ("paper", "astroclip", "bcnn", "cnn"),
    "spectrum_probes": ("paper", "astroclip"),
}
"""Part of the grid -> kinds that can be there: hide tokens; give redshifts; have embeddings."""


def _is_a_file(kind: str) -> str:
    """A kind is a file of mmae/models with SETTINGS, also one that its user added."""
    path = MODELS_FOLDER / f"{kind}.py"
    # not imported: that takes torch
    if not (path.is_file() and "\nSETTINGS = " in path.read_text(encoding="utf-8")):
        raise ValueError(
            f"found {kind!r}, expected one of {list(KINDS)}, or a file of mmae/models with SETTINGS"
        )
    return kind


@dataclass(frozen=True, config=ConfigDict(extra="allow"))
class OtherModel:
    """A model that its user added; its file has the settings, which are read when it is trained."""

    kind: Annotated[
        str,
        AfterValidator(_is_a_file),
        Field(pattern=r"^[a-z][a-z0-9_]*$", json_schema_extra={"not": {"enum": list(KINDS)}}),
    ] = key("which file of mmae/models")
    training: Overrides = own_training()


OTHER = "other"


def _tag(entry: Any) -> str:
    """Which settings an entry has."""
    kind = entry.get("kind") if isinstance(entry, dict) else getattr(entry, "kind", None)
    return kind if isinstance(kind, str) and kind in KINDS else OTHER


Model = Annotated[
    Annotated[PaperModel, Tag("paper")]
    | Annotated[AstroClipModel, Tag("astroclip")]
    | Annotated[BcnnModel, Tag("bcnn")]
    | Annotated[CnnModel, Tag("cnn")]
    | Annotated[GbdtModel, Tag("gbdt")]
    | Annotated[MedianModel, Tag("median")]
    | Annotated[OtherModel, Tag(OTHER)],
    Discriminator(_tag),
]
"""An entry of `models`."""
