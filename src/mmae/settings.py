"""Every config key: its name, type, range and meaning. `config/schema.yaml` is written from here.

One frozen dataclass a section. A command receives only the sections that it uses.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

settings = dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))


def _two_decimals(value: float) -> float:
    """Folders are named by these numbers, as in mask0.75."""
    if round(value, 2) != value:
        raise ValueError(f"{value} has more than two decimals")
    return value


Fraction = Annotated[float, Field(ge=0, le=1)]
Ratio = Annotated[Fraction, AfterValidator(_two_decimals)]
"""A hidden fraction that folders are named by."""
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
Url = Annotated[
    str, Field(pattern=r"^(https://[^/]|http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/|$))")
]
"""An address: encrypted, or on this machine."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def key(description: str, **limits: Any) -> Any:
    """A config key with its meaning, unit and source."""
    return Field(description=description, **limits)


# --- section 3: data ------------------------------------------------------------------------------


@settings
class Faults:
    """What is wrong with the embedded survey, as fractions of the good galaxies."""

    star: Fraction = key("stars among the matched targets")
    zwarn: Fraction = key("targets whose ZWARN is not 0")
    duplicate: Fraction = key("sources listed and observed twice, both pairs matched")
    inconsistent: Fraction = key("targets whose HSC and DESI redshifts disagree")
    missing: Fraction = key("spectra with more than 80% of their pixels missing")
    artefact: Fraction = key("good spectra with spikes of one or two pixels")
    repeat: Fraction = key("good targets with a second row in the DESI catalogue")
    neighbour: Fraction = key("good galaxies with a second HSC source inside the match radius")
    hsc_only: Fraction = key("HSC galaxies without a DESI spectrum")
    desi_only: Fraction = key("DESI targets without an HSC image")
    sky_fibre: Fraction = key("DESI fibres on blank sky")


@settings
class Simulation:
    """The embedded survey."""

    n_galaxies: Count = key("good galaxies, which cleaning must leave")
    seed: Seed = key("the same seed gives the same bytes")
    chunk_size: Count = key("galaxies rendered at a time; bounds the memory")
    faults: Faults = key("what is wrong on purpose")


@settings
class CatalogFiles:
    """Data already on disk, in the formats of their releases; what is not named is downloaded."""

    galaxiesml: str | tuple[str, ...] | None = key(
        "GalaxiesML HDF5 file, or several that follow each other; 64x64 or 127x127 images"
    )
    desi: str | None = key("root of a DESI tree: zcatalog/v1/ and healpix/ below it")
    galaxiesml_spectra: str | None = key("the released GalaxiesML-Spectra HDF5 file")


@settings
class ZenodoRecord:
    """Files of one record."""

    url: Url = key("root of the service")
    record: Count = key("number of the record, of one version")
    pattern: str = key("shell pattern of the files that are wanted", min_length=1)


@settings
class Zenodo:
    """Where both released datasets are."""

    galaxiesml: ZenodoRecord = key("HSC images with spectroscopic redshifts")
    galaxiesml_spectra: ZenodoRecord = key("the paper's dataset; one file")


@settings
class Desi:
    """DESI's public data release."""

    url: Url = key("root of the reduction, with zcatalog/ and healpix/ below it")
    zcatalog_sha256: Sha256 | None = key("checksum of the redshift catalogue, if known")


@settings
class Sparcl:
    """NOIRLab's service of single spectra."""

    url: Url = key("root of the service")
    data_release: str = key("which of its data sets")
    batch_size: Annotated[int, Field(ge=1, le=24_000)] = key("spectra asked for at a time")


@settings
class SpectraSource:
    """How the matched targets' spectra are had."""

    service: Literal["coadd", "sparcl"] = key(
        "coadd: whole coadd files of DESI, each fetched once; sparcl: single spectra"
    )
    groups: Count = key("jobs among which the healpix are divided", le=1000)


