"""Which files of a run an archive holds: all but images, spectra and arrays."""

from pathlib import Path

from mmae.errors import InputError
from mmae.settings import Settings

RESTORED = ("dataset/", "evaluation/")
"""Folders of an archive from which figures and tables are made."""
MODEL_FILES = ("weights.safetensors", "model.json", "history.csv")
DATASET_FILES = ("split.npz", "summary.csv")
MATCHED_FILES = ("crossmatch.csv", "cleaning.csv", "removed.csv")
"""Of dataset/ where pairs were matched and cleaned; the released dataset has none of these."""
RELEASED_FILES = ("authors_split.csv",)
"""Of dataset/ where the released dataset was used."""
SMALL = (".csv", ".json", ".npz")
"""Files of dataset/ that are counts and lists, and neither images nor arrays."""
PAPER_FILES = (
    *("figures/figure_1.pdf", "figures/figure_2.pdf", "figures/figure_3.pdf"),
    *("figures/masking.pdf", "tables/table_1.csv", "tables/cleaning.csv", "tables/comparison.csv"),
)
"""What `rule all` asks for; without the cleaning table where the released dataset was used."""
FIGURE_VIEWS = {
    "image0.75-spectrum0.75": ("predictions.csv", "reconstructions.npz"),
    "image0.00-spectrum1.00": ("predictions.csv", "reconstructions.npz"),
    "image0.25-spectrum1.00": ("predictions.csv", "metrics.json"),
}
"""What Figures 1, 2 and 3 show of the headline run, whatever the grid's views are."""


def required_files(settings: Settings) -> list[str]:
    """Files that a finished run of this config has, relative to results/<survey>/.

    Returns
    -------
    list of str
        Sorted. Those of a model stand in models/<model>/mask<mask>/seed<seed>/.
    """
    grid, shown = settings.grid, settings.headline
    runs = [
        f"{model}/mask{mask:.2f}/seed{seed}"
        for model in grid.models
        for mask in grid.masks
        for seed in grid.seeds
    ]
    views = [f"image{mask:.2f}-spectrum1.00" for mask in grid.test_masks]
    baselines = [
        f"{name}/mask0.00/seed{grid.seeds[0]}/image0.00-spectrum1.00" for name in grid.baselines
    ]
    headline = f"{shown.model}/mask{shown.mask:.2f}/seed{shown.seed}"
    files = [f"models/{run}/{name}" for run in runs for name in MODEL_FILES]
    files += [
        f"evaluation/{run}/{view}/{name}"
        for run in runs
        for view in views
        for name in ("predictions.csv", "metrics.json", "reconstructions.npz")
    ]
    files += [
        f"evaluation/{baseline}/{name}"
        for baseline in baselines
        for name in ("predictions.csv", "metrics.json")
    ]
    files += [
        f"evaluation/{headline}/{view}/{name}"
        for view, names in FIGURE_VIEWS.items()
        for name in names
    ]
    released = settings.survey.source == "released"
    more = RELEASED_FILES if released else MATCHED_FILES
    files += [f"dataset/{name}" for name in (*DATASET_FILES, *more)]
    files += [f"paper/{name}" for name in PAPER_FILES if not (released and "cleaning" in name)]
    return sorted(set(files))


def workflow_outputs(settings: Settings) -> list[str]:
    """The required files as the workflow's rules name them: a model is a folder."""
    return sorted(
        {
            name.rpartition("/")[0] if name.startswith("models/") else name
            for name in required_files(settings)
        }
    )


def packed_files(results: Path, settings: Settings) -> list[str]:
    """Files of a finished run that its archive holds, relative to `results`.

    Parameters
    ----------
    results : Path
        Folder of the survey, results/<survey>.
    settings : Settings

    Returns
    -------
    list of str
        Sorted: the required ones, the other small files of dataset/, all figures and tables.

    Raises
    ------
    InputError
        If a required file is missing.
    """
    required = required_files(settings)
    for name in required:
        if not (results / name).is_file():
            raise InputError(
                results / name,
                found="no such file",
                expected="a finished run (snakemake --cores 2 archive finishes it first)",
            )
    extra = [p for p in (results / "dataset").iterdir() if p.is_file() and p.suffix in SMALL]
    for folder in ("paper/figures", "paper/tables"):
        extra += [path for path in (results / folder).iterdir() if path.is_file()]
    names = {path.relative_to(results).as_posix() for path in extra if path.name[0] != "."}
    return sorted({*required, *names})
