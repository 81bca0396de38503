"""Section 5 of the paper: which runs exist, and how they are measured and shown."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator

from mmae.settings.base import Count, Device, Positive, Ratio, Seed, Sha256, Url, key, settings
from mmae.settings.masks import ViewName


@settings
class Grid:
    """Which runs exist. Adding one reruns nothing that is finished."""

    models: tuple[str, ...] = key(
        "entries of models that hide tokens: the headline's is trained at each of masks, others at "
        "the headline's",
        min_length=1,
    )
    masks: tuple[Ratio, ...] = key("mask ratios in training", min_length=1)
    seeds: tuple[Seed, ...] = key("seeds of the training", min_length=1)
    views: tuple[ViewName, ...] = key(
        "views under which entries of grid.models are tested", min_length=1
    )
    baselines: tuple[str, ...] = key("entries of models that hide nothing and give redshifts")
    probes: tuple[str, ...] = key(
        "entries of models whose frozen image embeddings are read out: nearest neighbours and a "
        "small network"
    )
    spectrum_probes: tuple[str, ...] = key("the same of spectra alone")
    more_seeds: tuple[Seed, ...] = key(
        "further seeds of all that is compared, at the headline's mask ratio"
    )
    study_masks: tuple[Ratio, ...] = key(
        "fractions hidden at test time in the masking study", min_length=1
    )
    study_models: tuple[str, ...] = key(
        "entries of grid.models, trained with and without physical masks, that are compared under "
        "study_views",
        default=(),
    )
    study_views: tuple[ViewName, ...] = key(
        "views with bands, arms or pixels missing, in the same study", default=()
    )
    limit: bool = key(
        "where the survey is simulated, compare with a model that is given the noiseless "
        "magnitudes, sizes and types (config/limit.yaml)",
        default=False,
    )

    @model_validator(mode="after")
    def _names_are_apart(self) -> "Grid":
        for part, values in vars(self).items():
            if isinstance(values, tuple) and len({*values}) < len(values):
                raise ValueError(f"{part} {list(values)} names one twice")
        both = sorted({*self.models} & {*self.baselines})
        if both:
            raise ValueError(f"{both} are among models and among baselines")
        twice = sorted({*self.seeds} & {*self.more_seeds})
        if twice:
            raise ValueError(f"seeds {twice} are among seeds and among more_seeds")
        return self


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
    device: Device = key("where networks predict; auto: a GPU where there is one")
    threads: Count = key("CPU threads", le=512)
    examples: Examples = key("whose reconstructions are kept")
    reconstructed: Count = key("test galaxies whose reconstructions are measured, at most")
    neighbours: Count = key(
        "nearest galaxies behind a redshift from embeddings (AstroCLIP's public code: 64)"
    )
    probe_layers: Annotated[tuple[Count, ...], Field(min_length=1)] = key(
        "units of the small network on frozen embeddings (AstroCLIP: 64, 64)"
    )


@settings
class Scoring:
    """Redshift metrics. Defaults are the paper's, so that any predictions can be scored."""

    full_range: tuple[float, float] = key("z_spec that counts: (low, high]", default=(0.0, 4.2))
    low_redshift: Positive = key("end of the low-redshift regime (paper: 0.4)", default=0.4)
    bin_edges: Annotated[tuple[float, ...], Field(min_length=2)] = key(
        "edges of the redshift bins", default=tuple(k / 5 for k in range(21))
    )
    bootstrap_samples: Count = key("resamplings behind each 95% interval", default=500, le=10**6)
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