@settings
class Survey:
    """Where galaxies come from (paper section 3)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$")] = key("folder under results/")
    source: Literal["simulate", "released", "rebuild"] = key(
        "simulate: the embedded survey; released: GalaxiesML-Spectra as published; "
        "rebuild: GalaxiesML and DESI, matched and cleaned here"
    )
    simulate: Simulation = key("for source: simulate")
    files: CatalogFiles = key("for the other sources")
    zenodo: Zenodo = key("for the other sources")
    desi: Desi = key("for source: rebuild")
    sparcl: Sparcl = key("for source: rebuild")
    spectra: SpectraSource = key("for source: rebuild")

    @model_validator(mode="after")
    def _name_is_free(self) -> "Survey":
        if self.name == "published":
            raise ValueError("name 'published' is that of the authors' predictions")
        return self


@settings
class Download:
    """How files are fetched."""

    folder: str = key("where they are kept; a file that is there and verified is not fetched again")
    parallel: Count = key("files of one rule at the same time")
    tries: Count = key("attempts in a row that get nowhere before giving up")
    timeout: Positive = key(
        "seconds without an answer or a byte before an attempt counts as broken"
    )
    slowest: Annotated[float, Field(ge=0)] = key(
        "bytes a second over that time, below which it counts as broken too"
    )
    longest_wait: Annotated[float, Field(ge=0)] = key("seconds between attempts, at most")
    reserve_gb: Annotated[float, Field(ge=0)] = key("free disk space that must stay, GB")
    keep_coadds: bool = key("keep DESI's coadd files once their targets are taken out")


@settings
class Crossmatch:
    """HSC to DESI by position."""

    radius_arcsec: Positive = key("largest separation of a match, arcsec")
    engine: Literal["astropy", "lsdb"] = key(
        "what finds the nearest neighbours: astropy, or LSDB on Dask (pip install "
        "'galaxy-mmae[lsdb]'); the matches are the same"
    )


@settings
class Cleaning:
    """Quality cuts (paper section 3)."""

    max_unavailable: Fraction = key("fraction of pairs that may have no spectrum to be had")
    spectypes: tuple[str, ...] = key("values of SPECTYPE that stay", min_length=1)
    max_redshift_difference: Positive = key("largest |z_hsc - z_desi| / (1 + z_desi)")
    max_missing_fraction: Fraction = key("largest fraction of pixels with ivar = 0")
    artefact_sigma: Positive = key("height of a spike above the spectrum, in units of its noise")
    chunk_size: Count = key("galaxies held in memory at a time")


@settings
class Split:
    """Training, validation and test galaxies (paper section 4); the test set is the rest."""

    seed: Seed = key("seed of torch's random_split; the authors use 0")
    train_fraction: Fraction = key("paper: 0.70")
    validation_fraction: Fraction = key("paper: 0.15")

    @model_validator(mode="after")
    def _leaves_a_test_set(self) -> "Split":
        if self.train_fraction + self.validation_fraction >= 1:
            raise ValueError("train_fraction + validation_fraction must stay below 1")
        return self


@settings
class Arrays:
    """What the network sees."""

    pool: Count = key("spectrum pixels averaged into one (paper: 30)")
    chunk_size: Count = key("galaxies held in memory at a time")


# --- section 4: methods ---------------------------------------------------------------------------


@settings
class PaperModel:
    """The multi-modal masked autoencoder of the paper (section 4)."""

    kind: Literal["paper"] = key("which file of mmae/models")
    image_size: Count = key("pixels on a side")
    image_patch: Count = key("pixels on a side of an image patch")
    spectrum_length: Count = key("pooled spectrum pixels (7781 or 7783 pixels pooled by 30: 259)")
    spectrum_patch: Count = key("pixels of a spectrum patch")
    dim: Count = key("width of a token")
    depth: Count = key("transformer layers of each encoder")
    heads: Count = key("attention heads")
    cross_layers: Count = key("cross-attention blocks")
    dropout: Fraction = key("dropout rate")

    @model_validator(mode="after")
    def _sizes_divide(self) -> "PaperModel":
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")
        if self.image_size % self.image_patch:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of image_patch {self.image_patch}"
            )
        if self.spectrum_length < self.spectrum_patch:
            raise ValueError("spectrum_length is shorter than one spectrum_patch")
        return self


@settings
class Training:
    """Optimisation (paper section 4)."""

    device: Literal["cpu", "cuda", "auto"] = key("where to train")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = key("arithmetic of the network")
    threads: Count = key("CPU threads of one training; part of the result, as sums round")
    epochs: Count = key("passes over the training galaxies")
    patience: Count = key("stop after so many epochs without a better validation loss")
    batch_size: Count = key("galaxies a step")
    learning_rate: Positive = key("AdamW")
    schedule: Literal["constant", "one-cycle"] = key(
        "constant (the paper) or one-cycle: up to learning_rate and down to nothing"
    )
    weight_decay: Annotated[float, Field(ge=0)] = key("AdamW")
    position_rate: Fraction = key("learning rate of positions and pooling queries, relative")
    gradient_clip: Positive = key("largest norm of the gradient")
    image_weight: Annotated[float, Field(ge=0)] = key("weight of the image loss")
    spectrum_weight: Annotated[float, Field(ge=0)] = key("weight of the spectrum loss")
    redshift_weight: Annotated[float, Field(ge=0)] = key("weight of the redshift loss")
    spectrum_mask: Fraction | None = key("mask ratio of spectra; null: the image's")
    modality_dropout: Fraction = key("fraction of spectra zeroed entirely")
    modality_dropout_by: Literal["galaxy", "batch"] = key(
        "galaxy: each on its own (the paper's text); batch: whole batches (the authors' code)"
    )


@settings
class Baseline:
    """A sanity baseline, fitted and applied in one go."""

    kind: Literal["gbdt", "median"] = key(
        "gbdt: gradient-boosted trees on five magnitudes; median: the training set's median"
    )


# --- section 5: results ---------------------------------------------------------------------------


@settings
class Grid:
    """Which runs exist. Adding one reruns nothing that is finished."""

    models: tuple[str, ...] = key("entries of models", min_length=1)
    masks: tuple[Ratio, ...] = key("mask ratios in training", min_length=1)
    seeds: tuple[Seed, ...] = key("seeds of the training", min_length=1)
    test_masks: tuple[Ratio, ...] = key(
        "fractions of the image hidden at test time, the spectrum hidden whole", min_length=1
    )
    baselines: tuple[str, ...] = key("entries of baselines")


@settings
class Headline:
    """The run that the paper's figures show."""

    model: str = key("an entry of grid.models")
    mask: Ratio = key("one of grid.masks (paper: 0.75)")
    seed: Seed = key("one of grid.seeds")


