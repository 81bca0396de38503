"""Which files of a run an archive holds: all but images, spectra and arrays."""

from pathlib import Path

from mmae.errors import InputError
from mmae.settings import Settings
from mmae.settings.models import KINDS, can_do
from mmae.workflow import runs

RESTORED = ("dataset/", "evaluation/")
"""Folders of an archive from which figures and tables are made."""
DESCRIPTION = ("model.json", "history.csv")
NETWORK_FILES = ("weights.safetensors", *DESCRIPTION)
ESTIMATOR_FILES = ("regressor.skops", *DESCRIPTION)
PREDICTED = ("predictions.csv", "validation.csv")
DATASET_FILES = ("split.npz", "summary.csv")
MATCHED_FILES = ("crossmatch.csv", "cleaning.csv", "removed.csv")
"""Of dataset/ where pairs were matched and cleaned; the released dataset has none of these."""
RELEASED_FILES = ("authors_split.csv",)
"""Of dataset/ where the released dataset was used."""
SMALL = (".csv", ".json", ".npz")
"""Files of dataset/ that are counts and lists, and neither images nor arrays."""
PAPER_FILES = {
    "figures/figure_1.pdf": "A low-redshift galaxy, 75% of both modalities hidden",
    "figures/figure_2.pdf": "High redshift, the spectrum hidden entirely",
    "figures/figure_3.pdf": "Redshift from images alone",
    "figures/history.pdf": "How the trainings went",
    "figures/masking.pdf": "Scatter and reconstruction by mask ratio, training and test",
    "figures/missing.pdf": "Bands, arms and pixels missing in the test",
    "figures/reconstruction.pdf": "How well hidden parts are reconstructed",
    "figures/comparison.pdf": "Every model on the same galaxies, with intervals",
    "figures/uncertainty.pdf": "Are the models as sure as they should be?",
    "figures/unpaired.pdf": "Do images without a spectrum help?",
    "figures/embeddings.pdf": "What the embeddings hold",
    "tables/table_1.csv": "What both surveys and the dataset hold",
    "tables/cleaning.csv": "What each cut removed",
    "tables/comparison.csv": "Every model, and published values beside",
}
"""All figures and tables and what they show, of which `paper_files` are those of a config."""


def paper_files(settings: Settings) -> list[str]:
    """Figures and tables that `rule all` makes, relative to results/<survey>/paper/."""
    is_there = {
        "tables/cleaning.csv": settings.survey.source != "released",
        "figures/missing.pdf": bool(runs.missing(settings)),
        "figures/unpaired.pdf": bool(runs.unpaired(settings)),
    }
    return [name for name in PAPER_FILES if is_there.get(name, True)]


def required_files(settings: Settings) -> list[str]:
    """Files that a finished run of this config has, relative to results/<survey>/.

    Returns
    -------
    list of str
        Sorted. Those of a model stand in models/<model>/mask<mask>/seed<seed>/.
    """
    files = [
        f"models/{run.folder}/{name}"
        for run in runs.trained(settings)
        for name in _model_files(settings, run)
    ]
    files += [
        f"evaluation/{view.folder}/{name}"
        for views, names in (
            (runs.predicted(settings), ("speed.json",)),
            (runs.scored(settings), (*PREDICTED, "metrics.json")),
            (runs.probed(settings), ("embeddings.npz",)),
            (runs.measured(settings), ("reconstruction.csv",)),
            (runs.pictured(settings), ("reconstructions.npz",)),
        )
        for view in views
        for name in names
    ]
    files += [f"evaluation/{run.folder}/cost.json" for run in runs.trained(settings)]
    files += [f"evaluation/{run.folder}/study.csv" for run in runs.studied(settings)]
    files += ["evaluation/histories.csv", "evaluation/trainings.csv"]
    released = settings.survey.source == "released"
    more = RELEASED_FILES if released else MATCHED_FILES
    files += [f"dataset/{name}" for name in (*DATASET_FILES, *more)]
    files += [f"paper/{name}" for name in paper_files(settings)]
    return sorted(set(files))


def _model_files(settings: Settings, run: runs.Run) -> tuple[str, ...]:
    """Files of a trained model that are sure to be there: a user's own kind may hold either."""
    model = settings.models[run.model]
    if model.kind not in KINDS or not _with_weights(settings, run):
        return DESCRIPTION
    trained = can_do(model).fitted_by == "gradient"
    return NETWORK_FILES if trained else ESTIMATOR_FILES


def _with_weights(settings: Settings, run: runs.Run) -> bool:
    """Whether an archive holds a model, beside what it was and how it was trained."""
    return settings.archived_weights == "all" or run == runs.headline(settings)


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
    trained = (run for run in runs.trained(settings) if _with_weights(settings, run))
    models = [f"models/{run.folder}" for run in trained]
    for folder in ("paper/figures", "paper/tables", *models):
        extra += [path for path in (results / folder).iterdir() if path.is_file()]
    names = {path.relative_to(results).as_posix() for path in extra if path.name[0] != "."}
    return sorted({*required, *names})
