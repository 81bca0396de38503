"""Section 4 of the paper: models, one config entry each. `kind` is the file in mmae/models."""

import json
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from mmae.settings.base import Count, Fraction, Name, Positive, Size, key, settings
from mmae.settings.kinds import other_kind, tagged
from mmae.settings.masks import Masks
from mmae.settings.training import Overrides, own_training

MODELS_FOLDER = Path(__file__).parents[1] / "models"
Layers = Annotated[tuple[Size, ...], Field(min_length=1)]
Weight = Annotated[float, Field(ge=0)]


BINS = key("of the redshift's density, equal in ln(1 + z)", default=344)
Z_MAX = key("end of the last bin", default=4.6)
SOFTNESS = key("standard deviation of the target around z_spec, in ln(1 + z)", default=0.006)
"""What models that give a density have in common."""

CROP = key(
    "pixels on a side, around the middle, that are read; null: the whole image", default=None
)


class CanDo:
    """What a kind of model can do. A user's own kind says what differs in its settings class."""

    fitted_by: ClassVar[Literal["gradient", "scikit-learn"]] = "gradient"
    """How it learns: in epochs, on a GPU if there is one, or in one go."""
    hides: ClassVar[bool] = False
    """Whether parts of a modality can be hidden from it, and are reconstructed."""
    gives_redshift: ClassVar[bool] = True
    embeds: ClassVar[bool] = False
    """Whether galaxies become vectors that redshifts can be read out of."""
    reconstructions: ClassVar[tuple[str, ...]] = ("mean",)
    """Kinds of reconstruction; more than one are an argument `kind` of `reconstruct`."""
    aligns: ClassVar[bool] = False
    """Whether the vectors of a galaxy's modalities are trained to agree."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Modalities that the model is shown."""
        return ()

    def always_shown(self, mask: float) -> tuple[str, ...]:
        """Modalities that no training at this mask ratio hides whole from a model that hides."""
        return ()

    def published_as(self, name: str) -> dict[str, str]:
        """What a model of this name gives -> the published model that is built the same."""
        return {}


@settings
class PaperModel(CanDo):
    """The multi-modal masked autoencoder of the paper (section 4), and its losses."""

    hides: ClassVar[bool] = True
    embeds: ClassVar[bool] = True

    kind: Literal["paper"] = key("which file of mmae/models")
    modalities: Annotated[tuple[Name, ...], Field(min_length=2)] = key(
        "entries of modalities; tokens of each query those of all others"
    )
    dim: Size = key("width of a token")
    depth: Size = key("transformer layers of each encoder")
    heads: Size = key("attention heads")
    cross_layers: Size = key("cross-attention blocks")
    dropout: Fraction = key("dropout rate")
    weights: dict[Name, Weight] = key(
        "of the losses: `redshift`, and of each modality (paper: image 0.1, spectrum 0.01, redshift"
        " 1)"
    )
    position_rate: Fraction = key(
        "learning rate of positions and pooling queries, relative", default=0.1
    )
    mask_ratios: dict[Name, Fraction] = key(
        "of single modalities, instead of the training's", default_factory=dict
    )
    masking: Literal["zero", "drop"] = key(
        "hidden tokens are zeroed (the paper) or dropped, which is several times faster",
        default="zero",
    )
    dropped: dict[Name, Fraction] = key(
        "fraction of galaxies from which a modality is taken entirely (paper: spectrum 0.5)",
        default_factory=dict,
    )
    dropped_by: Literal["galaxy", "batch"] = key(
        "galaxy: each on its own (the paper's text); batch: whole batches (the authors' code)",
        default="galaxy",
    )
    more_masks: dict[Name, Masks] = key(
        "what else is hidden in training, of a galaxy each with its own draw: whole bands, arms, "
        "gaps, bad pixels",
        default_factory=dict,
    )
    missing: Literal["zero", "hidden"] = key(
        "values that the data lack: zero is what they are taken for (the paper), or they are "
        "hidden and do not count, as unknown numbers of a catalogue always are",
        default="zero",
    )
    even_scales: bool = key(
        "images enter, and are reconstructed, as asinh of the flux in units of the noise; false: "
        "as flux (the paper)",
        default=False,
    )
    mask_channel: bool = key(
        "tell the model which values inside its tokens are hidden", default=False
    )
    training: Overrides = own_training()

    @property
    def reads(self) -> tuple[str, ...]:
        """Modalities that the model is shown."""
        return self.modalities

    def always_shown(self, mask: float) -> tuple[str, ...]:
        """Those of which tokens stay, and that are never taken entirely."""
        return tuple(
            name
            for name in self.modalities
            if not self.dropped.get(name) and self.mask_ratios.get(name, mask) < 1
        )

    def published_as(self, name: str) -> dict[str, str]:
        """The paper's own."""
        return {name: "MMAE"}

    @model_validator(mode="after")
    def _names_are_known(self) -> "PaperModel":
        _check_heads(self)
        for part in ("weights", "mask_ratios", "dropped", "more_masks"):
            others = [*self.modalities, *["redshift"] * (part == "weights")]
            _check_names(part, getattr(self, part), others)
        if any("bad" in kinds for kinds in self.more_masks.values()):
            raise ValueError("more_masks: bad values are hidden in training by `missing: hidden`")
        return self