@settings
class Example:
    """A test galaxy that a figure shows."""

    redshift: Positive = key("about this redshift")
    line: str = key("of the galaxies near it, one with this line")
    height: Positive = key("the one whose line is nearest to this height, normalised flux")
    targetid: int | None = key("this target instead, if given")


@settings
class Examples:
    """Galaxies of Figures 1 and 2."""

    low_redshift: Example = key("Figure 1")
    high_redshift: Example = key("Figure 2")


@settings
class Evaluation:
    """Predictions and reconstructions (paper section 5)."""

    seed: Seed = key("seed of the test masks")
    batch_size: Count = key("galaxies a step")
    threads: Count = key("CPU threads")
    examples: Examples = key("whose reconstructions are kept")


@settings
class Scoring:
    """Redshift metrics. Defaults are the paper's, so that any predictions can be scored."""

    full_range: tuple[float, float] = key("z_spec that counts: (low, high]", default=(0.0, 4.2))
    low_redshift: Positive = key("end of the low-redshift regime (paper: 0.4)", default=0.4)
    bin_edges: Annotated[tuple[float, ...], Field(min_length=2)] = key(
        "edges of the redshift bins", default=tuple(k / 5 for k in range(21))
    )
    bootstrap_samples: Count = key("resamplings behind each 95% interval", default=500)
    bootstrap_seed: Seed = key("seed of the resampling", default=0)

    @model_validator(mode="after")
    def _edges_increase(self) -> "Scoring":
        for edges in (self.full_range, (self.full_range[0], self.low_redshift), self.bin_edges):
            if any(high <= low for low, high in pairwise(edges)):
                raise ValueError(f"redshifts {list(edges)} do not increase")
        return self


@settings
class PublishedFile:
    """One of the authors' prediction files."""

    name: str = key("file name")
    url: Url = key("where it is downloaded from")
    sha256: Sha256 = key("checksum")


@settings
class Published:
    """The authors' own predictions for 20,181 galaxies."""

    folder: str | None = key("a local copy; used when the files are there, else downloaded")
    quartermask: PublishedFile = key("image masked 25%, spectrum hidden")
    nomask: PublishedFile = key("image whole, spectrum hidden")


@settings
class Settings:
    """The whole config."""

    survey: Survey
    download: Download
    crossmatch: Crossmatch
    clean: Cleaning
    split: Split
    arrays: Arrays
    models: dict[Name, PaperModel]
    training: Training
    baselines: dict[Name, Baseline]
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
    def _grid_names_exist(self) -> "Settings":
        for model in self.grid.models:
            if model not in self.models:
                raise ValueError(f"model '{model}' is not among models: {list(self.models)}")
        for baseline in self.grid.baselines:
            if baseline not in self.baselines:
                raise ValueError(
                    f"baseline '{baseline}' is not among baselines: {list(self.baselines)}"
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
            if name in self.baselines or name == "himes2025":
                raise ValueError(f"model '{name}' has the name of a baseline or published model")
        return self
