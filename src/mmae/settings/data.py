"""Section 3 of the paper: the surveys, their match, cleaning, split and arrays."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mmae.settings.base import Count, Fraction, OnDisk, Positive, Seed, Sha256, Url, key, settings


@settings
class Faults:
    """What is wrong with the embedded survey, as fractions of the good galaxies."""

    star: Fraction = key("stars among the matched targets")
    zwarn: Fraction = key("targets whose ZWARN is not 0")
    duplicate: Fraction = key("objects listed twice, observed under two TARGETIDs, both matched")
    inconsistent: Fraction = key("targets whose HSC and DESI redshifts disagree")
    missing: Fraction = key("spectra with more than 80% of their pixels missing")
    artefact: Fraction = key("good spectra with spikes of one or two pixels")
    repeat: Fraction = key("good targets with a second row in the DESI catalogue")
    neighbour: Fraction = key("good galaxies with a second HSC source inside the match radius")
    hsc_only: Annotated[float, Field(ge=0, le=100)] = key("HSC galaxies without a DESI spectrum")
    desi_only: Fraction = key("DESI targets without an HSC image")
    sky_fibre: Fraction = key("DESI fibres on blank sky")
    unassigned: Fraction = key("DESI fibres without a target: OBJTYPE is empty or BAD")
    no_position: Fraction = key("DESI rows without a position")
    displaced: Fraction = key("good targets with a second, nearer row in DESI whose ZWARN is 4")
    bad_fiber: Fraction = key("targets of a bad fibre, among hsc_only's galaxies")
    empty: Fraction = key("spectra without any data, among hsc_only's galaxies")
    bad_image: Fraction = key("images with a pixel that is no number, among hsc_only's galaxies")
    lost_arm: Fraction = key("good spectra without one of the three arms")
    not_finite: Fraction = key("spectra with a pixel that is no number, half of them good")


@settings
class Targets:
    """Which kinds of objects the embedded survey has, as shares; they are scaled to add up to 1."""

    matched: Fraction = key("the paper's sample: what both HSC's compilation and DESI list")
    bgs: Fraction = key("DESI's bright galaxies, r < 20.175, z < 0.6")
    lrg: Fraction = key("DESI's luminous red galaxies, z = 0.4 to 1")
    elg: Fraction = key("DESI's emission-line galaxies, z = 0.8 to 1.6, fainter than HSC's")
    qso: Fraction = key("DESI's quasars, r < 23")
    any_galaxy: Fraction = key(
        "galaxies whose stars, gas and brightness know nothing of each other or of z, 0.01 to 1.7",
        default=0.0,
    )
    any_quasar: Fraction = key("the same of quasars and their hosts, z = 0.05 to 4.2", default=0.0)

    @model_validator(mode="after")
    def _some_are_drawn(self) -> "Targets":
        if not any(getattr(self, name) for name in self.__dataclass_fields__):
            raise ValueError("all shares are 0")
        return self


@settings
class ImageFaults:
    """What stands in a few images beside the sky, as fractions of the images."""

    trail: Annotated[float, Field(ge=0, le=0.3)] = key("a satellite's trail in one band")
    bleed: Annotated[float, Field(ge=0, le=0.3)] = key("columns of a saturated star")
    blank: Annotated[float, Field(ge=0, le=0.3)] = key("a part without data in one band, all 0")


@settings
class Simulation:
    """The embedded survey."""

    n_galaxies: Count = key("good galaxies, which cleaning must leave")
    seed: Seed = key("the same seed gives the same bytes")
    chunk_size: Count = key("galaxies rendered at a time; bounds the memory")
    targets: Targets = key("which kinds of objects; more than `matched` for spectra alone")
    image_faults: ImageFaults = key("what is wrong in images")
    images: bool = key("draw them; else they are noise, for models of spectra alone", default=True)
    faults: Faults = key("what is wrong on purpose")


@settings
class CatalogFiles:
    """Data already on disk, in the formats of their releases; what is not named is downloaded."""

    galaxiesml: Annotated[str | tuple[str, ...] | None, OnDisk] = key(
        "GalaxiesML HDF5 file, or several that follow each other; 64x64 or 127x127 images"
    )
    desi: Annotated[str | None, OnDisk] = key(
        "root of a DESI tree: zcatalog/v1/ and healpix/ below it"
    )
    galaxiesml_spectra: Annotated[str | None, OnDisk] = key(
        "the released GalaxiesML-Spectra HDF5 file"
    )


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
    contact: str = key(
        "page or mail address, named in every request, where a service finds who asks; put yours: "
        "mailto:you@example.org",
        default="https://arxiv.org/abs/2510.22527",
        pattern=r"^(https://|mailto:)[!-'*-~]+$",
    )


@settings
class Crossmatch:
    """HSC to DESI by position."""

    radius_arcsec: Positive = key("largest separation of a match, arcsec")
    engine: Literal["astropy", "lsdb"] = key(
        "what finds the nearest neighbours: astropy, or LSDB on Dask (pip install "
        "'galaxy-mmae[lsdb]'); the matches are the same"
    )
    max_damaged: Fraction = key("fraction of rows whose position or redshift may be impossible")


@settings
class Cleaning:
    """Quality cuts (paper section 3)."""

    max_unavailable: Fraction = key("fraction of pairs that may have no spectrum to be had")
    max_damaged: Fraction = key("fraction of pairs that may have pixels that are no numbers")
    bad_fiberstatus_bits: tuple[Annotated[int, Field(ge=0, le=31)], ...] = key(
        "bits of COADD_FIBERSTATUS whose targets are removed (DESI's fibermask)"
    )
    spectypes: tuple[str, ...] = key("values of SPECTYPE that stay", min_length=1)
    max_redshift_difference: Positive = key("largest |z_hsc - z_desi| / (1 + z_desi)")
    max_missing_fraction: Fraction = key("largest fraction of pixels with ivar = 0")
    artefact_sigma: Positive = key("height of a spike above the spectrum, in units of its noise")
    chunk_size: Count = key("galaxies held in memory at a time")


@settings
class Dataset:
    """What else is kept beside the pairs."""

    unpaired: bool = key(
        "keep images that have no spectrum, for trainings: where pairs are matched here",
        default=False,
    )


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
    max_damaged: Fraction = key(
        "fraction of galaxies that may have pixels that are no numbers, or negative ivar",
        default=0.01,
    )