@settings
class RestframeModel(CanDo):
    """A masked autoencoder with a density of the redshift, which decodes in the rest frame."""

    hides: ClassVar[bool] = True
    embeds: ClassVar[bool] = True
    reconstructions: ClassVar[tuple[str, ...]] = ("mean", "mode")

    kind: Literal["restframe"] = key("which file of mmae/models")
    modalities: Annotated[tuple[Name, ...], Field(min_length=1)] = key(
        "entries of modalities: images become photometry in annuli, spectra are decoded in the "
        "rest frame, all others are tokens"
    )
    width: Size = key("width of a token", default=128)
    depth: Size = key("transformer layers", default=2)
    heads: Size = key("attention heads", default=4)
    hidden: Size = key("units of perceptrons", default=256)
    embedding: Size = key("numbers that a galaxy becomes", default=256)
    bins: Size = BINS
    z_max: Positive = Z_MAX
    softness: Positive = SOFTNESS
    rest_wave: tuple[Positive, Positive] = key(
        "ends of the rest frame, Å; beyond them spectra are flat", default=(680.0, 9900.0)
    )
    log_step: Positive = key("step of the rest frame, in ln(wavelength)", default=0.0025)
    max_snr: Positive = key(
        "signal to noise of a pixel beyond which its weight in the normalisation does not grow",
        default=20.0,
    )
    weights: dict[str, Weight] = key(
        "of the losses where not 1: `redshift`, each modality's, and the same with `_joint`, from "
        "galaxies that show a modality of `dropped`; with a weight of `point`, the paper's loss of "
        "the median redshift is one of them",
        default_factory=lambda: {"redshift_joint": 0.5},
    )
    mask_ratios: dict[Name, Fraction] = key(
        "largest hidden fraction of single modalities, instead of the training's",
        default_factory=dict,
    )
    whole: Fraction = key("fraction of galaxies of which no token is hidden", default=0.4)
    dropped: dict[Name, Fraction] = key(
        "fraction of galaxies from which a modality is taken entirely", default_factory=dict
    )
    more_masks: dict[Name, Masks] = key(
        "what else is hidden in training, of a galaxy each with its own draw: bands, arms, gaps",
        default_factory=dict,
    )
    deviations: Annotated[int, Field(ge=0, le=64)] = key(
        "spectra in the rest frame, learnt, of which what is visible tells the amounts at each "
        "redshift, beside what is decoded",
        default=0,
    )
    visible_weight: Fraction = key("of visible pixels in the loss of a spectrum", default=0.5)
    ivar_weights: bool = key("weigh pixels in that loss by inverse variance", default=False)
    line_weight: Weight = key(
        "how much more than other pixels those at known lines weigh in that loss", default=0.0
    )
    dynamic_weights: bool = key(
        "learn the weights of all losses, each by its uncertainty (Kendall et al. 2018)",
        default=False,
    )
    ivar_input: bool = key("show the network the inverse variance of spectra", default=True)
    synthesis: bool = key(
        "where a part of a spectrum is visible, fit decoded spectra at all redshifts", default=True
    )
    temper: Fraction = key("factor of chi2 in that fit", default=0.25)
    model_error: Positive = key("added to the noise in that fit, normalised flux", default=0.03)
    polynomials: Size = key(
        "terms of the polynomial that is free in that fit, for errors of calibration", default=3
    )
    misfit: Weight = key(
        "power of the best chi2 per degree of freedom, over 1, by which the log density is divided",
        default=0.0,
    )
    min_delta_chi2: Positive = key(
        "by which the best redshift must fit better than all others to be one", default=25.0
    )
    training: Overrides = own_training()

    @property
    def reads(self) -> tuple[str, ...]:
        """Modalities that the model is shown."""
        return self.modalities

    @model_validator(mode="after")
    def _keys_fit(self) -> "RestframeModel":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.rest_wave[0] >= self.rest_wave[1]:
            raise ValueError(f"rest_wave {list(self.rest_wave)} does not increase")
        for part in ("mask_ratios", "dropped", "more_masks"):
            _check_names(part, getattr(self, part), self.modalities)
        _check_names("weights", self.weights, self.losses)
        return self

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of all losses that there may be."""
        names = ("redshift", "point", *self.modalities)
        return tuple(f"{name}{end}" for end in ("", "_joint") for name in names)


@settings
class AnnuliModel(CanDo):
    """A perceptron on fluxes in annuli, with a density of the redshift."""

    embeds: ClassVar[bool] = True

    kind: Literal["annuli"] = key("which file of mmae/models")
    image: Name = key("the entry of modalities that is measured")
    hidden: Size = key("units of the layers", default=256)
    width: Size = key("numbers that a galaxy becomes", default=128)
    bins: Size = BINS
    z_max: Positive = Z_MAX
    softness: Positive = SOFTNESS
    training: Overrides = own_training()

    @property
    def reads(self) -> tuple[str, ...]:
        """Modalities that the model is shown."""
        return (self.image,)


@settings
class AstroClipModel(CanDo):
    """Contrastive alignment of two modalities, as AstroCLIP (Parker et al. 2024)."""

    gives_redshift: ClassVar[bool] = False
    embeds: ClassVar[bool] = True
    aligns: ClassVar[bool] = True

    kind: Literal["astroclip"] = key("which file of mmae/models")
    modalities: Annotated[tuple[Name, ...], Field(min_length=2, max_length=2)] = key(
        "the two entries of modalities that are aligned"
    )
    dim: Size = key("width of a token")
    depth: Size = key("transformer layers of each encoder")
    heads: Size = key("attention heads of the encoders")
    dropout: Fraction = key("dropout rate")
    embedding: Size = key("numbers that a galaxy becomes")
    pool_heads: Size = key("heads of the pooling query (AstroCLIP: 4)", default=4)
    logit_scale: Positive = key("factor of the cosines, fixed (AstroCLIP: 15.5)", default=15.5)
    training: Overrides = own_training()

    @property
    def reads(self) -> tuple[str, ...]:
        """Modalities that the model is shown."""
        return self.modalities

    def published_as(self, name: str) -> dict[str, str]:
        """The published redshifts are those of nearest neighbours."""
        return {f"{name}-knn": "AstroCLIP"}

    @model_validator(mode="after")
    def _sizes_divide(self) -> "AstroClipModel":
        _check_heads(self)
        if self.dim % self.pool_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of pool_heads {self.pool_heads}")
        return self


def _check_names(part: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError unless all names of a key are known."""
    for name in names:
        if name not in known:
            raise ValueError(f"{part}: '{name}' is not among {list(known)}")


def _check_heads(model: Any) -> None:
    """Raise ValueError unless the heads divide the width of a token."""
    if model.dim % model.heads:
        raise ValueError(f"dim {model.dim} is not a multiple of heads {model.heads}")


@settings
class BcnnModel(CanDo):
    """The Bayesian convolutional network of Jones et al. 2024."""

    embeds: ClassVar[bool] = True

    kind: Literal["bcnn"] = key("which file of mmae/models")
    image: Name = key("the entry of modalities that is convolved; its size a multiple of 32")
    photometry: Name | None = key(
        "the entry of modalities whose first five numbers are the magnitudes; null: images alone",
        default=None,
    )
    channels: Annotated[tuple[Size, ...], Field(min_length=5)] = key(
        "of the 3x3 convolutions (Jones et al.: 32, 64, 128, 256, 256, 512, 512)"
    )
    crop: Size | None = CROP
    dense: Layers = key("units of the layers after them (Jones et al.: 512, 128, 32)")
    magnitude_dense: tuple[Size, ...] = key(
        "units of the branch on five magnitudes (Jones et al.: six of 200)", default=()
    )
    prior_std: Positive = key("standard deviation of the prior of the last layer's weights")
    draws: Count = key("draws from the posterior behind a prediction")
    training: Overrides = own_training()

    @property
    def reads(self) -> tuple[str, ...]:
        """Modalities that the model is shown."""
        return (self.image, *[self.photometry] * (self.photometry is not None))

    def published_as(self, name: str) -> dict[str, str]:
        """The published one reads magnitudes beside images."""
        return {name: "BCNN"} if self.photometry else {}

    @model_validator(mode="after")
    def _branch_has_layers(self) -> "BcnnModel":
        if bool(self.magnitude_dense) != (self.photometry is not None):
            raise ValueError("magnitude_dense and photometry are given together, or neither")
        return self


@settings
class CnnModel(CanDo):
    """A plain residual network that gives a redshift."""

    embeds: ClassVar[bool] = True

    kind: Literal["cnn"] = key("which file of mmae/models")
    image: Name = key("the entry of modalities that is convolved")
    channels: Layers = key("of its stages; each but the first halves the image")
    blocks: Size = key("residual blocks of a stage")
    crop: Size | None = CROP
    dropout: Fraction = key("dropout rate before the head")
    hidden: Size = key("units of the head's layer", default=128)
    bins: Size = BINS
    z_max: Positive = Z_MAX
    softness: Positive = SOFTNESS
    training: Overrides = own_training()

    @property
    def reads(self) -> tuple[str, ...]:
        """Modalities that the model is shown."""
        return (self.image,)


@settings
class GbdtModel(CanDo):
    """Gradient-boosted trees on magnitudes, colours and sizes."""

    fitted_by: ClassVar[Literal["gradient", "scikit-learn"]] = "scikit-learn"

    kind: Literal["gbdt"] = key("which file of mmae/models")
    photometry: Name = key("the entry of modalities whose numbers are the features")
    learning_rate: Positive = key("shrinkage of each tree")
    trees: Count = key("at most")
    patience: Count = key("stop after so many trees without a better validation loss")
    leaves: Count = key("of a tree, at most")
    loss: Literal["squared_error", "absolute_error"] = key(
        "of ln(1+z); absolute errors are less drawn by outliers", default="squared_error"
    )
    training: Overrides = key("not used: trees are not trained in epochs", default_factory=dict)

    @property
    def reads(self) -> tuple[str, ...]:
        """Modalities that the model is shown."""
        return (self.photometry,)


@settings
class MedianModel(CanDo):
    """Always the median redshift of the training galaxies."""

    fitted_by: ClassVar[Literal["gradient", "scikit-learn"]] = "scikit-learn"

    kind: Literal["median"] = key("which file of mmae/models")
    training: Overrides = key("not used: nothing is trained", default_factory=dict)


READOUTS = ("knn", "mlp")
"""What redshifts are read out of frozen embeddings with; part of a model's name in evaluation/."""

COMPARING = ("astroclip", "bcnn", "cnn")
"""Kinds that compare the galaxies of a batch: contrasts, batch norm."""

KINDS: dict[str, type] = {
    "paper": PaperModel,
    "restframe": RestframeModel,
    "annuli": AnnuliModel,
    "astroclip": AstroClipModel,
    "bcnn": BcnnModel,
    "cnn": CnnModel,
    "gbdt": GbdtModel,
    "median": MedianModel,
}
"""Settings of the models that this project brings."""

OtherModel = other_kind("model", lambda: MODELS_FOLDER, KINDS, training=(Overrides, own_training()))
Model = tagged(KINDS, OtherModel)
"""An entry of `models`."""


def can_do(model: Any) -> Any:
    """The settings of an entry as an instance of its kind's own class, which knows what it can do.

    That of a kind which its user added is in its file.

    Raises
    ------
    ValueError
        If that class is no CanDo, or does not accept the entry.
    """
    if not isinstance(model, OtherModel):
        return model
    wrong = f"kind: found '{model.kind}', expected "
    try:
        found = import_module(f"mmae.models.{model.kind}").SETTINGS
    # whatever a user's file does
    except Exception as error:
        raise ValueError(f"{wrong}a file with SETTINGS ({error})") from error
    if not (isinstance(found, type) and issubclass(found, CanDo)):
        raise ValueError(f"{wrong}SETTINGS that are a subclass of CanDo")
    try:
        return TypeAdapter(found).validate_json(json.dumps(vars(model)), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        problem = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {problem}") from None


ROLES = {
    "models": ("hides parts and gives redshifts", lambda m: m.hides and m.gives_redshift),
    "baselines": ("gives redshifts and hides nothing", lambda m: m.gives_redshift and not m.hides),
    "probes": ("has embeddings", lambda m: m.embeds),
    "spectrum_probes": ("embeds several modalities", lambda m: m.embeds and len(m.reads) > 1),
}
"""Part of the grid -> what its models must do, in words and as a function of `can_do`."""
